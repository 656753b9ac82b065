"""CRCs of files: one read for several CRCs, large files by several threads.

Nothing here knows how a CRC is computed: it takes whatever satisfies `Checksum`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from io import FileIO
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

from numcrc.threads import thread_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
    Progress: TypeAlias = Callable[[int, int | None], object]
    Sums: TypeAlias = tuple[int, list[int]]

# Small enough to stay in every CPU's second-level cache between the copy out of the page
# cache and the CRCs, large enough to hide the cost of a system call.
PIECE = 512 << 10
# A file up to this size is read whole by one call, so nothing can change halfway.
WHOLE = 64 << 10
# What a thread takes at a time, and the size from which starting threads pays.
CHUNK = 16 << 20
LARGE = 64 << 20

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


class Checksum(Protocol):
    """What a CRC must be able to do."""

    def __call__(self, data: Any, value: int | None = None, /) -> int:
        """Return the CRC of *data*, continuing from the CRC *value* of the bytes before."""

    def combine(self, crc1: int, crc2: int, len2: int, /) -> int:
        """Return the CRC of A + B from those of A and of B, and the length of B."""


class ChangedError(OSError):
    """A file changed while it was being read."""


def checksum(
    crcs: Sequence[Checksum],
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
        A path, or a binary file object, read from its position to its end.
    threads
        How many threads may share a large file; by default `numcrc.threads.thread_count`.
    progress
        Called in this thread with the bytes done and their total (None: unknown) as the
        work goes on. An exception in it ends the work.

    Raises
    ------
    ChangedError
        When a regular file changes while it is being read.
    """
    return Reader(crcs, threads, progress).read(source)[1]


class Reader:
    """Reads files one after another, each once, into several CRCs.

    Its buffer is reused, so a reader serves one thread at a time.
    """

    def __init__(
        self, crcs: Sequence[Checksum], threads: int | None = None, progress: Progress | None = None
    ) -> None:
        self._crcs = tuple(crcs)
        self._threads = thread_count(threads)
        self._progress = progress
        self._empty = [crc(b"") for crc in self._crcs]
        self._piece: memoryview | None = None

    def read(self, source: Any) -> Sums:
        """Return the length and the CRCs of *source*, a path or a binary file object."""
        # A file object may also be a path (fsspec's are); it then stands for what is left of it.
        if not isinstance(source, (str, bytes)):
            if hasattr(source, "readinto"):
                return self._drain(self._filled(source.readinto), None)
            if hasattr(source, "read") and not isinstance(source, os.PathLike):
                return self._drain(_blocks(source.read), None)
        return self.path(source)

    def path(self, path: Path) -> Sums:
        """Return the length and the CRCs of the file at *path*."""
        fd = os.open(path, _FLAGS)
        try:
            data = os.read(fd, WHOLE)
            more = os.read(fd, 1)
            if not more:
                if self._progress is not None:
                    self._progress(len(data), len(data))
                return len(data), [crc(data) for crc in self._crcs]
            before = os.fstat(fd)
            pieces = self._filled(FileIO(fd, closefd=False).readinto)
            if not stat.S_ISREG(before.st_mode):
                return self._drain(chain((data, more), pieces), None)
            # Begin again: only what is read from here on lies between two looks at the file.
            size = before.st_size
            threads = min(self._threads, -(-size // CHUNK))
            if size >= LARGE and threads > 1 and hasattr(os, "preadv"):
                sums = self._share(fd, size, threads)
            else:
                os.lseek(fd, 0, os.SEEK_SET)
                sums = self._drain(pieces, size)
            _unchanged(path, before, os.fstat(fd), sums[0])
            return sums
        finally:
            os.close(fd)

    def _share(self, fd: int, size: int, threads: int) -> Sums:
        """Read a large file by *threads*, a chunk at a time, joining the CRCs in order."""
        from concurrent.futures import ThreadPoolExecutor

        buffers = [memoryview(bytearray(PIECE)) for _ in range(threads)]

        def read(offset: int) -> Sums:
            buffer = buffers.pop()

            def pieces() -> Iterator[memoryview]:
                at, end = offset, min(offset + CHUNK, size)
                while at < end and (count := os.preadv(fd, (buffer[: end - at],), at)):
                    yield buffer[:count]
                    at += count

            sums = self._sums(pieces())
            buffers.append(buffer)
            return sums

        offsets = iter(range(0, size, CHUNK))
        done, values = 0, self._empty
        pool = ThreadPoolExecutor(threads)
        try:
            # A window of chunks: neither memory nor what must be called off grows with the file.
            window = deque(pool.submit(read, offset) for offset in islice(offsets, 2 * threads))
            while window:
                count, part = window.popleft().result()
                window.extend(pool.submit(read, offset) for offset in islice(offsets, 1))
                values = [
                    crc.combine(a, b, count)
                    for crc, a, b in zip(self._crcs, values, part, strict=True)
                ]
                done += count
                if self._progress is not None:
                    self._progress(done, size)
        finally:
            pool.shutdown(cancel_futures=True)
        return done, values

    def _drain(self, pieces: Iterable[Any], total: int | None) -> Sums:
        """Return the sums of *pieces*, telling of the progress."""
        progress = self._progress
        return self._sums(pieces if progress is None else _told(pieces, progress, total))

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
            yield self._piece[:count]
        if count is None:
            raise BlockingIOError(errno.EAGAIN, "the file is non-blocking and has no data yet")


def _told(pieces: Iterable[Any], progress: Progress, total: int | None) -> Iterator[Any]:
    """Yield *pieces*, and tell *progress* of each once it is done."""
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        progress(done, total)


def _blocks(read: Callable[[int], Any]) -> Iterator[Any]:
    while block := read(PIECE):
        yield block
    if isinstance(block, str):
        raise TypeError("the file must be opened in binary mode, not text mode")


def _unchanged(path: Path, before: os.stat_result, after: os.stat_result, count: int) -> None:
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    # Pseudo files (/proc, /sys) state any size, but they own no blocks.
    if same and (count == after.st_size or not getattr(after, "st_blocks", 1)):
        return
    raise ChangedError(errno.EAGAIN, "the file changed while it was being read", os.fspath(path))
