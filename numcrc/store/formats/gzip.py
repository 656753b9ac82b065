"""Scan gzip, of one or several members, and BGZF. Each member ends with the CRC-32 of its contents.

A member of BGZF, a block, gives its size, so that blocks behind a damaged one are checked too; and
an empty block marks the end of the file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import chain

from numcrc._light import NamedTuple
from numcrc.store.formats.body import Body, FormatError
from numcrc.store.formats.format import Finding, Format, Found, crc_of, ends_with, nearly, verdict
from numcrc.store.objects import State

_MAGIC = b"\x1f\x8b\x08"
_HEADER, _TRAILER = 10, 8
_HEADER_CRC, _EXTRA, _NAME, _COMMENT, _RESERVED = 0x2, 0x4, 0x8, 0x10, 0xE0
_LONGEST_TEXT = 64 << 10
"""Bytes of a name or a comment; longer ones are damaged."""
_INFLATED = 256 << 10
"""Bytes to inflate at a time."""
_LARGEST_BLOCK = 64 << 10
"""Bytes that a block of BGZF inflates to."""


class _Member(NamedTuple):
    label: str
    start: int
    """Where its deflated data begin."""
    end: int
    """Where it ends, if its header says so; else 0."""


def _recognises(body: Body) -> bool:
    if body.head.startswith(_MAGIC) or ends_with(body.key, ".gz", ".tgz", ".bgz", ".bgzf"):
        return True
    return ends_with(body.key, ".bam", ".bcf", ".svgz") and nearly(body.head, _MAGIC)


def _check(body: Body) -> Iterator[Found]:
    at, number = 0, 0
    in_blocks = size = 0
    while at < body.size:
        if number and _only_zeros(body, at):
            return
        number += 1
        member = _member(body, at, number)
        if member.end:
            in_blocks += 1
            at = member.end
            crc, size = _trailer(body, at - _TRAILER)
            pieces = _block(body, member, size)
            try:
                yield verdict(member.label, "crc32", crc, crc_of("crc32", pieces))
            except FormatError as error:
                yield Finding(State.DIFFER, member.label, detail=str(error))
        else:
            inflated = _Inflated(body, member)
            actual = crc_of("crc32", inflated)
            crc, size = _trailer(body, inflated.end)
            at = inflated.end + _TRAILER
            yield verdict(member.label, "crc32", crc, actual)
            if size != inflated.size & 0xFFFFFFFF:
                detail = f"it inflates to {inflated.size} bytes, expected {size}"
                yield Finding(State.DIFFER, member.label, detail=detail, records=0)
    if in_blocks and in_blocks == number and size:
        raise FormatError("no block marks the end of the file: it may be cut")


def _only_zeros(body: Body, at: int) -> bool:
    """Return whether nothing follows but zeros, with which tapes and gzip pad files."""
    if body.view(at, 1)[0]:
        return False
    return not any(any(piece) for piece in body.pieces(at, body.size - at))


def _member(body: Body, at: int, number: int) -> _Member:
    """Return the member whose header begins at *at*."""
    label = f"member {number} at byte {at}"
    if body.size - at < _HEADER:
        raise FormatError(f"{label}: {body.size - at} bytes are not a header")
    head = bytes(body.window(at, _HEADER)[:_HEADER])
    flags = head[3]
    if not head.startswith(_MAGIC) or flags & _RESERVED:
        raise FormatError(f"{label}: not a header of gzip")
    place, block = at + _HEADER, 0
    if flags & _EXTRA:
        size = int.from_bytes(body.window(place, 2)[:2], "little")
        block = _block_size(bytes(body.window(place + 2, size)[:size]))
        place += 2 + size
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            text = bytes(body.window(place, 1)[:_LONGEST_TEXT])
            if b"\0" not in text:
                text = bytes(body.view(place, min(_LONGEST_TEXT, body.size - place)))
            if b"\0" not in text:
                raise FormatError(f"{label}: its name or comment has no end")
            place += text.index(b"\0") + 1
    if flags & _HEADER_CRC:
        expected = int.from_bytes(body.view(place, 2), "little")
        actual = crc_of("crc32", [body.view(at, place - at)]) & 0xFFFF
        if actual != expected:
            raise FormatError(f"{label}: header crc16 {actual:04x}, expected {expected:04x}")
        place += 2
    if not block:
        return _Member(label, place, 0)
    end = at + block
    if end > body.size or end - _TRAILER < place:
        raise FormatError(f"{label}: a block of {block} bytes is outside of the file")
    return _Member(label.replace("member", "block"), place, end)


def _block_size(extra: bytes) -> int:
    """Return the size of a block of BGZF, 0 for other members."""
    at = 0
    while at + 4 <= len(extra):
        size = int.from_bytes(extra[at + 2 : at + 4], "little")
        if extra[at : at + 2] == b"BC" and size == 2 and at + 6 <= len(extra):
            return int.from_bytes(extra[at + 4 : at + 6], "little") + 1
        at += 4 + size
    return 0


def _trailer(body: Body, at: int) -> tuple[int, int]:
    """Return the CRC and the size at the end of a member."""
    data = body.view(at, _TRAILER)
    return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:], "little")


def _block(body: Body, member: _Member, size: int) -> Iterator[bytes]:
    """Yield the contents of a block, which is short."""
    count = member.end - _TRAILER - member.start
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflate.decompress(body.window(member.start, count)[:count], _LARGEST_BLOCK + 1)
    except zlib.error as error:
        raise FormatError(f"it cannot be inflated: {error}") from error
    if len(data) != size or not inflate.eof or inflate.unused_data:
        raise FormatError(f"it inflates to {len(data)} bytes, expected {size}")
    yield data


def _slices(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    """Yield pieces in slices that grow, since zlib copies what it leaves behind a short member."""
    step = 512
    for piece in pieces:
        at = 0
        while at < len(piece):
            yield piece[at : at + step]
            at += step
            step = min(2 * step, _INFLATED)


class _Inflated:
    """The contents of a member, which can be iterated over once."""

    def __init__(self, body: Body, member: _Member) -> None:
        self._body = body
        self._member = member
        self.size = 0
        """Bytes of the contents."""
        self.end = member.start
        """Where its deflated data end, once they are inflated."""

    def __iter__(self) -> Iterator[bytes]:
        body, label = self._body, self._member.label
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        slices = _slices(body.pieces(self.end, body.size - self.end))
        pieces: Iterator[bytes | memoryview] = chain(slices, (b"",))
        for piece in pieces:
            waiting = piece
            while True:
                try:
                    data = inflate.decompress(waiting, _INFLATED)
                except zlib.error as error:
                    raise FormatError(f"{label}: it cannot be inflated: {error}") from error
                self.size += len(data)
                yield data
                waiting = inflate.unconsumed_tail
                if inflate.eof or (not waiting and len(data) < _INFLATED):
                    break
            self.end += len(piece) - len(inflate.unused_data)
            if inflate.eof:
                return
        raise FormatError(f"{label}: its deflated data are cut")


FORMAT = Format(
    "gzip",
    "gzip and BGZF: .gz, .bgz, .bam; CRC-32 of each member",
    _recognises,
    _check,
)
