"""Order the locks of compiling and linking, and start the thread that compiles.

The order is: Numba's compiler lock, `linking`, llvmlite's lock. A fork takes all three, so that a
child never finds one held by a thread that it does not have. A thread may hold Numba's already
when it needs a kernel, for Numba types a function that uses a CRC under it; so nothing waits for
Numba's lock while it holds another.
"""

from __future__ import annotations

import atexit
import sys
from _thread import RLock, allocate_lock, stack_size, start_new_thread
from typing import TYPE_CHECKING, Any

from numcrc import forks

if TYPE_CHECKING:
    from collections.abc import Callable

linking = RLock()
"""Held while LLVM links an object."""

_STACK = 64 << 20
"""Bytes of the stack of a compiling thread. LLVM recurses deeply; the pages cost nothing unused."""
_starting = allocate_lock()
_jobs: dict[object, _Job] = {}


def compiler_lock() -> Any:
    """Return Numba's compiler lock, None where Numba is not imported."""
    module = sys.modules.get("numba.core.compiler_lock")
    return getattr(module, "global_compiler_lock", None)


def _llvm_lock() -> Any:
    """Return the lock that llvmlite holds while any thread is in LLVM.

    It is not public; but an LLVM object may be freed, and so the lock taken, at any moment.
    """
    lock = getattr(getattr(sys.modules.get("llvmlite.binding.ffi"), "lib", None), "_lock", None)
    return getattr(lock, "_lock", None)


class _Job:
    """A function that a thread of its own calls, and the error that it raised, if any."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._running = allocate_lock()
        self._running.acquire()
        self._error: BaseException | None = None

    def run(self, key: object) -> None:
        try:
            self._function()
        except BaseException as error:
            self._error = error
        finally:
            with _starting:
                _jobs.pop(key, None)
            self._running.release()

    def wait(self) -> None:
        with self._running:
            pass
        if self._error is not None:
            raise self._error


def with_large_stack(key: object, function: Callable[[], object]) -> None:
    """Call *function* in a thread with a stack that suffices for a compile, and wait.

    An interrupt ends the wait at once, and the thread finishes. Until then, calls with the same
    *key* wait for the same thread. A caller that holds Numba's lock calls the function itself:
    the thread would wait for that lock for ever.
    """
    lock = compiler_lock()
    if lock is not None and lock.is_locked():
        function()
        return
    with _starting:
        job = _jobs.get(key)
        if job is None:
            job = _Job(function)
            before = stack_size(_STACK)
            try:
                start_new_thread(job.run, (key,))
                _jobs[key] = job
            except RuntimeError:  # the interpreter is shutting down, or out of threads
                job = None
            finally:
                stack_size(before)
    if job is None:
        function()
        return
    try:
        job.wait()
    except KeyboardInterrupt:
        atexit.register(job.wait)  # LLVM must not be torn down under the thread
        raise


def _renew() -> None:
    global _starting
    _jobs.clear()  # their threads are not here
    _starting = allocate_lock()


forks.lock_finders += [compiler_lock, lambda: linking, _llvm_lock]
forks.in_child.append(_renew)
