"""Test `numcrc.files`: all kinds of sources, threads, progress, and files that change."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import random
import tempfile
import threading
import zlib

import pytest
from support import ARMED, run_python

import numcrc
from numcrc import files
from numcrc.crc import reference
from numcrc.files import PIECE, WHOLE, FileChangedError, checksum
from numcrc.threads import thread_count

CRC32 = numcrc.algorithms["CRC-32/ISO-HDLC"]
CRC32C = numcrc.algorithms["CRC-32/ISCSI"]
DATA = random.Random(9).randbytes(3 * PIECE + 12345)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def small_chunks(monkeypatch):
    """Let threads share a file of the size of DATA."""
    monkeypatch.setattr(files, "LARGE", 0)
    monkeypatch.setattr(files, "CHUNK", 100_000)
    monkeypatch.setattr(files, "PIECE", 30_000)


def crc32(source, **options):
    return checksum([CRC32], source, **options)[0]


def test_lengths(tmp_path):
    for size in (
        0,
        1,
        WHOLE - 1,
        WHOLE,
        WHOLE + 1,
        PIECE - 1,
        PIECE,
        PIECE + 1,
        2 * PIECE,
        len(DATA),
    ):
        path = tmp_path / str(size)
        path.write_bytes(DATA[:size])
        assert crc32(path) == zlib.crc32(DATA[:size])


def test_kinds_of_paths(path):
    expected = zlib.crc32(DATA)
    assert crc32(str(path)) == crc32(os.fsencode(path)) == crc32(path) == expected


def test_several_crcs_in_one_read(tmp_path, monkeypatch):
    path = tmp_path / "small"
    path.write_bytes(DATA[:1000])
    crcs = [numcrc.algorithms[name] for name in ("CRC-32", "CRC-32C", "CRC-16/ARC", "CRC-82/DARC")]
    expected = [crc(DATA[:1000]) for crc in crcs]
    assert expected == [reference.crc(crc.model, DATA[:1000]) for crc in crcs]
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda *args: opened.append(args) or real(*args))
    assert checksum(crcs, path) == expected
    assert len(opened) == 1


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_agree(path, threads, small_chunks):
    crcs = [CRC32, CRC32C, numcrc.algorithms["CRC-16/XMODEM"]]
    assert checksum(crcs, path, threads) == [crc(DATA) for crc in crcs]


@pytest.mark.parametrize("buffering", [0, -1])
def test_file_object_is_read_to_its_end(path, buffering):
    with open(path, "rb", buffering) as file:
        file.seek(1000)
        assert crc32(file) == zlib.crc32(DATA[1000:])
        assert file.tell() == len(DATA)
        assert crc32(file) == 0


def test_compressed_file(tmp_path):
    with gzip.open(tmp_path / "gz", "wb", compresslevel=0) as file:
        file.write(DATA)
    with gzip.open(tmp_path / "gz") as file:
        assert crc32(file) == zlib.crc32(DATA)


def test_object_with_only_read():
    class Source:
        read = io.BytesIO(DATA).read

    assert crc32(Source()) == zlib.crc32(DATA)


def test_file_object_that_is_also_a_path(path):
    class Source(io.BytesIO):
        def __fspath__(self):
            return str(path)

    assert crc32(Source(b"abc")) == zlib.crc32(b"abc")


MODE = "^the file must be opened in binary mode, not text mode$"


@pytest.mark.parametrize("text", ["", "abc"])
def test_text_mode_is_refused(text, tmp_path):
    """Before anything is read, also where a wrapper passes readinto on to a binary file."""
    path = tmp_path / "text"
    path.write_text(text)

    class Delegating(io.BytesIO):
        encoding = "utf-8"

    class Read:
        read = io.StringIO(text).read

    with (
        open(path) as file,
        open(path, newline="") as other,
        open(path, "rb") as binary,
        tempfile.NamedTemporaryFile("w+") as named,
        tempfile.SpooledTemporaryFile(mode="w+") as spooled,
    ):
        utf_8 = codecs.lookup("utf-8")
        coded = codecs.StreamReaderWriter(binary, utf_8.streamreader, utf_8.streamwriter)
        texts = (io.StringIO(text), Delegating(text.encode()))
        for source in (file, other, coded, named, spooled, *texts):
            done = []
            with pytest.raises(TypeError, match=MODE):
                crc32(source, progress=lambda *at, done=done: done.append(at))
            assert not done
        assert file.read() == text
    with pytest.raises(TypeError, match=MODE):
        crc32(Read())


def test_wrappers_in_binary_mode():
    with tempfile.NamedTemporaryFile() as named, tempfile.SpooledTemporaryFile() as spooled:
        for file in (named, spooled):
            file.write(DATA)
            file.seek(0)
            assert crc32(file) == zlib.crc32(DATA)


def test_read_that_has_no_data_yet():
    """None is not the end, and not empty data."""

    class Source:
        def __init__(self, *results):
            self.results = iter(results)

        def read(self, size):
            return next(self.results)

    for results in ((None,), (b"abc", None)):
        with pytest.raises(BlockingIOError, match="no data yet"):
            crc32(Source(*results))
    assert crc32(Source(b"abc", b"")) == zlib.crc32(b"abc")
    with pytest.raises(TypeError, match="bytes-like"):
        crc32(Source(5, b""))


@pytest.mark.parametrize("count", [-1, -PIECE, PIECE + 1])
def test_readinto_with_an_impossible_result(count):
    results = iter([count, 0])

    class Source:
        def readinto(self, buffer):
            return next(results)

    with pytest.raises(OSError, match=rf"readinto\(\) returned {count} for a buffer of {PIECE}"):
        crc32(Source())


@pytest.mark.parametrize("source", [None, 3, 1.5, [b"abc"]])
def test_other_sources_are_refused(source):
    with pytest.raises(TypeError):
        crc32(source)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("size", [0, 5, WHOLE, len(DATA)])
def test_named_pipe(tmp_path, size):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(DATA[:size],), daemon=True)
    writer.start()
    seen = []
    assert crc32(path, progress=lambda *at: seen.append(at)) == zlib.crc32(DATA[:size])
    writer.join()
    if size > WHOLE:
        assert seen[-1] == (size, None)


def test_non_blocking_pipe_without_data():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with (
        open(reading, "rb", buffering=0) as file,
        open(writing, "wb"),
        pytest.raises(BlockingIOError),
    ):
        crc32(file)


@pytest.mark.parametrize("name", ["/proc/version", "/proc/kallsyms", "/sys/kernel/notes"])
def test_pseudo_files_with_a_wrong_size(name):
    try:
        with open(name, "rb") as file:
            expected = zlib.crc32(file.read())
    except OSError:
        pytest.skip("cannot be read here")
    assert crc32(name) == expected


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        crc32(tmp_path / "none")
    with pytest.raises((IsADirectoryError, PermissionError)) as caught:
        crc32(tmp_path)
    assert caught.value.filename == tmp_path


@pytest.mark.parametrize(
    ("threads", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_bad_threads(path, threads, error):
    with pytest.raises(error):
        crc32(path, threads=threads)


def test_thread_count(monkeypatch):
    monkeypatch.delenv("NUMCRC_NUM_THREADS", raising=False)
    everything = thread_count()
    assert everything >= 1
    assert thread_count(everything + 7) == everything + 7
    monkeypatch.setenv("NUMCRC_NUM_THREADS", "1")
    assert thread_count() == 1
    assert thread_count(3) == 3
    monkeypatch.setenv("NUMCRC_NUM_THREADS", "100000")
    assert thread_count() == everything
    for bad in ("0", "-1", "many"):
        monkeypatch.setenv("NUMCRC_NUM_THREADS", bad)
        with pytest.raises(ValueError, match="NUMCRC_NUM_THREADS"):
            thread_count()


@pytest.mark.parametrize("threads", [1, 3])
def test_progress(path, threads, small_chunks):
    seen = []

    def progress(done, total):
        assert threading.current_thread() is threading.main_thread()
        seen.append((done, total))

    crc32(path, threads=threads, progress=progress)
    assert len(seen) > 10
    assert seen == sorted(set(seen))
    assert seen[-1] == (len(DATA), len(DATA))


def test_progress_of_a_small_file(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"abc")
    seen = []
    crc32(path, progress=lambda *at: seen.append(at))
    assert seen == [(3, 3)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_exception_in_progress_is_raised(path, threads, error, small_chunks, monkeypatch):
    descriptors, calls = [], []
    real = os.open

    def recording_open(*args):
        descriptors.append(real(*args))
        return descriptors[-1]

    def progress(done, total):
        calls.append(done)
        raise error

    monkeypatch.setattr(os, "open", recording_open)
    before = threading.active_count()
    with pytest.raises(error):
        crc32(path, threads=threads, progress=progress)
    assert len(calls) == 1
    assert threading.active_count() == before
    (descriptor,) = descriptors
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def grow(path):
    with open(path, "ab") as file:
        file.write(b"more")


def shrink(path):
    os.truncate(path, len(DATA) // 2)


def rewrite(path):
    with open(path, "r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_changing_file(path, threads, change, small_chunks):
    done = []

    def progress(*at):
        if not done:
            change(path)
        done.append(at)

    with pytest.raises(FileChangedError, match="changed") as caught:
        crc32(path, threads=threads, progress=progress)
    assert isinstance(caught.value, OSError)
    assert caught.value.filename == str(path)


STORM = (
    ARMED
    + """
