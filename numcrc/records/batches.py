"""Compute the CRCs of a sequence of buffers."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import refuse_masked
from numcrc.jit import engine
from numcrc.jit.builtins import abi
from numcrc.jit.plan import COLLECT, RELEASE
from numcrc.process import imported
from numcrc.records.arguments import Array, Call
from numcrc.records.run import Records, address, compute
from numcrc.records.segments import segments

if TYPE_CHECKING:
    from numcrc.compiled import Compiled


def batch(compiled: Compiled, buffers: Any, value: Any, out: Any, threads: int | None) -> Any:
    """Implement `Algorithm.batch`."""
    if type(buffers).__module__.partition(".")[0] == "pyarrow":
        return _arrow(compiled, buffers, value, out, threads)
    kind = type(buffers)
    if isinstance(buffers, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"buffers must be a sequence of buffers, not one {kind.__name__}")
    if not (hasattr(kind, "__iter__") or hasattr(kind, "__getitem__")):
        raise TypeError(f"buffers must be a sequence of buffers, not {kind.__name__}")
    if isinstance(buffers, np.ndarray):
        refuse_masked(buffers, "buffers")
        if buffers.ndim != 1:
            raise ValueError(f"an array of buffers must have one dimension, not {buffers.ndim}")
        if buffers.dtype != object:
            raise TypeError(
                f"an array of buffers must have dtype object, not {buffers.dtype};"
                " use rows for the CRCs of an array's rows"
            )
    items = tuple(buffers)  # holds every item, even if another thread changes a list
    call = Call(compiled, value, out, threads)
    call.begin((len(items),))
    if compiled.width > 64:
        _in_python(call, items, range(len(items)))
    else:
        _natively(call, items)
    return call.result()


def _natively(call: Call, items: tuple[Any, ...]) -> None:
    collect, release = engine.tool(COLLECT), engine.tool(RELEASE)
    count = len(items)
    area = _area(count)
    pointers, lengths = area[0, :count].view(np.uint64), area[1, :count]
    lengths[:] = 0
    places = address(pointers), address(lengths)
    views, held, others = None, 0, []
    reached = collect(items, *places, 0, 0)
    try:
        while reached < count:
            if views is None:
                views = np.zeros(1 + (count - reached) * abi.BUFFER_SIZE // 8, np.uint64)
                held = address(views)
            else:
                # Python computes the items that machine code does not take; their length stays 0.
                others.append(reached)
                reached += 1
            reached = collect(items, *places, held, reached)
        records = Records(count, lengths, pointers=pointers)
        compute(call.compiled, records, call.values, call.array, call.threads)
    finally:
        if views is not None:
            release(held)
    if area.shape[1] <= _KEPT:
        _areas.append(area)
    _in_python(call, items, others)


_areas: list[Array] = []
_KEPT = 1 << 18
"""Buffers of the largest area that is kept: new memory costs as much as short CRCs."""


def _area(count: int) -> Array:
    """Return an area for *count* pointers and lengths, a kept one if it is large enough."""
    with suppress(IndexError):
        if (area := _areas.pop()).shape[1] >= count:
            return area
    return np.empty((2, count), np.int64)


def _in_python(call: Call, items: tuple[Any, ...], which: Iterable[int]) -> None:
    """Compute the CRCs of the items at *which* places, one by one."""
    each = None if call.values is None else np.broadcast_to(call.values, len(items))
    for i in which:
        try:
            call.array[i] = call.compiled.crc(items[i], None if each is None else each[i])
        except TypeError as error:
            raise TypeError(f"buffer {i}: {error}") from None


def _arrow(compiled: Compiled, array: Any, value: Any, out: Any, threads: int | None) -> Any:
    """Compute the CRCs of a pyarrow array in place: its offsets and data are segments."""
    pa = imported("pyarrow")
    if not isinstance(array, (pa.Array, pa.ChunkedArray)):
        raise TypeError(f"buffers must be a sequence of buffers, not {type(array).__name__}")
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    width = {
        pa.binary(): np.int32,
        pa.string(): np.int32,
        pa.large_binary(): np.int64,
        pa.large_string(): np.int64,
    }.get(array.type)
    if width is None:
        raise TypeError(f"a pyarrow array of buffers must be binary or string, not {array.type}")
    _, offsets, data = array.buffers()
    content = b"" if data is None else data
    ends = np.zeros(1, width) if offsets is None else np.frombuffer(offsets, width)
    ends = ends[array.offset : array.offset + len(array) + 1]
    if not array.null_count:
        return segments(compiled, content, ends, None, value, out, threads)
    if out is not None:
        raise ValueError("cannot use out with nulls in a pyarrow array: the result is masked")
    found = segments(compiled, content, ends, None, value, None, threads)
    return np.ma.MaskedArray(found, mask=array.is_null().to_numpy(zero_copy_only=False))
