"""CRCs of the slices of an array, and of the records of one buffer."""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import as_array, flat_bytes
from numcrc.many import (
    Array,
    Output,
    Records,
    address,
    checked_values,
    compute,
    integers,
    threads_worth,
)
from numcrc.threads import checked_threads, share

if TYPE_CHECKING:
    from numcrc.algorithm.many import Many

SCRATCH = 1 << 22
"""Bytes of slices that a thread brings into order at a time."""


def rows(crc: Many, a: Any, axis: Any, value: Any, out: Any, threads: int | None) -> Any:
    """Implement `Algorithm.rows`."""
    array = as_array(a)
    inner = _axes(axis, array.ndim)
    outer = tuple(d for d in range(array.ndim) if d not in inner)
    view = array.transpose(outer + inner)
    shape = view.shape[: len(outer)]
    values = None if value is None else _per_record(checked_values(crc, value), shape)
    output = Output(crc, shape, out, array)
    if threads is not None:
        checked_threads(threads)
    length = math.prod(view.shape[len(outer) :]) * view.itemsize
    contiguous = not length or _contiguous(view, len(outer))
    if not output.array.size:
        pass
    elif crc.width > 64 or (not contiguous and length > SCRATCH):
        _one_by_one(crc, (view[place] for place in np.ndindex(shape)), values, output.array)
    elif contiguous:
        records = Records(math.prod(shape), length, address(view), **_places(view, len(outer)))
        compute(crc, records, values, output.array, threads)
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


def _per_record(values: Array, shape: tuple[int, ...]) -> Array:
    """Return *values* as one for all or, flat, as one for each record."""
    if not values.ndim:
        return values
    try:
        return np.broadcast_to(values, shape).reshape(-1)
    except ValueError:
        raise ValueError(f"value has shape {values.shape}, the records {shape}") from None


def _contiguous(view: Array, outer: int) -> bool:
    """Whether the elements of each slice lie one after the other in memory."""
    expected = view.itemsize
    sizes, strides = reversed(view.shape[outer:]), reversed(view.strides[outer:])
    for size, stride in zip(sizes, strides, strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _places(view: Array, outer: int) -> dict[str, Any]:
    """Return where the slices start: by one stride where the outer axes collapse into one."""
    axes: list[tuple[int, int]] = []
    for size, stride in zip(view.shape[:outer], view.strides[:outer], strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == size * stride:
            axes[-1] = (axes[-1][0] * size, stride)
        else:
            axes.append((size, stride))
    if len(axes) < 2:
        return {"stride": axes[0][1] if axes else 0}
    offsets = np.zeros((), np.int64)
    for size, stride in axes:
        offsets = np.add.outer(offsets, np.arange(size, dtype=np.int64) * stride)
    return {"offsets": offsets.reshape(-1)}


def _one_by_one(crc: Many, items: Any, values: Array | None, out: Array) -> None:
    flat = out.reshape(-1)
    each = None if values is None else np.broadcast_to(values, flat.shape)
    for i, item in enumerate(items):
        flat[i] = crc(item, None if each is None else each[i])


def _by_scratch(
    crc: Many,
    view: Array,
    outer: int,
    length: int,
    values: Array | None,
    out: Array,
    threads: int | None,
) -> None:
    """Copy slices that are not contiguous in blocks of them, each thread into its scratch."""
    flat = out.reshape(-1)
    blocks = _blocks(view, outer, 0)
    lock, failed = threading.Lock(), threading.Event()

    def work(limit: int) -> int:
        scratch = None
        for done in range(limit):
            with lock:
                taken = next(blocks, None)
            if taken is None or failed.is_set():
                return done
            block, first, count = taken
            if scratch is None or scratch.size < block.size:
                scratch = np.empty(block.size, view.dtype)
            copy = scratch[: block.size].reshape(block.shape)
            np.copyto(copy, block)
            here = values if values is None or not values.ndim else values[first : first + count]
            records = Records(count, length, address(copy), stride=length)
            compute(crc, records, here, flat[first : first + count], 1)
        return limit

    share(work, failed.set, threads_worth(view.nbytes, threads))


def _blocks(view: Array, outer: int, first: int) -> Iterator[tuple[Array, int, int]]:
    """Yield parts of *view* of at most `SCRATCH` bytes, with their first slice and how many."""
    if not outer:
        yield view, first, 1
        return
    inside = math.prod(view.shape[1:outer])
    each = math.prod(view.shape[1:]) * view.itemsize
    if each > SCRATCH:
        for i in range(len(view)):
            yield from _blocks(view[i], outer - 1, first + i * inside)
        return
    step = max(1, SCRATCH // each)
    for start in range(0, len(view), step):
        part = view[start : start + step]
        yield part, first + start * inside, len(part) * inside


def segments(
    crc: Many,
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
        sizes = np.diff(starts)
        if starts[0] < 0 or starts[-1] > data.size or sizes.min(initial=0) < 0:
            raise ValueError(_misplaced(starts[:-1], sizes, data.size, "offsets"))
        starts = starts[:-1]
    else:
        starts, sizes = np.broadcast_arrays(starts, integers(lengths, "lengths"))
        # Neither sum nor difference may overflow: sizes first, then the room that is left.
        if ((sizes < 0) | (sizes > data.size) | (starts < 0) | (starts > data.size - sizes)).any():
            raise ValueError(_misplaced(starts, sizes, data.size, "segments"))
    values = None if value is None else _per_record(checked_values(crc, value), starts.shape)
    output = Output(crc, starts.shape, out, data, starts, sizes)
    _of_buffer(crc, data, starts.reshape(-1), sizes.reshape(-1), values, output.array, threads)
    return output.result()


def _of_buffer(
    crc: Many,
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
            out[i] = running = crc(item, running)
        return
    records = Records(len(starts), sizes, address(data), offsets=starts, chain=chain)
    compute(crc, records, values, out, threads)


def _misplaced(starts: Array, sizes: Array, size: int, what: str) -> str:
    """Say which record is the first to be impossible."""
    wrong = (sizes < 0) | (sizes > size) | (starts < 0) | (starts > size - sizes)
    index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    start, length = int(starts[index]), int(sizes[index])
    where = ", ".join(map(str, index))
    if length < 0:
        return f"{what}: record {where} at {start} has the negative length {length}"
    return f"{what}: record {where}, {length} bytes at {start}, is outside the buffer of {size}"


def blocks(crc: Many, buffer: Any, size: int, value: Any, out: Any, threads: int | None) -> Any:
    """Implement `Algorithm.blocks`."""
    data = flat_bytes(buffer)
    step = operator.index(size)
    if step < 1:
        raise ValueError(f"size must be at least 1, not {step}")
    starts = np.arange(0, data.size, step)
    sizes = np.minimum(step, data.size - starts)
    values = None if value is None else _per_record(checked_values(crc, value), starts.shape)
    output = Output(crc, starts.shape, out, data)
    _of_buffer(crc, data, starts, sizes, values, output.array, threads)
    return output.result()


def prefixes(crc: Many, buffer: Any, offsets: Any, value: Any, out: Any) -> Any:
    """Implement `Algorithm.prefixes`."""
    data = flat_bytes(buffer)
    ends = integers(offsets, "offsets")
    if ((ends < 0) | (ends > data.size)).any():
        raise ValueError(f"offsets must be 0 to {data.size}, the length of the buffer")
    output = Output(crc, ends.shape, out, data, ends)
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
