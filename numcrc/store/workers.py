"""Run work on objects in threads, and collect its results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeAlias, TypeVar

from numcrc.store.reader import BodyReader, LargeObject
from numcrc.store.retries import StoppedError

R = TypeVar("R")
Work: TypeAlias = Callable[[BodyReader], object]

JOIN_TIMEOUT = 5.0
"""Seconds to wait for requests in progress when the workers are closed."""


class Workers(Generic[R]):
    """Threads that take work from one queue, each with a reader.

    Parameters
    ----------
    readers : sequence of BodyReader
        One for each thread.
    closing : Event
        Set to stop everything.
    own : BodyReader, optional
        The reader with which `run` does its work in the calling thread. If work consists of
        system calls and Python code, threads only wait for each other.

    Notes
    -----
    `queue.SimpleQueue` is implemented in C: an exception that a signal handler raises cannot
    leave its lock held.
    """

    def __init__(
        self, readers: Sequence[BodyReader], closing: threading.Event, own: BodyReader | None = None
    ) -> None:
        self._own = own
        self._closing = closing
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._results: SimpleQueue[dict[int, R] | BaseException] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._take_work, args=(reader,), daemon=True)
            for reader in readers
        ]

    def start(self) -> None:
        """Start the threads; `close` ends them, even if this is interrupted."""
        for thread in self._threads:
            thread.start()

    def run(self, work: Work) -> bool:
        """Do *work* now if the workers are `inline`, else later; return whether it is done."""
        if self._own is not None:
            work(self._own)
            return True
        self._work.put(work)
        return False

    def submit(self, work: Work) -> None:
        """Have a thread call *work* with its reader."""
        self._work.put(work)

    def read(self, large: LargeObject, reader: BodyReader) -> None:
        """Read all ranges of *large* in this thread, which is a worker, and idle ones.

        This cannot deadlock; see `LargeObject`.
        """

        def help_reading(other: BodyReader) -> None:
            # Behind the work that waits, so that large objects do not hold back small ones.
            if large.read_range(other):
                self._work.put(help_reading)

        for _ in range(min(large.ranges, len(self._threads)) - 1):
            self._work.put(help_reading)
        while large.read_range(reader):
            pass
        large.wait()

    def deliver(self, results: dict[int, R]) -> None:
        """Hand over results by index."""
        self._results.put(results)

    @property
    def inline(self) -> bool:
        """Whether `run` does its work in the calling thread."""
        return self._own is not None

    @property
    def idle(self) -> bool:
        """Whether no work waits for a thread."""
        return self._work.empty()

    def wait(self, seconds: float) -> dict[int, R]:
        """Return some results as soon as there are any, or none after *seconds*."""
        try:
            results = self._results.get(timeout=seconds)
        except Empty:
            return {}
        if isinstance(results, BaseException):
            raise results
        return results

    def close(self) -> None:
        """Stop all threads, and wait until they have ended."""
        self._work.put(None)
        self._closing.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(JOIN_TIMEOUT / len(self._threads))

    def _take_work(self, reader: BodyReader) -> None:
        try:
            while (work := self._work.get()) is not None and not self._closing.is_set():
                work(reader)
            self._work.put(None)  # for the next thread
        except StoppedError:
            pass
        except BaseException as error:
            self._results.put(error)
