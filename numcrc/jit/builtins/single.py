"""Make the builtins for one message.

CPython calls them as functions of ``METH_FASTCALL | METH_KEYWORDS``. Machine code handles the
common cases: bytes objects, C-contiguous buffers of plain items, values that fit the width. All
other calls, those with wrong arguments included, go to the Python function in the block, which
returns or raises. So error messages have one place, and no error is raised here.
"""

from __future__ import annotations

from numcrc.jit.builtins import abi
from numcrc.jit.builtins.capi import (
    BUILTIN,
    as_uint64,
    check_signals,
    clear_error,
    failed,
    fall_back,
    from_uint64,
    get_buffer,
    hold,
    is_bytes,
    new_bytes,
    py_buffer,
    release_buffer,
    restore_thread,
    save_thread,
    state_of,
    value_of,
)
from numcrc.jit.emit.parts import inline, outlined
from numcrc.jit.emit.scalars import address, advance, i64, is_null, load64, load_pointer, null, u64
from numcrc.jit.kernels.table import wide_kernel


@inline
def _value_argument(block, args, nargs, kwnames):
    """Return whether the arguments are ``(data, value=None)``, and the value, null by default."""
    if is_null(kwnames):
        if nargs == 2:
            return True, load_pointer(args, abi.POINTER)
        return nargs == 1, null()
    if nargs == 1 and load64(kwnames, abi.OB_SIZE) == u64(1):
        name = load64(kwnames, abi.TUPLE_ITEMS)
        return name == load64(block, abi.VALUE_NAME), load_pointer(args, abi.POINTER)
    return False, null()


def crc_entry(kernel):
    """Return the builtin ``crc(data, value=None) -> int`` of a ``kernel(k, p, n, state)``.

    A call with a short bytes object alone has a path of its own, the shortest.
    """
    anything = outlined(_crc_of_anything(kernel), BUILTIN, "anything")

    def entry(self, args, nargs, kwnames):
        if nargs == 1 and is_null(kwnames):
            block, data = advance(self, abi.BYTES_DATA), load_pointer(args, 0)
            if is_bytes(block, data):
                n = i64(load64(data, abi.OB_SIZE))
                if n < abi.GIL_FREE:
                    p, k = advance(data, abi.BYTES_DATA), advance(block, abi.CONSTANTS)
                    state = kernel(k, p, n, load64(block, abi.INIT))
                    return from_uint64(value_of(block, state))
        return anything(self, args, nargs, kwnames)

    return entry


def _crc_of_anything(kernel):
    @inline
    def entry(self, args, nargs, kwnames):
        block = advance(self, abi.BYTES_DATA)
        handled, value = _value_argument(block, args, nargs, kwnames)
        state = load64(block, abi.INIT)
        if handled and not is_null(value) and address(value) != load64(block, abi.NONE):
            number = as_uint64(value)
            # A failed conversion reads as all ones, which is also a 64-bit CRC.
            if number == ~u64(0) and failed():
                clear_error()
                handled = False
            handled = handled and number <= load64(block, abi.MASK)
            state = state_of(block, number)
        view = py_buffer()
        held = False
        p = null()
        n = 0
        if handled:
            data = load_pointer(args, 0)
            if is_bytes(block, data):
                p = advance(data, abi.BYTES_DATA)
                n = i64(load64(data, abi.OB_SIZE))
            elif hold(block, data, view):
                held = True
                p = load_pointer(view, abi.BUFFER_BUF)
                n = i64(load64(view, abi.BUFFER_LEN))
            else:
                handled = False
        if not handled:
            if failed():
                return null()
            return fall_back(block, args, nargs, kwnames)
        interrupted = False
        while True:
            size = n if n < abi.PIECE else abi.PIECE
            thread = null()
            if size >= abi.GIL_FREE:
                thread = save_thread()
            state = kernel(advance(block, abi.CONSTANTS), p, size, state)
            if size >= abi.GIL_FREE:
                restore_thread(thread)
            p, n = advance(p, size), n - size
            if n == 0:
                break
            if check_signals():
                interrupted = True
                break
        if held:
            release_buffer(view)
        if interrupted:
            return null()
        return from_uint64(value_of(block, state))

    return entry


def raw_entry(kernel):
    """Return the C function ``crc(block, p, n, value)`` of a ``kernel(k, p, n, state)``."""

    def entry(block, p, n, value):
        state = kernel(advance(block, abi.CONSTANTS), p, n, state_of(block, value))
        return value_of(block, state)

    return entry


def wide_entry(self, args, nargs, kwnames):
    """Implement the builtin ``feed(data, state) -> state`` for CRCs of 65 to 128 bits.

    Only `numcrc.compiled` calls it, with a plain buffer and 16 bytes.
    """
    block = advance(self, abi.BYTES_DATA)
    view = py_buffer()
    if get_buffer(load_pointer(args, 0), view, abi.PYBUF_SIMPLE):
        return null()
    start = advance(load_pointer(args, abi.POINTER), abi.BYTES_DATA)
    result = new_bytes(start, 16)
    if not is_null(result):
        state = advance(result, abi.BYTES_DATA)
        p, n = load_pointer(view, abi.BUFFER_BUF), i64(load64(view, abi.BUFFER_LEN))
        thread = null()
        if n >= abi.GIL_FREE:
            thread = save_thread()
        wide_kernel(advance(block, abi.CONSTANTS), p, n, state)
        if n >= abi.GIL_FREE:
            restore_thread(thread)
    release_buffer(view)
    return result
