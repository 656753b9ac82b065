"""Scan TFRecord, which has masked CRC-32C of the length of each record, and of its data."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING

import numpy as np

from numcrc.registry import algorithms
from numcrc.store.formats.body import FEW, MOST_TOGETHER, Body, FormatError
from numcrc.store.formats.format import Finding, Format, Found, Records, crc_of
from numcrc.store.formats.masked import unmasked
from numcrc.store.objects import State

if TYPE_CHECKING:
    import numpy.typing as npt

_LENGTH, _HEADER, _CRC = 8, 12, 4
_AROUND = _HEADER + _CRC
_NAME = re.compile(
    # Shards of TensorFlow Datasets have a number at the end; TensorBoard's events a host.
    r"\.tfrec(?:ords?)?(?:-\d+-of-\d+)?\Z|\.tfevents\.[^/]*\Z",
    re.IGNORECASE,
)


def _recognises(body: Body) -> bool:
    if _NAME.search(body.key):
        return True
    head = body.head[:_HEADER]
    return len(head) == _HEADER and _length_crc(head) == _stored(head[_LENGTH:])


def _is_zlib(body: Body) -> bool:
    """Return whether it begins as data of zlib, not as a record with a damaged bit.

    Only a record of 2**32 bytes or more has another byte than 0 in the upper half of its length.
    """
    head = body.head[:_LENGTH]
    return (
        len(head) == _LENGTH
        and head[0] == 0x78
        and int.from_bytes(head[:2], "big") % 31 == 0
        and head[4:].count(0) <= 1
    )


def _length_crc(header: bytes) -> int:
    return crc_of("crc32c", [header[:_LENGTH]])


def _stored(data: bytes | memoryview) -> int:
    """Return the CRC that is stored as *data*."""
    crc: int = unmasked(int.from_bytes(data, "little"))
    return crc


def _check(body: Body) -> Iterator[Found]:
    at, number, most = 0, 0, MOST_TOGETHER
    if _is_zlib(body):
        yield Finding(State.UNSUPPORTED, detail="it is compressed by zlib")
        return
    while at < body.size:
        header = body.window(at, min(_HEADER, body.size - at))
        size = _AROUND + int.from_bytes(header[:_LENGTH], "little")
        good = 0
        if size <= min(body.limit, body.size - at):
            ends = _ends(body.window(at, size), most)
            good = yield from _together(body, at, ends, number)
            # So that many damaged lengths do not make all that follow be walked over each time.
            most = min(2 * good + 4, MOST_TOGETHER)
            number += good
            at += ends[good]
        if not good:
            yield from _alone(body, at, number)
            number += 1
            at += size


def _together(body: Body, at: int, ends: list[int], number: int) -> Generator[Found, None, int]:
    """Yield what is in records that are in memory, up to one whose length is damaged.

    *ends* has where each begins, after *at*, and the last one ends. Return how many they are.
    """
    good = _good_lengths(body.window(at, ends[-1]), ends)
    if not good:
        return 0
    # Of each record two checksums; those of the lengths are good.
    yield Finding(State.MATCH, records=good)
    if good <= FEW:
        starts = [at + _HEADER + place for place in ends[:good]]
        lengths = [end - start - _AROUND for start, end in pairwise(ends[: good + 1])]
        window = body.window(at, ends[good])
        unpack = Struct("<L").unpack_from
        stored = [unmasked(unpack(window, end - _CRC)[0]) for end in ends[1 : good + 1]]
        yield Records("crc32c", starts, lengths, stored, _namer(number, starts))
    else:
        places = np.array(ends[: good + 1], np.int64) + at
        stops = places[1:] - _CRC
        offsets = places[:-1] + _HEADER
        crcs = unmasked(body.values(stops, "<u4"))
        yield Records("crc32c", offsets, stops - offsets, crcs, _namer(number, offsets))
    return good


def _good_lengths(window: memoryview, ends: list[int]) -> int:
    """Return how many records there are before one whose length is damaged."""
    places, crc = ends[:-1], algorithms["crc32c"]
    if len(places) > FEW:
        starts = np.array(places, np.int64)
        raw = np.frombuffer(window, np.uint8)
        stored = raw[starts[:, None] + np.arange(_LENGTH, _HEADER)].view("<u4")[:, 0]
        differs = crc.segments(window, starts, _LENGTH, threads=1) != unmasked(stored)
        return int(differs.argmax()) if differs.any() else len(places)
    function, unpack = crc.function, Struct("<L").unpack_from
    for number, place in enumerate(places):
        stop = place + _LENGTH
        if function(window[place:stop]) != unmasked(unpack(window, stop)[0]):
            return number
    return len(places)


def _ends(window: memoryview, most: int) -> list[int]:
    """Return where the first records that are wholly in *window* begin, and the last one ends.

    It believes lengths that are not judged yet. The first record is whole.
    """
    unpack, last = Struct("<Q").unpack_from, len(window) - _AROUND
    found, at = list[int](), 0
    while at <= last and len(found) < most:
        following = at + unpack(window, at)[0]
        if following > last:
            break
        found.append(at)
        at = following + _AROUND
    found.append(at)
    return found


def _alone(body: Body, at: int, number: int) -> Iterator[Found]:
    """Yield what is in a record that is longer than a window, or whose length is damaged."""
    label = f"record {number} at byte {at}"
    left = body.size - at
    if left < _HEADER:
        raise FormatError(f"{label}: it is cut")
    header = bytes(body.view(at, _HEADER))
    length = int.from_bytes(header[:_LENGTH], "little")
    actual, expected = _length_crc(header), _stored(header[_LENGTH:])
    fits = length <= left - _AROUND
    if actual == expected and not fits:
        raise FormatError(f"{label}: it is cut")
    stored = _stored(body.view(at + _HEADER + length, _CRC)) if fits else 0
    if actual != expected:
        found = f"length: crc32c {actual:08x}, expected {expected:08x}"
        # If the data end where the length says, its checksum is damaged rather than itself.
        if not fits or body.crc("crc32c", at + _HEADER, length) != stored:
            raise FormatError(f"{label}: {found}; where the next record begins is unknown")
        yield Finding(State.DIFFER, label, detail=found)
    else:
        yield Finding(State.MATCH)
    yield Records("crc32c", [at + _HEADER], [length], [stored], lambda _: label)


def _namer(first: int, offsets: Sequence[int] | npt.NDArray[np.int64]) -> Callable[[int], str]:
    return lambda i: f"record {first + i} at byte {int(offsets[i]) - _HEADER}"


FORMAT = Format(
    "tfrecord",
    "TFRecord of TensorFlow; CRC-32C of each record and of its length",
    _recognises,
    _check,
)
