"""Make a fork wait until no other thread holds a lock, which the child would find held for ever.

Modules add the locks that their threads may hold. A fork waits for imports too: Python has a lock
for each module that is being imported, and does not release it in a child.
"""

from __future__ import annotations

import _imp
import os
import sys
import time
from _thread import get_ident
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    class Lock(Protocol):
        """A lock that the thread that holds it may take again."""

        def acquire(self) -> object:
            """Wait until no other thread holds it."""

        def release(self) -> object:
            """Undo one `acquire`."""


lock_finders: list[Callable[[], Lock | None]] = []
"""Each returns a lock, or None while there is none; in the order in which locks are taken."""
in_child: list[Callable[[], object]] = []
"""Called in the child."""

_PACKAGES = {"numcrc", "numba", "llvmlite", "numpy"}
_IMPORT_DEADLINE = 10.0
"""Seconds that a fork waits at most for imports of these in other threads."""
_BOOTSTRAP = sys.modules["_frozen_importlib"]
_IMPORTS = {_BOOTSTRAP._find_and_load.__code__, _BOOTSTRAP._lock_unlock_module.__code__}
"""The code of Python's functions that take the lock of the module *name*."""
_releases: list[Callable[[], object]] = []
"""What undoes each `acquire` of the fork in progress."""


def _existing() -> list[Lock]:
    return [lock for find in lock_finders if (lock := find()) is not None]


def _importing() -> bool:
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
            _releases.append(lock.release)  # first, lest an interrupt leaves it held
            lock.acquire()
        # Python takes this lock for a fork too, but only after this function: in between,
        # another thread could start an import.
        _releases.append(_imp.release_lock)
        _imp.acquire_lock()
        # What was imported meanwhile may have brought a lock.
        if (not _importing() and _existing() == found) or time.monotonic() > deadline:
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
