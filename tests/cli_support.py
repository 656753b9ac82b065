"""Write files and feed standard input, for tests of the command line."""

from __future__ import annotations

import io
import os
import sys

import pytest

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
COMMAND = [sys.executable, "-m", "numcrc"]


def write(path, data=b"123456789"):
    """Write a file, and the folder for it."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def feed(monkeypatch, data):
    """Let standard input be *data*."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
