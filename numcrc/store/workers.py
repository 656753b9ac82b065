"""Run work on objects in threads, and collect its results."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from numcrc.store.reader import BodyReader, LargeObject
from numcrc.store.retries import StoppedError

R = TypeVar("R")

JOIN_TIMEOUT = 5.0
"""Seconds to wait for requests under way when all is called off."""


class Workers(Generic[R]):
    """Threads, each with a reader, that take work from one place.

    Parameters
    ----------
    readers : sequence of BodyReader
        One for each thread.
    closing : Event
        Set to call everything off.
    own : BodyReader, optional
        With which who brings work on small objects does it at once: where that is all system
        calls and Python code, threads only wait for each other.
    """

    def __init__(
        self, readers: Sequence[BodyReader], closing: threading.Event, own: BodyReader | None = None
    ) -> None:
        self._own = own
        self._small: deque[Callable[[BodyReader], None]] = deque()
        self._large: deque[LargeObject] = deque()
        self._closing = closing
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._done: SimpleQueue[dict[int, R] | BaseException] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._take_work, args=(reader,), daemon=True)
            for reader in readers
        ]
        for thread in self._threads:
            thread.start()

    def run(self, work: Callable[[BodyReader], None]) -> bool:
        """Have some thread call *work* with its reader; return whether that is done already."""
        if self._own is not None:
            work(self._own)
            return True
        self.submit(work)
        return False

    def submit(self, work: Callable[[BodyReader], None]) -> None:
        """Have some thread call *work* with its reader."""
        with self._lock:
            self._small.append(work)
            self._changed.notify()

    def read(self, large: LargeObject, reader: BodyReader) -> None:
        """Read all of a large object; threads that have nothing to do help."""
        with self._lock:
            self._large.append(large)
            self._changed.notify_all()
        while True:
            with self._lock:
                start = large.claim()
                while start is None and large.busy:
                    self._changed.wait()
                if start is None:
                    break
            self._read_range(large, start, reader)
        if large.error is not None:
            raise large.error

    def _read_range(self, large: LargeObject, start: int, reader: BodyReader) -> None:
        try:
            large.read(start, reader)
        finally:
            with self._lock:
                large.busy -= 1
                if not large.busy:
                    self._changed.notify_all()

    def deliver(self, results: dict[int, R]) -> None:
        """Hand over results by their place in the order."""
        self._done.put(results)

    @property
    def inline(self) -> bool:
        """Whether small objects are worked on at once."""
        return self._own is not None

    @property
    def idle(self) -> bool:
        """Whether no small object waits for a thread."""
        return not self._small

    def wait(self, seconds: float) -> dict[int, R]:
        """Return results, as soon as there are any; after *seconds*, none."""
        try:
            results = self._done.get(timeout=seconds)
        except Empty:
            return {}
        if isinstance(results, BaseException):
            raise results
        return results

    def close(self) -> None:
        """Call everything off, and wait until nobody reads any more."""
        self._closing.set()
        with self._lock:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT / len(self._threads))

    def _take_work(self, reader: BodyReader) -> None:
        try:
            while (work := self._next()) is not None:
                if isinstance(work, tuple):
                    self._read_range(*work, reader)
                else:
                    work(reader)
        except StoppedError:
            pass
        except BaseException as error:
            self._done.put(error)

    def _next(self) -> Callable[[BodyReader], None] | tuple[LargeObject, int] | None:
        """Return what to do next, as soon as there is anything; None: no more."""
        with self._lock:
            while not self._closing.is_set():
                if self._small:
                    return self._small.popleft()
                while self._large:
                    start = self._large[0].claim()
                    if start is not None:
                        return self._large[0], start
                    self._large.popleft()
                self._changed.wait()
            return None
