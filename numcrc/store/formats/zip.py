"""Scan ZIP: archives, .npz of NumPy, .pt of PyTorch, wheels. Each member has its CRC-32.

The central directory at the end says where each member is, how long, and its CRC. The header in
front of each member repeats that, and is compared. Stored members are judged in place; deflated
ones are inflated piece by piece. What overlaps is refused, so an archive inflates to 1032 times its
size at most.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from struct import Struct

from numcrc._light import NamedTuple
from numcrc.store.formats.body import Body, FormatError
from numcrc.store.formats.format import (
    Batch,
    Finding,
    Format,
    Found,
    crc_of,
    ends_with,
    nearly,
    verdict,
)
from numcrc.store.objects import State

_END = Struct("<4s4H2LH")
_END_64 = Struct("<4sQ2H2L4Q")
_LOCATOR = Struct("<4sLQL")
_ENTRY = Struct("<4s6H3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_MOST_COMMENT = 0xFFFF
_DIRECTORY_STEP = 1 << 20
_INFLATED = 256 << 10
"""Bytes to inflate at a time."""
_TOGETHER = 4096
"""Members that are judged together."""
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIPTOR, _UTF_8 = 0x1, 0x8, 0x800


class _Directory(NamedTuple):
    start: int
    end: int
    entries: int
    wide: bool
    """Whether *entries* has more than 16 bits."""
    shift: int
    """What precedes the archive, which offsets do not count."""


class _Member(NamedTuple):
    offset: int
    """Of its header."""
    name: bytes
    flags: int
    method: int
    crc: int
    size: int
    """Bytes in the archive."""
    full_size: int
    """Bytes after inflating."""

    @property
    def label(self) -> str:
        text = self.name.decode("utf-8" if self.flags & _UTF_8 else "cp437", "replace")
        return f"member {text!r}"


def _recognises(body: Body) -> bool:
    head = body.head
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return True
    if ends_with(body.key, ".zip", ".npz", ".whl", ".jar"):
        return True
    # Files of these names may be of other formats.
    return nearly(head, b"PK\3\4") and ends_with(body.key, ".pt", ".pth", ".ckpt", ".keras")


def _check(body: Body) -> Iterator[Found]:
    directory = _directory(body)
    if not directory.entries:
        yield Finding(State.MATCH, detail="an empty archive", records=0)
    members = _Members(body, directory)
    for batch in _batches(body, directory):
        yield from members.check(batch)
    yield from members.end()


def _directory(body: Body) -> _Directory:
    """Return where the central directory is."""
    count = min(body.size, _END.size + _MOST_COMMENT)
    first = body.size - count
    tail = bytes(body.view(first, count))
    at = last = tail.rfind(b"PK\5\6", 0, count - _END.size + 4)
    # The comment at the end may contain this mark, too.
    while at >= 0 and at + _END.size + _END.unpack_from(tail, at)[-1] != count:
        at = tail.rfind(b"PK\5\6", 0, at)
    if at < 0:
        at = last
    if at < 0:
        raise FormatError("no end of the central directory: it is cut, or not a ZIP file")
    _, disk, other, here, entries, size, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != count:
        raise FormatError(f"{count - at - _END.size} bytes follow its end, expected {comment}")
    end, wide = first + at, False
    if end >= _LOCATOR.size:
        mark, start_disk, where, disks = _LOCATOR.unpack(
            body.view(end - _LOCATOR.size, _LOCATOR.size)
        )
        if mark == b"PK\6\7":
            end, wide = end - _LOCATOR.size, True
            if start_disk or disks > 1:
                raise FormatError("it is one of several volumes")
            # Directly before the locator, unless it has fields of later versions.
            place = end - _END_64.size
            if place < 0 or bytes(body.view(place, 4)) != b"PK\6\6":
                place = where
            found = _END_64.unpack(body.view(place, _END_64.size))
            mark, length, _, _, disk, other, here, entries, size, offset = found
            if mark != b"PK\6\6" or length + 12 != end - place:
                raise FormatError("damaged ZIP64 end of the central directory")
            end = place
    if disk or other or here != entries:
        raise FormatError("it is one of several volumes, or its end is damaged")
    shift = end - size - offset
    if shift < 0:
        raise FormatError(f"a central directory of {size} bytes at {offset} is outside of it")
    return _Directory(end - size, end, entries, wide, shift)


def _batches(body: Body, directory: _Directory) -> Iterator[list[_Member]]:
    """Yield members in the order of the central directory, or nearly."""
    at, count = directory.start, 0
    while at < directory.end:
        chunk = bytes(body.view(at, min(_DIRECTORY_STEP, directory.end - at)))
        batch: list[_Member] = []
        place = 0
        while place + _ENTRY.size <= len(chunk):
            fields = _ENTRY.unpack_from(chunk, place)
            if fields[0] != b"PK\1\2":
                raise FormatError(f"entry {count + 1} of its central directory is damaged")
            stop = place + _ENTRY.size + sum(fields[10:13])
            if stop > len(chunk):
                break
            batch.append(_member(fields, chunk[place + _ENTRY.size : stop], directory.shift))
            count += 1
            place = stop
            if len(batch) == _TOGETHER:
                yield _in_order(batch)
                batch = []
        if not place:
            raise FormatError(f"entry {count + 1} of its central directory is cut")
        at += place
        if batch:
            yield _in_order(batch)
    if count != directory.entries and (directory.wide or count & 0xFFFF != directory.entries):
        raise FormatError(
            f"its central directory has {count} entries, expected {directory.entries}"
        )


def _in_order(batch: list[_Member]) -> list[_Member]:
    return sorted(batch, key=lambda member: member.offset)


def _member(fields: tuple[int, ...], rest: bytes, shift: int) -> _Member:
    """Return the member of an entry with these fields, of which *rest* is the variable part."""
    _, _, _, flags, method, _, _, crc, size, full_size, name_size, extra_size = fields[:12]
    name, offset = rest[:name_size], fields[16]
    extra = rest[name_size : name_size + extra_size]
    full_size, size, offset = _wide(extra, full_size, size, offset)
    return _Member(offset + shift, name, flags, method, crc, size, full_size)


def _wide(extra: bytes, *numbers: int) -> Iterable[int]:
    """Return numbers, each from the ZIP64 field of *extra* if 32 bits are too few for it."""
    if 0xFFFFFFFF not in numbers:
        return numbers
    at = 0
    while at + 4 <= len(extra):
        kind = int.from_bytes(extra[at : at + 2], "little")
        size = int.from_bytes(extra[at + 2 : at + 4], "little")
        if kind == 1:
            field = extra[at + 4 : at + 4 + size]
            found = []
            for number in numbers:
                if number == 0xFFFFFFFF and len(field) >= 8:
                    number, field = int.from_bytes(field[:8], "little"), field[8:]
                found.append(number)
            return found
        at += 4 + size
    return numbers


class _Members:
    """Checks members, those that are stored together."""

    def __init__(self, body: Body, directory: _Directory) -> None:
        self._body = body
        self._left = directory.start - directory.shift
        self._stored = Batch("crc32")
        self._computed = False
        """Whether the CRC of any member is not 0."""
        self._zero: list[Finding] = []
        self._zeros = 0

    def check(self, batch: Iterable[_Member]) -> Iterator[Found]:
        """Yield what is in members."""
        body = self._body
        for member in batch:
            self._left -= _LOCAL.size + len(member.name) + member.size
            if self._left < 0:
                yield from self._stored.records()
                raise FormatError("its members overlap")
            self._computed |= member.crc != 0
            if not body.holds(member.offset, _LOCAL.size):
                yield from self._stored.records()
            try:
                start = _start(body, member)
                yield from self._found(start, member)
            except FormatError as error:
                yield Finding(State.DIFFER, member.label, detail=str(error))
        yield from self._stored.records()

    def end(self) -> Iterator[Finding]:
        """Yield what is in members whose CRC is given as 0: it may not have been computed."""
        if self._zeros and not self._computed:
            yield Finding(
                State.NO_CHECKSUM, detail="the CRC of all members is 0", records=self._zeros
            )
            return
        yield from self._zero
        if left := self._zeros - len(self._zero):
            yield Finding(State.DIFFER, detail="other members with a CRC of 0", records=left)

    def _found(self, start: int, member: _Member) -> Iterator[Finding]:
        if member.flags & _ENCRYPTED:
            yield Finding(State.UNSUPPORTED, member.label, detail="it is encrypted")
        elif member.method == _DEFLATED and member.size:
            yield from self._one(member, crc_of("crc32", _inflated(self._body, start, member)))
        elif member.method not in (_STORED, _DEFLATED):
            detail = f"compression method {member.method}"
            yield Finding(State.UNSUPPORTED, member.label, detail=detail)
        elif member.size != member.full_size:
            raise FormatError(f"it has {member.size} bytes, expected {member.full_size}")
        elif not member.crc and member.size:
            crc = self._body.crc("crc32", start, member.size)
            yield from self._one(member, crc)
        else:
            self._stored.add(member.label, start, member.size, member.crc)

    def _one(self, member: _Member, actual: int) -> Iterator[Finding]:
        finding = verdict(member.label, "crc32", member.crc, actual)
        if member.crc or not actual:
            yield finding
            return
        self._zeros += 1
        if len(self._zero) < 4:
            self._zero.append(finding)


def _start(body: Body, member: _Member) -> int:
    """Return where the data of a member begin, after comparing its header with the directory's."""
    header = body.window(member.offset, _LOCAL.size)
    mark, _, flags, method, _, _, crc, size, full_size, *sizes = _LOCAL.unpack_from(header)
    if mark != b"PK\3\4":
        raise FormatError(f"no header at {member.offset}")
    length: int = _LOCAL.size + sum(sizes)
    rest = bytes(body.window(member.offset, length)[_LOCAL.size : length])
    name, extra = rest[: sizes[0]], rest[sizes[0] :]
    start = member.offset + length
    same = name == member.name and method == member.method
    if not same or (flags ^ member.flags) & (_ENCRYPTED | _DESCRIPTOR):
        raise FormatError("its header is not as in the central directory")
    full_size, size = _wide(extra, full_size, size)
    if flags & _DESCRIPTOR:
        _check_descriptor(body, start + member.size, member)
        # Zeros, or as in the directory.
        same = crc in (0, member.crc) and size in (0, member.size)
        same = same and full_size in (0, member.full_size)
    else:
        same = (crc, size, full_size) == (member.crc, member.size, member.full_size)
    if not same:
        raise FormatError("its header has another CRC or size than the central directory")
    return start


