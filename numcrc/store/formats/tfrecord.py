"""Scan TFRecord, which has masked CRC-32C of the length of each record, and of its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, TypeAlias

import numpy as np

from numcrc.registry import algorithms
from numcrc.store.formats.body import Body, FormatError
from numcrc.store.formats.format import Finding, Format, Found, Records, crc_of, ends_with
from numcrc.store.formats.masked import unmasked
from numcrc.store.objects import State

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_LENGTH, _HEADER, _CRC = 8, 12, 4
_AROUND = _HEADER + _CRC
_TOGETHER = 1 << 16
"""Records that are judged together."""


def _recognises(body: Body) -> bool:
    if ends_with(body.key, ".tfrecord", ".tfrecords", ".tfrec"):
        return True
    head = body.head[:_HEADER]
    return len(head) == _HEADER and _length_crc(head) == _stored(head[_LENGTH:])


def _length_crc(header: bytes) -> int:
    return crc_of("crc32c", [header[:_LENGTH]])


def _stored(data: bytes | memoryview) -> int:
    """Return the CRC that is stored as *data*."""
    crc: int = unmasked(int.from_bytes(data, "little"))
    return crc


def _check(body: Body) -> Iterator[Found]:
    crc32c = algorithms["crc32c"]
    at = number = 0
    while at < body.size:
        window = body.window(at, min(_HEADER, body.size - at))
        starts = _starts(window)
        if not len(starts):
            yield from _long(body, at, number)
            number += 1
            at += _AROUND + int.from_bytes(body.window(at, _LENGTH)[:_LENGTH], "little")
            continue
        places = starts[:-1]
        headers = unmasked(body.values(places + at + _LENGTH, "<u4"))
        bad = np.flatnonzero(crc32c.segments(window, places, _LENGTH, threads=1) != headers)
        good = int(bad[0]) if len(bad) else len(places)
        if good:
            offsets, lengths = places[:good] + (at + _HEADER), np.diff(starts)[:good] - _AROUND
            stored = unmasked(body.values(offsets + lengths, "<u4"))
            # Of each record two checksums; those of the lengths are good.
            yield Finding(State.MATCH, records=good)
            yield Records("crc32c", offsets, lengths, stored, _namer(number, offsets))
        number += good
        at += int(starts[good])
        if good < len(places):
            yield from _long(body, at, number)
            number += 1
            at += _AROUND + int.from_bytes(body.window(at, _LENGTH)[:_LENGTH], "little")


def _starts(window: memoryview) -> Array:
    """Return where the records that are wholly in *window* begin, and the last one ends.

    It believes lengths that are not judged yet. The array is empty if the first is not whole.
    """
    unpack, end = Struct("<Q").unpack_from, len(window)
    found, at = list[int](), 0
    while at + _AROUND <= end and len(found) < _TOGETHER:
        following = at + _AROUND + unpack(window, at)[0]
        if following > end:
            break
        found.append(at)
        at = following
    if found:
        found.append(at)
    return np.array(found, np.int64)


def _long(body: Body, at: int, number: int) -> Iterator[Found]:
    """Yield what is in a record that is not wholly in memory, or whose length is damaged."""
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
        pieces = body.pieces(at + _HEADER, length if fits else 0)
        if not fits or crc_of("crc32c", pieces) != stored:
            raise FormatError(f"{label}: {found}; where the next record begins is unknown")
        yield Finding(State.DIFFER, label, detail=found)
    else:
        yield Finding(State.MATCH)
    yield Records("crc32c", [at + _HEADER], [length], [stored], lambda _: label)


def _namer(first: int, offsets: Array) -> Callable[[int], str]:
    return lambda i: f"record {first + i} at byte {int(offsets[i]) - _HEADER}"


FORMAT = Format(
    "tfrecord",
    "TFRecord of TensorFlow; CRC-32C of each record and of its length",
    _recognises,
    _check,
)
