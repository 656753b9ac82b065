"""How many threads, and a pool of them that survives forks and nests."""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import index
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

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


def _submit(work: Callable[[int], int]) -> list[Future[int]]:
    """Return the future of *work* on the pool, none where no thread can be had any more."""
    global _pool
    from concurrent.futures import ThreadPoolExecutor

    pool = _pool
    if pool is None:
        pool = _pool = ThreadPoolExecutor(256, "numcrc")  # which starts them as they are needed
    try:
        return [pool.submit(work, _FOREVER)]
    except RuntimeError:  # the interpreter is shutting down
        return []


def share(work: Callable[[int], int], stop: Callable[[], Any], threads: int) -> None:
    """Call *work* in this thread and ``threads - 1`` others until all is done.

    ``work(limit)`` does at most *limit* chunks and returns how many it did: less when
    there are no more. This thread works too, so a busy pool delays nobody, however deep
    calls nest; helpers that have not begun by the end are called off. Between turns this
    thread takes signals. *stop* makes every caller of *work* find no more chunks; whatever
    happens, nobody is inside *work* when this returns.
    """
    helpers = [future for _ in range(threads - 1) for future in _submit(work)]
    try:
        while work(_TURN) == _TURN:
            pass
    except BaseException:
        stop()
        raise
    finally:
        _join(helpers, stop)


def _join(helpers: list[Future[int]], stop: Callable[[], Any]) -> None:
    running = [helper for helper in helpers if not helper.cancel()]
    interrupt = None
    for helper in running:
        while not helper.done():
            try:
                helper.exception()
            except KeyboardInterrupt as error:  # wait on: memory in use must not go
                stop()
                interrupt = error
    if interrupt is not None:
        raise interrupt
    for helper in running:
        helper.result()
