"""Provide `algorithms`, the catalogue as a mapping, `new`, and the drop-in functions.

The drop-in functions that users call are builtins in machine code. The Python functions here
document them, and compute the calls that the builtins pass on.
"""

from __future__ import annotations

from _collections_abc import Mapping

from numcrc.algorithm import Algorithm, shared
from numcrc.crc import catalogue
from numcrc.crc.model import index
from numcrc.process import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numcrc.buffers import Data
    from numcrc.hasher import Hasher


class Algorithms(Mapping[str, Algorithm]):
    """The algorithms of the RevEng catalogue by name.

    A look-up ignores case, ``-``, ``_``, ``/`` and spaces, and also finds aliases; an unknown
    name is an `UnknownAlgorithmError`. Iteration yields the official names in the catalogue's
    order.

    Examples
    --------
    >>> import numcrc
    >>> numcrc.algorithms["crc_32_iscsi"] is numcrc.algorithms["CRC-32C"]
    True
    >>> len(numcrc.algorithms)
    113
    """

    def __getitem__(self, name: str) -> Algorithm:
        return shared(catalogue.find(name))

    def __iter__(self) -> Iterator[str]:
        return iter(catalogue.entries())

    def __len__(self) -> int:
        return len(catalogue.entries())

    def __repr__(self) -> str:
        return f"<{len(self)} CRC algorithms>"

    def _ipython_key_completions_(self) -> list[str]:
        """Return the names and aliases that IPython offers after ``algorithms["``."""
        return list(catalogue.names())


algorithms = Algorithms()


def resolved(algorithm: Algorithm | str) -> Algorithm:
    """Return *algorithm*, or the algorithm of the catalogue that has this name."""
    if isinstance(algorithm, Algorithm):
        return algorithm
    if isinstance(algorithm, str):
        return shared(catalogue.find(algorithm))
    raise TypeError(f"algorithm must be an Algorithm or a name, not {type(algorithm).__name__}")


def new(name: str, data: Data = b"", *, usedforsecurity: bool = True) -> Hasher:
    """Return a `Hasher` of the algorithm *name*, updated with *data*.

    It has the interface of ``hashlib.new``.

    Parameters
    ----------
    name : str
        A name in `algorithms`.
    data : buffer or ndarray
        The first bytes.
    usedforsecurity : bool
        It has no effect: a CRC is never secure.

    Returns
    -------
    Hasher

    Raises
    ------
    UnknownAlgorithmError
        *name* is not in the catalogue; a KeyError and a ValueError.

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
        Any object with the buffer protocol, of any dtype and shape; its bytes in C order.
    value : int, optional
        The CRC of the bytes before: ``crc32(b, crc32(a)) == crc32(a + b)``. As in zlib, any
        integer counts modulo 2**32; an `Algorithm` refuses those out of range.

    Returns
    -------
    int
        The CRC, unsigned.

    Raises
    ------
    TypeError
        *data* is a str, holds Python objects, or is not a buffer; or *value* is not an integer.

    Notes
    -----
    The GIL is released for buffers of 16 KiB and more.

    Examples
    --------
    >>> import numcrc, zlib
    >>> numcrc.crc32(b"123456789") == zlib.crc32(b"123456789")
    True
    >>> numcrc.crc32(b"abc", -1) == numcrc.crc32(b"abc", 2**32 - 1) == zlib.crc32(b"abc", -1)
    True
    """
    return _wrapped("CRC-32/ISO-HDLC", data, value)


def crc32c(data: Data, /, value: int = 0) -> int:
    """Return the CRC-32/ISCSI of *data*, the CRC-32C of iSCSI, ext4, Btrfs, S3 and GCS.

    Parameters, errors and notes are those of `crc32`.

    Examples
    --------
    >>> import numcrc
    >>> hex(numcrc.crc32c(b"123456789"))
    '0xe3069283'
    """
    return _wrapped("CRC-32/ISCSI", data, value)


def crc64nvme(data: Data, /, value: int = 0) -> int:
    """Return the CRC-64/NVME of *data*, the default checksum of S3 objects.

    Parameters, errors and notes are those of `crc32`, for 64 bits.

    Examples
    --------
    >>> import numcrc
    >>> hex(numcrc.crc64nvme(b"123456789"))
    '0xae8b14860a799888'
    """
    return _wrapped("CRC-64/NVME", data, value)


def _wrapped(name: str, data: Data, value: int | None) -> int:
    """Return the CRC of *data*, continuing from *value* modulo 2**width."""
    crc = algorithms[name]
    return crc.function(data, None if value is None else index(value, "value") & crc.model.mask)


def native(name: str) -> Callable[..., int]:
    """Return the builtin of the drop-in function *name*."""
    engine = imported("numcrc.jit.engine")
    prototype, algorithm = DROP_INS[name]
    model = algorithms[algorithm].model
    doc = f"{name}($self, data, /, value=0)\n--\n\n{prototype.__doc__}"
    builtin: Callable[..., int] = engine.builtin(model, engine.plan_of(model), prototype, name, doc)
    return builtin


DROP_INS = {
    "crc32": (crc32, "CRC-32/ISO-HDLC"),
    "crc32c": (crc32c, "CRC-32/ISCSI"),
    "crc64nvme": (crc64nvme, "CRC-64/NVME"),
}
"""The Python function and the algorithm of each drop-in function."""
