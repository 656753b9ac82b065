"""Order the locks of compiling and linking.

The order is: Numba's compiler lock, `linking`, llvmlite's lock. A fork takes all three, so that a
child never finds one held by a thread that it does not have. A thread may hold Numba's already
when it needs a kernel, for Numba types a function that uses a CRC under it; so nothing waits for
Numba's lock while it holds another.
"""

from __future__ import annotations

import sys
from _thread import RLock

from numcrc import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

linking = RLock()
"""Held while a kernel is linked."""


def compiler_lock() -> Any:
    """Return the lock in Numba's compiler lock, None where Numba is not imported."""
    module = sys.modules.get("numba.core.compiler_lock")
    return getattr(getattr(module, "global_compiler_lock", None), "_lock", None)


def _llvm_lock() -> Any:
    """Return the lock that llvmlite holds while any thread is in LLVM.

    It is not public; but an LLVM object may be freed, and so the lock taken, at any moment.
    """
    lock = getattr(getattr(sys.modules.get("llvmlite.binding.ffi"), "lib", None), "_lock", None)
    return getattr(lock, "_lock", None)


process.lock_finders += [compiler_lock, lambda: linking, _llvm_lock]
