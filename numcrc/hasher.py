"""A CRC in the shape of a hashlib object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numcrc.algorithm import Algorithm
    from numcrc.buffers import Data


class Hasher:
    """The CRC of all data fed so far.

    Made by ``Algorithm.new`` or `numcrc.new`; fits wherever a hashlib object does,
    ``hashlib.file_digest`` included.

    Attributes
    ----------
    value : int
        The CRC so far.
    name : str
        The algorithm's name.
    digest_size : int
        Bytes of `digest`: the width rounded up to whole bytes.
    block_size : int
        64, for those who ask; any length may be fed.

    Examples
    --------
    >>> import numcrc
    >>> crc = numcrc.new("crc32c", b"1234")
    >>> crc.update(b"56789")
    >>> crc.hexdigest(), hex(crc.value)
    ('e3069283', '0xe3069283')
    """

    __slots__ = ("_crc", "value")

    block_size = 64

    def __init__(self, crc: Algorithm, data: Data = b"", value: int | None = None) -> None:
        self._crc = crc
        self.value = crc(data, value)

    @property
    def name(self) -> str:
        """The algorithm's name."""
        return self._crc.name

    @property
    def digest_size(self) -> int:
        """Bytes of `digest`."""
        return (self._crc.width + 7) // 8

    def update(self, data: Data) -> None:
        """Feed the bytes of *data*, any buffer or array."""
        self.value = self._crc(data, self.value)

    def digest(self) -> bytes:
        """Return the CRC as big-endian bytes, as S3 and hashlib's users expect."""
        return self.value.to_bytes(self.digest_size, "big")

    def hexdigest(self) -> str:
        """Return the CRC in hexadecimal, leading zeros included."""
        return self.digest().hex()

    def copy(self) -> Hasher:
        """Return a hasher that goes on from here by itself."""
        return Hasher(self._crc, b"", self.value)

    def __reduce__(self) -> tuple[Any, ...]:
        return Hasher, (self._crc, b"", self.value)

    def __repr__(self) -> str:
        return f"<{self.name} hasher, value={self.value:#x}>"
