"""CPython builtins around the kernels: ``METH_FASTCALL | METH_KEYWORDS`` functions.

The machine code handles what is common, exactly: bytes objects, C-contiguous buffers of
plain items, values that fit the register. Anything else, wrong arguments included, goes
to the Python function in the block, which answers or raises. So there is one place that
words errors, and no error is ever raised from here.
"""

from __future__ import annotations

from typing import Any

from numba.core import types

from numcrc.jit import abi
from numcrc.jit.memory import (
    Pointer,
    address,
    advance,
    inline,
    load8,
    load64,
    load_pointer,
    null,
    reverse_bits,
    stack,
    swap_bytes,
    u64,
)

_BUF, _LEN, _ITEMSIZE, _FORMAT = (
    abi.BUFFER_BUF,
    abi.BUFFER_LEN,
    abi.BUFFER_ITEMSIZE,
    abi.BUFFER_FORMAT,
)
_OB_TYPE, _OB_SIZE, _BYTES_DATA = abi.OB_TYPE, abi.OB_SIZE, abi.BYTES_DATA
_SIMPLE, _FORMAT_ND = abi.PYBUF_SIMPLE, abi.PYBUF_FORMAT_ND
_MASK, _XOROUT, _INIT, _SHIFT = abi.MASK, abi.XOROUT, abi.INIT, abi.SHIFT
_FLIP, _SWAP = abi.FLIP, abi.SWAP
_BYTES_TYPE, _NONE, _VALUE_NAME = abi.BYTES_TYPE, abi.NONE, abi.VALUE_NAME
_FALLBACK, _CONSTANTS, _GIL_FREE = abi.FALLBACK, abi.CONSTANTS, abi.GIL_FREE
_POINTER = abi.POINTER
_OBJECT_CODE = ord("O")
_LOWEST = -(2**63)

ARGUMENTS = (Pointer, Pointer, types.int64, Pointer)
"""self, args, nargs, kwnames."""

C_API: dict[str, Any] = {}
"""The C API functions that machine code calls: all that an object may leave unresolved."""


def _c_api(name: str, result: Any, *arguments: Any) -> Any:
    C_API[name] = types.ExternalFunction(name, result(*arguments))
    return C_API[name]


_i32, _i64 = types.int32, types.int64
_get_buffer = _c_api("PyObject_GetBuffer", _i32, Pointer, Pointer, _i32)
_release_buffer = _c_api("PyBuffer_Release", types.void, Pointer)
_clear_error = _c_api("PyErr_Clear", types.void)
_error_occurred = _c_api("PyErr_Occurred", Pointer)
_as_uint64 = _c_api("PyLong_AsUnsignedLongLong", u64, Pointer)
_as_int64 = _c_api("PyLong_AsLongLong", _i64, Pointer)
_from_uint64 = _c_api("PyLong_FromUnsignedLongLong", Pointer, u64)
_bytes_of = _c_api("PyBytes_FromStringAndSize", Pointer, Pointer, _i64)
_tuple_item = _c_api("PyTuple_GetItem", Pointer, Pointer, _i64)
_save_thread = _c_api("PyEval_SaveThread", Pointer)
_restore_thread = _c_api("PyEval_RestoreThread", types.void, Pointer)
_vectorcall = _c_api("PyObject_Vectorcall", Pointer, Pointer, Pointer, _i64, Pointer)

_py_buffer = stack(abi.BUFFER_SIZE)


@inline
def _is_bytes(block: Any, obj: Any) -> Any:
    return load64(obj, _OB_TYPE) == load64(block, _BYTES_TYPE)


@inline
def _plain_items(obj: Any, view: Any) -> Any:
    """Whether the buffer in *view* holds no Python objects; if not, it is released.

    A simple buffer says the size of its items, not their format: only items that have
    room for a pointer are asked about again.
    """
    if load64(view, _ITEMSIZE) < u64(_POINTER):
        return True
    _release_buffer(view)
    if _get_buffer(obj, view, _FORMAT_ND):
        _clear_error()
        return False
    text = load_pointer(view, _FORMAT)
    if address(text) == u64(0):
        return True
    i = 0
    while load8(text, i):
        if load8(text, i) == u64(_OBJECT_CODE):
            _release_buffer(view)
            return False
        i += 1
    return True


@inline
def _hold(obj: Any, view: Any) -> Any:
    """Get the buffer of *obj* into *view*; False if the machine code does not take it."""
    if _get_buffer(obj, view, _SIMPLE):
        _clear_error()
        return False
    return _plain_items(obj, view)


