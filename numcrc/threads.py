"""How many threads, and a pool of them that survives forks and nests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from operator import index
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_FOREVER = 2**62
_TURN = 16
"""Chunks between two looks at signals."""


def thread_count(threads: int | None = None) -> int:
    """Return *threads*, or the number of CPUs we may use, at most ``NUMCRC_NUM_THREADS``."""
    if threads is not None:
        return checked_threads(threads)
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:
        cpus = os.cpu_count() or 1
    limit = os.environ.get("NUMCRC_NUM_THREADS")
    if not limit:
        return cpus
    try:
        return min(cpus, _positive(int(limit), "NUMCRC_NUM_THREADS"))
    except ValueError:
        raise ValueError(f"NUMCRC_NUM_THREADS must be a positive integer, not {limit!r}") from None


def checked_threads(threads: int) -> int:
    """Return *threads*, or raise unless it is a number of threads."""
    try:
        return _positive(index(threads), "threads")
    except TypeError:
        raise TypeError(f"threads must be an integer, not {type(threads).__name__}") from None


def _positive(value: int, what: str) -> int:
    if value < 1:
        raise ValueError(f"{what} must be at least 1, not {value}")
    return value


_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    global _pool
    _pool = None  # a forked child has none of its threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def _submit(work: Callable[[], None]) -> bool:
    """Have *work* called by the pool, or return False where no thread can be had."""
    global _pool
    try:
        from concurrent.futures import ThreadPoolExecutor

        pool = _pool
        if pool is None:
            pool = _pool = ThreadPoolExecutor(256, "numcrc")  # starts them as they are needed
        pool.submit(work)
    except RuntimeError:  # the interpreter is shutting down, or the system has no more
        return False
    return True


class _Crew:
    """The helpers of one call: they may enter until it ends, and it ends when all have left."""

    def __init__(self, work: Callable[[int], int]) -> None:
        self._work = work
        self._inside = 0
        self._ended = False
        self._changed = threading.Condition()
        self.error: BaseException | None = None

    def help(self) -> None:
        """Work, unless the call has ended."""
        with self._changed:
            if self._ended:
                return
            self._inside += 1
        try:
            self._work(_FOREVER)
        except BaseException as error:
            self.error = error
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Let nobody in any more, and wait until nobody is inside."""
        with self._changed:
            self._ended = True
            while self._inside:
                self._changed.wait()


def share(work: Callable[[int], int], stop: Callable[[], Any], threads: int) -> None:
    """Call *work* in this thread and up to ``threads - 1`` others until all is done.

    ``work(limit)`` does at most *limit* chunks and returns how many it did: less when
    there are no more. This thread works too, so a busy pool delays nobody, however deep
    calls nest, and a helper that comes too late finds the call ended. Between turns this
    thread takes signals. *stop* makes every caller of *work* find no more chunks; whatever
    happens, nobody is inside *work* when this returns.
    """
    if threads == 1:
        while work(_TURN) == _TURN:
            pass
        return
    crew = _Crew(work)
    try:
        for _ in range(threads - 1):
            if not _submit(crew.help):
                break
        while work(_TURN) == _TURN:
            pass
    except BaseException:
        stop()
        raise
    finally:
        raised = None
        while True:
            try:
                crew.end()
                break
            except BaseException as error:  # wait on: memory in use must not go
                stop()
                raised = error
        if raised is not None:
            raise raised
    if crew.error is not None:
        raise crew.error
