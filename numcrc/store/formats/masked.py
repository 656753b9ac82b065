"""Undo the masking of CRC-32C in TFRecord and LevelDB, whose data may contain CRCs of their own."""

from __future__ import annotations

from typing import Any

_DELTA = 0xA282EAD8
_ONES = 0xFFFFFFFF


def unmasked(stored: Any) -> Any:
    """Return the CRC, or an array of them as uint64, stored as ``(crc >> 15 | crc << 17) + DELTA``.

    Examples
    --------
    >>> hex(unmasked(0xC78AB0E5))
    '0xe3069283'
    """
    if not isinstance(stored, int):
        stored = stored.astype("u8")
    rotated = stored + (_ONES + 1 - _DELTA) & _ONES
    return (rotated >> 17 | rotated << 15) & _ONES
