"""Files are written as a whole or not at all, even if an error or an interrupt comes."""

from __future__ import annotations

import errno
import gzip
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import run_python

from numcrc.store.manifests import read_manifest, write_manifest
from numcrc.store.manifests.output import PARTIAL, written
from numcrc.store.objects import Entry
from store.manifest_support import CRC32C, SUFFIXES, TABLE_NAMES

OLD, NEW = [Entry("old", 1, (CRC32C,))], [Entry("new", 2, (CRC32C,))]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def broken(entries: list[Entry], error: BaseException):
    """Yield *entries*, then raise *error*."""
    yield from entries
    raise error


@pytest.mark.parametrize("suffix", [*SUFFIXES, "sfv"])
@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_a_file_is_replaced_once_the_new_one_is_whole(suffix, error, tmp_path):
    path = tmp_path / f"a.{suffix}"
    many = [Entry(f"{k}", None, (CRC32C._replace(algorithm="crc32"),)) for k in range(2000)]
    write_manifest(path, many[:1])
    before = path.read_bytes()
    with pytest.raises(type(error)):
        write_manifest(path, broken(many, error))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]
    write_manifest(path, many)
    assert list(read_manifest(path)) == many


KILLED = """
import os, signal, sys
from numcrc.store import Entry, write_manifest

def entries():
    for k in range(5000):
        yield Entry(str(k))
    os.kill(os.getpid(), int(sys.argv[1]))

write_manifest(sys.argv[2], entries())
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_leaves_the_old_file(number, tmp_path):
    path = tmp_path / "a.jsonl"
    write_manifest(path, OLD)
    command = [sys.executable, "-c", KILLED, str(int(number)), str(path)]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert done.returncode == -number
    assert list(read_manifest(path)) == OLD
    # The next run takes over the file that was being written.
    assert write_manifest(path, NEW) == 1
    assert list(read_manifest(path)) == NEW
    assert os.listdir(tmp_path) == [path.name]


@posix
def test_permissions_and_links_stay(tmp_path):
    path, link = tmp_path / "a.jsonl", tmp_path / "link"
    write_manifest(path, OLD)
    path.chmod(0o440)
    link.symlink_to(path)
    write_manifest(link, NEW, "jsonl")
    assert link.is_symlink()
    assert list(read_manifest(path)) == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "link"]


@posix
def test_two_runs_do_not_write_one_file(tmp_path):
    path = tmp_path / "a.jsonl"
    with written(path) as file:
        file.write(b"first")
        with pytest.raises(OSError, match=r"another process is writing this file: .*a\.jsonl"):
            write_manifest(path, NEW)
    assert path.read_bytes() == b"first"


@posix
def test_nothing_but_a_file_of_an_earlier_run_is_taken_over(tmp_path):
    path, other = tmp_path / "a.jsonl", tmp_path / "other"
    partial = Path(f"{path}{PARTIAL}")
    other.write_text("precious")
    for make in (partial.symlink_to, partial.hardlink_to):
        make(other)
        with pytest.raises(OSError, match=partial.name):
            write_manifest(path, NEW)
        assert other.read_text() == "precious"
        partial.unlink()
    os.mkfifo(partial)
    with pytest.raises(OSError, match=partial.name):
        write_manifest(path, NEW)


@posix
def test_a_folder_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_manifest(tmp_path, broken([], AssertionError()), "jsonl")


PIPED = """
from numcrc.store import Entry, write_manifest

write_manifest({path!r}, [Entry("a", 1)], {format!r})
"""


@posix
@pytest.mark.parametrize("name", TABLE_NAMES)
def test_a_pipe_is_written_as_a_stream(name, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    command = [sys.executable, "-c", PIPED.format(path=str(path), format=name)]
    with subprocess.Popen(command) as process, open(path, "rb") as pipe:
        (tmp_path / "copy").write_bytes(pipe.read())
    assert process.returncode == 0
    assert list(read_manifest(tmp_path / "copy")) == [Entry("a", 1)]
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="has no /dev/stdout")
@pytest.mark.parametrize("name", ["jsonl", "parquet"])
def test_standard_output_is_appended_to_by_any_name(name, tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"before\n")
    command = [sys.executable, "-c", PIPED.format(path="/dev/stdout", format=name)]
    with open(path, "ab") as out:
        subprocess.run(command, stdout=out, check=True)
    data = path.read_bytes()
    assert data.startswith(b"before\n")
    path.write_bytes(data.removeprefix(b"before\n"))
    assert list(read_manifest(path)) == [Entry("a", 1)]
    assert os.listdir(tmp_path) == ["out"]
    piped = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    path.write_bytes(piped.stdout)
    assert list(read_manifest(path)) == [Entry("a", 1)]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_a_full_disk_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_manifest("/dev/full", NEW, "csv")


def test_an_error_on_the_way_to_the_disk_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"

    def fsync(fd):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=f"Disk quota exceeded: '{path}{PARTIAL}'"):
        write_manifest(path, NEW)
    assert not os.listdir(tmp_path)


def test_a_closed_standard_output_is_an_error():
    code = "import sys; sys.stdout = None\n" + PIPED.format(path="-", format="csv")
    assert "OSError: [Errno 9] Bad file descriptor: 'standard output'" in run_python(code).stderr


def test_parquet_is_not_compressed_twice(tmp_path):
    with pytest.raises(ValueError, match=r"parquet cannot be compressed as a whole: .*a\.par"):
        write_manifest(tmp_path / "a.parquet.gz", NEW)
    assert not os.listdir(tmp_path)


def test_compressed_output_is_one_gzip_member(tmp_path):
    write_manifest(tmp_path / "a.csv.gz", NEW)
    data = gzip.decompress((tmp_path / "a.csv.gz").read_bytes())
    assert data.endswith(b",,,,,,,1\r\n")
    write_manifest(tmp_path / "a.parquet", NEW)
    assert pq.read_metadata(tmp_path / "a.parquet").metadata[b"numcrc rows"] == b"1"
