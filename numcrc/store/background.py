"""Run functions in threads, so that an interrupt of the caller at any moment disturbs none.

`threading.Thread` and `threading.Event` take and release locks in Python code. An exception that a
signal handler raises in between leaves a lock held, and the next thread that needs it waits for
ever. The locks and queues used here are implemented in C, and the caller waits for nothing else:
neither for a store nor for a disk.
"""

from __future__ import annotations

import errno
import time
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX
from typing import NoReturn, TypeVar

from numcrc.store.retries import StoppedError

T = TypeVar("T")

POLL = 0.1
"""Seconds after which a caller that waits checks whether it should stop."""
JOIN_TIMEOUT = 0.3
"""Most seconds to wait for threads that should end: a store may not answer."""


class Flag:
    """A flag that threads wait for.

    Attributes
    ----------
    on : bool
        Whether it is set. Assigning True sets it in one step, without an end to waits.
    """

    def __init__(self) -> None:
        self.on = False
        self._gate = allocate_lock()  # open once the flag is set
        self._gate.acquire()

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self.on

    def set(self) -> None:
        """Set the flag, and end all waits for it."""
        self.on = True
        self._open()

    def __enter__(self) -> Flag:
        """Return the flag, which the end of the ``with`` block sets."""
        return self

    def __exit__(self, *error: object) -> None:
        self.on = True
        self._open()

    def wait(self, seconds: float) -> bool:
        """Wait until the flag is set, *seconds* at most; return whether it is set."""
        if not self.on and self._gate.acquire(timeout=min(seconds, TIMEOUT_MAX)):
            self._open()  # for the next thread
        return self.on

    def _open(self) -> None:
        with suppress(RuntimeError):  # it is open
            self._gate.release()


class Threads:
    """Threads that are waited for together. They do not keep the process alive."""

    def __init__(self) -> None:
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._running = 0
        self._deadline: float | None = None

    def start(self, function: Callable[[], object]) -> None:
        """Call *function*, which raises no exception, in a thread.

        Raises
        ------
        OSError
            There are too many threads.
        """

        def run() -> None:
            try:
                function()
            finally:
                self._ended.put(None)

        try:
            start_new_thread(run, ())
        except RuntimeError as error:
            raise BlockingIOError(errno.EAGAIN, "cannot start a thread") from error
        self._running += 1

    def join(self) -> None:
        """Wait until all threads have ended, up to `JOIN_TIMEOUT` seconds after the first call."""
        if self._deadline is None:
            self._deadline = time.monotonic() + JOIN_TIMEOUT
        while self._running:
            try:
                self._ended.get(timeout=max(0.0, self._deadline - time.monotonic()))
            except Empty:
                return
            self._running -= 1


class Failure:
    """An exception of another thread, to be raised in this one."""

    def __init__(self, error: BaseException) -> None:
        self._error: BaseException | None = error

    def reraise(self) -> NoReturn:
        """Raise the exception; once, for it refers to frames, and they would refer to it."""
        error, self._error = self._error, None
        try:
            assert error is not None
            raise error
        finally:
            del error


def call_in_thread(function: Callable[[], T], stopped: Callable[[], bool]) -> T:
    """Return ``function()``, called in a thread; an interrupt ends the wait, not the thread.

    Raises
    ------
    StoppedError
        *stopped* returns true.
    """
    done: SimpleQueue[tuple[T] | Failure] = SimpleQueue()

    def run() -> None:
        try:
            done.put((function(),))
        except StoppedError:
            pass  # the caller has stopped
        except BaseException as error:
            done.put(Failure(error))

    Threads().start(run)
    while not stopped():
        try:
            found = done.get(timeout=POLL)
        except Empty:
            continue
        if isinstance(found, Failure):
            found.reraise()
        return found[0]
    raise StoppedError
