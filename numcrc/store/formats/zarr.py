"""Scan Zarr 2 and 3: the outermost checksum of each chunk, and those inside shards.

An object is a chunk if its key fits and the metadata of an array, zarr.json or .zarray, is in a
folder above it. The last codec of the array decides: a checksum, shards, or another codec, which
leaves the chunk without a checksum. Nothing is decoded.

A shard consists of inner chunks and an index: for each chunk two numbers of 64 bits, offset and
length, both 2**64 - 1 for a chunk that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import prod
from typing import Any, TypeAlias
from zlib import adler32

from numcrc.store.formats.body import MOST_VIEW, Body, FormatError, crc_of
from numcrc.store.formats.fletcher32 import fletcher32
from numcrc.store.formats.format import (
    Finding,
    Format,
    Found,
    Records,
    verdict,
)
from numcrc.store.formats.judge import MOST_NAMED
from numcrc.store.formats.zarr_metadata import (
    MOST_AXES,
    Array,
    Encoding,
    Shard,
    Sum,
    Unsupported,
    parse_v2,
    parse_v3,
)
from numcrc.store.objects import State

PARSERS = {"zarr.json": parse_v3, ".zarray": parse_v2}
"""The names of the metadata of arrays, and the functions that parse it."""
_OTHER_METADATA = {".zattrs", ".zgroup", ".zmetadata"}
MOST_INNER = 1 << 20
"""Inner chunks of a shard, whose index is in memory."""
_Room: TypeAlias = tuple[int, ...] | None
"""The part of a chunk, along each axis, that is inside the array, where all of its inner chunks
must exist; None if they need not."""
_FEW = 4
"""Records in a window."""
_ABSENT = 0xFFFF_FFFF_FFFF_FFFF
_ALONE = re.compile(r"c|(?:c\.)?[0-9]+(?:\.[0-9]+)*")
_NUMBER = re.compile("[0-9]+")


def places(key: str) -> Iterator[tuple[str, str]]:
    """Yield the folders of the arrays of which *key* may be a chunk, and its names there.

    Examples
    --------
    >>> list(places("a/c/0/1")), list(places("a/5/0.1"))
    ([('a/', 'c/0/1'), ('a/c/', '0/1'), ('a/c/0/', '1')], [('a/5/', '0.1')])
    >>> list(places("a/b.txt"))
    []
    """
    *folders, last = key.split("/")
    if not _ALONE.fullmatch(last):
        return
    parts, first = [*folders, last], len(folders)
    if _NUMBER.fullmatch(last):
        while first and len(parts) - first < MOST_AXES and _NUMBER.fullmatch(folders[first - 1]):
            first -= 1
        if first and folders[first - 1] == "c":
            first -= 1
    for at in range(first, len(parts)):
        yield "".join(f"{part}/" for part in parts[:at]), "/".join(parts[at:])


def array_of(
    key: str, sibling: Callable[[str, Any], Array | Unsupported | None]
) -> tuple[str, str, Array | Unsupported] | None:
    """Return the folder of the array of which *key* is a chunk, the chunk's name there, the array.

    *sibling* is `Body.sibling`. The result is None if no folder has an array.
    """
    failure: FormatError | None = None
    for folder, name in places(key):
        for metadata, parse in PARSERS.items():
            try:
                found = sibling(folder + metadata, parse)
            except FormatError as error:  # perhaps that of a group, which is not needed
                failure = failure or error
                continue
            if found is not None:
                return folder, name, found
    if failure is not None:
        raise failure
    return None


def _recognises(body: Body) -> bool:
    name = body.key.rpartition("/")[2]
    if name in PARSERS or name in _OTHER_METADATA:
        return True
    return array_of(body.key, body.sibling) is not None


def _check(body: Body, complete: bool = False) -> Iterator[Found]:
    name = body.key.rpartition("/")[2]
    if name in _OTHER_METADATA:
        yield Finding(State.SKIPPED, detail="metadata")
        return
    if name in PARSERS:
        yield _metadata(body, PARSERS[name])
        return
    place = array_of(body.key, body.sibling)
    if place is None:  # deleted since
        raise FormatError("the metadata of its array is missing")
    _, chunk, array = place
    if isinstance(array, Unsupported):
        yield Finding(State.UNSUPPORTED, detail=array.reason)
        return
    coordinates = array.coordinates(chunk)
    if coordinates is None:
        grid = " x ".join(map(str, array.grid)) or "1"
        yield Finding(State.EXTRA, detail=f"not a chunk of its array, which has {grid} chunks")
        return
    room = array.room(coordinates) if complete else None
    label = f"chunk {_text(coordinates)}"
    yield from _chunk(body, array.encoding, label, 0, body.size, room)


def _metadata(body: Body, parse: Callable[[bytes], Array | Unsupported | None]) -> Finding:
    if body.size > MOST_VIEW:  # consolidated metadata of a group
        return Finding(State.SKIPPED, detail=f"metadata of {body.size} bytes, not read")
    array = parse(bytes(body.view(0, body.size)))
    if array is None:
        return Finding(State.SKIPPED, detail="metadata of a group")
    if isinstance(array, Unsupported):
        return Finding(State.UNSUPPORTED, detail=array.reason)
    return Finding(State.SKIPPED, detail=f"metadata of an array of {prod(array.grid)} chunks")


def _text(coordinates: Iterable[int]) -> str:
    return f"({', '.join(map(str, coordinates))})"


def _chunk(
    body: Body, encoding: Encoding, label: str, start: int, size: int, room: _Room
) -> Iterator[Found]:
    """Yield what is in a chunk of *size* bytes at *start*."""
    if encoding is None:
        yield Finding(State.NO_CHECKSUM, label, detail="its last codec has no checksum")
    elif isinstance(encoding, Unsupported):
        yield Finding(State.UNSUPPORTED, label, detail=encoding.reason)
    elif isinstance(encoding, Shard):
        yield from _shard(body, encoding, label, start, size, room)
    else:
        yield _judged(body, encoding, label, start, size)


def _adler32(pieces: Iterable[memoryview]) -> int:
    value = 1
    for piece in pieces:
        value = adler32(piece, value)
    return value


_OTHERS: dict[str, Callable[[Iterable[memoryview]], int]] = {
    "adler32": _adler32,
    "fletcher32": fletcher32,
}
"""The checksums that are not CRCs."""


def _computed(body: Body, algorithm: str, start: int, count: int) -> int:
    compute = _OTHERS.get(algorithm)
    if compute is None:
        return body.crc(algorithm, start, count)
    return compute(body.pieces(start, count))


def _judged(body: Body, how: Sum, label: str, start: int, size: int) -> Finding:
    """Return the finding for *size* bytes at *start*, which are a checksum and what it is of."""
    if size < how.size:
        detail = f"it has {size} bytes, fewer than its checksum"
        return Finding(State.DIFFER, label, how.algorithm, detail=detail)
    count = size - how.size
    if how.at_end:  # the last piece is in memory with the checksum
        actual = _computed(body, how.algorithm, start, count)
        stored = body.window(start + count, how.size)[: how.size]
        expected = int.from_bytes(stored, "little")
    else:
        expected = int.from_bytes(body.window(start, how.size)[: how.size], "little")
        actual = _computed(body, how.algorithm, start + how.size, count)
    return verdict(label, how.algorithm, expected, actual, 8 * how.size)


def _damaged(
    numbers: Any, name: Callable[[int], str], detail: Callable[[int], str]
) -> Iterator[Finding]:
    """Yield findings for some of the damaged inner chunks with these *numbers*, and their count."""
    for one in numbers[:MOST_NAMED].tolist():
        yield Finding(State.DIFFER, name(one), detail=detail(one))
    if len(numbers) > MOST_NAMED:
        following = name(int(numbers[MOST_NAMED]))
        yield Finding(State.DIFFER, following, records=len(numbers) - MOST_NAMED)


def _records(
    body: Body, how: Sum, offsets: Any, lengths: Any, name: Callable[[int], str]
) -> Iterator[Found]:
    """Yield inner chunks at ascending *offsets*; *lengths* include their checksums."""
    import numpy as np

    yield from _damaged(
        np.flatnonzero(lengths < how.size),
        name,
        lambda one: f"it has {lengths[one]} bytes, fewer than its checksum",
    )
    kept = np.flatnonzero(lengths >= how.size)
    offsets, sizes = offsets[kept], lengths[kept]
    # Of few records in a window, one at a time takes less.
    if how.algorithm in _OTHERS or _FEW * sizes.sum() > body.limit * len(kept):
        for one, start, size in zip(kept.tolist(), offsets.tolist(), sizes.tolist(), strict=True):
            yield _judged(body, how, name(one), start, size)
        return
    counts = sizes - how.size
    begins = offsets if how.at_end else offsets + how.size
    sums = offsets + counts if how.at_end else offsets
    for chosen in body.batches(offsets, sizes):
        stored = body.values(sums[chosen], f"<u{how.size}")
        yield Records(
            how.algorithm,
            begins[chosen],
            counts[chosen],
            stored,
            lambda one, numbers=kept[chosen]: name(int(numbers[one])),  # type: ignore[misc]
        )


def _shard(
    body: Body, how: Shard, label: str, start: int, size: int, room: _Room
) -> Iterator[Found]:
    """Yield what is in a shard of *size* bytes at *start*: its index, then its inner chunks."""
    import numpy as np

    count = prod(how.counts)
    if count > MOST_INNER:
        detail = f"it has {count} inner chunks; at most {MOST_INNER} can be checked"
        yield Finding(State.UNSUPPORTED, label, detail=detail)
        return
    length = 16 * count + (how.index_sum.size if how.index_sum else 0)
    if size < length:
        detail = f"it has {size} bytes, fewer than its index of {length}"
        yield Finding(State.DIFFER, label, detail=detail)
        return
    at = start + size - length if how.at_end else start
    index = b"".join(body.pieces(at, length))
    table = memoryview(index)[: 16 * count]
    if how.index_sum is None:
        yield Finding(State.NO_CHECKSUM, f"index of {label}", detail="it has no checksum")
    else:
        expected = int.from_bytes(index[16 * count :], "little")
        compute = _OTHERS.get(how.index_sum.algorithm) or partial(crc_of, how.index_sum.algorithm)
        actual = compute([table])
        width = 8 * how.index_sum.size
        checked = verdict(f"index of {label}", how.index_sum.algorithm, expected, actual, width)
        yield checked
        if checked.state is not State.MATCH:
            return

    entries = np.frombuffer(table, how.index_dtype).astype(np.uint64).reshape(count, 2)
    present = np.flatnonzero((entries != _ABSENT).any(axis=1))

    def name(number: int) -> str:
        return f"{label}: inner chunk {_text(_by_axis(how, np.unravel_index(number, how.counts)))}"

    if room is not None:
        absent = np.ones(how.counts, bool)
        absent.reshape(-1)[present] = False
        steps = zip(how.axes, how.shape, strict=True)
        absent = absent[tuple(slice(-(-room[axis] // step)) for axis, step in steps)]
        if missing := int(absent.sum()):
            detail = f"{missing} of {absent.size} inner chunks are absent"
            yield Finding(State.MISSING, label, detail=detail, records=missing)

    # The inner chunks are outside of the index.
    low, high = (0, size - length) if how.at_end else (length, size)
    begins, sizes = entries[present].T
    outside = (begins < low) | (begins > high) | (sizes > np.uint64(high) - begins)
    yield from _damaged(
        np.flatnonzero(outside),
        lambda one: name(int(present[one])),
        lambda one: f"{sizes[one]} bytes at {begins[one]} are outside of the shard's chunks",
    )
    inside = np.flatnonzero(~outside)
    inside = inside[np.argsort(begins[inside], kind="stable")]
    there, offsets = present[inside], begins[inside].astype(np.int64)
    lengths = sizes[inside].astype(np.int64)

    def named(one: int) -> str:
        return name(int(there[one]))

    if len(there) > 1:
        ends = np.maximum.accumulate(offsets + lengths)
        overlaps = np.append(False, (offsets[1:] < ends[:-1]) & (lengths[1:] > 0))
        yield from _damaged(
            np.flatnonzero(overlaps),
            named,
            lambda one: f"its {lengths[one]} bytes at {offsets[one]} overlap another inner chunk",
        )
        apart = np.flatnonzero(~overlaps)
        there, offsets, lengths = there[apart], offsets[apart], lengths[apart]
    if not len(there):
        return
    if isinstance(how.inner, Sum):
        yield from _records(body, how.inner, offsets + start, lengths, named)
    elif isinstance(how.inner, Shard):
        for one, begin in enumerate((offsets + start).tolist()):
            inside_array = None if room is None else _inner_room(how, room, int(there[one]))
            size = int(lengths[one])
            yield from _shard(body, how.inner, named(one), begin, size, inside_array)
    elif how.inner is None:
        detail = f"the last codec of {len(there)} inner chunks has no checksum"
        yield Finding(State.NO_CHECKSUM, label, detail=detail, records=len(there))
    else:
        yield Finding(State.UNSUPPORTED, label, detail=how.inner.reason, records=len(there))


def _by_axis(how: Shard, stored: Iterable[Any]) -> tuple[int, ...]:
    """Return numbers, one for each axis as it is stored, in the order of the array's axes."""
    found = sorted(zip(how.axes, map(int, stored), strict=True))
    return tuple(number for _, number in found)


def _inner_room(how: Shard, room: tuple[int, ...], number: int) -> tuple[int, ...]:
    """Return the part of an inner chunk, along each axis, that is inside the array."""
    import numpy as np

    at = _by_axis(how, np.unravel_index(number, how.counts))
    shape = _by_axis(how, how.shape)
    sides = zip(room, at, shape, strict=True)
    return tuple(max(0, min(step, size - start * step)) for size, start, step in sides)


FORMAT = Format(
    "zarr",
    "chunks of Zarr 2 and 3 whose last codec is a checksum, also inside shards",
    _recognises,
    _check,
)

COMPLETE = FORMAT._replace(name="zarr-complete", check=partial(_check, complete=True))
"""The same, where inner chunks that do not exist are missing."""
