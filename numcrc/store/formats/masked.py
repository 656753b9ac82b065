"""Undo the masking of CRC-32C in TFRecord and LevelDB, where data may contain CRCs of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

_DELTA = 0xA282EAD8


def unmasked(stored: Any) -> Any:
    """Return the CRCs, as uint32, that are stored as ``(crc >> 15 | crc << 17) + 0xa282ead8``.

    Examples
    --------
    >>> hex(unmasked(0xF1A6B0BB))
    '0x8a9136aa'
    """
    rotated = np.asarray(stored, np.uint32) - np.uint32(_DELTA)
    return (rotated >> np.uint32(17)) | (rotated << np.uint32(15))
