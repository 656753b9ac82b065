"""CRCs of the slices of an array, and of the records of one buffer."""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import as_array, flat_bytes
from numcrc.records.run import (
    Array,
    Output,
    Records,
    address,
    checked_values,
    compute,
    integers,
    per_record,
    threads_worth,
)
from numcrc.threads import checked_threads, share

if TYPE_CHECKING:
    from numcrc.compiled import Compiled

SCRATCH = 1 << 22
"""Bytes of slices that a thread brings into order at a time."""
_OFFSETS = 1 << 19
"""Slices whose offsets are written down at a time."""


def rows(crc: Compiled, a: Any, axis: Any, value: Any, out: Any, threads: int | None) -> Any:
    """Implement `Algorithm.rows`."""
    array = as_array(a)
    inner = _axes(axis, array.ndim)
    outer = tuple(d for d in range(array.ndim) if d not in inner)
    view = array.transpose(outer + inner)
    shape = view.shape[: len(outer)]
    values = None if value is None else per_record(checked_values(crc, value), shape)
    output = Output(crc, shape, out)
    if threads is not None:
        checked_threads(threads)
    length = math.prod(view.shape[len(outer) :]) * view.itemsize
    contiguous = not length or _contiguous(view, len(outer))
    if not output.array.size:
        pass
    elif crc.width > 64 or (not contiguous and length > SCRATCH):
        _one_by_one(crc, (view[place] for place in np.ndindex(shape)), values, output.array)
    elif contiguous:
        _in_place(crc, view, len(outer), length, values, output.array, threads)
    else:
        _by_scratch(crc, view, len(outer), length, values, output.array, threads)
    return output.result()


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return *axis* as sorted axes; slices are read in C order, whatever the order given."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple) else (axis,)
    axes = []
    for one in map(operator.index, given):
        if not -ndim <= one < ndim:
            raise np.exceptions.AxisError(one, ndim)
        axes.append(one % ndim)
    if len(set(axes)) < len(axes):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(axes))


