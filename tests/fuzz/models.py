"""What the calls of the array API return: models in a few lines each, from zlib and the reference.

A model raises TypeError or ValueError where the call does.
"""

from __future__ import annotations

import operator
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
from support import STRUCTURES, in_c_order

import numcrc
import numcrc.buffers
import numcrc.records.algebra
import numcrc.records.run
import numcrc.records.slices
from numcrc.crc import reference

CRC32 = "CRC-32/ISO-HDLC"
_HOME = {
    "SCRATCH": numcrc.records.slices,
    "_MOST_OFFSETS": numcrc.records.slices,
    "CHUNK": numcrc.records.run,
    "SPLIT": numcrc.records.run,
    "_SCRATCH": numcrc.buffers,
    "TURN": numcrc.records.algebra,
}


@contextmanager
def sizes(**values: int) -> Iterator[None]:
    """Change sizes that are too large for small data to reach."""
    with ExitStack() as stack:
        for name, value in values.items():
            stack.enter_context(mock.patch.object(_HOME[name], name, value))
        yield


def dtype_named(name: str) -> np.dtype:
    """Return a dtype of `support.ALL_DTYPES`, or any other."""
    return STRUCTURES[name] if name in STRUCTURES else np.dtype(name)


def filled(dtype: str, shape: tuple[int, ...], seed: int, offset: int = 0) -> np.ndarray:
    """Return an array of random bytes, *offset* bytes from an aligned address."""
    kind = dtype_named(dtype)
    count = int(np.prod(shape))
    raw = np.frombuffer(random.Random(seed).randbytes(count * kind.itemsize + offset), np.uint8)
    raw = raw.copy()[offset:]
    return raw.view(kind).reshape(shape) if raw.size else np.zeros(shape, kind)


def overlapping(a: np.ndarray) -> np.ndarray:
    """Return overlapping pairs along the first axis of *a*, if there are any."""
    if not a.ndim or len(a) < 2:
        return a
    return np.lib.stride_tricks.sliding_window_view(a, 2, 0)


def output(kind: str, shape: tuple[int, ...], dtype: str) -> Any:
    """Return an array for results of some memory layout."""
    if kind == "strided":
        return np.zeros((*shape, 2), dtype)[..., 1]
    if kind == "reversed":
        return np.zeros(shape, dtype)[(slice(None, None, -1),) * len(shape)]
    made = np.zeros(shape, dtype, "F" if kind == "F" else "C")
    made.flags.writeable = kind != "read-only"
    return made


def crc_of(crc: numcrc.Algorithm, data: bytes, value: int | None = None) -> int:
    """Return a CRC by zlib, or by definition."""
    if crc.name == CRC32:
        return zlib.crc32(data, value or 0)
    return reference.crc(crc.model, data, value)


def bytes_of(data: Any) -> bytes:
    """Return the bytes of a buffer in C order."""
    if isinstance(data, str):
        raise TypeError("text")
    if isinstance(data, np.ndarray):
        if data.dtype.hasobject:
            raise TypeError("objects")
        return in_c_order(data)
    return memoryview(data).tobytes()


def checked(crc: numcrc.Algorithm, value: Any) -> int | None:
    """Return the CRC *value* as an int."""
    number = None if value is None else operator.index(value)
    if number is not None and not 0 <= number < 1 << crc.width:
        raise ValueError(number)
    return number


def values_of(crc: numcrc.Algorithm, value: Any, shape: tuple[int, ...]) -> list[int | None]:
    """Return one value for each result."""
    if value is None:
        return [None] * int(np.prod(shape))
    given = np.asarray(value, object)
    for one in given.flat:
        if one is None:
            raise TypeError(one)
        checked(crc, one)
    return [int(one) for one in np.broadcast_to(given, shape).flat]


def dtype_of(crc: numcrc.Algorithm) -> np.dtype:
    """Return the dtype of results."""
    fitting = [size for size in (1, 2, 4, 8) if crc.width <= 8 * size]
    return np.dtype(f"u{fitting[0]}" if fitting else object)


def _results(
    crc: numcrc.Algorithm, records: list[bytes], shape: tuple[int, ...], value: Any
) -> np.ndarray:
    values = values_of(crc, value, shape)
    found = np.empty(len(records), dtype_of(crc))
    for i, (record, start) in enumerate(zip(records, values, strict=True)):
        found[i] = crc_of(crc, record, start)
    return found.reshape(shape)


