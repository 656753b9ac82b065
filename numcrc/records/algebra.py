"""The algebra of CRCs on arrays: combine, zeros and join, broadcasting."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.compiled import index
from numcrc.records.run import Array, address, checked_values, dtype_of, integers

if TYPE_CHECKING:
    from numcrc.compiled import Compiled

_TURN = 1 << 18
"""CRCs between two looks at signals."""


def zeros(crc: Compiled, value: Any, n: Any) -> Any:
    """Implement `Algorithm.zeros` on what are not two ints."""
    if not (np.ndim(value) or np.ndim(n)):
        return crc.zeros(crc.checked(value), index(n, "n"))
    counts = integers(n, "n")
    if not crc.model.poly & 1 and (counts < 0).any():
        crc.general_zeros(0, -1)  # raises: it says why
    return _zeros(crc, checked_values(crc, value), counts).astype(dtype_of(crc))[()]


def combine(crc: Compiled, crc1: Any, crc2: Any, len2: Any) -> Any:
    """Implement `Algorithm.combine` on what are not three ints."""
    if not (np.ndim(crc1) or np.ndim(crc2) or np.ndim(len2)):
        length = index(len2, "len2")
        if length < 0:
            raise ValueError(f"len2 must not be negative, but is {length}")
        return _combined(crc, crc.checked(crc1, "crc1"), crc.checked(crc2, "crc2"), length)
    first, second = checked_values(crc, crc1, "crc1"), checked_values(crc, crc2, "crc2")
    lengths = _lengths(len2, "len2")
    np.broadcast_shapes(first.shape, second.shape, lengths.shape)
    # As for integers: crc(AB) = crc(B) + xorout + zeros(crc(A) + empty + xorout).
    offset = _like(first, crc.empty ^ crc.model.xorout)
    shifted = _zeros(crc, first ^ offset, lengths)
    return (shifted ^ second ^ _like(first, crc.model.xorout)).astype(dtype_of(crc))[()]


def _combined(crc: Compiled, first: int, second: int, length: int) -> int:
    xorout = crc.model.xorout
    return second ^ xorout ^ crc.zeros(first ^ crc.empty ^ xorout, length)


def join(crc: Compiled, crcs: Any, lengths: Any, axis: int) -> Any:
    """Implement `Algorithm.join`."""
    values = checked_values(crc, crcs, "crcs")
    if not values.ndim:
        raise ValueError("crcs must be a sequence, not one CRC")
    sizes = _lengths(lengths, "lengths")
    try:
        sizes = np.broadcast_to(sizes, values.shape)
    except ValueError:
        raise ValueError(
            f"lengths of shape {np.shape(lengths)} do not fit crcs of shape {values.shape}"
        ) from None
    values = np.ascontiguousarray(np.moveaxis(values, axis, -1))
    sizes = np.ascontiguousarray(np.moveaxis(sizes, axis, -1))
    out = np.empty(values.shape[:-1], values.dtype)
    if crc.width > 64:
        for place in np.ndindex(out.shape):
            pairs = zip(values[place], sizes[place].tolist(), strict=True)
            out[place] = functools.reduce(lambda a, b: _combined(crc, a, *b), pairs, crc.empty)
    else:
        crc.join(address(values), address(sizes), address(out), out.size, values.shape[-1])
    return out.astype(dtype_of(crc))[()]


def _zeros(crc: Compiled, values: Array, counts: Array) -> Array:
    if crc.width > 64:
        many = np.frompyfunc(lambda value, n: crc.general_zeros(value, int(n)), 2, 1)
        return np.asarray(many(values, counts), object)
    values, counts = np.broadcast_arrays(values, counts)
    values, counts = np.asarray(values, order="C"), np.asarray(counts, order="C")
    out = np.empty(values.shape, np.uint64)
    run = crc.zeros_many
    for start in range(0, out.size, _TURN):
        places = (address(array) + 8 * start for array in (values, counts, out))
        run(*places, min(_TURN, out.size - start))
    return out


def _like(values: Array, constant: int) -> Any:
    return np.uint64(constant) if values.dtype == np.uint64 else constant


def _lengths(lengths: Any, what: str) -> Array:
    array = integers(lengths, what)
    if (array < 0).any():
        raise ValueError(f"{what} must not be negative, but one is {int(array.min())}")
    return array
