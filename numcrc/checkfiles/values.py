"""Checksums in hexadecimal and base64."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from contextlib import suppress
from string import hexdigits
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from numcrc.checksums import ChecksumAlgorithm


def writer(crc: ChecksumAlgorithm, base64: bool) -> Callable[[int], str]:
    """Return what writes a CRC: in hexadecimal, or as the base64 of its big-endian bytes."""
    if base64:
        size = -(-crc.width // 8)
        return lambda value: b2a_base64(value.to_bytes(size, "big"), newline=False).decode()
    return f"{{:0{-(-crc.width // 4)}x}}".format


def read(text: str, crc: ChecksumAlgorithm) -> int:
    """Return the CRC that *text* writes in hexadecimal or base64; no width confuses the two."""
    value = -1
    if len(text) == -(-crc.width // 4) and not text.strip(hexdigits):
        value = int(text, 16)
    else:
        with suppress(ValueError, OverflowError):
            number = int.from_bytes(a2b_base64(text), "big")
            value = number if writer(crc, base64=True)(number) == text else -1
    if value >> crc.width:
        raise ValueError(f"{text!r} is not a value of {crc.official_name}")
    return value
