"""Retry what may work later, and limit the rate of reading."""

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
"""The longest wait before the second attempt, and before any attempt, in seconds."""


class StoppedError(Exception):
    """The run was stopped, so nothing uses its results."""


class Retries:
    """Calls functions, again at growing intervals while they raise `RetryError`.

    Parameters
    ----------
    attempts : int
        The number of calls at most.
    wait : callable
        Waits for a number of seconds, as `threading.Event.wait` does. If it returns true,
        `StoppedError` is raised.

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
        self._attempts = attempts
        self._wait = wait

    def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(*args, **kwargs)``.

        Raises
        ------
        StoreError
            The error of the last attempt, with the number of attempts, or the first error that
            is not a `RetryError`.
        """
        left, longest = self._attempts, FIRST
        while True:
            try:
                return function(*args, **kwargs)
            except RetryError as error:
                left -= 1
                if not left:
                    tries = f" ({self._attempts} attempts)" if self._attempts > 1 else ""
                    raise StoreError(f"{error}{tries}") from error
                # Jitter, so that clients which were refused together do not return together.
                if self._wait(longest * random.uniform(0.5, 1)):
                    raise StoppedError from error
                longest = min(2 * longest, LONGEST)


class Bandwidth:
    """A budget of *rate* bytes per second, shared by threads in the order of their requests.

    Examples
    --------
    >>> now, waits = [0.0], []
    >>> bandwidth = Bandwidth(1000, waits.append, lambda: now[0])
    >>> for _ in range(3):
    ...     bandwidth.take(500)
    >>> waits
    [0.5, 1.0]
    """

    def __init__(
        self,
        rate: float,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._free = clock()

    def take(self, count: int) -> None:
        """Wait until *count* bytes may be read."""
        with self._lock:
            now = self._clock()
            start = max(self._free, now)  # unused time does not accumulate
            self._free = start + count / self._rate
        if start > now and self._wait(start - now):
            raise StoppedError

    def give_back(self, count: int) -> None:
        """Take back *count* bytes that were not read after all."""
        with self._lock:
            self._free -= count / self._rate