def _contiguous(view: Array, outer: int) -> bool:
    """Whether the elements of each slice lie one after the other in memory."""
    expected = view.itemsize
    sizes, strides = reversed(view.shape[outer:]), reversed(view.strides[outer:])
    for size, stride in zip(sizes, strides, strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _in_place(
    crc: Compiled,
    view: Array,
    outer: int,
    length: int,
    values: Array | None,
    out: Array,
    threads: int | None,
) -> None:
    """Compute slices where they lie: one stride apart, or else at so many offsets at a time."""
    axes: list[tuple[int, int]] = []
    for size, stride in zip(view.shape[:outer], view.strides[:outer], strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == size * stride:
            axes[-1] = (axes[-1][0] * size, stride)
        else:
            axes.append((size, stride))
    flat = out.reshape(-1)
    if len(axes) < 2:
        stride = axes[0][1] if axes else 0
        compute(
            crc, Records(flat.size, length, address(view), stride=stride), values, flat, threads
        )
        return
    for block, block_outer, first, count in _blocks(view, outer, 0, _OFFSETS):
        offsets = np.zeros((), np.int64)
        for size, stride in zip(block.shape, block.strides[:block_outer], strict=False):
            offsets = np.add.outer(offsets, np.arange(size, dtype=np.int64) * stride)
        records = Records(count, length, address(block), offsets=offsets.reshape(-1))
        part = slice(first, first + count)
        compute(crc, records, _of(values, part), flat[part], threads)


def _of(values: Array | None, part: slice) -> Array | None:
    return values if values is None or not values.ndim else values[part]


def _one_by_one(crc: Compiled, items: Any, values: Array | None, out: Array) -> None:
    flat = out.reshape(-1)
    each = None if values is None else np.broadcast_to(values, flat.shape)
    for i, item in enumerate(items):
        flat[i] = crc.crc(item, None if each is None else each[i])


def _by_scratch(
    crc: Compiled,
    view: Array,
    outer: int,
    length: int,
    values: Array | None,
    out: Array,
    threads: int | None,
) -> None:
    """Copy slices that are not contiguous in blocks of them, each thread into its scratch."""
    flat = out.reshape(-1)
    blocks = list(_blocks(view, outer, 0, SCRATCH // length))
    remaining = iter(blocks)
    lock, failed = threading.Lock(), threading.Event()

    def work(limit: int) -> int:
        scratch = None
        for done in range(limit):
            with lock:
                taken = next(remaining, None)
            if taken is None or failed.is_set():
                return done
            block, _, first, count = taken
            if scratch is None or scratch.size < block.size:
                scratch = np.empty(block.size, view.dtype)
            copy = scratch[: block.size].reshape(block.shape)
            np.copyto(copy, block)
            part = slice(first, first + count)
            records = Records(count, length, address(copy), stride=length)
            compute(crc, records, _of(values, part), flat[part], 1)
        return limit

    share(work, failed.set, min(threads_worth(view.nbytes, threads), len(blocks)))


def _blocks(
    view: Array, outer: int, first: int, most: int
) -> Iterator[tuple[Array, int, int, int]]:
    """Yield parts of *view* of at most *most* slices.

    With each: how many of its axes are outer, its first slice, and how many it has.
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
        part = view[start : start + step]
        yield part, outer, first + start * inside, len(part) * inside


def segments(
    crc: Compiled,
    buffer: Any,
    offsets: Any,
    lengths: Any,
    value: Any,
    out: Any,
    threads: int | None,
) -> Any:
    """Implement `Algorithm.segments`."""
    data = flat_bytes(buffer)
    starts = integers(offsets, "offsets")
    if lengths is None:
        if starts.ndim != 1 or not starts.size:
            raise ValueError("offsets alone must be one-dimensional: n + 1 of them for n records")
        if starts.size == 1:
            _inside(starts, data.size)
        starts, ends = starts[:-1], starts[1:]
        sizes = ends - starts  # which may overflow, but not of offsets that are inside
        if starts.min(initial=0) < 0 or ends.max(initial=0) > data.size or (ends < starts).any():
            wrong = (starts < 0) | (starts > data.size) | (ends < starts) | (ends > data.size)
            i = int(np.argmax(wrong))
            length = int(ends[i]) - int(starts[i])
            raise ValueError(_misplaced("offsets", (i,), int(starts[i]), length, data.size))
    else:
        starts, sizes = np.broadcast_arrays(starts, integers(lengths, "lengths"))
        # Neither sum nor difference may overflow: sizes first, then the room that is left.
        wrong = (sizes < 0) | (sizes > data.size) | (starts < 0) | (starts > data.size - sizes)
        if wrong.any():
            index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
            place = int(starts[index]), int(sizes[index])
            raise ValueError(_misplaced("segments", index, *place, data.size))
    values = None if value is None else per_record(checked_values(crc, value), starts.shape)
    output = Output(crc, starts.shape, out)
    _of_buffer(crc, data, starts.reshape(-1), sizes.reshape(-1), values, output.array, threads)
    return output.result()


def _of_buffer(
    crc: Compiled,
    data: Array,
    starts: Array,
    sizes: Array,
    values: Array | None,
    out: Array,
    threads: int | None,
    chain: bool = False,
) -> None:
    """Compute records of *data*, whose bounds have been checked."""
    if threads is not None:
        checked_threads(threads)
    starts, sizes = np.ascontiguousarray(starts), np.ascontiguousarray(sizes)
    if crc.width > 64:
        pairs = zip(starts.tolist(), sizes.tolist(), strict=True)
        items = (data[start : start + size] for start, size in pairs)
        if not chain:
            _one_by_one(crc, items, values, out)
            return
        running: Any = None if values is None else values[()]
        for i, item in enumerate(items):
            out[i] = running = crc.crc(item, running)
        return
    records = Records(len(starts), sizes, address(data), offsets=starts, chain=chain)
    compute(crc, records, values, out, threads)


def _inside(offsets: Array, size: int) -> None:
    if offsets.size and (offsets.min() < 0 or offsets.max() > size):
        raise ValueError(f"offsets must be 0 to {size}: one is outside the buffer")


def _misplaced(what: str, index: Any, start: int, length: int, size: int) -> str:
    """Say what is wrong with the first record that is."""
    where = ", ".join(map(str, index))
    if length < 0:
        return f"{what}: record {where} at {start} has the negative length {length}"
    return f"{what}: record {where}, {length} bytes at {start}, is outside the buffer of {size}"


def blocks(crc: Compiled, buffer: Any, size: int, value: Any, out: Any, threads: int | None) -> Any:
    """Implement `Algorithm.blocks`."""
    data = flat_bytes(buffer)
    step = operator.index(size)
    if step < 1:
        raise ValueError(f"size must be at least 1, not {step}")
    step = min(step, max(1, data.size))
    starts = np.arange(0, data.size, step)
    sizes = np.minimum(step, data.size - starts)
    values = None if value is None else per_record(checked_values(crc, value), starts.shape)
    output = Output(crc, starts.shape, out)
    _of_buffer(crc, data, starts, sizes, values, output.array, threads)
    return output.result()


def prefixes(crc: Compiled, buffer: Any, offsets: Any, value: Any, out: Any) -> Any:
    """Implement `Algorithm.prefixes`."""
    data = flat_bytes(buffer)
    ends = integers(offsets, "offsets")
    _inside(ends, data.size)
    output = Output(crc, ends.shape, out)
    values = None if value is None else checked_values(crc, value)
    if values is not None and values.ndim:
        raise ValueError("value must be one CRC: there is one message")
    # In the order of their ends, each prefix continues from the one before.
    order = np.argsort(ends, axis=None, kind="stable")
    stops = ends.reshape(-1)[order]
    starts = np.concatenate(([0], stops[:-1])) if stops.size else stops
    found = np.empty(stops.shape, output.array.dtype)
    _of_buffer(crc, data, starts, stops - starts, values, found, None, chain=True)
    output.array.reshape(-1)[order] = found
    return output.result()
