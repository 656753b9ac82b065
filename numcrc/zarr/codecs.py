"""Define codecs of Zarr 3 that append a CRC to each chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from zarr import codecs as zarr_codecs
from zarr.abc.codec import BytesBytesCodec

from numcrc.registry import algorithms
from numcrc.zarr.errors import ChecksumError, check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer

    from numcrc.algorithm import Algorithm


class CrcCodec(BytesBytesCodec):
    """A codec that appends a CRC, the least significant byte first.

    Classes derived from it say which.
    """

    is_fixed_size = True
    codec_name: ClassVar[str]
    algorithm: ClassVar[Algorithm]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the codec of an item of ``codecs`` in zarr.json.

        Raises
        ------
        ValueError
            It has another name, or a configuration.
        """
        if data.get("name") != cls.codec_name:
            raise ValueError(f"expected codec {cls.codec_name!r}, got {data.get('name')!r}")
        if data.get("configuration"):
            raise ValueError(
                f"codec {cls.codec_name!r} has no configuration, got {data['configuration']!r}"
            )
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """Return the codec's item of ``codecs`` in zarr.json."""
        return {"name": self.codec_name}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Return the bytes of an encoded chunk."""
        return input_byte_length + self._crc_size

    @property
    def _crc_size(self) -> int:
        return -(-self.algorithm.width // 8)

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        data, size = chunk_bytes.as_numpy_array(), self._crc_size
        if len(data) < size:
            raise ChecksumError(
                f"{self.codec_name}: the chunk has {len(data)} bytes, fewer than its CRC"
            )
        check(self.codec_name, self.algorithm, data[:-size], data[-size:])
        return chunk_spec.prototype.buffer.from_array_like(data[:-size])

    def _encode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        data, size = chunk_bytes.as_numpy_array(), self._crc_size
        encoded = np.empty(len(data) + size, np.uint8)
        encoded[:-size] = data
        crc = self.algorithm(data).to_bytes(size, "little")
        encoded[-size:] = np.frombuffer(crc, np.uint8)
        return chunk_spec.prototype.buffer.from_array_like(encoded)

    # On the event loop's thread, as Zarr does: a CRC takes less time than the way to another one.

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return self._decode_sync(chunk_bytes, chunk_spec)

    async def _encode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return self._encode_sync(chunk_bytes, chunk_spec)


@dataclass(frozen=True)
class Crc32cCodec(CrcCodec, zarr_codecs.Crc32cCodec):
    """Zarr's codec ``crc32c``, whose files are the same, with a CRC-32C by numcrc.

    Choose it for arrays that are opened or made later with
    ``zarr.config.set({"codecs.crc32c": "numcrc.zarr.Crc32cCodec"})``, or with `enable`.

    Examples
    --------
    >>> import numpy, zarr
    >>> from numcrc.zarr import Crc32cCodec
    >>> array = zarr.create_array({}, shape=8, dtype="u1", compressors=[Crc32cCodec()])
    >>> array[:] = numpy.frombuffer(b"12345678", "u1")
    >>> array[:].tobytes()
    b'12345678'
    >>> array.metadata.codecs[-1].to_dict()
    {'name': 'crc32c'}
    """

    __module__ = "numcrc.zarr"
    codec_name = "crc32c"
    algorithm = algorithms["crc32c"]


@dataclass(frozen=True)
class Crc32Codec(CrcCodec):
    """The codec ``numcrc.crc32``: zlib's CRC-32 after each chunk.

    Examples
    --------
    >>> Crc32Codec().to_dict()
    {'name': 'numcrc.crc32'}
    """

    __module__ = "numcrc.zarr"
    codec_name = "numcrc.crc32"
    algorithm = algorithms["crc32"]


@dataclass(frozen=True)
class Crc64NvmeCodec(CrcCodec):
    """The codec ``numcrc.crc64nvme``: the CRC-64/NVME that S3 computes, after each chunk.

    Examples
    --------
    >>> Crc64NvmeCodec().to_dict()
    {'name': 'numcrc.crc64nvme'}
    """

    __module__ = "numcrc.zarr"
    codec_name = "numcrc.crc64nvme"
    algorithm = algorithms["crc64nvme"]
