"""Count the work that is done, and the work there is in total."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from numcrc.store.background import Flag, Threads
from numcrc.store.objects import Entry


class Progress:
    """Counters of a run, which another thread may read at any time.

    Attributes
    ----------
    objects, bytes : int
        How many objects are finished, and how many bytes were read.
    total_objects, total_bytes : int or None
        How many there are in total; None until that is known.
    """

    def __init__(self) -> None:
        self.objects = self.bytes = 0
        self.total_objects: int | None = None
        self.total_bytes: int | None = None
        self._lock = Lock()

    def add(self, objects: int, count: int) -> None:
        """Add *objects* finished objects and *count* bytes."""
        with self._lock:
            self.objects += objects
            self.bytes += count

    def counted(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield *entries*, and set the totals at their end."""
        objects = size = 0
        for entry in entries:
            objects += 1
            size += entry.size or 0
            yield entry
        self.total_objects, self.total_bytes = objects, size

    @contextmanager
    def counting(self, listed: Callable[[], Iterable[Entry]]) -> Iterator[None]:
        """Count the entries that *listed* returns, in a thread, during the ``with`` block.

        A second listing costs little compared with reading the objects, and holds none of them:
        the totals are known long before the listing that drives the reads has ended.
        """
        ended, threads = Flag(), Threads()

        def count() -> None:
            with suppress(Exception):  # the other listing reports it
                for _ in self.counted(listed()):
                    if ended.is_set():
                        return

        with suppress(OSError):  # without a thread, the totals remain unknown
            threads.start(count)
        try:
            yield
        finally:
            ended.on = True
            threads.join()
