"""Test NUMCRC_PERF: perf finds the names of kernels, and no other user's file is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import run_python

from numcrc.jit import linker, target

pytestmark = pytest.mark.skipif(
    not linker.takes_images(target.host().triple), reason="has object files, not images"
)

NAMED = """
import os
import numcrc
from numcrc.jit import engine, linker, target

def named(pid):
    path = f"/tmp/perf-{pid}.map"
    with open(path) as file:
        lines = [line.split() for line in file]
    found = os.stat(path)
    os.unlink(path)
    assert (found.st_mode & 0o7777, found.st_uid) == (0o600, os.geteuid())
    for name in ("CRC-32/ISCSI", "CRC-16/ARC"):
        plan = engine.plan_of(numcrc.algorithms[name].model)
        (entry,) = [line for line in lines if line[2] == f"numcrc_{plan.name}"]
        start, size = int(entry[0], 16), int(entry[1], 16)
        assert start <= engine.function_address(plan) < start + size
    return len(lines)

assert numcrc.crc32c(b"123456789") == 0xE3069283
assert numcrc.algorithms["CRC-16/ARC"](b"123456789") == 0xBB3D
"""
ON = {"NUMCRC_PERF": "1"}


def lines(code: str, *, flags: tuple[str, ...] = (), **env: str) -> list[str]:
    done = run_python(code, flags=flags, **env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("folder", [None, "/dev/null"], ids=["cached", "no folder"])
def test_kernels_are_named(folder):
    env = ON | ({"NUMCRC_CACHE_DIR": folder} if folder else {})
    assert lines("import os; os.umask(0)\n" + NAMED + "print(named(os.getpid()))", **env) == ["2"]


@pytest.mark.parametrize("value", ["", "0", None])
def test_nothing_is_written_without_the_setting(value):
    code = NAMED + "print(os.path.exists(f'/tmp/perf-{os.getpid()}.map'))"
    assert lines(code, **({} if value is None else {"NUMCRC_PERF": value})) == ["False"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_names_the_kernels_of_its_parent():
    code = """
if not os.fork():
    assert named(os.getpid()) == 2
    numcrc.algorithms["CRC-82/DARC"](b"x")
    assert os.path.getsize(f"/tmp/perf-{os.getpid()}.map")
    os.unlink(f"/tmp/perf-{os.getpid()}.map")
    os._exit(0)
print(os.wait()[1], named(os.getpid()))
"""
    assert lines(NAMED + code, **ON) == ["0 2"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python names its functions since 3.12")
def test_python_writes_the_same_file():
    code = "print(named(os.getpid()) > 2)"
    assert lines(NAMED + code, flags=("-X", "perf"), **ON) == ["True"]


HOSTILE = {
    "link": "victim.write_text('kept'); path.symlink_to(victim)",
    "second link": "victim.write_text('kept'); os.link(victim, path)",
    "FIFO": "victim.write_text('kept'); os.mkfifo(path)",
    "folder": "victim.write_text('kept'); path.mkdir()",
    "another user's": "victim.write_text('kept'); path.write_text('kept'); os.chown(path, 1, 1)",
}
REPORT = """
import os, pathlib, warnings
victim = pathlib.Path(os.environ["VICTIM"])
path = pathlib.Path(f"/tmp/perf-{os.getpid()}.map")
try:
    PREPARE
    before = path.lstat()[:7]  # without times
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import numcrc
        assert numcrc.crc32c(b"123456789") == 0xE3069283
        assert numcrc.algorithms["CRC-16/ARC"](b"123456789") == 0xBB3D
    assert victim.read_text() == "kept"
    assert path.lstat()[:7] == before
finally:
    path.rmdir() if path.is_dir() else path.unlink()
print(*[warning.message for warning in caught], sep="; ")
"""


@pytest.mark.parametrize("how", HOSTILE)
def test_files_of_others_are_not_touched(how, tmp_path):
    if how == "another user's" and os.geteuid():
        pytest.skip("needs root")
    if how == "second link" and tmp_path.stat().st_dev != os.stat("/tmp").st_dev:
        pytest.skip("needs a folder on the file system of /tmp")
    code = REPORT.replace("PREPARE", HOSTILE[how])
    (line,) = lines(code, VICTIM=str(tmp_path / "victim"), **ON)
    assert line.startswith("cannot name kernels for perf in /tmp/perf-")
    assert ";" not in line


BUSY = """
import os
import numcrc
data = bytes(1 << 20)
for _ in range(1000):
    numcrc.crc32c(data)
print(os.getpid())
"""


@pytest.mark.skipif(shutil.which("perf") is None, reason="needs perf")
def test_perf_finds_the_names(tmp_path):
    command = ["perf", "record", "-q", "-e", "cpu-clock", "-o", str(tmp_path / "data")]
    done = subprocess.run(
        [*command, sys.executable, "-c", BUSY],
        env=os.environ | ON,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"perf does not record here: {done.stderr.strip()}")
    path = Path(f"/tmp/perf-{done.stdout.strip()}.map")
    try:
        found = subprocess.run(
            ["perf", "report", "-i", str(tmp_path / "data"), "--stdio", "-F", "symbol"],
            capture_output=True,
            text=True,
            check=True,
        )
        (name,) = [line.split()[2] for line in path.read_text().splitlines()]
    finally:
        path.unlink()
    assert name in found.stdout
