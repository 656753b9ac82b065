"""Compare the CRC of a chunk with the stored one, and define the error of a damaged chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numcrc.algorithm import Algorithm


class ChecksumError(ValueError, RuntimeError):
    """The stored CRC of a chunk is not the CRC of its bytes.

    It is a ValueError, which codecs of Zarr raise then, and a RuntimeError, which those of
    numcodecs raise.
    """

    __module__ = "numcrc.zarr"


def check(name: str, algorithm: Algorithm, body: Any, crc: Any) -> None:
    """Raise `ChecksumError` unless the bytes *crc*, the least significant first, are *body*'s CRC.

    *name* is that of the codec; both are arrays of bytes.
    """
    stored, computed = int.from_bytes(crc.tobytes(), "little"), algorithm(body)
    if stored != computed:
        digits = 2 * len(crc)
        raise ChecksumError(
            f"{name}: stored {stored:0{digits}x}, "
            f"computed {computed:0{digits}x} from {len(body)} bytes"
        )
