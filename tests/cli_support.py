"""Write files and feed standard input, for tests of the command line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import suppress

import pytest

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
COMMAND = [sys.executable, "-m", "numcrc"]
MARKS = [
    pytest.mark.usefixtures("folder"),
    # Forking while another test's pool has threads is safe here: a child uses none of them.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def write(path, data=b"123456789"):
    """Write a file, and the folder for it."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def feed(monkeypatch, data):
    """Let standard input be *data*."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def run_in_terminal(*arguments, columns=80):
    """Run numcrc in a terminal of a width, and return what it shows."""
    import fcntl
    import pty
    import struct
    import termios

    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    command = [*COMMAND, *arguments]
    with subprocess.Popen(command, stdout=there, stderr=there, env=environment):
        os.close(there)
        shown = b""
        with suppress(OSError):  # the end of a terminal
            while data := os.read(here, 1 << 16):
                shown += data
    os.close(here)
    return shown
