"""Compute several CRCs of a file in one read, large files in several threads."""

from __future__ import annotations

import errno
import os
import stat
from _thread import get_ident
from collections import deque
from io import FileIO, TextIOBase
from itertools import chain

from numcrc.threads import share, thread_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Protocol, TypeAlias

    AnyPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
    Progress: TypeAlias = Callable[[int, int | None], object]
    Sums: TypeAlias = tuple[int, list[int]]  # the length and the CRCs

    class Crc(Protocol):
        """A CRC algorithm."""

        def __call__(self, data: Any, value: int | None = None, /) -> int:
            """Return the CRC of *data*, continuing from the CRC *value* of the bytes before."""

        def combine(self, crc1: int, crc2: int, len2: int, /) -> int:
            """Return the CRC of A + B from the CRCs of A and B and the length of B."""


PIECE = 512 << 10
"""Bytes that one system call reads: few enough to stay in the second-level cache until their
CRCs are computed, enough to hide the cost of the call."""
WHOLE = 64 << 10
"""Bytes up to which one system call reads a whole file, so that no change can come between."""
CHUNK = 16 << 20
"""Bytes that a thread takes at a time."""
LARGE = 64 << 20
"""Bytes of a file from which several threads pay off."""

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


class FileChangedError(OSError):
    """A file changed while it was being read."""


