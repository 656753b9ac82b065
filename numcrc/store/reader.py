"""Read the bodies of objects: small ones into a reused buffer, large ones in ranges."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from numcrc.store.hashing import Tally
from numcrc.store.objects import Entry
from numcrc.store.retries import Bandwidth, Retries, StoppedError
from numcrc.store.source import ChangedError, Source, StoreError


class Meter:
    """What was done so far, for who watches from another thread."""

    def __init__(self) -> None:
        self.objects = 0
        """Objects settled."""
        self.bytes = 0
        """Bytes read."""
        self._lock = threading.Lock()

    def add(self, objects: int, count: int) -> None:
        """Count *objects* more and *count* more bytes."""
        with self._lock:
            self.objects += objects
            self.bytes += count


class Reader:
    """What one thread reads with; its buffer is reused.

    Parameters
    ----------
    size : int
        Bytes of the buffer, and of a range.
    piece : int
        Bytes of a range that are asked for at a time.
    stopped : callable
        Whether nobody wants the bytes any more: `StoppedError` then.
    """

    def __init__(
        self,
        size: int,
        piece: int,
        retries: Retries,
        bandwidth: Bandwidth | None,
        meter: Meter,
        stopped: Callable[[], bool],
    ) -> None:
        area = mmap.mmap(-1, size)  # whose pages cost nothing until they are used
        if hasattr(mmap, "MADV_HUGEPAGE"):  # and then the less, the larger they are
            with suppress(OSError):  # of a kernel without them
                area.madvise(mmap.MADV_HUGEPAGE)
        self.buffer = memoryview(area)
        self.retries = retries
        self._piece = min(piece, size)
        self._bandwidth = bandwidth
        self._meter = meter
        self._stopped = stopped

    def whole(self, source: Source, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return ``source.fetch(entry, into)``, tried again as needed."""
        if self._stopped():
            raise StoppedError
        if self._bandwidth is not None:
            self._bandwidth.take(entry.size or 0)
        found = self.retries(source.fetch, entry, into)
        if self._bandwidth is not None and entry.size is None:
            self._bandwidth.take(len(found[1]))
        self._meter.add(0, len(found[1]))
        return found

    def pieces(self, source: Source, entry: Entry, start: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from *start* to *end*; one piece is valid until the next."""
        for at in range(start, end, self._piece):
            count = min(self._piece, end - at)
            if self._stopped():
                raise StoppedError
            if self._bandwidth is not None:
                self._bandwidth.take(count)
            view = self.retries(source.read, entry, at, self.buffer[:count])
            if len(view) < count:
                raise ChangedError(f"it ends at {at + len(view)} of {entry.size} bytes")
            self._meter.add(0, count)
            yield view


class Large:
    """An object of more bytes than a buffer has, whose ranges several threads read.

    `claim` and `release` are called under the lock of who hands out the ranges.
    """

    def __init__(self, source: Source, entry: Entry, tally: Tally, step: int) -> None:
        assert entry.size is not None
        self._source, self._entry, self._size = source, entry, entry.size
        self._tally = tally
        self._step = entry.size if tally.ordered else step
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

    def read(self, start: int, reader: Reader) -> None:
        """Read a claimed range, and keep what goes wrong."""
        end = min(start + self._step, self._size)
        try:
            self._tally.add(start, reader.pieces(self._source, self._entry, start, end))
        except StoreError as error:
            self.error = error
