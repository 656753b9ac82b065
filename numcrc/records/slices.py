"""Compute the CRCs of the slices of an array."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import as_array
from numcrc.crc.model import index
from numcrc.records.arguments import Array, Call, checked_axis
from numcrc.records.run import Records, address, compute, compute_one_by_one, threads_worth
from numcrc.threads import share

if TYPE_CHECKING:
    from numcrc.compiled import Compiled

SCRATCH = 1 << 22
"""Bytes of slices that a thread copies into C order at a time."""
_MOST_OFFSETS = 1 << 19
"""Slices whose offsets are held in memory at a time."""


def rows(compiled: Compiled, a: Any, axis: Any, value: Any, out: Any, threads: int | None) -> Any:
    """Implement `Algorithm.rows`."""
    # The array is converted last: converting the others may run code that moves its memory.
    call = Call(compiled, value, out, threads)
    axes = None if axis is None else _as_tuple(axis)
    array = as_array(a)
    inner = tuple(range(array.ndim)) if axes is None else _normalised(axes, array.ndim)
    outer = tuple(d for d in range(array.ndim) if d not in inner)
    view = array.transpose(outer + inner)
    shape = view.shape[: len(outer)]
    call.begin(shape)
    if not call.array.size:
        return call.result()
    one = view[(0,) * len(outer) + (...,)]  # the layout of all slices
    length, contiguous = one.nbytes, not one.nbytes or one.flags.c_contiguous
    if compiled.width > 64 or (not contiguous and length > SCRATCH):
        compute_one_by_one(call, (view[place] for place in np.ndindex(shape)))
    elif contiguous:
        _in_place(call, view, len(outer), length)
    else:
        _by_scratch(call, view, len(outer), length)
    return call.result()


def _as_tuple(axis: Any) -> tuple[int, ...]:
    return tuple(index(one, "axis") for one in (axis if isinstance(axis, tuple) else (axis,)))


def _normalised(axes: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return *axes* as numbers from 0, in ascending order, in which slices are read."""
    found = {checked_axis(one, ndim) for one in axes}
    if len(found) < len(axes):
        raise ValueError(f"duplicate value in 'axis': {axes}")
    return tuple(sorted(found))


def _in_place(call: Call, view: Array, outer: int, length: int) -> None:
    """Compute contiguous slices without a copy: by one stride, or else by their offsets."""
    axes: list[tuple[int, int]] = []
    for size, stride in zip(view.shape[:outer], view.strides[:outer], strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == size * stride:
            axes[-1] = (axes[-1][0] * size, stride)
        else:
            axes.append((size, stride))
    if len(axes) < 2:
        stride = axes[0][1] if axes else 0
        records = Records(call.array.size, length, address(view), stride=stride)
        compute(call.compiled, records, call.values, call.array, call.threads)
        return
    for block, block_outer, first, count in _blocks(view, outer, 0, _MOST_OFFSETS):
        offsets = np.zeros((), np.int64)
        strides = block.strides[:block_outer]
        for size, stride in zip(block.shape[:block_outer], strides, strict=True):
            offsets = np.add.outer(offsets, np.arange(size, dtype=np.int64) * stride)
        records = Records(count, length, address(block), offsets=offsets.reshape(-1))
        compute(call.compiled, records, *call.part(first, count), call.threads)


def _by_scratch(call: Call, view: Array, outer: int, length: int) -> None:
    """Compute slices that are not contiguous, copied block by block, one scratch per thread."""
    blocks = deque(_blocks(view, outer, 0, SCRATCH // length))

    def work(limit: int) -> int:
        scratch = None
        for done in range(limit):
            try:
                block, _, first, count = blocks.popleft()
            except IndexError:
                return done
            if scratch is None or scratch.size < block.size:
                scratch = np.empty(block.size, view.dtype)
            copy = scratch[: block.size].reshape(block.shape)
            np.copyto(copy, block)
            records = Records(count, length, address(copy), stride=length)
            compute(call.compiled, records, *call.part(first, count), 1)
        return limit

    share(work, blocks.clear, min(threads_worth(view.nbytes, call.threads), len(blocks)))


def _blocks(
    view: Array, outer: int, first: int, most: int
) -> Iterator[tuple[Array, int, int, int]]:
    """Yield blocks of *view* of at most *most* slices.

    With each block: its number of outer axes, its first slice, its number of slices.
    """
    if not outer:
        yield view, outer, first, 1
        return
    inside = math.prod(view.shape[1:outer])
    if inside > most:
        for i in range(len(view)):
            yield from _blocks(view[i], outer - 1, first + i * inside, most)
        return
    step = max(1, most // inside)
    for start in range(0, len(view), step):
        block = view[start : start + step]
        yield block, outer, first + start * inside, len(block) * inside
