"""Find checksum algorithms, CRCs and hashes, by any name in use."""

from __future__ import annotations

import re
from functools import lru_cache, partial

from numcrc._light import NamedTuple, cache
from numcrc.process import imported
from numcrc.registry import algorithms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from numcrc.algorithm import Algorithm

    class Hash(Protocol):
        """The part of hashlib's objects that is used here."""

        def update(self, data: Any, /) -> None:
            """Feed *data*."""

        def digest(self) -> bytes:
            """Return the digest of all data so far."""


SHORT_NAMES = {
    "CRC-32/ISO-HDLC": "crc32",
    "CRC-32/ISCSI": "crc32c",
    "CRC-64/NVME": "crc64nvme",
}
"""What stores and other programs call these three; other CRCs have their official names."""

_SHA_WIDTHS = (224, 256, 384, 512)
# Other spellings, without "-" and "_": OpenSSL's SHA2-256, xxhsum's XXH64.
_SPELLINGS = {f"sha2{n}": f"sha{n}" for n in _SHA_WIDTHS}
_SPELLINGS |= {f"xxh{n}": f"xxhash{n}" for n in (3, 32, 64, 128)}
_SPELLINGS["blake2"] = "blake2b"

# How the names of check files end.
_LIST_NAME = (
    r"(?:^|[^a-z0-9])(md[45]|sha-?512[-_]?(?:224|256)|sha-?[123]?-?(?:1|224|256|384|512)"
    r"|b[23](?=sum)|(?<=\.)b[23]|blake2[bs]?(?:-?\d{2,3})?|blake3|xxh(?:ash)?(?:3|32|64|128)"
    r"|(?:rmd|ripemd)-?160|sm3|whirlpool|adler-?32|(?<=\.)sfv"
    r"|crc-?32c?|crc-?64nvme)(?:sums?)?(?:\.txt)?(?:\.asc)?(?:\.gz|\.zst)?$"
)
_LIST_SPELLINGS = {"b2": "blake2b", "b3": "blake3", "rmd160": "ripemd160", "sfv": "crc32"}
# Bits of algorithms that are named by check files, but not computed here. Without the name,
# their digits would be taken for those of another: BLAKE3's for SHA-256's.
_NOT_COMPUTED = {"md4": 128, "ripemd160": 160, "sm3": 256, "blake3": 256, "whirlpool": 512}
_NOT_COMPUTED |= {"sha512224": 224, "sha512256": 256, "adler32": 32}


class UnsupportedError(ValueError):
    """An algorithm is unknown, or its package is not installed."""


