"""Runs that are killed, interrupted or very long."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import numcrc
from numcrc import store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

KILLS = 20
OBJECTS = 800
COMMAND = [sys.executable, "-m", "numcrc"]
LARGEST_RSS = 300 << 20


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a folder and a manifest that some of it contradicts; return how to verify it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(numcrc.__file__).parents[1]))
    tree = tmp_path / "tree"
    tree.mkdir()
    generator = random.Random(3)
    for number in range(OBJECTS):
        (tree / f"{number}\n").write_bytes(generator.randbytes(generator.randrange(8000)))
    store.manifest(tree, "sums.jsonl")
    for number in range(0, OBJECTS, 7):
        (tree / f"{number}\n").write_bytes(b"damage")
    (tree / "5\n").unlink()
    (tree / "new").touch()
    return [*COMMAND, "verify", "tree", "--manifest", "sums.jsonl", "--report", "report.jsonl"]


def lines(path: str) -> int:
    return Path(path).read_bytes().count(b"\n") if Path(path).exists() else 0


def patiently(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_killed_again_and_again(command: list[str]) -> None:
    assert subprocess.run(command, capture_output=True).returncode == 1
    whole = Path("report.jsonl").read_bytes()
    Path("report.jsonl").unlink()
    command += ["--state", "state", "-j", "1"]
    generator = random.Random(4)
    for _ in range(KILLS):
        before = lines("state")
        # So slow that it is killed in its midst; a group of objects takes a quarter of a second.
        with subprocess.Popen([*command, "--bwlimit", "256K"], stderr=subprocess.PIPE) as process:
            patiently(lambda before=before: lines("state") > before)
            time.sleep(generator.random() / 8)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    assert lines("state") < OBJECTS
    state = Path("state").read_bytes()
    Path("state").write_bytes(state[: state.rindex(b"\n") - 7])  # the worst that a crash leaves
    assert subprocess.run(command, capture_output=True).returncode == 1
    assert Path("report.jsonl").read_bytes() == whole
    # What was in flight is all that was done twice: a line each, a header, a line a run.
    assert lines("state") <= OBJECTS + 1 + 1 + KILLS + 1 + 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(command: list[str], number: signal.Signals) -> None:
    subprocess.run(command, capture_output=True)
    whole = Path("report.jsonl").read_bytes()
    command += ["--state", "my state"]
    with subprocess.Popen(
        [*command, "--bwlimit", "1M"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        patiently(lambda: lines("my state") > 20)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert 20 < lines("report.jsonl") == lines("my state") - 1 < OBJECTS
    assert whole.startswith(Path("report.jsonl").read_bytes())
    assert "stopped early" in err
    hint = err.splitlines()[-1].partition("to go on: numcrc ")[2]
    again = subprocess.run([*COMMAND, *shlex.split(hint)[:-2]], capture_output=True)
    assert again.returncode == 1
    assert Path("report.jsonl").read_bytes() == whole


def test_two_processes_with_one_state_file(command: list[str]) -> None:
    command += ["--state", "state"]
    with subprocess.Popen([*command, "--bwlimit", "2M"], stderr=subprocess.DEVNULL) as process:
        patiently(lambda: lines("state") > 5)
        second = subprocess.run(command, capture_output=True, text=True)
        assert process.poll() is None
        process.kill()
    assert second.returncode == 2
    assert "another process is using this state file" in second.stderr
    assert subprocess.run(command, capture_output=True).returncode == 1


LONG = """
import resource, sys
from numcrc import store
from numcrc.store.objects import Checksum, Entry, State

COUNT = 10**6
WRONG = Checksum("crc32c", bytes(4))

class Source:
    url = "fake://"
    listable = True

    def entries(self):
        for number in range(COUNT):
            yield Entry(f"folder/of/many/objects/{number:010}", 5, (), "version", False, True)

    def close(self):
        pass

def expected():
    for number in reversed(range(0, COUNT, 8)):
        yield Entry(f"folder/of/many/objects/{number:010}", 6, (WRONG,))

store.write_manifest("sums.jsonl", expected())
report = store.verify(Source(), manifest="sums.jsonl")
assert report.counts == {State.EXTRA: COUNT * 7 // 8, State.SIZE_MISMATCH: COUNT // 8}, report
if sys.platform == "linux":  # whose ru_maxrss begins with the peak of the parent
    lines = open("/proc/self/status").read().splitlines()
    print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_a_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(numcrc.__file__).parents[1]))
    done = subprocess.run(
        [sys.executable, "-c", LONG], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < LARGEST_RSS
