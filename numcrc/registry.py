"""`numcrc.algorithms`, the catalogue as a mapping; `numcrc.new`; the drop-in functions.

The drop-in functions that users call are builtins made in machine code. The Python functions
here document them, and answer the calls that the builtins pass on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from numcrc.algorithm import Algorithm
from numcrc.compiled import Compiled
from numcrc.crc import catalogue

if TYPE_CHECKING:
    from numcrc.buffers import Data
    from numcrc.hasher import Hasher


class Algorithms(Mapping[str, Algorithm]):
    """Every algorithm of the RevEng catalogue, by name.

    Look-ups ignore case, ``-``, ``_``, ``/`` and spaces, and know the aliases; iteration
    gives the official names in the catalogue's order.

    Examples
    --------
    >>> import numcrc
    >>> numcrc.algorithms["crc_32_iscsi"] is numcrc.algorithms["CRC-32C"]
    True
    >>> len(numcrc.algorithms)
    113
    """

    def __init__(self) -> None:
        self._made: dict[str, Algorithm] = {}

    def __getitem__(self, name: str) -> Algorithm:
        entry = catalogue.find(name)
        made = self._made.get(entry.name)
        if made is None:
            compiled = Compiled(entry.model)
            made = Algorithm.from_compiled(compiled, entry.name, entry.check, entry.aliases)
            made = self._made.setdefault(entry.name, made)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(catalogue.entries())

    def __len__(self) -> int:
        return len(catalogue.entries())

    def __repr__(self) -> str:
        return f"<{len(self)} CRC algorithms>"


algorithms = Algorithms()


def new(name: str, data: Data = b"") -> Hasher:
    """Return a hashlib-shaped object for the algorithm *name*, *data* fed.

    Raises
    ------
    KeyError
        No algorithm is called *name*; the message has the closest names.

    Examples
    --------
    >>> import numcrc
    >>> numcrc.new("CRC-64/NVME", b"123456789").hexdigest()
    'ae8b14860a799888'
    """
    return algorithms[name].new(data)


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
    return algorithms["CRC-32/ISO-HDLC"].function(data, value)


def crc32c(data: Data, /, value: int = 0) -> int:
    """Return the CRC-32/ISCSI of *data*, known as CRC-32C: iSCSI, ext4, Btrfs, S3, GCS.

    Parameters, errors and notes are those of `crc32`.

    Examples
    --------
    >>> import numcrc
    >>> hex(numcrc.crc32c(b"123456789"))
    '0xe3069283'
    """
    return algorithms["CRC-32/ISCSI"].function(data, value)


def crc64nvme(data: Data, /, value: int = 0) -> int:
    """Return the CRC-64/NVME of *data*, the default checksum of S3 objects.

    Parameters, errors and notes are those of `crc32`, for 64 bits.

    Examples
    --------
    >>> import numcrc
    >>> hex(numcrc.crc64nvme(b"123456789"))
    '0xae8b14860a799888'
    """
    return algorithms["CRC-64/NVME"].function(data, value)


def native(name: str) -> Callable[..., int]:
    """Return the builtin of the function called *name*, compiling it if need be."""
    from numcrc.jit import engine

    prototype, algorithm = DROP_INS[name]
    model = algorithms[algorithm].model
    doc = f"{name}($self, data, /, value=0)\n--\n\n{prototype.__doc__}"
    return engine.builtin(model, engine.plan_of(model), prototype, name, doc)


DROP_INS = {
    "crc32": (crc32, "CRC-32/ISO-HDLC"),
    "crc32c": (crc32c, "CRC-32/ISCSI"),
    "crc64nvme": (crc64nvme, "CRC-64/NVME"),
}
"""What documents each of the drop-in functions, and its algorithm."""
