"""Checksum algorithms by every name in use: CRCs and hashes, for lists, manifests and stores."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from numcrc.registry import algorithms

if TYPE_CHECKING:
    from numcrc.algorithm import Algorithm

SHORT_NAMES = {
    "CRC-32/ISO-HDLC": "crc32",
    "CRC-32/ISCSI": "crc32c",
    "CRC-64/NVME": "crc64nvme",
}
"""What stores and other programs call these three; other CRCs have their official names."""

# Spellings of other programs: OpenSSL's SHA2-256, SHA-2's of stores, xxhsum's tags.
_OTHERS = {f"sha2{n}": f"sha{n}" for n in (224, 256, 384, 512)}
_OTHERS |= {"xxh64": "xxhash64", "xxh3": "xxhash3", "xxh128": "xxhash128", "blake2": "blake2b"}
_SHORTENED = re.compile(r"blake2([bs])(\d{1,3})")
_LIST_NAME = re.compile(
    r"(?:^|[^a-z0-9])(md5|sha-?[123]?-?(?:1|224|256|384|512)|b2|blake2[bs]?"
    r"|xxh(?:64|3|128)|crc32c?|crc64nvme)(?:sums?)?(?:\.txt)?(?:\.gz|\.zst)?$"
)


class Hash(Protocol):
    """What hashlib's objects do."""

    def update(self, data: Any, /) -> None:
        """Feed *data*."""

    def digest(self) -> bytes:
        """Return the digest of all data so far."""


class UnsupportedError(ValueError):
    """No algorithm has this name, or its package is not installed; the text says which."""


