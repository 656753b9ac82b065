"""Define `Hasher`, a CRC with the interface of a hashlib object."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numcrc.algorithm import Algorithm
    from numcrc.buffers import Data


class Hasher:
    """A running CRC with the interface of a hashlib object.

    `Algorithm.new` and `numcrc.new` return one; ``hashlib.file_digest`` takes `Algorithm.new`.

    Parameters
    ----------
    crc : Algorithm
        The algorithm.
    data : buffer or ndarray
        The first bytes.
    value : int, optional
        The CRC of bytes before *data*.

    Attributes
    ----------
    value : int
        The CRC of the data so far.
    name : str
        The name of the algorithm.
    digest_size : int
        The number of bytes of `digest`: the width rounded up to whole bytes.
    block_size : int
        64, since hashlib's objects have one; `update` takes any number of bytes.

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
        """The name of the algorithm."""
        return self._crc.name

    @property
    def digest_size(self) -> int:
        """The number of bytes of `digest`."""
        return (self._crc.width + 7) // 8

    def update(self, data: Data) -> None:
        """Append the bytes of *data*, any buffer or array."""
        self.value = self._crc(data, self.value)

    def digest(self) -> bytes:
        """Return the CRC as big-endian bytes, the order that S3 uses."""
        return self.value.to_bytes(self.digest_size, "big")

    def hexdigest(self) -> str:
        """Return the CRC as hexadecimal digits, with leading zeros."""
        return self.digest().hex()

    def copy(self) -> Hasher:
        """Return a copy, which is updated independently."""
        return Hasher(self._crc, b"", self.value)

    def __reduce__(self) -> tuple[Any, ...]:
        return Hasher, (self._crc, b"", self.value)

    def __repr__(self) -> str:
        return f"<{self.name} hasher, value={self.value:#x}>"
