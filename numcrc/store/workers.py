"""Run work on objects in threads, and collect its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, TypeAlias, TypeVar

from numcrc.store.background import Failure, Flag, Threads
from numcrc.store.reader import BodyReader, LargeObject
from numcrc.store.retries import StoppedError

R = TypeVar("R")
WorkItem: TypeAlias = Callable[[BodyReader], object]

IDLE = 1.0
"""Seconds after which a thread without work checks whether it should end."""


class Workers(Generic[R]):
    """Threads that take work items from one queue, each with a reader.

    Parameters
    ----------
    readers : sequence of BodyReader
        One for each thread.
    closing : Flag
        Stops the threads once it is set.
    """

    def __init__(self, readers: Sequence[BodyReader], closing: Flag) -> None:
        self._readers = readers
        self._closing = closing
        self._threads = Threads()
        self._work: SimpleQueue[WorkItem | None] = SimpleQueue()
        self._results: SimpleQueue[dict[int, R] | Failure] = SimpleQueue()

    def start(self, feed: Callable[[], object]) -> None:
        """Start the threads, and one that calls *feed*, which submits work items."""
        self._threads.start(partial(self._guarded, feed))
        for number, reader in enumerate(self._readers):
            try:
                self._threads.start(partial(self._guarded, partial(self._take_work, reader)))
            except OSError:  # fewer will do
                if not number:
                    raise
                break

    def submit(self, item: WorkItem) -> None:
        """Have a thread call *item* with its reader."""
        self._work.put(item)

    def read(self, large: LargeObject, reader: BodyReader) -> None:
        """Read all ranges of *large* in this thread, which is a worker, and idle ones.

        This cannot deadlock; see `LargeObject`.
        """

        def help_reading(other: BodyReader) -> None:
            # Behind the items that wait, so that large objects do not hold back small ones.
            if large.read_range(other):
                self._work.put(help_reading)

        for _ in range(min(large.ranges, len(self._readers)) - 1):
            self._work.put(help_reading)
        while large.read_range(reader):
            pass
        large.wait()

    def deliver(self, results: dict[int, R]) -> None:
        """Hand over results by index."""
        self._results.put(results)

    @property
    def idle(self) -> bool:
        """Whether no work item waits for a thread."""
        return self._work.empty()

    def wait(self, seconds: float) -> dict[int, R]:
        """Return some results as soon as there are any, or none after *seconds*."""
        try:
            results = self._results.get(timeout=seconds)
        except Empty:
            return {}
        if isinstance(results, Failure):
            results.reraise()
        return results

    def rest(self) -> Iterator[dict[int, R]]:
        """Yield the results that are waiting."""
        while not self._results.empty():
            results = self._results.get()
            if not isinstance(results, Failure):
                yield results

    def close(self) -> None:
        """Stop all threads, and wait until they have ended, up to `JOIN_TIMEOUT` seconds.

        A thread that waits for a store's answer ends after it.
        """
        self._closing.set()
        self._work.put(None)
        self._threads.join()
        with suppress(Empty):
            while True:  # what is left refers to this object, and to buffers
                self._work.get_nowait()

    def _guarded(self, run: Callable[[], object]) -> None:
        """Call *run*, and hand over its exception."""
        try:
            run()
        except StoppedError:
            pass
        except BaseException as error:
            self._results.put(Failure(error))

    def _take_work(self, reader: BodyReader) -> None:
        while not self._closing.is_set():
            try:
                item = self._work.get(timeout=IDLE)
            except Empty:
                continue
            if item is None:
                break
            item(reader)
            del item  # it refers to objects
        self._work.put(None)  # for the next thread
