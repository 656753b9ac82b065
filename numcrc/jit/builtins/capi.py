"""Declare the C API to machine code, with the parts that several builtins share."""

from __future__ import annotations

from numba.core import types

from numcrc.jit.builtins import abi
from numcrc.jit.emit.parts import inline, outlined
from numcrc.jit.emit.scalars import (
    Pointer,
    i32,
    i64,
    is_null,
    load8,
    load64,
    load_pointer,
    null,
    reverse_bits,
    stack,
    swap_bytes,
    u64,
)

_MEMORYVIEW, _BYTEARRAY = abi.BUFFER_TYPES
_OBJECT_CODE = ord("O")
_STRING = 1 << 28  # Py_TPFLAGS_UNICODE_SUBCLASS
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8  # Py_TPFLAGS_HEAPTYPE, Py_TPFLAGS_IMMUTABLETYPE

BUILTIN = Pointer(Pointer, Pointer, i64, Pointer)
"""The C signature of a builtin: self, args, nargs, kwnames."""

RAW = u64(Pointer, Pointer, i64, u64)
"""The C signature of the function for other compiled code: block, p, n, value."""

C_API: dict[str, types.ExternalFunction] = {}
"""The C API functions that machine code calls."""


def _c_api(name: str, result, *arguments):
    C_API[name] = types.ExternalFunction(name, result(*arguments))
    return C_API[name]


get_buffer = _c_api("PyObject_GetBuffer", i32, Pointer, Pointer, i32)
release_buffer = _c_api("PyBuffer_Release", types.void, Pointer)
error_matches = _c_api("PyErr_ExceptionMatches", i32, Pointer)
check_signals = _c_api("PyErr_CheckSignals", i32)
clear_error = _c_api("PyErr_Clear", types.void)
error_occurred = _c_api("PyErr_Occurred", Pointer)
as_uint64 = _c_api("PyLong_AsUnsignedLongLong", u64, Pointer)
as_int64 = _c_api("PyLong_AsLongLong", i64, Pointer)
from_uint64 = _c_api("PyLong_FromUnsignedLongLong", Pointer, u64)
as_pointer = _c_api("PyLong_AsVoidPtr", Pointer, Pointer)
type_flags = _c_api("PyType_GetFlags", u64, Pointer)
new_bytes = _c_api("PyBytes_FromStringAndSize", Pointer, Pointer, i64)
save_thread = _c_api("PyEval_SaveThread", Pointer)
restore_thread = _c_api("PyEval_RestoreThread", types.void, Pointer)
new_dict = _c_api("PyDict_New", Pointer)
set_item = _c_api("PyDict_SetItem", i32, Pointer, Pointer, Pointer)
drop = _c_api("Py_DecRef", types.void, Pointer)
vectorcall_dict = _c_api("PyObject_VectorcallDict", Pointer, Pointer, Pointer, i64, Pointer)

py_buffer = stack(abi.BUFFER_SIZE)


@inline
def failed():
    """Whether an error is set."""
    return not is_null(error_occurred())


@inline
def is_bytes(block, obj):
    """Whether the type of *obj* is exactly bytes."""
    return load64(obj, abi.OB_TYPE) == load64(block, abi.BYTES_TYPE)


@inline
def _clear_refusal(block):
    """Clear the error by which an object refused a buffer; any other is for the caller."""
    for error in abi.BUFFER_REFUSALS:
        if error_matches(load_pointer(block, error)):
            clear_error()


@inline
def _plain_items(block, obj, view):
    """Whether the buffer in *view* is free of Python objects; if not, it is released.

    A simple buffer gives the size of its items, not their format, so the format is asked for
    if a pointer fits an item.
    """
    if load64(view, abi.BUFFER_ITEMSIZE) < u64(abi.POINTER):
        return True
    release_buffer(view)
    if get_buffer(obj, view, abi.PYBUF_FORMAT_ND):
        _clear_refusal(block)
        return False
    text = load_pointer(view, abi.BUFFER_FORMAT)
    if is_null(text):
        return True
    i = 0
    while load8(text, i):
        if load8(text, i) == u64(_OBJECT_CODE):
            release_buffer(view)
            return False
        i += 1
    return True


@inline
def hold(block, obj, view):
    """Get the buffer of *obj* into *view*; False if machine code does not take it.

    An error is then set if the object raised one that is not a refusal. Python decides on
    NumPy's strings, and on objects of classes that are made in Python: masked arrays are of one.
    """
    kind = load64(obj, abi.OB_TYPE)
    if kind != load64(block, _MEMORYVIEW) and kind != load64(block, _BYTEARRAY):
        flags = type_flags(load_pointer(obj, abi.OB_TYPE))
        if flags & u64(_STRING) or flags & u64(_HEAP | _IMMUTABLE) == u64(_HEAP):
            return False
    if get_buffer(obj, view, abi.PYBUF_SIMPLE):
        _clear_refusal(block)
        return False
    return _plain_items(block, obj, view)


@inline
def state_of(block, value):
    """Return the state of the CRC *value*."""
    state = (value ^ load64(block, abi.XOROUT)) << load64(block, abi.SHIFT)
    if load64(block, abi.FLIP):
        state = reverse_bits(state)
    if load64(block, abi.SWAP):
        state = swap_bytes(state)
    return state


@inline
def value_of(block, state):
    """Return the CRC of *state*."""
    return shown(state, shape_of(block))


@inline
def shape_of(block):
    """Return the words of a block by which a state becomes a CRC."""
    return (
        load64(block, abi.SWAP),
        load64(block, abi.FLIP),
        load64(block, abi.SHIFT),
        load64(block, abi.XOROUT),
    )


@inline
def shown(state, shape):
    """Return the CRC of *state*, by `shape_of` its block."""
    swap, flip, shift, xorout = shape
    if swap:
        state = swap_bytes(state)
    if flip:
        state = reverse_bits(state)
    return state >> shift ^ xorout


@inline
def _fall_back(block, args, nargs, kwnames):
    clear_error()
    function = load_pointer(block, abi.FALLBACK)
    if is_null(kwnames):
        return vectorcall_dict(function, args, nargs, kwnames)
    keywords = new_dict()
    if is_null(keywords):
        return keywords
    for i in range(i64(load64(kwnames, abi.OB_SIZE))):
        name = load_pointer(kwnames, abi.TUPLE_ITEMS + abi.POINTER * i)
        if set_item(keywords, name, load_pointer(args, abi.POINTER * (nargs + i))):
            drop(keywords)
            return null()
    result = vectorcall_dict(function, args, nargs, keywords)
    drop(keywords)
    return result


fall_back = outlined(_fall_back, BUILTIN, "fall_back")
"""Return the result of a block's Python function for ``(block, args, nargs, kwnames)``."""