def _check_descriptor(body: Body, at: int, member: _Member) -> None:
    """Check what follows the data of a member: its CRC and sizes, of 4 or of 8 bytes."""
    found = bytes(body.view(at, min(24, body.size - at)))
    crc = member.crc.to_bytes(4, "little")
    for size in (4, 8):
        try:
            sizes = member.size.to_bytes(size, "little") + member.full_size.to_bytes(size, "little")
        except OverflowError:
            continue
        if found.startswith((b"PK\7\x08" + crc + sizes, crc + sizes)):
            return
    raise FormatError("the CRC or size after its data is not as in the central directory")


def _inflated(body: Body, start: int, member: _Member) -> Iterator[bytes]:
    """Yield the contents of a deflated member, or raise FormatError if it cannot be inflated."""
    total, inflate = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    # The empty piece: what was inflated of the last one may not all have been returned.
    pieces: Iterator[bytes | memoryview] = chain(body.pieces(start, member.size), (b"",))
    for piece in pieces:
        waiting = piece
        while not inflate.eof:
            try:
                data = inflate.decompress(waiting, _INFLATED)
            except zlib.error as error:
                raise FormatError(f"it cannot be inflated: {error}") from error
            total += len(data)
            if total > member.full_size:
                raise FormatError(f"it inflates to more than {member.full_size} bytes")
            yield data
            waiting = bytes(inflate.unconsumed_tail)
            if not waiting and len(data) < _INFLATED:
                break
    if total != member.full_size or not inflate.eof:
        raise FormatError(f"it inflates to {total} bytes, expected {member.full_size}")


FORMAT = Format(
    "zip",
    "ZIP: .zip, .npz, .pt, wheels; CRC-32 of each member",
    _recognises,
    _check,
)
