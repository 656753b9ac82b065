"""Give the offsets by which machine code reads CPython's objects and numcrc's own blocks.

A builtin's ``self`` is a bytes object whose contents are the block: the header of
`numcrc.jit.constants`, the words below, then the kernel's constants. Reaching it takes no
call. The offsets are the running interpreter's, and part of every cache key.
"""

from __future__ import annotations

import struct
import sys

from numcrc._light import NamedTuple

POINTER = struct.calcsize("P")

OB_TYPE = object.__basicsize__ - POINTER
OB_SIZE = object.__basicsize__
BYTES_DATA = bytes.__basicsize__ - 1
TUPLE_ITEMS = tuple.__basicsize__

# Py_buffer
BUFFER_BUF = 0
BUFFER_LEN = 2 * POINTER
BUFFER_ITEMSIZE = 3 * POINTER
BUFFER_FORMAT = 4 * POINTER + 8
BUFFER_SIZE = 10 * POINTER

PYBUF_SIMPLE = 0
PYBUF_FORMAT_ND = 0x4 | 0x8

# The block, in bytes from its start.
MASK, XOROUT, INIT, SHIFT, FLIP, SWAP = range(0, 48, 8)
BYTES_TYPE = 48
"""Address of the type bytes."""
NONE = 56
"""Address of None."""
VALUE_NAME = 64
"""Address of the interned string "value"."""
FALLBACK = 72
"""Address of the Python function that is called where machine code does not handle a call."""
BUFFER_TYPES = 80, 88
"""Addresses of types that are buffers for certain: memoryview, bytearray."""
BUFFER_REFUSALS = 96, 104, 112
"""Addresses of the errors by which an object refuses a buffer: BufferError, TypeError, and
ValueError, which NumPy raises for an array that is not contiguous."""
CONSTANTS = 120


class Work(NamedTuple):
    """The 64-bit words that the records builtin reads, addresses among them.

    Record i is at the i-th of *pointers*, or at *base* plus the i-th of *offsets* or
    plus ``i * stride``; an address of 0 means that the array is absent.
    """

    base: int = 0
    pointers: int = 0
    offsets: int = 0
    stride: int = 0
    lengths: int = 0
    """Address of each record's length; 0: all have *length*."""
    length: int = 0
    values: int = 0
    """Address of the CRCs (uint64) to continue from; 0: from the start."""
    value_step: int = 0
    """Bytes from one of *values* to the next; 0: one for all."""
    out: int = 0
    out_size: int = 8
    """Bytes of an integer of *out*."""
    chain: int = 0
    """Whether each record continues from the result of the one before."""
    bounds: int = 0
    """Address of the index of each chunk's first record, and of the end; chunks are taken whole."""
    chunks: int = 0
    next: int = 0
    """The next chunk to take, a counter that all threads share."""


PIECE = 64 << 20
"""Bytes of a message that are computed between two checks for signals."""
GIL_FREE = 16 * 1024
"""Bytes of a message from which the GIL is released."""


def identity() -> str:
    """Return everything that a builtin's machine code assumes of this interpreter."""
    offsets = (OB_TYPE, OB_SIZE, BYTES_DATA, TUPLE_ITEMS, BUFFER_SIZE)
    return f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')} {offsets}"


def process_words(fallback: object) -> bytes:
    """Return the block's words that are valid in this process only."""
    types = memoryview, bytearray, BufferError, TypeError, ValueError
    held = bytes, None, sys.intern("value"), fallback, *types
    return struct.pack("<9Q", *map(id, held))
