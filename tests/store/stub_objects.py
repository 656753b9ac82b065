"""Define the objects of FaultyServer: with checksums as in S3, in a dict or made on demand."""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, overload

import numcrc

LAST_MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"
WIDTHS = {"crc32": 4, "crc32c": 4, "crc64nvme": 8}


def digest(algorithm: str, data: bytes) -> bytes:
    """Return the value of a checksum."""
    if algorithm not in WIDTHS:
        return hashlib.new(algorithm, data).digest()
    crc: Callable[[bytes], int] = getattr(numcrc, algorithm)
    return crc(data).to_bytes(WIDTHS[algorithm], "big")


def base64_digest(algorithm: str, data: bytes) -> str:
    """Return the value of a checksum header."""
    return base64.b64encode(digest(algorithm, data)).decode()


@dataclass(frozen=True)
class Part:
    """A part of an object that was uploaded in parts, with its checksum if the store keeps it."""

    start: int
    size: int
    checksum: str | None


@dataclass(frozen=True)
class StubObject:
    """A body and the description that its store sends, which may be wrong."""

    body: bytes
    etag: str
    algorithm: str | None = None
    checksum: str | None = None
    kind: str = "FULL_OBJECT"
    parts: tuple[Part, ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls,
        body: bytes,
        algorithm: str | None = "crc64nvme",
        *,
        part_size: int = 0,
        kind: str = "FULL_OBJECT",
    ) -> StubObject:
        """Return *body* as S3 keeps it, uploaded in one request or in parts."""
        etag = hashlib.md5(body).hexdigest()
        if not part_size:
            checksum = base64_digest(algorithm, body) if algorithm else None
            return cls(body, f'"{etag}"', algorithm, checksum, "FULL_OBJECT")
        pieces = [body[at : at + part_size] for at in range(0, len(body), part_size)]
        composite = algorithm is not None and kind == "COMPOSITE"
        parts = tuple(
            Part(n * part_size, len(x), base64_digest(str(algorithm), x) if composite else None)
            for n, x in enumerate(pieces)
        )
        joined = b"".join(hashlib.md5(piece).digest() for piece in pieces)
        etag = f'"{hashlib.md5(joined).hexdigest()}-{len(parts)}"'
        if algorithm is None:
            return cls(body, etag, parts=parts)
        if not composite:
            return cls(body, etag, algorithm, base64_digest(algorithm, body), kind, parts)
        joined = b"".join(digest(algorithm, piece) for piece in pieces)
        checksum = f"{base64_digest(algorithm, joined)}-{len(parts)}"
        return cls(body, etag, algorithm, checksum, kind, parts)


class Objects(Protocol):
    """The objects of a server."""

    def get(self, key: str, /) -> StubObject | None:
        """Return the object, or None."""

    def __setitem__(self, key: str, stored: StubObject, /) -> None: ...

    def keys_after(self, prefix: str, after: str, limit: int) -> tuple[Sequence[str], bool]:
        """Return some keys in order, and whether more follow."""


def page(keys: Sequence[str], prefix: str, after: str, limit: int) -> tuple[Sequence[str], bool]:
    """Return at most *limit* of the sorted *keys* past *after*, and whether more follow."""
    first = max(bisect_left(keys, prefix), bisect_right(keys, after))
    found = [key for key in keys[first : first + limit + 1] if key.startswith(prefix)]
    return found[:limit], len(found) > limit


class DictOfObjects(dict[str, StubObject]):
    """Objects in a dict."""

    def keys_after(self, prefix: str, after: str, limit: int) -> tuple[Sequence[str], bool]:
        """Return some keys in order, and whether more follow."""
        return page(sorted(self), prefix, after, limit)


class NumberedKeys(Sequence[str]):
    """The keys ``0000000000`` and so on after a prefix, in order."""

    def __init__(self, numbers: range, prefix: str) -> None:
        self.numbers = numbers
        self.prefix = prefix

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> NumberedKeys: ...
    def __getitem__(self, index: int | slice) -> str | NumberedKeys:
        if isinstance(index, slice):
            return NumberedKeys(self.numbers[index], self.prefix)
        return f"{self.prefix}{self.numbers[index]:010d}"


class NumberedObjects(Mapping[str, StubObject]):
    """Any number of objects, each made on demand."""

    def __init__(self, count: int, make: Callable[[int], StubObject], prefix: str = "") -> None:
        self.names = NumberedKeys(range(count), prefix)
        self.make = make
        self.changed: dict[str, StubObject] = {}

    def __getitem__(self, key: str) -> StubObject:
        if key in self.changed:
            return self.changed[key]
        number = key.removeprefix(self.names.prefix)
        if not number.isdigit() or int(number) >= len(self) or self.names[int(number)] != key:
            raise KeyError(key)
        return self.make(int(number))

    def __setitem__(self, key: str, stored: StubObject) -> None:
        if key not in self:
            raise KeyError(key)
        self.changed[key] = stored

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def keys_after(self, prefix: str, after: str, limit: int) -> tuple[Sequence[str], bool]:
        """Return some keys in order, and whether more follow."""
        return page(self.names, prefix, after, limit)
