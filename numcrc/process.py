"""Import modules, and fork, so that no lock stays held by a thread or call that has ended.

Imports: a signal handler may raise an exception in the main thread at any moment. In the middle
of an import that may leave Python's import lock held, and other threads then wait for it for
ever; or a module half imported, and NumPy for one cannot be imported again. So the main thread
waits for a thread that imports, and an exception ends only the wait. While it is the only thread,
it blocks signals instead: a thread needs the module threading, whose import takes longer.

Forks: a child does not have the other threads, and finds the locks that they hold held for ever.
So a fork waits until no other thread holds a lock. Modules add the locks that their threads may
hold. A fork waits for imports too: Python has a lock for each module that is being imported, and
does not release it in a child.
"""

from __future__ import annotations

import _imp
import _signal  # type: ignore[import-not-found]
import atexit
import os
import sys
import time
from _thread import RLock, allocate_lock, get_ident, stack_size, start_new_thread

TYPE_CHECKING = False  # typing takes longer to import than numcrc
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType
    from typing import Any, Protocol

    class Lock(Protocol):
        """A lock that the thread that holds it may take again."""

        def acquire(self) -> object:
            """Wait until no other thread holds it."""

        def release(self) -> object:
            """Undo one `acquire`."""


# Imports

_STACK = 64 << 20
"""Bytes of the stack of a thread. LLVM recurses deeply; the pages cost nothing unused."""
_jobs: set[_Job] = set()
_starting = RLock()  # a signal handler or finalizer may start a job while its thread starts one


def imported(name: str) -> Any:
    """Return the module *name*, imported if it is not yet."""
    module = _loaded(name)
    if module is None:
        if not _in_main_thread() or _importing():
            __import__(name)
        elif name.startswith("numcrc.") and _is_only_thread():
            _import_undisturbed(name)
        else:
            in_thread(name, lambda: __import__(name))
            __import__(name)
        module = sys.modules[name]
    return module


def member(package: str, homes: dict[str, str], name: str) -> Any:
    """Return *name* for the ``__getattr__`` of a package, from the module that has it.

    *homes* has the module of each name: below the package, or with its whole name, which begins
    with that of numcrc. The package keeps the value.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    home = homes[name]
    value = getattr(imported(home if home.startswith("numcrc.") else f"{package}.{home}"), name)
    setattr(sys.modules[package], name, value)
    return value


def _loaded(name: str) -> ModuleType | None:
    """Return the module *name*, None if it is not imported, or only in part."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return None if getattr(spec, "_initializing", False) else module


def _in_main_thread() -> bool:
    """Return whether signal handlers run in this thread."""
    threading = sys.modules.get("threading")
    return threading is None or threading.main_thread().ident == get_ident()


def _importing() -> bool:
    """Return whether this thread is in the middle of an import.

    It may then hold the lock of a module that another thread would wait for.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        # `_handle_fromlist` of ``from numcrc import crc32`` holds no lock.
        if frame.f_globals is _IMPORTLIB and frame.f_code is not _WITHOUT_LOCK:
            return True
        frame = frame.f_back
    return False


_BOOTSTRAP = sys.modules["_frozen_importlib"]
_IMPORTLIB = vars(_BOOTSTRAP)
_WITHOUT_LOCK = _IMPORTLIB["_handle_fromlist"].__code__


def _is_only_thread() -> bool:
    """Return whether no other thread takes the signals that this one blocks, so far as is known.

    C libraries have threads that Python does not know: NumPy's has, from its import on.
    """
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _import_undisturbed(name: str) -> None:
    """Import a module in this thread, its signals blocked: they are handled after the import."""
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    try:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        __import__(name)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def import_threading() -> None:
    """Import threading here, not in a new thread, which it would take for the main one.

    Python 3.13 asks the interpreter for the main thread.
    """
    if "threading" not in sys.modules and hasattr(_signal, "pthread_sigmask"):
        _import_undisturbed("threading")
    __import__("threading")


class _Job:
    """A function that a thread of its own calls, and the error that it raised, if any."""

    def __init__(self, key: object, function: Callable[[], object]) -> None:
        self.key = key
        self.ended = False
        self._function = function
        self._running = allocate_lock()
        self._running.acquire()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._function()
        except BaseException as error:
            self._error = error
        finally:
            self.ended = True  # `_started` removes a job that ends before it is added
            _jobs.discard(self)
            self._running.release()

    def wait(self) -> None:
        """Wait until the function has returned, or raise its error."""
        self.finish()
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait until the function has returned or raised."""
        with self._running:
            pass


