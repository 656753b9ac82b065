"""Trying again, and not reading faster than allowed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numcrc.store.source import RetryError, StoreError

P = ParamSpec("P")
T = TypeVar("T")

FIRST, LONGEST = 0.2, 20.0
"""Seconds to wait at most before the second attempt, and before any."""


class StoppedError(Exception):
    """Nobody wants the result any more."""


class Retries:
    """Calls what may fail for a while, at growing intervals.

    Parameters
    ----------
    attempts : int
        How often in all.
    wait : callable
        Waits for so many seconds, as `threading.Event.wait`; True: give up, `StoppedError`.

    Examples
    --------
    >>> waits, fails = [], iter([True, False])
    >>> def read():
    ...     if next(fails):
    ...         raise RetryError("busy")
    ...     return b"data"
    >>> Retries(5, waits.append)(read), len(waits)
    (b'data', 1)
    """

    def __init__(self, attempts: int, wait: Callable[[float], object]) -> None:
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {attempts}")
        self._attempts = attempts
        self._wait = wait

    def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(*args, **kwargs)``.

        Raises
        ------
        StoreError
            What the last attempt raised, with their number, or what makes no sense to try again.
        """
        longest = FIRST
        for left in reversed(range(self._attempts)):
            try:
                return function(*args, **kwargs)
            except RetryError as error:
                if not left:
                    tries = f" ({self._attempts} attempts)" if self._attempts > 1 else ""
                    raise StoreError(f"{error}{tries}") from error
                # Jitter: clients that were turned away together must not come back together.
                if self._wait(longest * random.uniform(0.5, 1)):
                    raise StoppedError from error
                longest = min(2 * longest, LONGEST)
        raise AssertionError("unreachable")


class Bandwidth:
    """A bucket that fills with *rate* bytes a second; readers share it.

    Examples
    --------
    >>> now, waits = [0.0], []
    >>> bucket = Bandwidth(1000, waits.append, lambda: now[0])
    >>> for _ in range(3):
    ...     bucket.take(500)
    >>> waits
    [0.5, 1.0]
    """

    def __init__(
        self,
        rate: float,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not rate > 0:
            raise ValueError(f"bandwidth must be above 0, not {rate}")
        self._rate = rate
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._free = clock()

    def take(self, count: int) -> None:
        """Wait until *count* bytes may be read; who comes first reads first."""
        with self._lock:
            now = self._clock()
            # What was not read while nobody wanted to is not made up for.
            start = max(self._free, now)
            self._free = start + count / self._rate
        if start > now and self._wait(start - now):
            raise StoppedError
