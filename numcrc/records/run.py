"""Many records in one call: chunks of them, shared by threads, the largest cut and joined.

The modules beside it say where records lie.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from numcrc.jit.builtins.abi import Work
from numcrc.threads import checked_threads, share, thread_count

if TYPE_CHECKING:
    from numcrc.compiled import Compiled

Array = npt.NDArray[Any]

CHUNK = 1 << 18
"""Bytes of records that are taken at a time, when several threads share them."""
SPLIT = 1 << 21
"""Bytes above which one record is cut, so that several threads can share it."""
_PIECES = 16
"""Pieces of a record that each thread takes, or fewer: larger ones read memory faster."""
_RECORD_COST = 64
"""What a record costs beside its bytes, in bytes."""
_THREAD_WORTH = 1 << 20
"""Bytes that are worth a thread of their own."""


def address(array: Array) -> int:
    """Return the address of *array*'s first element."""
    where: int = array.__array_interface__["data"][0]
    return where


class Records(NamedTuple):
    """Where records lie: as in `numcrc.jit.builtins.abi.Work`, with arrays for addresses."""

    number: int
    lengths: Array | int
    """Bytes of each (int64), or of all."""
    base: int = 0
    offsets: Array | None = None
    """int64, from *base*."""
    stride: int = 0
    pointers: Array | None = None
    """uint64."""
    chain: bool = False

    @property
    def total(self) -> int:
        """All bytes of all records."""
        if isinstance(self.lengths, int):
            return self.number * self.lengths
        return int(self.lengths.sum())

    @property
    def longest(self) -> int:
        """Bytes of the longest record."""
        if isinstance(self.lengths, int):
            return self.lengths if self.number else 0
        return int(self.lengths.max(initial=0))

    def addresses(self) -> Array:
        """Return the address of each record."""
        if self.pointers is not None:
            return self.pointers
        if self.offsets is not None:
            return (self.offsets + self.base).view(np.uint64)
        return (np.arange(self.number) * self.stride + self.base).view(np.uint64)


def dtype_of(crc: Compiled) -> np.dtype[Any]:
    """Return the smallest unsigned dtype of at least *width* bits; object above 64."""
    for size in (1, 2, 4, 8):
        if crc.width <= 8 * size:
            return np.dtype(f"u{size}")
    return np.dtype(object)


def checked_values(crc: Compiled, value: Any, what: str = "value") -> Array:
    """Return *value*, CRCs of any shape, as uint64 (object above 64 bits).

    Raises
    ------
    TypeError
        They are no integers.
    ValueError
        One is negative or wider than the register.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and not isinstance(value, np.ndarray):
        array = np.asarray(value, object)  # NumPy makes floats of a list across 2**63
    if array.dtype == object or not array.size:
        numbers = [crc.checked(number, what) for number in array.ravel().tolist()]
        return np.array(numbers, dtype=_word(crc)).reshape(array.shape)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be integers, not {array.dtype}")
    for extreme in (int(array.min()), int(array.max())):
        crc.checked(extreme, what)
    return array.astype(_word(crc))


def integers(numbers: Any, what: str) -> Array:
    """Return *numbers* as int64, or raise unless they are integers that fit."""
    array = np.asarray(numbers)
    if array.dtype.kind in "fO" and not isinstance(numbers, np.ndarray):
        try:  # NumPy makes floats of a list across 2**63, and of an empty one
            exact = [operator.index(number) for number in np.asarray(numbers, object).flat]
        except TypeError:
            raise TypeError(f"{what} must be integers, not {array.dtype}") from None
        if any(not -(2**63) <= number < 2**63 for number in exact):
            raise ValueError(f"{what} must be below 2**63")
        return np.array(exact, np.int64).reshape(array.shape)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be integers, not {array.dtype}")
    if array.dtype.kind == "u" and array.size and int(array.max()) >= 2**63:
        raise ValueError(f"{what} must be below 2**63")
    return array.astype(np.int64, copy=False)


def per_record(values: Array, shape: tuple[int, ...]) -> Array:
    """Return *values* as one for all or, flat, as one for each record."""
    if not values.ndim:
        return values
    try:
        return np.broadcast_to(values, shape).reshape(-1)
    except ValueError:
        raise ValueError(f"value has shape {values.shape}, the records {shape}") from None


def _word(crc: Compiled) -> np.dtype[Any]:
    return np.dtype(object if crc.width > 64 else np.uint64)


class Output:
    """Where results go: a new array, which fills the caller's *out* when all is well."""

    def __init__(self, crc: Compiled, shape: tuple[int, ...], out: Any) -> None:
        dtype = dtype_of(crc)
        if out is not None:
            if not isinstance(out, np.ndarray):
                raise TypeError(f"out must be an array, not {type(out).__name__}")
            if out.shape != shape or out.dtype != dtype:
                raise ValueError(
                    f"out must have shape {shape} and dtype {dtype},"
                    f" not {out.shape} and {out.dtype}"
                )
            if not out.flags.writeable:
                raise ValueError("out is read-only")
        self._out = out
        self.array = np.empty(shape, dtype)
        """To be filled."""

    def result(self) -> Any:
        """Return what the caller gets: as NumPy's reductions do."""
        if self._out is None:
            return self.array[()]
        self._out[...] = self.array
        return self._out