import faulthandler, zlib
import numcrc
from numcrc import files

faulthandler.dump_traceback_later(120, exit=True)
files.LARGE, files.CHUNK, files.PIECE = 0, 3000, 1000
path, interrupts = {path!r}, 3000
crc, generator = numcrc.algorithms["CRC-32/ISO-HDLC"], random.Random(5)

with open(path, "rb") as file:
    expected = zlib.crc32(file.read())
assert crc.file(path, threads=4) == expected
while interrupts:
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, generator.uniform(1e-6, 1e-3))
        found = crc.file(path, threads=4)
        armed = False
        assert found == expected
    except KeyboardInterrupt:
        interrupts -= 1
    signal.setitimer(signal.ITIMER_REAL, 0)
assert crc.file(path, threads=4) == expected
"""
)


AT_OPEN = """
import os, signal, numcrc

def interrupt(number, frame):
    raise KeyboardInterrupt

crc, me, heard = numcrc.algorithms["crc32"], os.getpid(), 0
crc.file(os.devnull)
signal.signal(signal.SIGALRM, interrupt)
before = os.listdir("/proc/self/fd")
for _ in range(100):
    child = os.fork()
    if not child:
        try:
            writer = os.open({path!r}, os.O_WRONLY)  # lets the parent's os.open return
            os.kill(me, signal.SIGALRM)
        finally:
            os._exit(0)
    try:
        try:
            crc.file({path!r})
        finally:
            os.waitpid(child, 0)
    except KeyboardInterrupt:
        heard += 1
assert heard > 50, heard
assert len(os.listdir("/proc/self/fd")) == len(before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
def test_an_interrupt_just_after_the_file_is_open(tmp_path):
    """Its descriptor is not lost."""
    os.mkfifo(tmp_path / "pipe")
    found = run_python(AT_OPEN.format(path=str(tmp_path / "pipe")))
    assert found.returncode == 0, found.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_storm_of_interrupts_breaks_no_later_file(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(DATA[:60_000])
    process = run_python(STORM.replace("{path!r}", repr(str(path))))
    assert process.returncode == 0, process.stderr


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="needs os.preadv")
def test_read_error_ends_the_other_threads(path, small_chunks, monkeypatch):
    real, read = os.preadv, []

    def preadv(fd, buffers, offset):
        read.append(offset)
        if offset == 0:
            raise OSError("the disk is broken")
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(OSError, match="the disk is broken"):
        crc32(path, threads=3)
    assert len(read) < len(DATA) // files.PIECE // 2
