"""The drop-in functions, in the shape of `zlib.crc32`.

What users call are builtins made in machine code. The Python functions here say their
names, signatures and documentation, and answer the calls that the builtins hand back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from numcrc.registry import algorithms

if TYPE_CHECKING:
    from numcrc.algorithm import Algorithm
    from numcrc.buffers import Data


def crc32(data: Data, /, value: int = 0) -> int:
    """Return the CRC-32/ISO-HDLC of *data*, the CRC of zlib, gzip, PNG and Ethernet.

    Parameters
    ----------
    data : buffer or ndarray
        Anything with the buffer protocol, any dtype and shape; its bytes in C order.
    value : int, optional
        The CRC of the bytes before: ``crc32(b, crc32(a)) == crc32(a + b)``.

    Returns
    -------
    int
        The CRC, unsigned.

    Raises
    ------
    TypeError
        *data* is a str, holds Python objects, or is no buffer.
    ValueError
        *value* is negative or wider than 32 bits.

    Notes
    -----
    Buffers of 16 KiB and more release the GIL. The algorithm is in the RevEng catalogue.

    Examples
    --------
    >>> import numcrc, zlib
    >>> numcrc.crc32(b"123456789") == zlib.crc32(b"123456789")
    True
    """
    return algorithms["CRC-32/ISO-HDLC"]._general(data, value)


def crc32c(data: Data, /, value: int = 0) -> int:
    """Return the CRC-32/ISCSI of *data*, known as CRC-32C: iSCSI, ext4, Btrfs, S3, GCS.

    Parameters, errors and notes are those of `crc32`.

    Examples
    --------
    >>> import numcrc
    >>> hex(numcrc.crc32c(b"123456789"))
    '0xe3069283'
    """
    return algorithms["CRC-32/ISCSI"]._general(data, value)


def crc64nvme(data: Data, /, value: int = 0) -> int:
    """Return the CRC-64/NVME of *data*, the default checksum of S3 objects.

    Parameters, errors and notes are those of `crc32`, for 64 bits.

    Examples
    --------
    >>> import numcrc
    >>> hex(numcrc.crc64nvme(b"123456789"))
    '0xae8b14860a799888'
    """
    return algorithms["CRC-64/NVME"]._general(data, value)


_ALGORITHM = {"crc32": "CRC-32/ISO-HDLC", "crc32c": "CRC-32/ISCSI", "crc64nvme": "CRC-64/NVME"}


def algorithm_of(name: str) -> Algorithm | None:
    """Return the algorithm of the drop-in function called *name*, None if there is none."""
    return algorithms[_ALGORITHM[name]] if name in _ALGORITHM else None


def native(name: str) -> Callable[..., int]:
    """Return the builtin for the function called *name*, compiling it if need be."""
    from numcrc.jit import engine

    prototype: Callable[..., int] = globals()[name]
    model = algorithms[_ALGORITHM[name]]._model
    doc = f"{name}($self, data, /, value=0)\n--\n\n{prototype.__doc__}"
    return engine.builtin(model, engine.plan_of(model), prototype, name, doc)
