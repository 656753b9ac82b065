"""Test ``numcrc cache`` and ``numcrc warm``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from cli_support import COMMAND, POSIX, run_in_terminal

import numcrc
from numcrc.jit import cache

pytestmark = pytest.mark.usefixtures("folder")
KERNELS = ["wide", "wide-records", "collect", "release"]
"""Those of CRC-82/DARC, which compile fastest."""


def numcrc_with(place: Path, *arguments: str, **env: str) -> tuple[int, str, str]:
    """Run a command with its cache in *place*; return its status, output and errors."""
    found = subprocess.run(
        [*COMMAND, *arguments],
        env=os.environ | {"NUMCRC_CACHE_DIR": str(place)} | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return found.returncode, found.stdout, found.stderr


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `KERNELS`."""
    place = tmp_path_factory.mktemp("warm") / "cache"
    root = os.path.dirname(os.path.dirname(numcrc.__file__))
    expected = "".join(f"{name}: stored\n" for name in KERNELS)
    assert numcrc_with(place, "warm", "crc-82/darc", PYTHONPATH=root) == (0, expected, "")
    return place


# numcrc cache


def test_a_list(warm):
    status, out, err = numcrc_with(warm, "cache")
    assert (status, err) == (0, "")
    folder, limit, total, *lines = out.splitlines()
    sizes = [path.stat().st_size for path in warm.iterdir()]
    assert folder == f"folder: {warm}"
    assert limit == "limit: 268435456 bytes"
    assert total == f"total: {len(sizes)} files, {sum(sizes)} bytes"
    assert sorted(int(line.split()[0]) for line in lines) == sorted(sizes)
    for name in KERNELS:
        assert sum(f"  {name}, " in line for line in lines) == 1
    assert all(f"numcrc {numcrc.__version__}" in line for line in lines if "wide" in line)


def test_a_list_as_json(warm):
    status, out, err = numcrc_with(warm, "cache", "--json", NUMCRC_CACHE_SIZE="1000000")
    assert (status, err) == (0, "")
    report = json.loads(out)
    paths = {path.name: path.stat() for path in warm.iterdir()}
    assert report["folder"] == str(warm)
    assert report["limit"] == 1_000_000
    assert report["bytes"] == sum(found.st_size for found in paths.values())
    assert {file["name"]: file["bytes"] for file in report["files"]} == {
        name: found.st_size for name, found in paths.items()
    }
    for file in report["files"]:
        assert datetime.fromisoformat(file["used"]).timestamp() == int(paths[file["name"]].st_mtime)
    assert {file["contents"].partition(",")[0] for file in report["files"]} >= set(KERNELS)


def test_an_unusable_file_in_a_list(tmp_path):
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    data = cache.packed(bytes(32), b"body", "red \x1b[31m")
    (place / f"{'00' * 32}.kernel").write_bytes(data)
    (place / f"{'01' * 32}.kernel").write_bytes(data)
    _, out, err = numcrc_with(place, "cache")
    shown = {line.split("  ")[-1] for line in out.splitlines()[3:]}
    assert "unusable" in shown
    assert "\x1b" not in out
    assert err == f"numcrc: {'01' * 32}: damaged, compiled again\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs names of any bytes")
def test_a_folder_with_a_name_of_any_bytes(tmp_path):
    place = tmp_path / os.fsdecode(b"red \x1b[31m \xff")
    place.mkdir(mode=0o700)
    path = place / f"{'00' * 32}.kernel"
    path.write_bytes(cache.packed(bytes(32), b"body", "a label"))
    status, out, err = numcrc_with(place, "cache", PYTHONIOENCODING="utf-8:strict")
    assert (status, err) == (0, "")
    folder, _, _, line = out.splitlines()
    assert folder == f"folder: {str(place)!r}"
    assert line.endswith("  a label")
    place.chmod(0o777)
    assert "\x1b" not in numcrc_with(place, "cache")[2]
    assert "\x1b" not in numcrc_with(place, "warm", "crc-82/darc")[2]


def test_times_that_have_no_date(monkeypatch, run):
    """Some file systems have later years than 9999."""
    monkeypatch.setattr(cache, "contents", lambda: [("a", 1, 1e14, "label")])
    status, out, err = run("cache")
    assert (status, out.splitlines()[3:], err) == (0, ["        1  unknown  label"], "")