@inline
def _register(block: Any, value: Any) -> Any:
    register = (value ^ load64(block, _XOROUT)) << load64(block, _SHIFT)
    if load64(block, _FLIP):
        register = reverse_bits(register)
    if load64(block, _SWAP):
        register = swap_bytes(register)
    return register


@inline
def _value(block: Any, register: Any) -> Any:
    if load64(block, _SWAP):
        register = swap_bytes(register)
    if load64(block, _FLIP):
        register = reverse_bits(register)
    return register >> load64(block, _SHIFT) ^ load64(block, _XOROUT)


@inline
def _value_argument(block: Any, args: Any, nargs: Any, kwnames: Any) -> Any:
    """Return whether the call is ``(data, value=...)`` and its value, null if not given."""
    if address(kwnames) == u64(0):
        if nargs == 2:
            return True, load_pointer(args, _POINTER)
        return nargs == 1, null()
    if nargs == 1 and load64(kwnames, _OB_SIZE) == u64(1):
        name = address(_tuple_item(kwnames, 0))
        return name == load64(block, _VALUE_NAME), load_pointer(args, _POINTER)
    return False, null()


def crc_entry(kernel: Any) -> Any:
    """Return the builtin ``crc(data, value=None) -> int`` of a ``kernel(k, p, n, register)``."""

    def entry(self: Any, args: Any, nargs: Any, kwnames: Any) -> Any:
        block = advance(self, _BYTES_DATA)
        known, value = _value_argument(block, args, nargs, kwnames)
        register = load64(block, _INIT)
        if known and address(value) != u64(0) and address(value) != load64(block, _NONE):
            number = _as_uint64(value)
            # A failed conversion reads as all ones, which is also a 64-bit CRC.
            if number == ~u64(0):
                known = address(_error_occurred()) == u64(0)
            known = known and number <= load64(block, _MASK)
            register = _register(block, number)
        data = load_pointer(args, 0) if known else args
        view = _py_buffer()
        held = False
        p = null()
        n = 0
        if known:
            if _is_bytes(block, data):
                p = advance(data, _BYTES_DATA)
                n = _i64(load64(data, _OB_SIZE))
            elif _hold(data, view):
                held = True
                p = load_pointer(view, _BUF)
                n = _i64(load64(view, _LEN))
            else:
                known = False
        if not known:
            _clear_error()
            return _vectorcall(load_pointer(block, _FALLBACK), args, nargs, kwnames)
        thread = null()
        if n >= _GIL_FREE:
            thread = _save_thread()
        register = kernel(advance(block, _CONSTANTS), p, n, register)
        if n >= _GIL_FREE:
            _restore_thread(thread)
        if held:
            _release_buffer(view)
        return _from_uint64(_value(block, register))

    return entry


def zeros_entry(kernel: Any) -> Any:
    """Return the builtin ``zeros(value, n) -> int`` of a ``kernel(k, n, register)``."""

    def entry(self: Any, args: Any, nargs: Any, kwnames: Any) -> Any:
        block = advance(self, _BYTES_DATA)
        if address(kwnames) == u64(0) and nargs == 2:
            value = _as_uint64(load_pointer(args, 0))
            if value <= load64(block, _MASK) and address(_error_occurred()) == u64(0):
                n = _as_int64(load_pointer(args, _POINTER))
                # -2**63 has no opposite in 64 bits.
                if n > _LOWEST and address(_error_occurred()) == u64(0):
                    register = kernel(advance(block, _CONSTANTS), n, _register(block, value))
                    return _from_uint64(_value(block, register))
        _clear_error()
        return _vectorcall(load_pointer(block, _FALLBACK), args, nargs, kwnames)

    return entry


def wide_entry(kernel: Any) -> Any:
    """Return the builtin ``feed(data, state) -> state`` of a ``kernel(k, p, n, state)``.

    Called by our own Python only, with a plain buffer and 16 bytes.
    """

    def entry(self: Any, args: Any, nargs: Any, kwnames: Any) -> Any:
        block = advance(self, _BYTES_DATA)
        view = _py_buffer()
        if _get_buffer(load_pointer(args, 0), view, _SIMPLE):
            return null()
        start = advance(load_pointer(args, _POINTER), _BYTES_DATA)
        result = _bytes_of(start, 16)
        if address(result) != u64(0):
            state = advance(result, _BYTES_DATA)
            p, n = load_pointer(view, _BUF), _i64(load64(view, _LEN))
            thread = null()
            if n >= _GIL_FREE:
                thread = _save_thread()
            kernel(advance(block, _CONSTANTS), p, n, state)
            if n >= _GIL_FREE:
                _restore_thread(thread)
        _release_buffer(view)
        return result

    return entry
