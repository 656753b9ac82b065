"""Compute with CRCs in arrays, which are broadcast: zeros, combine and join."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import refuse_masked
from numcrc.crc import gf2, reference
from numcrc.crc.model import index
from numcrc.records.arguments import (
    Array,
    checked_axis,
    checked_values,
    dtype_of,
    lengths_in_bytes,
    not_negative,
    one_or_integers,
)
from numcrc.records.run import address

if TYPE_CHECKING:
    from numcrc.compiled import Compiled

TURN = 1 << 18
"""CRCs between two checks for signals."""


def zeros(compiled: Compiled, value: Any, n: Any) -> Any:
    """Implement `Algorithm.zeros` for arguments that are not two ints."""
    refuse_masked(value, "value")
    refuse_masked(n, "n")
    if not (np.ndim(value) or np.ndim(n)):
        return compiled.zeros(compiled.checked(value), index(n, "n"))
    values, counts = checked_values(compiled, value), one_or_integers(n, "n")
    if not compiled.model.poly & 1 and (counts < 0).any():
        compiled.general_zeros(0, -1)  # raises the error for an even polynomial
    found = _zeros(compiled, values, counts)
    return found.astype(dtype_of(compiled))[()]


def combine(compiled: Compiled, crc1: Any, crc2: Any, len2: Any) -> Any:
    """Implement `Algorithm.combine` for arguments that are not three ints."""
    for argument, name in ((crc1, "crc1"), (crc2, "crc2"), (len2, "len2")):
        refuse_masked(argument, name)
    if not (np.ndim(crc1) or np.ndim(crc2) or np.ndim(len2)):
        first, second = compiled.checked(crc1, "crc1"), compiled.checked(crc2, "crc2")
        length = index(len2, "len2")
        if length < 0:
            raise ValueError(f"len2 must not be negative, but is {length}")
        return _combined(compiled, first, second, length)
    values1 = checked_values(compiled, crc1, "crc1")
    values2 = checked_values(compiled, crc2, "crc2")
    lengths = not_negative(one_or_integers(len2, "len2"), "len2")
    # As in `_combined`. Constants of the values' dtype keep it.
    difference = np.array(_difference(compiled), values1.dtype)
    shifted = _zeros(compiled, values1 ^ difference, lengths)
    found = shifted ^ values2 ^ np.array(compiled.model.xorout, values1.dtype)
    return found.astype(dtype_of(compiled))[()]


def join(compiled: Compiled, crcs: Any, lengths: Any, axis: int) -> Any:
    """Implement `Algorithm.join`."""
    axis = index(axis, "axis")
    values = checked_values(compiled, crcs, "crcs")
    if not values.ndim:
        raise ValueError("crcs must be a sequence, not one CRC")
    axis = checked_axis(axis, values.ndim)
    sizes = lengths_in_bytes(lengths, "lengths")
    if sizes.ndim and sizes.size and (sizes == sizes.flat[0]).all():
        _broadcast(sizes, values.shape)  # may raise
        sizes = sizes.reshape(-1)[0]
    if sizes.ndim:
        sizes = _broadcast(sizes, values.shape)
        sizes = np.ascontiguousarray(np.moveaxis(sizes, axis, -1))
    values = np.ascontiguousarray(np.moveaxis(values, axis, -1))
    joined = join_last_axis(compiled, values, sizes if sizes.ndim else int(sizes))
    return joined.astype(dtype_of(compiled))[()]


def _broadcast(sizes: Array, shape: tuple[int, ...]) -> Array:
    try:
        return np.broadcast_to(sizes, shape)
    except ValueError:
        raise ValueError(
            f"cannot broadcast lengths of shape {sizes.shape} to crcs of shape {shape}"
        ) from None


def join_last_axis(compiled: Compiled, values: Array, sizes: Array | int) -> Array:
    """Join CRCs that are known to be valid along the last axis, `TURN` of them at a time.

    *values* are C-contiguous, of the dtype of `checked_values`; *sizes* are one length for all
    or int64 of the same shape, C-contiguous.
    """
    out = np.empty(values.shape[:-1], values.dtype)
    if compiled.width > 64 or (isinstance(sizes, int) and sizes >= 2**63):
        _join_wide(compiled, values, sizes, out)
        return out
    each = values.shape[-1]

    def part(start: int, joined: int, number: int, count: int) -> None:
        at, length = 8 * start, sizes if isinstance(sizes, int) else 0
        lengths = 0 if isinstance(sizes, int) else address(sizes) + at
        compiled.join(address(values) + at, lengths, joined, number, count, length)

    if each <= TURN:
        step = max(1, TURN // max(1, each))
        for start in range(0, out.size, step):
            part(start * each, address(out) + 8 * start, min(step, out.size - start), each)
        return out
    results, joined = out.reshape(-1), np.empty(1, np.uint64)
    for i in range(out.size):
        whole = compiled.empty
        for start in range(i * each, (i + 1) * each, TURN):
            count = min(TURN, (i + 1) * each - start)
            part(start, address(joined), 1, count)
            if isinstance(sizes, int):
                length = sizes * count
            else:  # the sum may not fit 64 bits
                length = sum(sizes.reshape(-1)[start : start + count].tolist())
            whole = _combined(compiled, whole, int(joined[0]), length)
        results[i] = whole
    return out


def _join_wide(compiled: Compiled, values: Array, sizes: Array | int, out: Array) -> None:
    if not isinstance(sizes, int):
        for place in np.ndindex(out.shape):
            pairs = zip(values[place], sizes[place].tolist(), strict=True)
            out[place] = functools.reduce(
                lambda whole, pair: _combined(compiled, whole, *pair), pairs, compiled.empty
            )
        return
    model = compiled.model
    factor = gf2.power_of_x(8 * sizes, model.generator)
    for place in np.ndindex(out.shape):
        register = model.init
        for value in values[place].tolist():
            shifted = gf2.multiply(register ^ model.init, factor)
            behind = reference.register_of(model, value)
            register = behind ^ gf2.mod(shifted, model.generator)
        out[place] = reference.value_of(model, register)


def _combined(compiled: Compiled, first: int, second: int, length: int) -> int:
    # crc(AB) = crc(B) + xorout + zeros(crc(A) + crc of nothing + xorout, len(B)).
    shifted = compiled.zeros(first ^ _difference(compiled), length)
    return second ^ compiled.model.xorout ^ shifted


def _difference(compiled: Compiled) -> int:
    return compiled.empty ^ compiled.model.xorout


def _zeros(compiled: Compiled, values: Array, counts: Array) -> Array:
    if compiled.width > 64 or counts.dtype == object:
        many = np.frompyfunc(lambda value, n: compiled.general_zeros(value, int(n)), 2, 1)
        return np.asarray(many(values, counts), object if compiled.width > 64 else np.uint64)
    values, counts = np.broadcast_arrays(values, counts)
    values, counts = np.asarray(values, order="C"), np.asarray(counts, order="C")
    out = np.empty(values.shape, np.uint64)
    run = compiled.zeros_many
    for start in range(0, out.size, TURN):
        places = (address(array) + 8 * start for array in (values, counts, out))
        run(*places, min(TURN, out.size - start))
    return out
