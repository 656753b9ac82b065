"""Runs that are killed at random moments: no process, no partial file, and no result is lost.

``NUMCRC_ACCEPTANCE=full`` makes it 50 kills of each kind.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import numcrc
from numcrc import store
from numcrc.store.manifests.output import PARTIAL

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

KILLS = 50 if os.environ.get("NUMCRC_ACCEPTANCE") == "full" else 4
FILES = 1500
SIGNALS = pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of small files and a large one, and a manifest that some contradict."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(numcrc.__file__).parents[1]))
    folder = tmp_path / "tree"
    folder.mkdir()
    generator = random.Random(9)
    (folder / "0 large").write_bytes(generator.randbytes(40 << 20))
    for number in range(FILES):
        (folder / f"{number:04}").write_bytes(generator.randbytes(generator.randrange(3000)))
    store.manifest(folder, "sums.jsonl")
    for number in range(0, FILES, 9):
        (folder / f"{number:04}").write_bytes(b"damage")
    (folder / "0005").unlink()
    return folder


class Command:
    """A command that is killed at random moments."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = [sys.executable, "-m", "numcrc", *arguments]
        self._generator = random.Random(10)
        began = time.monotonic()
        self.status = self.run()
        self.longest = time.monotonic() - began

    def run(self, number: int | None = None) -> int:
        """Run the command, kill it if *number* is given, and return its exit status.

        No process is left of it, and it ends soon after the signal.
        """
        with subprocess.Popen(
            self._arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                if number is not None:
                    time.sleep(self._generator.uniform(0, self.longest))
                    process.send_signal(number)
                    return process.wait(60)
                return process.wait(300)
            finally:
                process.kill()
                process.wait()
                with pytest.raises(ProcessLookupError):
                    os.killpg(process.pid, 0)

    def kill(self, number: int) -> bool:
        """Kill it; return whether it had ended before. Its exit status says which."""
        status = self.run(number)
        assert status in (-number, 128 + number, self.status)
        return status == self.status


@SIGNALS
def test_manifest(tree: Path, number: int) -> None:
    command = Command("manifest", "tree", "-o", "made.jsonl", "-q")
    new = Path("made.jsonl").read_bytes()
    before = sorted(os.listdir())
    old = Path("sums.jsonl").read_bytes()
    for _ in range(KILLS):
        Path("made.jsonl").write_bytes(old)
        command.kill(number)
        assert Path("made.jsonl").read_bytes() in (old, new)
        left = set(os.listdir()) - set(before)
        assert left <= ({f"made.jsonl{PARTIAL}"} if number == signal.SIGKILL else set())
    assert command.run() == 0
    assert Path("made.jsonl").read_bytes() == new
    assert sorted(os.listdir()) == before


@SIGNALS
def test_verify_with_a_state(tree: Path, number: int) -> None:
    """The resumed report is that of a run that was not killed, byte for byte."""
    options = ["--manifest", "sums.jsonl", "--report", "report.jsonl", "-q"]
    assert Command("verify", "tree", *options).status == 1
    whole = Path("report.jsonl").read_bytes()
    before = sorted(os.listdir())
    command = Command("verify", "tree", *options, "--state", "state")
    Path("state").unlink()
    for _ in range(KILLS):
        Path("report.jsonl").write_bytes(b"old\n")
        ended = command.kill(number)
        assert Path("report.jsonl").read_bytes() in (b"old\n", whole)
        left = set(os.listdir()) - set(before)
        assert left <= {"state", f"report.jsonl{PARTIAL}"}
        if ended:
            Path("state").unlink()  # from the beginning again
    assert command.run() == command.status == 1
    assert Path("report.jsonl").read_bytes() == whole
    assert sorted(os.listdir()) == sorted([*before, "state"])
