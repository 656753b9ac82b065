"""What a store is made of: objects, what their checksums should be, and what was found."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Part(NamedTuple):
    """One part of an object that was uploaded in parts."""

    size: int
    """Bytes."""
    value: bytes | None = None
    """Its checksum, big-endian; None: not known."""


class Checksum(NamedTuple):
    """What an object's checksum should be."""

    algorithm: str
    """As stores call it, in small letters: crc32, crc32c, crc64nvme, md5, sha256, or any name
    that `numcrc.algorithms` takes; what nobody here computes is kept all the same."""
    value: bytes
    """Big-endian."""
    composite: int = 0
    """0: of the whole object. Otherwise the checksum of the concatenated checksums of that many
    parts, as S3's COMPOSITE."""
    parts: tuple[Part, ...] = ()
    """The parts of a composite one, as far as the store tells: all of them, or none."""


class Entry(NamedTuple):
    """An object, as a listing or a manifest tells of it."""

    key: str
    """Its name below the source's root, ``/`` between folders. Bytes that are no UTF-8 are there
    as surrogates, as `os.fsdecode` makes them."""
    size: int | None = None
    """Bytes; None: not told."""
    checksums: tuple[Checksum, ...] = ()
    """What is known of them so far."""
    version: str = ""
    """What changes when the object does: an ETag, a version or a time. Empty: not told."""
    archived: bool = False
    """Whether it must be restored before it can be read."""
    complete: bool = False
    """Whether *checksums* are all that the source has: asking it again tells no more."""


class State(str, Enum):
    """What became of one object."""

    MATCH = "match"
    DIFFER = "differ"
    MISSING = "missing"
    """Expected, but not in the source."""
    EXTRA = "extra"
    """In the source, but not expected."""
    SIZE_MISMATCH = "size-mismatch"
    """The body was not read."""
    NO_CHECKSUM = "no-checksum"
    UNSUPPORTED = "unsupported-algorithm"
    CHANGED = "changed-during-read"
    ARCHIVED = "archived"
    ERROR = "error"


class Result(NamedTuple):
    """What was found of one object."""

    key: str
    state: State
    size: int | None = None
    """Bytes, of the source's object, else as expected."""
    algorithm: str = ""
    """The checksum that decided."""
    expected: str = ""
    """In hexadecimal; of a composite one, ``-`` and the number of parts behind it."""
    actual: str = ""
    """Likewise; empty when none was computed."""
    parts: tuple[int, ...] = ()
    """The numbers of the parts that differ, from 1, as far as it is known."""
    detail: str = ""
    """What a person should know, such as an error's text."""
    version: str = ""
    """The version of what was looked at."""
