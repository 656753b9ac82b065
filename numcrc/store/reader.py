"""Read the bodies of objects: small ones into a reused buffer, large ones in ranges."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from numcrc.store.hashing import Tally
from numcrc.store.objects import Entry
from numcrc.store.progress import Progress
from numcrc.store.retries import Bandwidth, Retries, StoppedError
from numcrc.store.source import ChangedError, RetryError, Source, StoreError

P = ParamSpec("P")
T = TypeVar("T")


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
        """Return ``source.fetch(entry, into)``, with retries; the caller counts the bytes."""
        if self._stopped():
            raise StoppedError
        if self._bandwidth is None:
            return self.retries(source.fetch, entry, into)
        found = self.retries(self._limited, entry.size or 0, source.fetch, entry, into)
        if entry.size is None:
            self._bandwidth.take(len(found[1]))
        return found

    def together(
        self, source: Source, wanted: Sequence[tuple[Entry, memoryview]]
    ) -> Iterable[tuple[Entry, memoryview] | None]:
        """Return what `whole` would for each of *wanted*, or None where it must be called."""
        fetch = getattr(source, "fetch_together", None)
        if fetch is None or self._bandwidth is not None or self._stopped():
            return [None] * len(wanted)
        found: list[tuple[Entry, memoryview] | None] = fetch(wanted)
        return found

    def pieces(self, source: Source, entry: Entry, start: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from *start* to *end*; each piece is valid until the next."""
        for at in range(start, end, self._piece):
            yield self.range(source, entry, at, self.buffer[: min(self._piece, end - at)])

    def range(self, source: Source, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return ``len(into)`` bytes from *start* on, in *into* or in the client's memory."""
        count = len(into)
        if self._stopped():
            raise StoppedError
        view = self.retries(self._limited, count, source.read, entry, start, into)
        if len(view) < count:
            raise ChangedError(f"it ends after {start + len(view)} of {entry.size} bytes")
        self._progress.read(entry.key, count)
        return view

    def _limited(self, count: int, read: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``read(*args, **kwargs)``, one attempt to read *count* bytes, at the limited rate.

        An answer that is an error has no body, but one that breaks off had a part of it.
        """
        if self._bandwidth is None:
            return read(*args, **kwargs)
        self._bandwidth.take(count)
        try:
            return read(*args, **kwargs)
        except RetryError:
            raise
        except StoreError:
            self._bandwidth.give_back(count)
            raise


class LargeObject:
    """An object that is larger than a buffer, whose ranges any threads may read.

    The thread that wants its checksums reads ranges until none is left, then waits for the other
    threads that are reading one. These depend on no other thread, for a thread that waits here
    reads nothing. So some thread always makes progress, even if each of them began a large
    object of its own.

    With *size*, only these bytes from *start* on are read.
    """

    def __init__(
        self,
        source: Source,
        entry: Entry,
        tally: Tally,
        step: int,
        start: int = 0,
        size: int | None = None,
    ) -> None:
        size = entry.size if size is None else size
        assert size is not None
        self._source, self._entry, self._start, self._size = source, entry, start, size
        self._tally = tally
        self._step = size if tally.sequential else step
        self._next = self._reading = 0
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._finished: SimpleQueue[None] = SimpleQueue()

    @property
    def ranges(self) -> int:
        """The number of ranges."""
        return -(-self._size // self._step)

    def read_range(self, reader: BodyReader) -> bool:
        """Read the next range with *reader*; return False if none is left.

        A `StoreError` is kept for `wait`; the ranges that are left are then not read.
        """
        with self._lock:
            if self._exhausted:
                return False
            start = self._next
            self._next += self._step
            self._reading += 1
        end = min(start + self._step, self._size)
        try:
            first, last = self._start + start, self._start + end
            self._tally.add(start, reader.pieces(self._source, self._entry, first, last))
        except BaseException as error:
            self._error = error
            if not isinstance(error, StoreError):
                raise
        finally:
            with self._lock:
                self._reading -= 1
                if not self._reading and self._exhausted:
                    self._finished.put(None)
        return True

    def wait(self) -> None:
        """Wait, when no range is left, until none is being read; raise what went wrong."""
        with self._lock:
            reading = self._reading
        if reading:
            self._finished.get()
        if self._error is not None:
            raise self._error

    @property
    def _exhausted(self) -> bool:
        return self._error is not None or self._next >= self._size
