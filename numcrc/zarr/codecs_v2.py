"""Define codecs of numcodecs, for Zarr 2, that add a CRC to each chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

from numcrc.registry import algorithms
from numcrc.zarr.errors import ChecksumError, check

if TYPE_CHECKING:
    from numcrc.algorithm import Algorithm

LOCATIONS = ("start", "end")


class CrcCodec(Codec):
    """A codec that adds a CRC, the least significant byte first.

    Classes derived from it say which.
    """

    algorithm: ClassVar[Algorithm]
    location = "end"

    def __init__(self, location: str | None = None) -> None:
        if location is not None:
            if location not in LOCATIONS:
                raise ValueError(f"location must be 'start' or 'end', not {location!r}")
            self.location = location

    def encode(self, buf: Any) -> Any:
        """Return the bytes of *buf* and their CRC, as an array."""
        data, size = ensure_contiguous_ndarray(buf).view("u1"), self._crc_size
        encoded = np.empty(len(data) + size, np.uint8)
        body, stored = self._split(encoded)
        body[:] = data
        stored[:] = np.frombuffer(self.algorithm(data).to_bytes(size, "little"), np.uint8)
        return encoded

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the bytes of *buf* without their CRC, in *out* if it is not None.

        Raises
        ------
        ChecksumError
            The CRC does not match, or *buf* is shorter than a CRC.
        """
        data, size = ensure_contiguous_ndarray(buf).view("u1"), self._crc_size
        if len(data) < size:
            raise ChecksumError(
                f"{self.codec_id}: the chunk has {len(data)} bytes, fewer than its CRC"
            )
        body, crc = self._split(data)
        check(self.codec_id, self.algorithm, body, crc)
        return ndarray_copy(body, out)

    @property
    def _crc_size(self) -> int:
        return -(-self.algorithm.width // 8)

    def _split(self, encoded: Any) -> tuple[Any, Any]:
        """Return the parts of an encoded chunk that have the body and the CRC."""
        size = self._crc_size
        if self.location == "start":
            return encoded[size:], encoded[:size]
        return encoded[:-size], encoded[-size:]


class CRC32(CrcCodec):
    """The codec ``crc32`` of numcodecs, with the CRC by numcrc.

    Parameters
    ----------
    location : {'start', 'end'}, optional
        Where the CRC is; by default at the start.

    Examples
    --------
    >>> CRC32().encode(b"123456789")[:4].tobytes().hex()
    '2639f4cb'
    """

    __module__ = "numcrc.zarr"
    codec_id = "crc32"
    algorithm = algorithms["crc32"]
    location = "start"


class CRC32C(CrcCodec):
    """The codec ``crc32c`` of numcodecs, with the CRC by numcrc.

    ``numcodecs.register_codec(numcrc.zarr.CRC32C)`` chooses it for arrays that are opened later.

    Parameters
    ----------
    location : {'start', 'end'}, optional
        Where the CRC is; by default at the end.

    Examples
    --------
    >>> codec = CRC32C()
    >>> codec.decode(codec.encode(b"123456789")).tobytes()
    b'123456789'
    """

    __module__ = "numcrc.zarr"
    codec_id = "crc32c"
    algorithm = algorithms["crc32c"]


class CRC64NVME(CrcCodec):
    """The codec ``numcrc.crc64nvme``: the CRC-64/NVME that S3 computes.

    Parameters
    ----------
    location : {'start', 'end'}, optional
        Where the CRC is; by default at the end.

    Examples
    --------
    >>> CRC64NVME(location="start").get_config()
    {'id': 'numcrc.crc64nvme', 'location': 'start'}
    """

    __module__ = "numcrc.zarr"
    codec_id = "numcrc.crc64nvme"
    algorithm = algorithms["crc64nvme"]
