"""Scan PNG images, which have a CRC-32 of each chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from numcrc.store.formats.body import Body, FormatError
from numcrc.store.formats.format import Finding, Format, Found, Records, ends_with, nearly
from numcrc.store.objects import State

_MAGIC = b"\x89PNG\r\n\x1a\n"
_HEADER, _CRC = 8, 4


def _recognises(body: Body) -> bool:
    return ends_with(body.key, ".png", ".apng") or nearly(body.head, _MAGIC)


def _check(body: Body) -> Iterator[Found]:
    if body.head[: len(_MAGIC)] != _MAGIC:
        raise FormatError("it does not begin as PNG does")
    at, number, kind = len(_MAGIC), 0, ""
    while kind != "IEND":
        # A batch of chunks that are in memory together, or one that is longer.
        window = body.window(at, _HEADER)
        first, names, starts, sizes = number + 1, list[str](), list[int](), list[int]()
        place = 0
        while place + _HEADER <= len(window) and kind != "IEND":
            size = int.from_bytes(window[place : place + 4], "big")
            stop = place + _HEADER + size + _CRC
            if stop > len(window) and names:
                break
            number += 1
            kind = _kind(bytes(window[place + 4 : place + 8]), number, at + place)
            if stop > body.size - at:
                label = f"chunk {number}, {kind}, at byte {at + place}"
                raise FormatError(f"{label}: it is cut, or its length is damaged")
            names.append(kind)
            starts.append(at + place + 4)
            sizes.append(4 + size)
            place = stop
        stored = body.values([s + n for s, n in zip(starts, sizes, strict=True)], ">u4")
        yield Records("crc32", starts, sizes, stored, _namer(first, names, starts))
        at += place
    if left := body.size - at:
        yield Finding(State.NO_CHECKSUM, detail=f"{left} bytes after the end")


def _kind(name: bytes, number: int, at: int) -> str:
    """Return the type of a chunk: four letters."""
    if not name.isalpha():
        raise FormatError(f"what follows chunk {number - 1}, at byte {at}, is not a chunk")
    return name.decode("ascii")


def _namer(first: int, names: list[str], starts: list[int]) -> Callable[[int], str]:
    return lambda i: f"chunk {first + i}, {names[i]}, at byte {starts[i] - 4}"


FORMAT = Format("png", "PNG images; CRC-32 of each chunk", _recognises, _check)
