"""How much is done, and of how much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from numcrc.store.objects import Entry
from numcrc.store.reader import Meter
from numcrc.store.source import StoreError


class Progress(Meter):
    """What was done so far and what there is in all, for who watches from another thread.

    Attributes
    ----------
    objects, bytes : int
        How many objects are settled, and how many bytes were read.
    total_objects, total_bytes : int or None
        How many there are; None until that is known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total_objects: int | None = None
        self.total_bytes: int | None = None

    def counted(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield *entries*, which are all there are, and know the totals at their end."""
        objects = size = 0
        for entry in entries:
            objects += 1
            size += entry.size or 0
            yield entry
        self.total_objects, self.total_bytes = objects, size

    @contextmanager
    def counting(self, listed: Callable[[], Iterable[Entry]]) -> Iterator[None]:
        """Count what *listed* gives, in a thread of its own, while in the ``with`` block.

        A listing that is listed once more costs little beside what is then read, and keeps
        nothing: how long the rest will take is known long before the first listing's end.
        """
        ended = Event()

        def count() -> None:
            try:
                for _ in self.counted(listed()):
                    if ended.is_set():
                        return
            except StoreError:
                return  # the listing that counts says so

        thread = Thread(target=count, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