class ChecksumAlgorithm(NamedTuple):
    """A checksum algorithm: a CRC or a hash.

    Attributes
    ----------
    name : str
        The same for all spellings: ``"crc32c"``, ``"sha256"``, ``"sha3-256"``, ``"CRC-16/ARC"``.
    width : int
        Bits of a value.
    tag : str
        The name in BSD lines: ``"CRC32C"``, ``"SHA256"``, ``"BLAKE2b"``.
    new : callable
        Returns a hashlib-shaped object, or raises `UnsupportedError`.
    crc : Algorithm or None
        The CRC; None for a hash.
    """

    name: str
    width: int
    tag: str
    new: Callable[[], Hash]
    crc: Algorithm | None = None

    def __hash__(self) -> int:
        """Return the name's hash: that of all fields takes 0.9 us, and is used for each file."""
        return hash(self.name)

    @property
    def official_name(self) -> str:
        """The name of a CRC in the RevEng catalogue; `name` for a hash."""
        return self.name if self.crc is None else self.crc.name

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return (self.width + 7) // 8

    def encode(self, value: int) -> bytes:
        """Return a value as big-endian bytes, the form that stores use."""
        return value.to_bytes(self.size, "big")

    def of(self, data: Any) -> bytes:
        """Return the checksum of one buffer as big-endian bytes.

        Stores call this for each of many small objects: a call takes 0.06 us beside the kernel,
        while `Algorithm.batch` takes 28 us and imports NumPy (70 ms) first.

        Parameters
        ----------
        data : buffer
            Any C-contiguous buffer.

        Returns
        -------
        bytes
            `size` bytes.

        Raises
        ------
        UnsupportedError
            The algorithm cannot be computed here.

        Examples
        --------
        >>> find("crc32c").of(b"123456789").hex()
        'e3069283'
        """
        if self.crc is not None:
            return self.crc(data).to_bytes((self.width + 7) // 8, "big")
        made = self.new()
        made.update(data)
        return made.digest()


@lru_cache(maxsize=1024)  # bounded: names come from manifests
def known(name: str) -> ChecksumAlgorithm | None:
    """Return the algorithm called *name*, or None if it is unknown.

    Parameters
    ----------
    name : str
        A name of `numcrc.algorithms`, of `hashlib`, of an object store or of a checksum program,
        in any spelling.

    Returns
    -------
    ChecksumAlgorithm or None
        The algorithm; the package that computes it may not be installed.

    Examples
    --------
    >>> known("SHA-256").name, known("CRC-32/ISCSI").name, known("BLAKE2b-256").width
    ('sha256', 'crc32c', 256)
    >>> known("sum-17") is None
    True
    """
    plain = _plain(name)
    plain = _SPELLINGS.get(plain, plain)
    if plain in _HASHES:
        return _HASHES[plain]
    if match := re.fullmatch(r"(blake2[bs])([1-9]\d{0,2})", plain, re.ASCII):
        return _shortened(match[1], int(match[2]))
    try:
        return _crc(algorithms[name])
    except KeyError:
        return None


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


@cache
def _crc(crc: Algorithm) -> ChecksumAlgorithm:
    name = SHORT_NAMES.get(crc.name, crc.name)
    return ChecksumAlgorithm(name, crc.width, name.upper(), crc.new, crc)


@cache
def _shortened(plain: str, width: int) -> ChecksumAlgorithm | None:
    """Return BLAKE2 with a digest of *width* bits, as ``b2sum --length`` computes it."""
    full = _HASHES[plain]
    if width == full.width:
        return full
    if width % 8 or width > full.width:
        return None
    new = partial(_new_hash, plain, digest_size=width // 8)
    return ChecksumAlgorithm(f"{full.name}-{width}", width, f"{full.tag}-{width}", new)


def _new_hash(function: str, **options: int) -> Hash:
    made: Hash = getattr(imported("hashlib"), function)(usedforsecurity=False, **options)
    return made


def _new_xxhash(function: str) -> Hash:
    try:
        xxhash = imported("xxhash")
    except ImportError:
        raise UnsupportedError(f"{function} needs: pip install 'numcrc[store]'") from None
    made: Hash = getattr(xxhash, function)()
    return made


def unknown(name: str, width: int) -> ChecksumAlgorithm:
    """Return an algorithm of *width* bits that cannot be computed: its ``new`` raises.

    Examples
    --------
    >>> unknown("BLAKE3", 256).name
    'blake3'
    """
    new = partial(find, name)  # raises UnsupportedError
    return ChecksumAlgorithm(name.lower(), width, name.upper(), new)  # type: ignore[arg-type]


# By their spelling without "-" and "_". `partial` takes the name that hashlib or xxhash has.
_HASHES = {
    _plain(name): ChecksumAlgorithm(name, width, tag, new)
    for name, width, tag, new in (
        ("md5", 128, "MD5", partial(_new_hash, "md5")),
        ("sha1", 160, "SHA1", partial(_new_hash, "sha1")),
        *((f"sha{n}", n, f"SHA{n}", partial(_new_hash, f"sha{n}")) for n in _SHA_WIDTHS),
        *((f"sha3-{n}", n, f"SHA3-{n}", partial(_new_hash, f"sha3_{n}")) for n in _SHA_WIDTHS),
        ("blake2b", 512, "BLAKE2b", partial(_new_hash, "blake2b")),
        ("blake2s", 256, "BLAKE2s", partial(_new_hash, "blake2s")),
        ("xxhash32", 32, "XXH32", partial(_new_xxhash, "xxh32")),
        ("xxhash64", 64, "XXH64", partial(_new_xxhash, "xxh64")),
        ("xxhash3", 64, "XXH3", partial(_new_xxhash, "xxh3_64")),
        ("xxhash128", 128, "XXH128", partial(_new_xxhash, "xxh3_128")),
    )
}


@lru_cache(maxsize=1024)
def find(name: str) -> ChecksumAlgorithm:
    """Return the algorithm called *name*.

    Parameters
    ----------
    name : str
        As for `known`.

    Returns
    -------
    ChecksumAlgorithm
        An algorithm that can be computed here.

    Raises
    ------
    UnsupportedError
        The name is unknown, or its package is not installed.

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
    """Return the one name of all spellings of *name*; in lower case if it is unknown.

    Examples
    --------
    >>> canonical("CRC-32C") == canonical("crc32c"), canonical("Sum-17")
    (True, 'sum-17')
    """
    found = known(name)
    return name.lower() if found is None else found.name


@lru_cache(maxsize=1024)
def reason(name: str) -> str:
    """Return why the algorithm *name* cannot be computed here; "" if it can.

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
    """Return the algorithm that the name of a check file gives, or None.

    Parameters
    ----------
    file_name : str
        The name, without its folder.

    Returns
    -------
    ChecksumAlgorithm or None
        The algorithm, even if it cannot be computed here; None if the name gives none.

    Examples
    --------
    >>> of_list_name("SHA256SUMS").name, of_list_name("image.iso.md5").name
    ('sha256', 'md5')
    >>> of_list_name("photos.sfv").name, of_list_name("sums.txt")
    ('crc32', None)
    """
    match = re.search(_LIST_NAME, file_name.lower(), re.ASCII)
    if not match:
        return None
    name = _LIST_SPELLINGS.get(match[1], match[1])
    width = _NOT_COMPUTED.get(_plain(name))
    return known(name) if width is None else unknown(name, width)
