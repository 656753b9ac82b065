"""Compute the CRCs of the records of one buffer: segments, blocks and prefixes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import flat_bytes
from numcrc.crc.model import index
from numcrc.records.arguments import Array, Call, integers
from numcrc.records.run import Records, address, compute, compute_one_by_one

if TYPE_CHECKING:
    from numcrc.compiled import Compiled


def segments(
    compiled: Compiled,
    buffer: Any,
    offsets: Any,
    lengths: Any,
    value: Any,
    out: Any,
    threads: int | None,
) -> Any:
    """Implement `Algorithm.segments`."""
    # The buffer last: what is converted before it may run code that moves its memory.
    call = Call(compiled, value, out, threads)
    starts = integers(offsets, "offsets")
    sizes = None if lengths is None else integers(lengths, "lengths")
    data = flat_bytes(buffer)
    if sizes is None:
        starts, sizes = _between(starts, data.size)
    else:
        starts, sizes = np.broadcast_arrays(starts, sizes)
        # Neither a sum nor a difference may overflow: the sizes first, then the bytes before.
        wrong = (sizes < 0) | (sizes > data.size) | (starts < 0) | (starts > data.size - sizes)
        if wrong.any():
            place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
            start, size = int(starts[place]), int(sizes[place])
            raise ValueError(_misplaced("segments", place, start, size, data.size))
    call.begin(starts.shape)
    _compute(call, data, starts.reshape(-1), sizes.reshape(-1))
    return call.result()


def blocks(
    compiled: Compiled, buffer: Any, size: int, value: Any, out: Any, threads: int | None
) -> Any:
    """Implement `Algorithm.blocks`."""
    call, step = Call(compiled, value, out, threads), index(size, "size")
    if step < 1:
        raise ValueError(f"size must be at least 1, not {step}")
    data = flat_bytes(buffer)
    step = min(step, max(1, data.size))
    starts = np.arange(0, data.size, step, dtype=np.int64)
    call.begin(starts.shape)
    _compute(call, data, starts, np.minimum(step, data.size - starts))
    return call.result()


def prefixes(compiled: Compiled, buffer: Any, offsets: Any, value: Any, out: Any) -> Any:
    """Implement `Algorithm.prefixes`."""
    call = Call(compiled, value, out, None)
    if call.values is not None and call.values.ndim:
        raise ValueError(f"value must be one CRC, not an array of shape {call.values.shape}")
    ends = integers(offsets, "offsets")
    data = flat_bytes(buffer)
    _check_inside(ends, data.size)
    call.begin(ends.shape)
    # In ascending order of their ends, each prefix continues from the one before.
    order = np.argsort(ends, axis=None, kind="stable")
    stops = ends.reshape(-1)[order]
    starts = np.concatenate(([0], stops[:-1])) if stops.size else stops
    _compute(call, data, starts, stops - starts, chain=True)
    results = call.array.reshape(-1)
    results[order] = results.copy()
    return call.result()


def _between(offsets: Array, size: int) -> tuple[Array, Array]:
    """Return the starts and lengths of the records between *offsets*, after checking them."""
    if offsets.ndim != 1 or not offsets.size:
        raise ValueError(
            "offsets without lengths must be one-dimensional, n + 1 of them for n records,"
            f" not of shape {offsets.shape}"
        )
    if offsets.size == 1:
        _check_inside(offsets, size)
    starts, ends = offsets[:-1], offsets[1:]
    lengths = ends - starts  # may overflow, but not for offsets inside the buffer
    if starts.min(initial=0) < 0 or ends.max(initial=0) > size or (ends < starts).any():
        wrong = (starts < 0) | (starts > size) | (ends < starts) | (ends > size)
        i = int(np.argmax(wrong))
        start, length = int(starts[i]), int(ends[i]) - int(starts[i])
        raise ValueError(_misplaced("offsets", (i,), start, length, size))
    return starts, lengths


def _check_inside(offsets: Array, size: int) -> None:
    if offsets.size and (offsets.min() < 0 or offsets.max() > size):
        wrong = offsets[(offsets < 0) | (offsets > size)]
        raise ValueError(f"offsets must be 0 to {size}, but one is {int(wrong.flat[0])}")


def _misplaced(what: str, place: Any, start: int, length: int, size: int) -> str:
    """Return the message for a record that is not inside the buffer."""
    where = ", ".join(map(str, place))
    if length < 0:
        return f"{what}: record {where} at {start} has the negative length {length}"
    return f"{what}: record {where}, {length} bytes at {start}, is outside the buffer of {size}"


def _compute(call: Call, data: Array, starts: Array, sizes: Array, chain: bool = False) -> None:
    """Compute the CRCs of records of *data* that are known to be inside it."""
    starts, sizes = np.ascontiguousarray(starts), np.ascontiguousarray(sizes)
    compiled, values = call.compiled, call.values
    if compiled.width <= 64:
        records = Records(len(starts), sizes, address(data), offsets=starts, chain=chain)
        compute(compiled, records, values, call.array, call.threads)
        return
    pairs = zip(starts.tolist(), sizes.tolist(), strict=True)
    items = (data[start : start + size] for start, size in pairs)
    if not chain:
        compute_one_by_one(call, items)
        return
    running: Any = None if values is None else values[()]
    results = call.array.reshape(-1)
    for i, item in enumerate(items):
        results[i] = running = compiled.crc(item, running)