def checksum(
    crcs: Sequence[Crc],
    source: Any,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[int]:
    """Return the CRCs of a file, which is read once.

    Parameters
    ----------
    crcs
        The algorithms.
    source
        A path, or a file object in binary mode, which is read from its current position to its
        end.
    threads
        The number of threads for a large file; by default one for each CPU that
        the process may use, at most ``NUMCRC_NUM_THREADS``.
    progress
        Called in this thread with the bytes done and the bytes in total, None if that is
        unknown. An exception in it ends the call.

    Raises
    ------
    TypeError
        *source* is a file object in text mode.
    BlockingIOError
        A non-blocking file object has no data yet.
    FileChangedError
        A regular file changes while it is being read.
    """
    return Reader(crcs, threads, progress).read(source)[1]


class Reader:
    """Computes several CRCs of each file, one file after another.

    It reuses its buffer, so only one thread at a time may use it.
    """

    def __init__(
        self, crcs: Sequence[Crc], threads: int | None = None, progress: Progress | None = None
    ) -> None:
        self._crcs = tuple(crcs)
        self._threads = thread_count(threads)
        self._progress = progress
        self._empty = [crc(b"") for crc in self._crcs]
        self._piece: memoryview | None = None

    def read(self, source: Any) -> Sums:
        """Return the length and the CRCs of *source*, a path or a file object in binary mode."""
        # A file object that is also a path, as fsspec's are, counts as a file object.
        if not isinstance(source, (str, bytes)):
            if _is_text(source):
                raise TypeError(_TEXT)
            if hasattr(source, "readinto"):
                return self._drain(self._filled(source.readinto), None)
            if hasattr(source, "read") and not isinstance(source, os.PathLike):
                return self._drain(_blocks(source.read), None)
        return self.path(source)

    def path(self, path: AnyPath) -> Sums:
        """Return the length and the CRCs of the file at *path*."""
        # Unpacked: an interrupt that comes just after a call would lose its result.
        (fd,) = map(os.open, (path,), (_FLAGS,))
        try:
            try:
                data = os.read(fd, WHOLE)
            except OSError as error:  # of a folder, for one
                error.filename = path
                raise
            more = os.read(fd, 1)
            if not more:
                if self._progress is not None:
                    self._progress(len(data), len(data))
                return len(data), [crc(data) for crc in self._crcs]
            before = os.fstat(fd)
            pieces = self._filled(FileIO(fd, closefd=False).readinto)
            if not stat.S_ISREG(before.st_mode):
                return self._drain(chain((data, more), pieces), None)
            # Read from the start again, so that all of it is read between the two calls of fstat.
            size = before.st_size
            threads = min(self._threads, -(-size // CHUNK))
            if size >= LARGE and threads > 1 and hasattr(os, "preadv"):
                sums = self._share(fd, size, threads)
            else:
                os.lseek(fd, 0, os.SEEK_SET)
                sums = self._drain(pieces, size)
            _check_same(path, before, os.fstat(fd), sums[0])
            return sums
        finally:
            os.close(fd)

    def _share(self, fd: int, size: int, threads: int) -> Sums:
        """Read a large file in *threads*, chunk by chunk, and combine the CRCs in order."""
        offsets, caller = deque(range(0, size, CHUNK)), get_ident()
        found: dict[int, Sums] = {}
        done, position, values = 0, 0, self._empty

        def combine() -> None:
            """Combine what is found of the chunks that come next, and report progress."""
            nonlocal done, position, values
            while (chunk := found.pop(position, None)) is not None:
                count, parts = chunk
                values = [
                    crc.combine(whole, part, count)
                    for crc, whole, part in zip(self._crcs, values, parts, strict=True)
                ]
                done += count
                position += CHUNK
                if self._progress is not None:
                    self._progress(done, size)

        def work(limit: int) -> int:
            buffer = memoryview(bytearray(PIECE))
            for count in range(limit):
                try:
                    offset = offsets.popleft()
                except IndexError:
                    return count
                try:
                    pieces = _range(fd, offset, min(offset + CHUNK, size), buffer)
                    found[offset] = self._sums(pieces)
                except BaseException:
                    offsets.clear()  # no thread need read on
                    raise
                if get_ident() == caller:
                    combine()
            return limit

        share(work, offsets.clear, threads)
        combine()
        return done, values

    def _drain(self, pieces: Iterable[Any], total: int | None) -> Sums:
        """Return the sums of *pieces*, and report progress."""
        progress = self._progress
        return self._sums(pieces if progress is None else _reporting(pieces, progress, total))

    def _sums(self, pieces: Iterable[Any]) -> Sums:
        length, values, crcs = 0, self._empty.copy(), tuple(enumerate(self._crcs))
        for piece in pieces:
            for k, crc in crcs:
                values[k] = crc(piece, values[k])
            length += len(piece)
        return length, values

    def _filled(self, readinto: Callable[[memoryview], int | None]) -> Iterator[memoryview]:
        if self._piece is None:
            self._piece = memoryview(bytearray(PIECE))
        while count := readinto(self._piece):
            if not 0 < count <= len(self._piece):
                raise OSError(f"readinto() returned {count} for a buffer of {len(self._piece)}")
            yield self._piece[:count]
        if count is None:
            raise BlockingIOError(errno.EAGAIN, _NO_DATA)


def _range(fd: int, start: int, end: int, buffer: memoryview) -> Iterator[memoryview]:
    """Yield the bytes of a file from *start* to *end*, read into *buffer*."""
    while start < end and (count := os.preadv(fd, (buffer[: end - start],), start)):
        yield buffer[:count]
        start += count


def _reporting(pieces: Iterable[Any], progress: Progress, total: int | None) -> Iterator[Any]:
    """Yield *pieces*, and report each once it is done."""
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        progress(done, total)


_TEXT = "the file must be opened in binary mode, not text mode"
_NO_DATA = "the file is non-blocking and has no data yet"


def _is_text(file: Any) -> bool:
    """Return whether *file* is a file object in text mode; it is not read.

    Wrappers in text mode have an encoding, and may pass readinto on to a binary file.
    """
    return isinstance(file, TextIOBase) or (
        hasattr(file, "read") and getattr(file, "encoding", None) is not None
    )


def _blocks(read: Callable[[int], Any]) -> Iterator[Any]:
    while block := read(PIECE):
        if isinstance(block, str):
            raise TypeError(_TEXT)
        yield block
    if isinstance(block, str):
        raise TypeError(_TEXT)
    if block is None:
        raise BlockingIOError(errno.EAGAIN, _NO_DATA)


def _check_same(path: AnyPath, before: os.stat_result, after: os.stat_result, count: int) -> None:
    """Raise `FileChangedError` if a file changed while *count* bytes of it were read."""
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    # Pseudo files (/proc, /sys) report any size, but zero blocks.
    if same and (count == after.st_size or not getattr(after, "st_blocks", 1)):
        return
    raise FileChangedError(
        errno.EAGAIN, "the file changed while it was being read", os.fspath(path)
    )
