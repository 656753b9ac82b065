"""Compute the CRCs of many records: chunks shared by threads, long records cut and joined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numcrc.jit.builtins.abi import Work
from numcrc.records.arguments import Array, Call
from numcrc.threads import share, thread_count

if TYPE_CHECKING:
    from numcrc.compiled import Compiled

CHUNK = 1 << 18
"""Bytes of records in a chunk, if several threads share them."""
SPLIT = 1 << 21
"""Bytes above which a record is cut into pieces, so that several threads can share it."""
LONGEST = 1 << 26
"""Bytes above which a record is cut even for one thread, so that signals are handled."""
_PIECES = 16
"""Most pieces of a record for each thread: larger pieces read memory faster."""
_UNINTERRUPTED = 1 << 28
"""Most bytes between two checks for signals."""
_RECORD_COST = 64
"""Cost of a record besides its bytes, in bytes."""
THREAD_WORTH = 1 << 20
"""Bytes for which one more thread pays off."""


def address(array: Array) -> int:
    """Return the address of *array*'s first element."""
    where: int = array.__array_interface__["data"][0]
    return where


class Records(NamedTuple):
    """The places of records, as in `numcrc.jit.builtins.abi.Work`, with arrays for addresses."""

    number: int
    lengths: Array | int
    """Bytes of each record (int64), or one number for all."""
    base: int = 0
    offsets: Array | None = None
    """The start of each record, in bytes after *base* (int64)."""
    stride: int = 0
    pointers: Array | None = None
    """The address of each record (uint64)."""
    chain: bool = False
    """Whether each record continues from the CRC of the one before."""

    @property
    def total(self) -> int:
        """Bytes of all records."""
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
        return (np.arange(self.number, dtype=np.int64) * self.stride + self.base).view(np.uint64)


def compute(
    compiled: Compiled, records: Records, values: Array | None, out: Array, threads: int | None
) -> None:
    """Compute the CRC of each record, at most 64 bits wide.

    Parameters
    ----------
    compiled
        The functions of the CRC.
    records
        The places of the records.
    values
        The CRCs to continue from: one for all, or one for each record (uint64).
    out
        The results: one for each record, C-contiguous, of the dtype of
        `numcrc.records.arguments.dtype_of`.
    threads
        Their number; None for as many as pay off.
    """
    total = records.total
    threads = threads_worth(total, threads)
    if not records.number:
        return
    if records.chain:
        threads = 1
    most = SPLIT if threads > 1 else LONGEST
    if total > most and records.longest > most:
        _compute_pieces(compiled, records, values, out, threads)
    else:
        _compute_chunks(compiled, records, values, out, threads)


def compute_one_by_one(call: Call, items: Iterable[Any]) -> None:
    """Compute the CRC of each of *items*, which are buffers, in this thread, for any width."""
    results = call.array.reshape(-1)
    each = None if call.values is None else np.broadcast_to(call.values, results.shape)
    for i, item in enumerate(items):
        results[i] = call.compiled.crc(item, None if each is None else each[i])


def threads_worth(total: int, threads: int | None) -> int:
    """Return *threads*, or by default as many as pay off for *total* bytes."""
    if threads is not None:
        return threads
    worth = 1 + total // THREAD_WORTH
    return 1 if worth == 1 else min(worth, thread_count())


def _compute_chunks(
    compiled: Compiled, records: Records, values: Array | None, out: Array, threads: int
) -> None:
    values = None if values is None else np.asarray(values, order="C")  # keeps 0-d
    bounds, most = _bounds(records, threads)
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
    run = compiled.records

    def stop() -> None:
        work[Work._fields.index("next")] = len(bounds)

    turn = max(1, _UNINTERRUPTED // most)

    def chunks(limit: int) -> int:
        done, count = 0, turn
        while keep and done < limit and count == turn:  # signals are handled between turns
            count = run(where, min(turn, limit - done))
            done += count
        return done

    # The closure keeps the memory alive that a thread works on, even if the caller is gone.
    keep = records, values, out, bounds, work
    share(chunks, stop, min(threads, len(bounds) - 1))


def _address_or_0(array: Array | None) -> int:
    return 0 if array is None else address(array)


def _bounds(records: Records, threads: int) -> tuple[Array, int]:
    """Return the first record of each chunk and the end, and the largest cost of a chunk."""
    count, lengths = records.number, records.lengths
    cost = records.total + _RECORD_COST * count
    step = max(1, CHUNK * count // cost)
    most = cost
    if cost > LONGEST:
        most = min(cost, step * (records.longest + _RECORD_COST))
    if isinstance(lengths, int) or cost <= CHUNK or (threads == 1 and most <= LONGEST):
        return np.append(np.arange(0, count, step, dtype=np.int64), count), most
    # Chunks of equal bytes, not of equal numbers of records, so that no thread waits for
    # another. A chunk may be empty.
    ends = np.cumsum(lengths + _RECORD_COST)
    cuts = np.searchsorted(ends, np.arange(CHUNK, int(ends[-1]), CHUNK))
    most = CHUNK + records.longest + _RECORD_COST
    return np.concatenate(([0], cuts, [count])), most


def _compute_pieces(
    compiled: Compiled, records: Records, values: Array | None, out: Array, threads: int
) -> None:
    """Cut long records into pieces of a multiple of `SPLIT` bytes, and join the pieces' CRCs."""
    size = max(1, min(LONGEST, records.longest // (_PIECES * threads)) // SPLIT) * SPLIT
    lengths = np.broadcast_to(records.lengths, records.number)
    pieces = np.maximum(1, -(-lengths // size))
    first = np.cumsum(pieces) - pieces
    record = np.repeat(np.arange(records.number, dtype=np.int64), pieces)
    start = (np.arange(len(record), dtype=np.int64) - first[record]) * size
    sizes = np.minimum(lengths[record] - start, size)
    pointers = records.addresses()[record] + start.view(np.uint64)
    cut = Records(len(record), sizes, pointers=pointers, chain=records.chain)
    if values is not None and not records.chain:
        each = np.broadcast_to(values, records.number)
        values = np.where(start == 0, each[record], compiled.empty)
    parts = np.empty(cut.number, out.dtype)
    _compute_chunks(compiled, cut, values, parts, threads)
    results = out.reshape(-1)
    if records.chain:  # each piece continues from the one before, too
        results[:] = parts[first + pieces - 1]
        return
    results[:] = parts[first]
    # The builtin itself, not `numcrc.records.algebra.join`: after a long record nothing is left
    # in any cache, and the checks of `join` would miss every time.
    crcs, joined = parts.astype(np.uint64), np.empty(1, np.uint64)
    for i in np.flatnonzero(pieces > 1).tolist():
        at, count = 8 * int(first[i]), int(pieces[i])
        compiled.join(address(crcs) + at, address(sizes) + at, address(joined), 1, count, 0)
        results[i] = joined[0]
