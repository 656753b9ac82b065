"""What a fork waits for, so that the child finds no lock held by a thread that it does not have.

Modules add the locks that their threads may hold. Imports are waited for too: Python has a lock
for each module that is being imported, and does not release it in a child.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    class Lock(Protocol):
        """A lock that the thread that holds it may take again."""

        def acquire(self) -> object:
            """Wait until no other thread holds it."""

        def release(self) -> object:
            """Undo one `acquire`."""


locks: list[Callable[[], Lock | None]] = []
"""Each returns a lock, None as long as there is none; in the order in which they are taken."""
in_child: list[Callable[[], object]] = []
"""Called in the child."""

_PACKAGES = {"numcrc", "numba", "llvmlite", "numpy"}
_IMPORT_DEADLINE = 10.0
"""Seconds that a fork waits at most for imports of these in other threads."""
_held: list[Lock] = []


def _existing() -> list[Lock]:
    return [lock for find in locks if (lock := find()) is not None]


def _importing() -> bool:
    return any(
        getattr(getattr(module, "__spec__", None), "_initializing", False)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in _PACKAGES
    )


def _before_fork() -> None:
    global _held
    deadline = time.monotonic() + _IMPORT_DEADLINE
    while True:
        held = _existing()
        for lock in held:
            lock.acquire()
        # What was imported meanwhile may have brought a lock.
        if (not _importing() and _existing() == held) or time.monotonic() > deadline:
            _held = held
            return
        for lock in reversed(held):
            lock.release()
        time.sleep(0.001)


def _release() -> None:
    for lock in reversed(_held):
        lock.release()


def _after_fork_in_child() -> None:
    _release()
    for renew in in_child:
        renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_release, after_in_child=_after_fork_in_child
    )