def in_thread(key: object, function: Callable[[], object]) -> None:
    """Call *function* in a thread with a stack that suffices for a compile, and wait.

    An interrupt ends the wait at once, and the thread finishes. Until then, calls with the same
    *key* wait for the same thread. A caller that holds a lock calls the function itself, if the
    thread may need that lock: it would wait for it for ever.
    """
    job = None if sys.is_finalizing() or _holds_a_lock() else _started(key, function)
    if job is None:
        function()
    else:
        job.wait()


def _holds_a_lock() -> bool:
    """Return whether this thread holds one of `lock_finders`, or that of logging.

    The import of Numba takes the latter, which a caller holds within ``dictConfig``.
    """
    logging = getattr(sys.modules.get("logging"), "_lock", None)
    known: list[Any] = [logging, *_existing()]
    return any(lock._is_owned() for lock in known if lock is not None)


def _started(key: object, function: Callable[[], object]) -> _Job | None:
    """Return the job *key*, started if it is not; None if there cannot be another thread."""
    import_threading()
    with _starting:
        job = next((job for job in _jobs.copy() if job.key == key and not job.ended), None)
        if job is None:
            job = _Job(key, function)
            before = stack_size()
            try:
                stack_size(_STACK)
                start_new_thread(job.run, ())
                _jobs.add(job)
                if job.ended:
                    _jobs.discard(job)
            except RuntimeError:  # the interpreter is shutting down, or out of threads
                return None
            finally:
                stack_size(before)
    return job


@atexit.register
def _finish() -> None:
    """Wait for all jobs: neither the interpreter nor LLVM may end under their threads."""
    for job in _jobs.copy():
        job.finish()


def _renew_jobs() -> None:
    global _starting
    _jobs.clear()  # their threads are not here
    _starting = RLock()


# Forks

lock_finders: list[Callable[[], Lock | None]] = []
"""Each returns a lock, or None while there is none; in the order in which locks are taken."""
in_child: list[Callable[[], object]] = [_renew_jobs]
"""Called in the child."""

_PACKAGES = {"numcrc", "numba", "llvmlite", "numpy", "platformdirs", "array", "yaml"}
_IMPORT_DEADLINE = 10.0
"""Seconds that a fork waits at most for imports of these in other threads."""
_IMPORTS = {_BOOTSTRAP._find_and_load.__code__, _BOOTSTRAP._lock_unlock_module.__code__}
"""The code of Python's functions that take the lock of the module *name*."""
_releases: list[Callable[[], object]] = []
"""What undoes each `acquire` of the fork in progress."""


def _existing() -> list[Lock]:
    return [lock for find in lock_finders if (lock := find()) is not None]


def _another_imports() -> bool:
    """Return whether another thread is at any point of importing one of `_PACKAGES`."""
    for thread, top in sys._current_frames().items():
        frame: FrameType | None = top if thread != get_ident() else None
        while frame is not None:
            name = frame.f_locals["name"] if frame.f_code in _IMPORTS else ""
            if name.partition(".")[0] in _PACKAGES:
                return True
            frame = frame.f_back
    return False


def _before_fork() -> None:
    deadline = time.monotonic() + _IMPORT_DEADLINE
    while True:
        found = _existing()
        for lock in found:
            _releases.append(lock.release)  # first: an interrupt may come
            lock.acquire()
        # Python takes this lock for a fork too, but only after this function: in between,
        # another thread could start an import.
        _releases.append(_imp.release_lock)
        _imp.acquire_lock()
        # What was imported meanwhile may have brought a lock.
        if (not _another_imports() and _existing() == found) or time.monotonic() > deadline:
            return
        _release()
        time.sleep(0.001)


def _release() -> None:
    while _releases:
        try:
            _releases.pop()()
        except RuntimeError:  # an interrupt came before `acquire`
            continue


def _after_fork_in_child() -> None:
    _release()
    for renew in in_child:
        renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_release, after_in_child=_after_fork_in_child
    )
