"""Lists that hold hashes beside CRCs: md5sum's, sha256sum's and their like."""

from __future__ import annotations

import re
from functools import lru_cache
from string import hexdigits
from typing import TYPE_CHECKING, NamedTuple

import numcrc
from numcrc.checkfiles.formats import TAGS
from numcrc.checkfiles.lines import Parser

if TYPE_CHECKING:
    from numcrc.checkfiles.values import Sized

# Their bits; CRCs are known to `numcrc.algorithms`.
HASHES = {
    "md5": 128,
    "sha1": 160,
    "sha224": 224,
    "sha256": 256,
    "sha384": 384,
    "sha512": 512,
    "xxhash64": 64,
    "xxhash3": 64,
    "xxhash128": 128,
}
# What a line means that names no algorithm, by its digits. 8 of them are as in lists of CRCs.
_BY_DIGITS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
# Algorithms in one list: what they need is kept.
_MOST = 1000
_FILE_NAME = re.compile(
    r"(?:^|[^a-z0-9])(md5|sha-?(?:1|224|256|384|512)|crc32c?|crc64nvme)(?:sums?)?"
    r"(?:\.txt)?(?:\.gz|\.zst)?$"
)


class Digest(NamedTuple):
    """An algorithm, as far as its values go."""

    name: str
    """As stores call it: in small letters, but for CRCs that have no name but the official."""
    width: int
    """The bits of its values."""


@lru_cache(1024)
def known(name: str) -> Digest | None:
    """Return the algorithm called *name*, in any spelling; None: nobody here knows it.

    Examples
    --------
    >>> known("SHA-256")
    Digest(name='sha256', width=256)
    >>> known("CRC-32/ISCSI")
    Digest(name='crc32c', width=32)
    """
    plain = name.lower().replace("sha2-", "sha").replace("-", "")
    if plain in HASHES:
        return Digest(plain, HASHES[plain])
    try:
        crc = numcrc.algorithms[name]
    except KeyError:
        return None
    return Digest(TAGS[crc.name].lower() if crc.name in TAGS else crc.name, crc.width)


def hinted(file_name: str) -> Digest | None:
    """Return the algorithm that the name of a list tells, as SHA256SUMS and image.md5 do.

    Examples
    --------
    >>> hinted("SHA256SUMS").name, hinted("image.iso.md5").name, hinted("sums.txt")
    ('sha256', 'md5', None)
    """
    found = _FILE_NAME.search(file_name.lower())
    return known(found[1]) if found else None


class DigestParser(Parser):
    """Reads lines with checksums of any algorithm; one that is not known goes by its digits."""

    contents = "checksums"

    def __init__(self, chosen: Digest | None = None) -> None:
        super().__init__(chosen)
        self._chosen = chosen
        self._gnu = chosen or Digest("crc32c", 32)
        self._sfv = chosen or Digest("crc32", 32)
        self._widths: dict[str, int] = {"crc32c": 32, "crc32": 32}
        if chosen:
            self._widths[chosen.name] = chosen.width

    def size(self, name: str) -> int:
        """Return the bytes of a value of the algorithm that an entry calls *name*."""
        return -(-self._widths[name] // 8)

    def _unnamed(self, text: str) -> Sized:
        if self._chosen is None and len(text) in _BY_DIGITS and not text.strip(hexdigits):
            return self._named(_BY_DIGITS[len(text)], text)
        return self._gnu

    def _found(self, name: str, text: str) -> Sized:
        digest = known(name)
        if digest is None:
            if not isinstance(text, str) or len(text) % 2 or text.strip(hexdigits):
                raise ValueError(f"{text!r} is not a value in hexadecimal")
            digest = Digest(name.lower(), 4 * len(text))
            if len(self._widths) > _MOST:
                raise ValueError(f"more than {_MOST} algorithms in one list")
        self._widths[digest.name] = digest.width
        return digest
