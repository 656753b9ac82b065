"""Count the work that is done, and the work there is in total."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock

from numcrc.store.background import Flag, Threads
from numcrc.store.merge import Pair
from numcrc.store.objects import Entry


class Progress:
    """Counters of a run, which another thread may read at any time.

    Parameters
    ----------
    delay : float
        Seconds after which a source is listed to know the totals; a short run need not.

    Attributes
    ----------
    objects, bytes : int
        How many objects are finished, and how many bytes were read.
    total_objects, total_bytes : int or None
        How many there will be; None until that is known. Bytes that are read again count again,
        and those of objects that are not read do not count.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self.objects = self.bytes = 0
        self._delay = delay
        self._counted_objects: int | None = None
        self._counted_bytes: int | None = None
        self._counts_expected = False
        """Whether the expected objects were counted, rather than those of the source."""
        self._more_objects = self._more_bytes = 0
        """What there is beyond what was counted; it may be negative."""
        self._reads: dict[str, tuple[int, int]] = {}
        """Of objects in progress: bytes read, and bytes added to the total."""
        self._lock = Lock()

    @property
    def total_objects(self) -> int | None:
        """How many objects there are; None until that is known."""
        counted = self._counted_objects
        return None if counted is None else max(counted + self._more_objects, self.objects)

    @property
    def total_bytes(self) -> int | None:
        """How many bytes will be read; None until that is known."""
        counted = self._counted_bytes
        return None if counted is None else max(counted + self._more_bytes, self.bytes)

    def begin(self, key: str, size: int) -> None:
        """Note that the body of an object, of *size* bytes, is about to be read."""
        with self._lock:
            if key not in self._reads:
                self._reads[key] = 0, 0
                return
            read, added = self._reads[key]
            self._reads[key] = read, added + size
            self._more_bytes += size

    def read_whole(self, sizes: Mapping[str, int]) -> None:
        """Note that the bodies of objects, by key with their bytes, were read in one step each."""
        with self._lock:
            for key, size in sizes.items():
                self.bytes += size
                if key in self._reads:
                    read, added = self._reads[key]
                    self._reads[key] = read + size, added + size
                    self._more_bytes += size
                else:
                    self._reads[key] = size, 0

    def read(self, key: str, count: int) -> None:
        """Add *count* bytes of an object in progress."""
        with self._lock:
            self.bytes += count
            read, added = self._reads.get(key, (0, 0))
            self._reads[key] = read + count, added

    def finish(self, pairs: Iterable[Pair]) -> None:
        """Note that these objects are finished."""
        with self._lock:
            for pair in pairs:
                self.objects += 1
                read, added = self._reads.pop(pair.key, (0, 0))
                counted = pair.expected if self._counts_expected else pair.present
                if counted is None:
                    self._more_objects += 1
                planned = 0 if counted is None else counted.size or 0
                self._more_bytes += read - added - planned

    def expect(self, objects: int) -> None:
        """Set the number of objects there will be."""
        self._counted_objects = objects

    def add(self, objects: int, size: int) -> None:
        """Note that objects are finished, and *size* bytes of them were read."""
        with self._lock:
            self.objects += objects
            self.bytes += size

    def counted(self, entries: Iterable[Entry], *, expected: bool = True) -> Iterator[Entry]:
        """Yield *entries*, and set the totals at their end.

        *expected* says whether they are the expected objects, or those of the source. Entries of
        the same key that follow each other count once.
        """
        self._counts_expected = expected
        objects, size, sized, last = 0, 0, True, None
        for entry in entries:
            if entry.key != last:
                objects += 1
                size += entry.size or 0
                sized = sized and entry.size is not None
                last = entry.key
            yield entry
        self._counted_bytes = size if sized else None
        self._counted_objects = objects

    @contextmanager
    def counting(
        self, listed: Callable[[], Iterable[Entry]], *, expected: bool = False
    ) -> Iterator[None]:
        """Count the entries that *listed* returns, in a thread, during the ``with`` block.

        A second listing costs little compared with reading the objects, and holds none of them:
        the totals are known long before the listing that drives the reads has ended.
        """
        ended, threads = Flag(), Threads()
        self._counts_expected = expected

        def count() -> None:
            if ended.wait(self._delay):
                return
            with suppress(Exception):  # the other listing reports it
                for _ in self.counted(listed(), expected=expected):
                    if ended.is_set():
                        return

        with suppress(OSError):  # without a thread, the totals remain unknown
            threads.start(count)
        try:
            yield
        finally:
            ended.on = True
            threads.join()