def test_a_folder_that_is_not_there_yet(tmp_path):
    place = tmp_path / "cache"
    expected = f"folder: {place}\nlimit: 268435456 bytes\ntotal: 0 files, 0 bytes\n"
    assert numcrc_with(place, "cache") == (0, expected, "")
    assert numcrc_with(place, "cache", "--clear") == (0, "removed 0 files, 0 bytes\n", "")
    assert not place.exists()


def test_clear(tmp_path):
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    (place / "notes.txt").touch()
    (place / f"{'00' * 32}.kernel").write_bytes(cache.packed(bytes(32), b"body"))
    size = cache.HEADER_SIZE + 4
    assert numcrc_with(place, "cache", "--clear") == (0, f"removed 1 files, {size} bytes\n", "")
    assert [path.name for path in place.iterdir()] == ["notes.txt"]


@POSIX
def test_a_folder_that_is_not_used(tmp_path):
    tmp_path.chmod(0o777)
    place = tmp_path / "cache"
    place.mkdir()
    (place / f"{'00' * 32}.kernel").write_bytes(cache.packed(bytes(32), b"body"))
    for arguments in (["cache"], ["cache", "--clear"]):
        status, _, err = numcrc_with(place, *arguments)
        assert status == 3
        assert err == f"numcrc: {tmp_path}: other users can write to it\n"
    assert list(place.iterdir())
    assert json.loads(numcrc_with(place, "cache", "--json")[1])["folder"] is None


# numcrc warm


def test_what_is_stored_is_used(warm):
    before = {path: path.stat().st_mtime_ns for path in warm.iterdir()}
    expected = "".join(f"{name}: already stored\n" for name in KERNELS)
    assert numcrc_with(warm, "warm", "crc-82/darc") == (0, expected, "")
    code = """
import sys, numcrc
crc = numcrc.algorithms["crc-82/darc"]
data = b"123456789"
assert crc(data) == crc.rows(memoryview(data)) == crc.batch([data])[0] == crc.check
print(crc.segments(data, [0, 9])[0] == crc.check, "llvmlite" in sys.modules)
"""
    found = subprocess.run(
        [COMMAND[0], "-c", code],
        env=os.environ | {"NUMCRC_CACHE_DIR": str(warm)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.stdout == "True False\n", found.stderr
    assert {path: path.stat().st_mtime_ns for path in warm.iterdir()} == before


def test_the_kernels_of_an_algorithm():
    """Every form, and each kernel once."""
    from numcrc.cli import warm
    from numcrc.jit import engine

    plans = warm._plans(numcrc.algorithms["crc32c"].model)
    assert [plan.form for plan in plans[:3]] == ["call", "records", "raw"]
    assert plans[0] == engine.plan_of(numcrc.algorithms["crc32c"].model)
    assert [plan.name for plan in plans[3:]] == ["zeros", "zeros_many", "join", *KERNELS[2:]]
    assert len(warm._models("all")) == 113


@POSIX
def test_what_cannot_be_stored(tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "cache"
    status, out, err = numcrc_with(place, "warm", "crc-82/darc")
    assert status == 1
    assert out == "".join(f"{name}: cannot be stored\n" for name in KERNELS)
    assert err.startswith("numcrc: cache folder: none; [Errno 20] Not a directory: ")


def test_wrong_usage(run):
    status, out, err = run("warm", "crc-32-castangoli")
    assert (status, out) == (2, "")
    assert "no CRC algorithm is called" in err
    assert run("cache", "clear")[0] == 2


@POSIX
def test_a_terminal(warm, monkeypatch):
    monkeypatch.setenv("NUMCRC_CACHE_DIR", str(warm))
    shown = run_in_terminal("warm", "crc-82/darc").decode()
    assert [line for line in shown.splitlines() if line] == [
        f"{name}: already stored" for name in KERNELS
    ]


@POSIX
def test_an_interrupt(tmp_path):
    place = tmp_path / "cache"
    environment = os.environ | {"NUMCRC_CACHE_DIR": str(place)}
    command = [*COMMAND, "warm", "all"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().endswith(": stored\n")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert not err
    assert list(place.glob("*.kernel"))


def test_a_setting_that_is_not_used_is_said_to_be(tmp_path):
    status, out, errors = numcrc_with(tmp_path, "cache", NUMCRC_CACHE_SIZE="1G")
    assert (status, out.splitlines()[1]) == (0, "limit: 268435456 bytes")
    assert errors == "numcrc: NUMCRC_CACHE_SIZE: expected a number of bytes, got '1G'\n"
