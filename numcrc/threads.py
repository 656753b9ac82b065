"""Count threads, and share work among a pool that survives forks, interrupts and nested calls."""

from __future__ import annotations

import os
from _operator import index
from _queue import SimpleQueue
from _thread import RLock, allocate_lock, start_new_thread

from numcrc import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ALL = 2**62
"""A limit that no number of chunks reaches."""
_TURN = 16
"""Chunks between two checks for signals."""
_MOST_THREADS = 256
"""Threads of the pool."""


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
        return min(cpus, checked_threads(int(limit)))
    except ValueError:
        raise ValueError(f"NUMCRC_NUM_THREADS must be a positive integer, not {limit!r}") from None


def checked_threads(threads: int) -> int:
    """Return *threads*, or raise TypeError or ValueError if it is not a positive integer."""
    try:
        count = index(threads)
    except TypeError:
        raise TypeError(f"threads must be an integer, not {type(threads).__name__}") from None
    if count < 1:
        raise ValueError(f"threads must be at least 1, not {count}")
    return count


class _Pool:
    """Threads that wait for work, started on demand.

    Its queue and locks are C code, which a KeyboardInterrupt cannot leave half done: in
    `threading.Condition` and `concurrent.futures` it can, and the next call waits for ever.
    An interrupt here costs at most an idle thread, which no longer counts as one.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = RLock()  # a signal handler may submit work while its thread does
        self._idle = self._started = 0

    def submit(self, work: Callable[[], None]) -> bool:
        """Let a thread call *work*, or return False if no thread can be started."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._started < _MOST_THREADS:
                process.import_threading()
                try:
                    start_new_thread(self._live, ())
                except RuntimeError:  # the interpreter is shutting down, or out of threads
                    return False
                self._started += 1
        self._queue.put(work)
        return True

    def _live(self) -> None:
        while True:
            work = self._queue.get()
            work()
            del work  # it refers to arrays
            with self._lock:
                self._idle += 1


_pool = _Pool()


def _renew_pool() -> None:
    global _pool
    _pool = _Pool()  # the threads of the old one do not exist in the child


process.in_child.append(_renew_pool)


class _Helpers:
    """The other threads of one call: after `end`, none of them is working or starts to."""

    def __init__(self, work: Callable[[int], int]) -> None:
        self._work = work
        self._inside = 0
        self._ended = False
        self._lock = allocate_lock()
        self._last_left = allocate_lock()  # released by the last helper to leave an ended call
        self._last_left.acquire()
        self.error: BaseException | None = None

    def help(self) -> None:
        """Work in this thread, unless the call has ended."""
        with self._lock:
            if self._ended:
                return
            self._inside += 1
        try:
            self._work(_ALL)
        except BaseException as error:
            self.error = error
        finally:
            with self._lock:
                self._inside -= 1
                if self._ended and not self._inside:
                    self._last_left.release()

    def end(self) -> None:
        """Let no other thread start to work, and wait for those at work.

        If an interrupt ends the wait, call it again.
        """
        with self._lock:
            self._ended = True
            at_work = self._inside
        if at_work:
            self._last_left.acquire()


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
            if not _pool.submit(helpers.help):
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
