"""Count threads, and share work among those of a pool, which survives forks and nested calls."""

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
"""Chunks between two checks for signals."""


def thread_count(threads: int | None = None) -> int:
    """Return *threads*, or the number of usable CPUs, at most ``NUMCRC_NUM_THREADS``."""
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
    """Return *threads*, or raise TypeError or ValueError if it is not a positive integer."""
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
    _pool = None  # its threads do not exist in the child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def _submit(work: Callable[[], None]) -> bool:
    """Let the pool call *work*, or return False if it has no thread for it."""
    global _pool
    try:
        from concurrent.futures import ThreadPoolExecutor

        pool = _pool
        if pool is None:
            pool = _pool = ThreadPoolExecutor(256, "numcrc")  # starts threads on demand
        pool.submit(work)
    except RuntimeError:  # the interpreter is shutting down, or no thread can be started
        return False
    return True


class _Helpers:
    """The other threads of one call: after `end`, none of them is working or starts to."""

    def __init__(self, work: Callable[[int], int]) -> None:
        self._work = work
        self._inside = 0
        self._ended = False
        self._changed = threading.Condition()
        self.error: BaseException | None = None

    def help(self) -> None:
        """Work in this thread, unless the call has ended."""
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
        """Let no other thread start to work, and wait for those at work."""
        with self._changed:
            self._ended = True
            while self._inside:
                self._changed.wait()


def share(work: Callable[[int], int], stop: Callable[[], Any], threads: int) -> None:
    """Call *work* in this thread and up to ``threads - 1`` others until all is done.

    This thread works too, so that nested calls never wait for a busy pool: a helper that
    starts late finds that the call has ended. Between calls of *work* this thread handles
    signals. When this returns or raises, no thread is inside *work*.

    Parameters
    ----------
    work
        ``work(limit)`` does at most *limit* chunks and returns their number, less than *limit*
        if no chunk is left.
    stop
        Lets no call of *work* find another chunk.
    threads
        At least 1.

    Raises
    ------
    BaseException
        Any error in *work*, from any thread, or in a signal handler.
    """
    if threads == 1:
        while work(_TURN) == _TURN:
            pass
        return
    helpers = _Helpers(work)
    try:
        for _ in range(threads - 1):
            if not _submit(helpers.help):
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
                helpers.end()
                break
            except BaseException as error:  # go on waiting, since helpers use the memory
                stop()
                raised = error
        if raised is not None:
            raise raised
    if helpers.error is not None:
        raise helpers.error
