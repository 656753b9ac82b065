"""Scan PNG images, which have a CRC-32 of each chunk."""

from __future__ import annotations

from collections.abc import Iterator

from numcrc.store.formats.body import Body, FormatError
from numcrc.store.formats.format import Batch, Finding, Format, Found, ends_with, nearly
from numcrc.store.objects import State

_MAGIC = b"\x89PNG\r\n\x1a\n"
_HEADER, _CRC = 8, 4
_TOGETHER = 4096
"""Chunks that are judged together."""


def _recognises(body: Body) -> bool:
    return ends_with(body.key, ".png", ".apng") or nearly(body.head, _MAGIC)


def _check(body: Body) -> Iterator[Found]:
    if body.head[: len(_MAGIC)] != _MAGIC:
        raise FormatError("it does not begin as PNG does")
    at, number, kind, batch = len(_MAGIC), 0, b"", Batch("crc32")
    while kind != b"IEND":
        if not body.holds(at, _HEADER) or len(batch) == _TOGETHER:
            yield from batch.records()
        number += 1
        try:
            header = body.window(at, _HEADER)
            size, kind = int.from_bytes(header[:4], "big"), bytes(header[4:_HEADER])
            if not kind.isalpha():
                raise FormatError(f"what follows chunk {number - 1}, at byte {at}, is not a chunk")
            name = f"chunk {number}, {kind.decode()}, at byte {at}"
            if size + _CRC > body.size - at - _HEADER:
                raise FormatError(f"{name}: it is cut, or its length is damaged")
        except FormatError:
            yield from batch.records()
            raise
        stored = int.from_bytes(body.view(at + _HEADER + size, _CRC), "big")
        batch.add(name, at + 4, 4 + size, stored)
        at += _HEADER + size + _CRC
    yield from batch.records()
    if left := body.size - at:
        yield Finding(State.NO_CHECKSUM, detail=f"{left} bytes after the end")


FORMAT = Format("png", "PNG images; CRC-32 of each chunk", _recognises, _check)
