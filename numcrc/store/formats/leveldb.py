"""Scan logs of LevelDB: NUMBER.log and MANIFEST-NUMBER. Each record has a masked CRC-32C.

A log has blocks of 32 KiB. A record has a header (its CRC, the length of its data in two bytes, and
its type) and does not cross the end of a block; the CRC covers type and data. Where fewer than 7
bytes are left in a block, they are zeros.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from numcrc.store.formats.body import Body
from numcrc.store.formats.format import Finding, Format, Found, Records, crc_of
from numcrc.store.formats.masked import unmasked
from numcrc.store.objects import State

_NAME = re.compile(r"(?:.*/)?(?:\d{6,}\.log|MANIFEST-\d{6,})", re.DOTALL)
_BLOCK, _HEADER = 32 << 10, 7
_COVERED = 6
"""Bytes of a header that its CRC does not cover."""
_TYPES = {1, 2, 3, 4}


def _recognises(body: Body) -> bool:
    """Return whether the name fits, and the first record may be one, or is but for its type."""
    if not _NAME.fullmatch(body.key):
        return False
    head = body.head[:_HEADER]
    if len(head) < _HEADER or head[6] in (1, 2):
        return len(head) == _HEADER
    size = int.from_bytes(head[4:6], "little")
    if size > min(_BLOCK, body.size) - _HEADER:
        return False
    data, stored = bytes(body.view(_HEADER, size)), unmasked(int.from_bytes(head[:4], "little"))
    return any(crc_of("crc32c", (kind, data)) == stored for kind in (b"\1", b"\2"))


def _check(body: Body) -> Iterator[Found]:
    number = 0
    for first in range(0, body.size, _BLOCK):
        size = min(_BLOCK, body.size - first)
        starts, lengths, problem = _records(bytes(body.window(first, size)[:size]))
        places = [first + at for at in starts]
        if places:
            yield Records(
                "crc32c",
                [at + _COVERED for at in places],
                [1 + length for length in lengths],
                unmasked(body.values(places, "<u4")),
                _namer(number, places),
            )
            number += len(places)
        if problem:
            at = places[-1] + _HEADER + lengths[-1] if places else first
            yield Finding(State.DIFFER, f"record {number} at byte {at}", detail=problem)


def _records(block: bytes) -> tuple[list[int], list[int], str]:
    """Return where the records of a block begin, the lengths of their data, and what is wrong."""
    starts, lengths, at = list[int](), list[int](), 0
    while at + _HEADER <= len(block):
        length, kind = int.from_bytes(block[at + 4 : at + 6], "little"), block[at + 6]
        if not kind and not length and not any(block[at:]):
            return starts, lengths, ""  # space that was reserved, and not used
        if kind not in _TYPES:
            return starts, lengths, f"unknown type {kind}"
        if at + _HEADER + length > len(block):
            return starts, lengths, "it is cut, or its length is damaged"
        starts.append(at)
        lengths.append(length)
        at += _HEADER + length
    return starts, lengths, "bytes follow the last record" if any(block[at:]) else ""


def _namer(first: int, offsets: list[int]) -> Callable[[int], str]:
    return lambda i: f"record {first + i} at byte {offsets[i]}"


FORMAT = Format(
    "leveldb",
    "logs of LevelDB: NUMBER.log, MANIFEST-NUMBER; CRC-32C of each record",
    _recognises,
    _check,
)