class ChecksumAlgorithm(NamedTuple):
    """A checksum algorithm: a CRC, or else a hash."""

    name: str
    """One for all spellings: "crc32c", "sha256", "sha3-256", "CRC-16/ARC"."""
    width: int
    """Bits of a value."""
    tag: str
    """What BSD lines call it: "CRC32C", "SHA256", "BLAKE2b"."""
    new: Callable[[], Hash]
    """Returns a hashlib-shaped object. `UnsupportedError` if its package is not installed."""
    crc: Algorithm | None = None

    @property
    def official_name(self) -> str:
        """A CRC's name in the catalogue; of hashes, `name`."""
        return self.name if self.crc is None else self.crc.name

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return (self.width + 7) // 8

    def encode(self, value: int) -> bytes:
        """Return a value as big-endian bytes, as stores keep it."""
        return value.to_bytes(self.size, "big")

    def of(self, data: Any) -> bytes:
        """Return the checksum of one buffer.

        Stores call this in a loop over small objects: a call takes 0.06 us beside the kernel,
        while `Algorithm.batch` takes 28 us and imports NumPy (70 ms) first.

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


@lru_cache(maxsize=1024)  # names come from manifests: there may be any number
def known(name: str) -> ChecksumAlgorithm | None:
    """Return the algorithm *name* in any spelling, None if there is none.

    Names are those of stores, of `numcrc.algorithms`, of `hashlib` and of checksum programs.

    Examples
    --------
    >>> known("SHA-256").name, known("CRC-32/ISCSI").name, known("BLAKE2b-256").width
    ('sha256', 'crc32c', 256)
    >>> known("sum-17") is None
    True
    """
    plain = name.lower().replace("-", "").replace("_", "")
    plain = _OTHERS.get(plain, plain)
    if plain in _HASHES:
        return _hash(plain)
    if match := _SHORTENED.fullmatch(plain):
        return _shortened(match[1], int(match[2]))
    try:
        return _crc(algorithms[name])
    except KeyError:
        return None


@cache
def _hash(plain: str) -> ChecksumAlgorithm:
    name, width, tag, new, function = _HASHES[plain]
    return ChecksumAlgorithm(name, width, tag, partial(new, function))


@cache
def _crc(crc: Algorithm) -> ChecksumAlgorithm:
    name = SHORT_NAMES.get(crc.name, crc.name)
    return ChecksumAlgorithm(name, crc.width, name.upper(), crc.new, crc)


@cache
def _shortened(kind: str, width: int) -> ChecksumAlgorithm | None:
    """Return BLAKE2 with a shorter digest, as ``b2sum --length`` computes it."""
    longest = {"b": 512, "s": 256}[kind]
    if width % 8 or not 0 < width <= longest:
        return None
    if width == longest:
        return known(f"blake2{kind}")
    new = partial(_new_hash, f"blake2{kind}", digest_size=width // 8)
    return ChecksumAlgorithm(f"blake2{kind}-{width}", width, f"BLAKE2{kind}-{width}", new)


def _new_hash(function: str, **options: int) -> Hash:
    import hashlib

    made: Hash = getattr(hashlib, function)(usedforsecurity=False, **options)
    return made


def _new_xxhash(function: str) -> Hash:
    try:
        import xxhash
    except ImportError:
        raise UnsupportedError(f"{function} needs: pip install 'numcrc[store]'") from None
    made: Hash = getattr(xxhash, function)()
    return made


def unknown(name: str, width: int) -> ChecksumAlgorithm:
    """Return what stands for an algorithm that cannot be computed here."""
    new = partial(find, name)  # raises
    return ChecksumAlgorithm(name.lower(), width, name.upper(), new)  # type: ignore[arg-type]


# By the spelling without "-" and "_": the name, the bits of a value, the tag of BSD lines, and
# what makes it.
_HASHES: dict[str, tuple[str, int, str, Callable[[str], Hash], str]] = {
    "md5": ("md5", 128, "MD5", _new_hash, "md5"),
    "sha1": ("sha1", 160, "SHA1", _new_hash, "sha1"),
    "blake2b": ("blake2b", 512, "BLAKE2b", _new_hash, "blake2b"),
    "blake2s": ("blake2s", 256, "BLAKE2s", _new_hash, "blake2s"),
    "xxhash64": ("xxhash64", 64, "XXH64", _new_xxhash, "xxh64"),
    "xxhash3": ("xxhash3", 64, "XXH3", _new_xxhash, "xxh3_64"),
    "xxhash128": ("xxhash128", 128, "XXH128", _new_xxhash, "xxh3_128"),
}
for _n in (224, 256, 384, 512):
    _HASHES[f"sha{_n}"] = (f"sha{_n}", _n, f"SHA{_n}", _new_hash, f"sha{_n}")
    _HASHES[f"sha3{_n}"] = (f"sha3-{_n}", _n, f"SHA3-{_n}", _new_hash, f"sha3_{_n}")


@lru_cache(maxsize=1024)
def find(name: str) -> ChecksumAlgorithm:
    """Return the algorithm *name*, which can be computed here.

    Raises
    ------
    UnsupportedError
        There is none, or its package is not installed.

    Examples
    --------
    >>> find("CRC64NVME").crc.name, find("sha-256").size
    ('CRC-64/NVME', 32)
    """
    found = known(name)
    if found is None:
        raise UnsupportedError(f"unknown checksum algorithm {name[:100]!r}")
    if found.crc is None:
        found.new()
    return found


def canonical(name: str) -> str:
    """Return one name for all spellings of *name*, which need not be known.

    Examples
    --------
    >>> canonical("CRC-32C") == canonical("crc32c"), canonical("Sum-17")
    (True, 'sum-17')
    """
    found = known(name)
    return name.lower() if found is None else found.name


@lru_cache(maxsize=1024)
def reason(name: str) -> str:
    """Return why *name* cannot be computed here, "" if it can.

    Examples
    --------
    >>> reason("crc32"), reason("sum-17")
    ('', "unknown checksum algorithm 'sum-17'")
    """
    try:
        find(name)
    except UnsupportedError as error:
        return str(error)
    return ""


def of_list_name(file_name: str) -> ChecksumAlgorithm | None:
    """Return the algorithm that the name of a list says, as SHA256SUMS and image.md5 do.

    Examples
    --------
    >>> of_list_name("SHA256SUMS").name, of_list_name("image.iso.md5").name
    ('sha256', 'md5')
    >>> of_list_name("B2SUMS").name, of_list_name("sums.txt")
    ('blake2b', None)
    """
    found = _LIST_NAME.search(file_name.lower())
    return known({"b2": "blake2b"}.get(found[1], found[1])) if found else None
