"""Convert checksums to and from hexadecimal and base64."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from contextlib import suppress

from numcrc.checkfiles.names import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from numcrc.checksums import ChecksumAlgorithm

HEX_DIGITS = "0123456789abcdefABCDEF"


def writer(algorithm: ChecksumAlgorithm, base64: bool) -> Callable[[int], str]:
    """Return a function that writes a value in hexadecimal, or its big-endian bytes in base64.

    Examples
    --------
    >>> from numcrc.checksums import find
    >>> writer(find("crc32c"), False)(0xE3069283), writer(find("crc32c"), True)(0xE3069283)
    ('e3069283', '4waSgw==')
    """
    if base64:
        size = algorithm.size
        return lambda value: b2a_base64(value.to_bytes(size, "big"), newline=False).decode()
    return f"{{:0{-(-algorithm.width // 4)}x}}".format


def read(text: str, algorithm: ChecksumAlgorithm) -> int:
    """Return the value that *text* holds in hexadecimal or base64.

    They cannot be confused: at the widths for which both have the same length, base64 ends with
    ``=``.

    Raises
    ------
    ValueError
        *text* is not a value of *algorithm*.

    Examples
    --------
    >>> from numcrc.checksums import find
    >>> hex(read("E3069283", find("crc32c"))), hex(read("4waSgw==", find("crc32c")))
    ('0xe3069283', '0xe3069283')
    """
    value = -1
    if len(text) == -(-algorithm.width // 4) and not text.strip(HEX_DIGITS):
        value = int(text, 16)
    else:
        with suppress(ValueError, OverflowError):
            number = int.from_bytes(a2b_base64(text), "big")
            value = number if writer(algorithm, base64=True)(number) == text else -1
    if value >> algorithm.width:
        raise ValueError(f"{quoted(text)} is not a value of {algorithm.official_name}")
    return value