def compute(
    crc: Compiled,
    records: Records,
    values: Array | None,
    out: Array,
    threads: int | None,
) -> None:
    """Compute the CRC of each record into *out*, C-contiguous, of `dtype_of` and that many.

    Parameters
    ----------
    values
        What records continue from, from `checked_values`: one for all, or one each.
    threads
        As the public functions take it.
    """
    count = threads_worth(records.total, threads)
    if not records.number:
        return
    if records.chain:
        count = 1
    if count > 1 and records.longest > SPLIT:
        _compute_pieces(crc, records, values, out, count)
    else:
        _run(crc, records, values, out, count)


def threads_worth(total: int, threads: int | None) -> int:
    """Return *threads*, or as many as *total* bytes are worth and there are CPUs for."""
    if threads is not None:
        return checked_threads(threads)
    worth = 1 + total // _THREAD_WORTH
    return 1 if worth == 1 else min(worth, thread_count())


def _run(crc: Compiled, records: Records, values: Array | None, out: Array, threads: int) -> None:
    values = None if values is None else np.asarray(values, order="C")  # keeps 0-d
    bounds = _bounds(records, threads)
    fields = Work(
        base=records.base,
        pointers=_address_or_0(records.pointers),
        offsets=_address_or_0(records.offsets),
        stride=records.stride,
        lengths=0 if isinstance(records.lengths, int) else address(records.lengths),
        length=records.lengths if isinstance(records.lengths, int) else 0,
        values=_address_or_0(values),
        value_step=8 if values is not None and values.ndim else 0,
        out=address(out),
        out_size=out.itemsize,
        chain=int(records.chain),
        bounds=address(bounds),
        chunks=len(bounds) - 1,
    )
    work = np.array([field % 2**64 for field in fields], dtype=np.uint64)
    where = address(work)
    run = crc.records

    def stop() -> None:
        work[Work._fields.index("next")] = len(bounds)

    def chunks(limit: int) -> int:
        done: int = run(where, limit) if keep else 0
        return done

    # A helper holds what it works on, whatever becomes of the caller.
    keep = records, values, out, bounds, work
    share(chunks, stop, min(threads, len(bounds) - 1))


def _address_or_0(array: Array | None) -> int:
    return 0 if array is None else address(array)


def _bounds(records: Records, threads: int) -> Array:
    """Return the first record of each chunk, and the end."""
    count, lengths = records.number, records.lengths
    cost = records.total + _RECORD_COST * count
    if isinstance(lengths, int) or threads == 1 or cost <= CHUNK:
        return np.append(np.arange(0, count, max(1, CHUNK * count // cost)), count)
    # Chunks of as many bytes, however unlike the lengths: a thread must not wait for another.
    # A chunk may be empty.
    ends = np.cumsum(lengths + _RECORD_COST)
    cuts = np.searchsorted(ends, np.arange(CHUNK, int(ends[-1]), CHUNK))
    return np.concatenate(([0], cuts, [count]))


def _compute_pieces(
    crc: Compiled, records: Records, values: Array | None, out: Array, threads: int
) -> None:
    """Cut long records into pieces of some times `SPLIT` bytes, and join the pieces' CRCs."""
    size = max(1, records.longest // (SPLIT * _PIECES * threads)) * SPLIT
    lengths = np.broadcast_to(records.lengths, records.number)
    pieces = np.maximum(1, -(-lengths // size))
    first = np.cumsum(pieces) - pieces
    record = np.repeat(np.arange(records.number), pieces)
    start = (np.arange(len(record)) - first[record]) * size
    sizes = np.minimum(lengths[record] - start, size)
    pointers = records.addresses()[record] + start.view(np.uint64)
    cut = Records(len(record), sizes, pointers=pointers)
    empty = crc.empty
    if values is not None:
        values = np.where(start == 0, np.broadcast_to(values, records.number)[record], empty)
    parts = np.empty(cut.number, out.dtype)
    _run(crc, cut, values, parts, threads)
    results = out.reshape(-1)
    results[:] = parts[first]
    # By the builtin itself: what `join` looks at first takes long when a long record has just
    # gone through every cache.
    crcs, joined = parts.astype(np.uint64), np.empty(1, np.uint64)
    for i in np.flatnonzero(pieces > 1).tolist():
        at = 8 * int(first[i])
        crc.join(address(crcs) + at, address(sizes) + at, address(joined), 1, int(pieces[i]))
        results[i] = joined[0]
