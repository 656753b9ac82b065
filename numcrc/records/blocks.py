"""Compute what a block of an array contributes to the CRC of the whole array.

Let L be an algorithm with init and xorout 0. It is linear, and zero bytes in front of a message do
not count: L of an array is the sum (XOR) of L of the same array with all but one block set to 0,
over all blocks. Rows at a distance of s bytes are a message whose gaps are zeros:
``sum(L(row k) * x^(8 s (n-1-k)))``, as if each row had s bytes. So neither the gaps nor the order
of the blocks cost anything.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import as_array
from numcrc.crc.model import index
from numcrc.records.algebra import join_last_axis
from numcrc.records.slices import rows

if TYPE_CHECKING:
    from numcrc.compiled import Compiled

MOST_ROWS = 1 << 20
"""Rows whose CRCs are held in memory at a time: rows may be as short as one byte."""


def contribution(compiled: Compiled, data: Any, shape: Any, start: Any, threads: int | None) -> int:
    """Implement `Algorithm.contribution`; *compiled* has the functions of L."""
    shape = tuple(index(length, "shape") for length in shape)
    start = tuple(index(first, "start") for first in start)
    block = as_array(data)
    if not len(shape) == len(start) == block.ndim:
        raise ValueError(
            f"a block of {block.ndim} dimensions does not suit shape {shape} and start {start}"
        )
    strides, size, last = [], block.itemsize, 0  # last: the offset of the block's last item
    for total, first, length in zip(shape[::-1], start[::-1], block.shape[::-1], strict=True):
        if not 0 <= first <= total - length:
            raise ValueError(
                f"a block of shape {block.shape} at {start} is not inside an array of shape {shape}"
            )
        strides.append(size)
        last += (first + length - 1) * size
        size *= total
    if not block.nbytes:
        return 0
    # The axes of a row: those that the block has whole, at the end, and the one before.
    whole = block.ndim
    while whole and block.shape[whole - 1] == shape[whole - 1]:
        whole -= 1
    outer = max(whole - 1, 0)
    if math.prod(block.shape[:outer]) > MOST_ROWS:
        axis = int(np.argmax(block.shape[:outer]))
        half = block.shape[axis] // 2
        later = (*start[:axis], start[axis] + half, *start[axis + 1 :])
        first, second = np.split(block, [half], axis)
        return contribution(compiled, first, shape, start, threads) ^ contribution(
            compiled, second, shape, later, threads
        )
    values = rows(compiled, block, tuple(range(outer, block.ndim)), None, None, threads)
    if outer:
        values = values.astype(np.uint64 if compiled.width <= 64 else object)
        for stride in strides[block.ndim - outer :]:
            values = join_last_axis(compiled, values, stride)
    return compiled.zeros(int(values), size - last - block.itemsize)
