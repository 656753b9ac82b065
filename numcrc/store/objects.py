"""Define objects, their checksums, and the results of checking them."""

from __future__ import annotations

from enum import Enum

from numcrc._light import NamedTuple


class Part(NamedTuple):
    """One part of an object that was uploaded in parts."""

    size: int
    """Bytes."""
    value: bytes | None = None
    """The part's checksum, big-endian; None if unknown."""


class Checksum(NamedTuple):
    """A checksum that an object has, or should have."""

    algorithm: str
    """The name that stores use, in lower case: crc32, crc32c, crc64nvme, md5, sha256; or any
    other. Checksums of algorithms that cannot be computed here are kept, too."""
    value: bytes
    """Big-endian."""
    composite: int = 0
    """0 for a checksum of the whole object. Otherwise *value* is the checksum of the concatenated
    checksums of this number of parts, as S3's COMPOSITE."""
    parts: tuple[Part, ...] = ()
    """The parts of a composite checksum: all of them, or none if they are unknown."""
    guessed: bool = False
    """Whether *algorithm* is only a guess from the number of digits of *value*, or *composite* is
    one, so that a mismatch is not certain."""
    etag: bool = False
    """Whether it is the ETag of an object, which is its MD5 in S3 and most similar stores."""


class Entry(NamedTuple):
    """An object as a listing or a manifest describes it."""

    key: str
    """Its name below the source's root, with ``/`` between folders. Bytes that are not UTF-8 are
    represented by surrogates, as by ``os.fsdecode``."""
    size: int | None = None
    """Bytes; None if unknown."""
    checksums: tuple[Checksum, ...] = ()
    """The checksums known so far."""
    version: str = ""
    """An ETag, a version or a time, which changes when the object does; empty if unknown."""
    archived: bool = False
    """Whether it must be restored before it can be read."""
    complete: bool = False
    """Whether *checksums* are all that the source has, so that asking it again adds none."""


class State(str, Enum):
    """The outcome of checking one object."""

    MATCH = "match"
    DIFFER = "differ"
    MISSING = "missing"
    """Expected, but not in the source."""
    EXTRA = "extra"
    """In the source, but not expected."""
    SIZE_MISMATCH = "size-mismatch"
    """The body was not read."""
    NO_CHECKSUM = "no-checksum"
    """There was nothing to compare."""
    UNSUPPORTED = "unsupported-algorithm"
    """No expected checksum could be computed."""
    CHANGED = "changed-during-read"
    ARCHIVED = "archived"
    ERROR = "error"
    SKIPPED = "skipped"
    """A scan does not know the object's format, so it checked nothing."""

    __hash__ = str.__hash__  # a hash of the name, as in Enum, takes three times as long


class Result(NamedTuple):
    """The result of checking one object."""

    key: str
    state: State
    size: int | None = None
    """Bytes of the source's object, else the expected size; None if unknown."""
    algorithm: str = ""
    """The algorithm of the checksum that decided."""
    expected: str = ""
    """Its expected value in hexadecimal, followed by ``-`` and the number of parts if it is
    composite."""
    actual: str = ""
    """Its computed value, likewise; empty if none was computed."""
    parts: tuple[int, ...] = ()
    """The numbers of the parts that differ, from 1, if they are known."""
    detail: str = ""
    """An explanation, such as the text of an error."""
    version: str = ""
    """The version of the object that was checked."""
