"""Test runs that are killed, interrupted or very long."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import numcrc
from numcrc import store
from numcrc.store.manifests.output import PARTIAL

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

KILLS = 10
OBJECTS = 800
LARGEST_RSS = 300 << 20

# Run the command line, but pause before it reads a file for the n-th time: write to a pipe, then
# wait for standard input. So tests do not depend on time.
PAUSING = """
import os, sys
from numcrc.cli import main
from numcrc.store.sources.local import LocalSource

pipe, left, fetch = int(sys.argv[1]), int(sys.argv[2]), LocalSource.fetch_together

def pausing(source, wanted):
    global left
    if 0 < left <= len(wanted):
        os.write(pipe, b"paused")
        os.read(0, 1)
    left -= len(wanted)
    return fetch(source, wanted)

LocalSource.fetch_together = pausing
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a folder and a manifest that differs in some files; return arguments that verify it."""
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
    # With little memory, groups have few objects, about 16.
    options = ["--report", "report.jsonl", "--max-in-flight", "128K", "-j", "1"]
    return ["verify", "tree", "--manifest", "sums.jsonl", *options]


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [sys.executable, "-m", "numcrc", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@contextmanager
def paused(arguments: list[str], files: int) -> Iterator[subprocess.Popen[str]]:
    """Run the command line until it is about to read a file for the *files*-th time."""
    reads, writes = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", PAUSING, str(writes), str(files), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[writes],
    ) as process:
        try:
            os.close(writes)
            assert os.read(reads, 6) == b"paused", process.communicate()
            yield process
        finally:
            process.kill()
            os.close(reads)


def lines(path: str | Path) -> int:
    return Path(path).read_bytes().count(b"\n")


def recorded(path: str) -> int:
    """Return the number of results in a state file."""
    return sum(line.startswith(b"[") for line in Path(path).read_bytes().splitlines())


# Workers read files if the bandwidth is limited; otherwise the thread that lists them does.
THREADS = pytest.mark.parametrize("options", [[], ["--bwlimit", "1T"]], ids=["inline", "threads"])


@THREADS
def test_killed_again_and_again(arguments: list[str], options: list[str]) -> None:
    assert run(arguments).returncode == 1
    whole = Path("report.jsonl").read_bytes()
    Path("report.jsonl").unlink()
    arguments += [*options, "--state", "state"]
    generator = random.Random(4)
    for _ in range(KILLS):
        # At least 600 files have the size in the manifest, and are read.
        with paused(arguments, generator.randrange(40, 60)) as process:
            process.kill()
        assert process.returncode == -signal.SIGKILL
    assert recorded("state") < OBJECTS
    if not options:  # each run records at least the groups before the one in which it is killed
        assert recorded("state") > 20 * KILLS
    state = Path("state").read_bytes()
    Path("state").write_bytes(state[: state.rindex(b"\n") - 7])  # as after a crash
    assert run(arguments).returncode == 1
    assert Path("report.jsonl").read_bytes() == whole
    assert recorded("state") == OBJECTS + 1  # none is checked twice


@THREADS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(arguments: list[str], options: list[str], number: signal.Signals) -> None:
    run(arguments)
    whole = Path("report.jsonl").read_bytes()
    arguments += [*options, "--state", "my state"]
    with paused(arguments, 100) as process:
        process.send_signal(number)
        _, err = process.communicate("go on\n", timeout=300)
    assert process.returncode == 128 + number
    partial = Path(f"report.jsonl{PARTIAL}").resolve()
    assert lines(partial) - 1 <= recorded("my state") < OBJECTS - 1
    assert recorded("my state") > 20
    assert whole.startswith(partial.read_bytes())
    assert Path("report.jsonl").read_bytes() == whole
    assert re.search(r"; stopped early; \d+ new results are in the state file; ", err)
    assert f"; the results so far are in {partial}" in err
    hint = err.splitlines()[-1].partition("to go on: numcrc ")[2]
    assert shlex.split(hint) == arguments
    assert run(arguments).returncode == 1
    assert Path("report.jsonl").read_bytes() == whole
    assert not partial.exists()


@THREADS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_manifest_leaves_the_old_one(
    arguments: list[str], options: list[str], number: signal.Signals
) -> None:
    old = list(store.read_manifest("sums.jsonl"))
    arguments = ["manifest", "tree", "-o", "sums.jsonl", "--max-in-flight", "128K", "-j", "1"]
    with paused([*arguments, *options], 100) as process:
        process.send_signal(number)
        _, err = process.communicate("go on\n", timeout=300)
    assert list(store.read_manifest("sums.jsonl")) == old
    killed = number == signal.SIGKILL
    assert process.returncode == (-number if killed else 128 + number)
    assert killed or err.endswith("numcrc: interrupted; sums.jsonl stays as it was\n")
    assert Path(f"sums.jsonl{PARTIAL}").exists() == killed
    assert run(arguments).returncode == 0
    assert not Path(f"sums.jsonl{PARTIAL}").exists()
    assert run(["verify", "tree", "--manifest", "sums.jsonl"]).returncode == 0


def test_two_processes_with_one_state_file(arguments: list[str]) -> None:
    arguments += ["--state", "state"]
    with paused(arguments, 100):
        second = run([*arguments, "--report", "other.jsonl"])
    assert second.returncode == 2
    assert "another process is using this state file" in second.stderr
    assert run(arguments).returncode == 1


LONG = """
import resource, sys
from numcrc import store
from numcrc.store.objects import Checksum, Entry, State

COUNT = 10**6
WRONG = Checksum("crc32c", bytes(4))

class Source:
    url = "fake://"
    listable = True
    local = False
    inventory_prefix = ""

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
