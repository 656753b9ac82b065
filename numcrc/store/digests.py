"""Checksum algorithms by the names that stores and manifests use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

from numcrc.algorithm import Algorithm
from numcrc.registry import algorithms

_XXHASHES = {"xxhash64": "xxh64", "xxhash3": "xxh3_64", "xxhash128": "xxh3_128"}
_HASHES = {
    name.replace("_", ""): name
    for name in hashlib.algorithms_guaranteed
    if not name.startswith("shake")  # their length is anyone's choice
}


class Hash(Protocol):
    """What hashlib's objects do."""

    def update(self, data: Any, /) -> None:
        """Take *data* in."""

    def digest(self) -> bytes:
        """Return the hash so far."""


class Digest(NamedTuple):
    """An algorithm that can be computed here: a CRC, or else a hash."""

    name: str
    """The same for all spellings of it."""
    size: int
    """Bytes of a value."""
    new: Callable[[], Hash]
    crc: Algorithm | None = None

    def encode(self, value: int) -> bytes:
        """Return a CRC as the bytes that stores keep."""
        return value.to_bytes(self.size, "big")

    def of(self, data: Any) -> bytes:
        """Return the checksum of one buffer.

        For a group of objects this is called in a loop: a call takes 0.06 us beside the kernel,
        and `Algorithm.batch` 28 us, the import of NumPy (70 ms) before the first not counted.

        Examples
        --------
        >>> find("crc32c").of(b"123456789").hex()
        'e3069283'
        """
        if self.crc is not None:
            return self.encode(self.crc(data))
        made = self.new()
        made.update(data)
        return made.digest()


class UnsupportedError(ValueError):
    """No such checksum is computed here; the text tells why."""


@lru_cache(maxsize=256)  # names come from manifests: as many as anyone likes
def find(name: str) -> Digest:
    """Return the algorithm *name*: of stores, of `numcrc.algorithms` or of `hashlib`.

    Raises
    ------
    UnsupportedError
        There is none, or its package is not installed.

    Examples
    --------
    >>> find("CRC64NVME").crc.name, find("sha-256").size
    ('CRC-64/NVME', 32)
    """
    plain = name.lower().replace("-", "").replace("_", "")
    if plain in _HASHES:
        new = partial(hashlib.new, _HASHES[plain], usedforsecurity=False)
        return Digest(plain, new().digest_size, new)
    if plain in _XXHASHES:
        try:
            import xxhash
        except ImportError:
            raise UnsupportedError(f"{name} needs: pip install 'numcrc[store]'") from None
        new = getattr(xxhash, _XXHASHES[plain])
        return Digest(plain, new().digest_size, new)
    try:
        crc = algorithms[name]
    except KeyError:
        raise UnsupportedError(f"there is no {name[:100]!r} here") from None
    return Digest(crc.name, (crc.width + 7) // 8, crc.new, crc)


def canonical(name: str) -> str:
    """Return one name for all spellings of *name*, which nobody here needs to know.

    Examples
    --------
    >>> canonical("CRC-32C") == canonical("crc32c"), canonical("Sum-17")
    (True, 'sum-17')
    """
    try:
        return find(name).name
    except UnsupportedError:
        return name.lower()


@lru_cache(maxsize=256)
def reason(name: str) -> str:
    """Return why *name* cannot be computed here, or nothing where it can.

    Examples
    --------
    >>> reason("crc32"), reason("sum-17")
    ('', "there is no 'sum-17' here")
    """
    try:
        find(name)
    except UnsupportedError as error:
        return str(error)
    return ""
