"""Compute the CRCs of a sequence of buffers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import refuse_masked
from numcrc.jit import engine
from numcrc.jit.builtins import abi
from numcrc.jit.plan import COLLECT, RELEASE
from numcrc.process import imported
from numcrc.records.arguments import Array, Call
from numcrc.records.run import Records, address, compute, compute_one_by_one

if TYPE_CHECKING:
    from numcrc.compiled import Compiled
    from numcrc.exchange import Chunk, Places


def batch(compiled: Compiled, buffers: Any, value: Any, out: Any, threads: int | None) -> Any:
    """Implement `Algorithm.batch`."""
    kind = type(buffers)
    package = kind.__module__.partition(".")[0]
    if package == "pandas" and getattr(buffers, "dtype", None) == np.dtype(object):
        return _pandas(compiled, buffers, value, out, threads)
    if hasattr(kind, "__arrow_c_array__") or hasattr(kind, "__arrow_c_stream__"):
        return _arrow(compiled, buffers, value, out, threads)
    if isinstance(buffers, (str, bytes, bytearray, memoryview)) or package == "pyarrow":
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


_PIECE = 1 << 15
"""Values of an Arrow array whose places are made at a time, so that they stay in the cache."""


def _arrow(compiled: Compiled, array: Any, value: Any, out: Any, threads: int | None) -> Any:
    """Compute the CRCs of the values of an Arrow array in place; those of nulls are masked."""
    call = Call(compiled, value, out, threads)
    chunks = imported("numcrc.exchange").arrow_chunks(array)
    if not all(chunk.has_values for chunk in chunks):
        of = getattr(array, "type", getattr(array, "dtype", type(array).__name__))
        raise TypeError(f"an Arrow array of buffers must be binary or string, not {of}")
    valid = [chunk.valid() for chunk in chunks]
    nulls = any(one is not None for one in valid)
    if nulls and out is not None:
        raise ValueError("cannot use out with nulls in an Arrow array: the result is masked")
    call.begin((sum(chunk.length for chunk in chunks),))
    if compiled.width > 64:
        items = (item for _, places in _places(chunks, valid) for item in places.items())
        compute_one_by_one(call, items)
    else:
        for done, places in _places(chunks, valid):
            records = Records(len(places.lengths), places.lengths, pointers=places.addresses)
            compute(compiled, records, *call.part(done, records.number), call.threads)
    if not nulls:
        return call.result()
    masks = [
        np.zeros(chunk.length, bool) if one is None else ~one
        for chunk, one in zip(chunks, valid, strict=True)
    ]
    return np.ma.MaskedArray(call.result(), mask=np.concatenate(masks))


def _places(chunks: list[Chunk], valid: list[Array | None]) -> Iterator[tuple[int, Places]]:
    """Yield the places of at most `_PIECE` values, with the number of values before them."""
    done = 0
    for chunk, one in zip(chunks, valid, strict=True):
        for first in range(0, chunk.length, _PIECE):
            count = min(_PIECE, chunk.length - first)
            part = None if one is None else one[first : first + count]
            yield done + first, chunk.places(first, count, part)
        done += chunk.length


def _pandas(compiled: Compiled, series: Any, value: Any, out: Any, threads: int | None) -> Any:
    """Compute the CRCs of the objects of a pandas Series, texts too; those of nulls are masked."""
    items = series.to_numpy(dtype=object)
    try:
        return batch(compiled, items, value, out, threads)
    except TypeError:
        nulls = np.asarray(series.isna())  # takes as long as the CRCs
        if not (nulls.any() or any(isinstance(item, str) for item in items)):
            raise
    if out is not None and nulls.any():
        raise ValueError("cannot use out with nulls in a Series: the result is masked")
    items = [
        b"" if null else item.encode() if isinstance(item, str) else item
        for item, null in zip(items, nulls.tolist(), strict=True)
    ]
    found = batch(compiled, items, value, out, threads)
    return np.ma.MaskedArray(found, mask=nulls) if nulls.any() else found
