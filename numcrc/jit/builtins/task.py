"""Make builtins of kernels that take numbers only, such as those of `numcrc.explore`."""

from __future__ import annotations

from numcrc.jit.builtins import abi
from numcrc.jit.builtins.capi import as_uint64, failed, from_uint64, restore_thread, save_thread
from numcrc.jit.emit.scalars import load_pointer, null, stack, store64

_MOST = 9
"""Arguments of a builtin."""

_words = stack(8 * _MOST)


def task_entry(kernel):
    """Return the builtin of ``kernel(words) -> int``, without the GIL.

    Its arguments, at most 9 integers below 2^64, are the words.
    """

    def entry(self, args, nargs, kwnames):
        words = _words()
        for i in range(nargs if nargs < _MOST else _MOST):
            store64(words, 8 * i, as_uint64(load_pointer(args, abi.POINTER * i)))
        if failed():
            return null()
        thread = save_thread()
        result = kernel(words)
        restore_thread(thread)
        return from_uint64(result)

    return entry