def rows(crc: numcrc.Algorithm, a: Any, axis: Any, value: Any = None) -> np.ndarray:
    """Model `Algorithm.rows`."""
    array = a if isinstance(a, np.ndarray) else np.asarray(memoryview(a))
    if array.dtype.hasobject:
        raise TypeError("objects")
    given = (
        tuple(range(array.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    )
    inner = {operator.index(one) % array.ndim for one in given if -array.ndim <= one < array.ndim}
    if len(inner) < len(given):
        raise ValueError(axis)
    outer = [one for one in range(array.ndim) if one not in inner]
    view = array.transpose(outer + sorted(inner))
    shape = view.shape[: len(outer)]
    return _results(crc, [in_c_order(view[(*i, ...)]) for i in np.ndindex(shape)], shape, value)


def batch(crc: numcrc.Algorithm, items: list[Any], value: Any = None) -> np.ndarray:
    """Model `Algorithm.batch`."""
    return _results(crc, list(map(bytes_of, items)), (len(items),), value)


def segments(
    crc: numcrc.Algorithm, buffer: Any, offsets: Any, lengths: Any = None, value: Any = None
) -> np.ndarray:
    """Model `Algorithm.segments`."""
    data = _contiguous(buffer)
    starts = _integers(offsets)
    counts = None if lengths is None else _integers(lengths)
    if counts is None:
        if starts.ndim != 1 or not starts.size:
            raise ValueError(offsets)
        if not 0 <= starts[0] <= len(data):
            raise ValueError(offsets)
        starts, ends = starts[:-1], starts[1:]
    else:
        starts, counts = np.broadcast_arrays(starts, counts)
        ends = starts + counts
    pairs = [(int(start), int(end)) for start, end in zip(starts.flat, ends.flat, strict=True)]
    if not all(0 <= start <= end <= len(data) for start, end in pairs):
        raise ValueError(offsets)
    return _results(crc, [data[slice(*pair)] for pair in pairs], starts.shape, value)


def blocks(crc: numcrc.Algorithm, buffer: Any, size: Any, value: Any = None) -> np.ndarray:
    """Model `Algorithm.blocks`."""
    data, step = _contiguous(buffer), operator.index(size)
    if step < 1:
        raise ValueError(size)
    records = [data[i : i + step] for i in range(0, len(data), step)]
    return _results(crc, records, (len(records),), value)


def prefixes(crc: numcrc.Algorithm, buffer: Any, offsets: Any, value: Any = None) -> np.ndarray:
    """Model `Algorithm.prefixes`."""
    if np.ndim(value):
        raise ValueError(value)
    ends = _integers(offsets)
    return segments(crc, buffer, np.zeros(ends.shape, int), offsets, value)


def masked(value: Any) -> int:
    """Return a value as zlib takes it."""
    return operator.index(value) & 0xFFFFFFFF


def objects(items: list[Any]) -> np.ndarray:
    """Return an array of objects."""
    made = np.empty(len(items), object)
    for i, item in enumerate(items):
        made[i] = item
    return made


def masked_array(results: np.ndarray, arrow: Any) -> np.ndarray:
    """Return *results* masked where *arrow* is null, if it is so anywhere."""
    nulls = [item is None for item in arrow.to_pylist()]
    return np.ma.MaskedArray(results, nulls) if any(nulls) else results


def hashed(crc: numcrc.Algorithm, parts: list[Any]) -> int:
    """Return the CRC of all *parts* by a hasher, and copies of it."""
    hasher = crc.new()
    for part in parts:
        earlier = hasher.copy()
        hasher.update(part)
        earlier.update(part)
        assert earlier.digest() == hasher.digest()
    return hasher.value


def refuse() -> Any:
    """Model a call with an argument that is wrong in any case."""
    raise ValueError("wrong")


def _integers(numbers: Any) -> np.ndarray:
    if isinstance(numbers, np.ndarray) and numbers.dtype.kind not in "iu":
        raise TypeError(numbers.dtype)
    exact = np.asarray(numbers, object)
    for number in exact.flat:
        if not -(2**63) <= operator.index(number) < 2**63:
            raise ValueError(number)
    return exact


def _contiguous(buffer: Any) -> bytes:
    data = bytes_of(buffer)
    array = buffer if isinstance(buffer, np.ndarray) else np.asarray(memoryview(buffer))
    if data and not array.flags.c_contiguous:
        raise ValueError("not contiguous")
    return data


def same(call: Callable[[], Any], model: Callable[[], Any], out: Any = None) -> None:
    """Check that *call* returns what *model* does, or raises an error and changes nothing."""
    expected, refused = _result(model)
    before = out.tolist() if isinstance(out, np.ndarray) else None
    found, error = _result(call)
    if error is not None:
        assert refused or _unfit(out, expected), f"{error!r}, not {expected}"
        assert before is None or out.tolist() == before, f"out has changed, and {error!r}"
        return
    assert refused is None, f"{found}, not {refused!r}"
    if out is not None:
        assert found is out
        assert not _unfit(out, expected)
    assert np.shape(found) == np.shape(expected), f"{np.shape(found)}, not {np.shape(expected)}"
    if isinstance(expected, np.ndarray) and expected.dtype != object:
        assert found.dtype == expected.dtype, f"{found.dtype}, not {expected.dtype}"
    assert np.asarray(found).tolist() == np.asarray(expected).tolist(), f"{found}, not {expected}"


def _result(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except (TypeError, ValueError) as error:
        return None, error


def _unfit(out: Any, expected: np.ndarray) -> bool:
    """Return whether *out* cannot hold the result."""
    if out is None:
        return False
    if not isinstance(out, np.ndarray):
        return True
    right = (out.shape, out.dtype) == (np.shape(expected), expected.dtype)
    return not (right and out.flags.writeable)
