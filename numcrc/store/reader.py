"""Read the bodies of objects: small ones into a reused buffer, large ones in ranges."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import suppress

from numcrc.store.hashing import Tally
from numcrc.store.objects import Entry
from numcrc.store.progress import Progress
from numcrc.store.retries import Bandwidth, Retries, StoppedError
from numcrc.store.source import ChangedError, Source, StoreError


class BodyReader:
    """Reads bodies in one thread, into one buffer.

    Parameters
    ----------
    size : int
        Bytes of the buffer.
    piece : int
        Bytes of a range to request at a time.
    retries : Retries
        Calls the source.
    bandwidth : Bandwidth, optional
        Limits the rate.
    progress : Progress
        Counts the bytes.
    stopped : callable
        Returns whether to raise `StoppedError` instead of reading.
    """

    def __init__(
        self,
        size: int,
        piece: int,
        retries: Retries,
        bandwidth: Bandwidth | None,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:
        area = mmap.mmap(-1, size)  # unused pages take no memory
        if hasattr(mmap, "MADV_HUGEPAGE"):  # fewer page faults
            with suppress(OSError):  # the kernel may have been built without them
                area.madvise(mmap.MADV_HUGEPAGE)
        self.buffer = memoryview(area)
        self.retries = retries
        self._piece = min(piece, size)
        self._bandwidth = bandwidth
        self._progress = progress
        self._stopped = stopped

    def whole(self, source: Source, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return ``source.fetch(entry, into)``, with retries."""
        if self._stopped():
            raise StoppedError
        if self._bandwidth is not None:
            self._bandwidth.take(entry.size or 0)
        found = self.retries(source.fetch, entry, into)
        if self._bandwidth is not None and entry.size is None:
            self._bandwidth.take(len(found[1]))
        self._progress.add(0, len(found[1]))
        return found

    def pieces(self, source: Source, entry: Entry, start: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from *start* to *end*; each piece is valid until the next."""
        for at in range(start, end, self._piece):
            count = min(self._piece, end - at)
            if self._stopped():
                raise StoppedError
            if self._bandwidth is not None:
                self._bandwidth.take(count)
            view = self.retries(source.read, entry, at, self.buffer[:count])
            if len(view) < count:
                raise ChangedError(f"it ends after {at + len(view)} of {entry.size} bytes")
            self._progress.add(0, count)
            yield view


class LargeObject:
    """An object of more bytes than a buffer has, whose ranges several threads read.

    `claim` and `release` are called under the lock of who hands out the ranges.
    """

    def __init__(self, source: Source, entry: Entry, tally: Tally, step: int) -> None:
        assert entry.size is not None
        self._source, self._entry, self._size = source, entry, entry.size
        self._tally = tally
        self._step = entry.size if tally.sequential else step
        self._next = 0
        self.busy = 0
        """Ranges that are being read."""
        self.error: StoreError | None = None

    def claim(self) -> int | None:
        """Return where the next range starts; None: none is left to be read."""
        if self.error is not None or self._next >= self._size:
            return None
        start = self._next
        self._next += self._step
        self.busy += 1
        return start

    def read(self, start: int, reader: BodyReader) -> None:
        """Read a claimed range, and keep what goes wrong."""
        end = min(start + self._step, self._size)
        try:
            self._tally.add(start, reader.pieces(self._source, self._entry, start, end))
        except StoreError as error:
            self.error = error
