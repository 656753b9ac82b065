"""Compute the Fletcher-32 checksum of HDF5."""

from __future__ import annotations

from collections.abc import Iterable

BLOCK = 1 << 16
"""Bytes that are summed up together."""


def fletcher32(pieces: Iterable[memoryview]) -> int:
    """Return HDF5's Fletcher-32 of the bytes of *pieces*, one after the other.

    Of big-endian words w of 16 bits, n of them, it is sum (n-i) w_i in the upper half and sum w_i
    in the lower one, each modulo 65535, with 65535 in place of 0 unless all bytes are zero. An odd
    last byte is the upper half of a word.

    Examples
    --------
    >>> hex(fletcher32([memoryview(b"abcd")]))
    '0x2629c4c6'
    """
    import numpy as np

    low = high = 0

    def add(block: memoryview) -> None:
        nonlocal low, high
        words = np.frombuffer(block, ">u2").astype(np.float64)
        # Exact: no sum reaches 2**53.
        high += len(words) * low + int(words @ np.arange(len(words), 0, -1, dtype=np.float64))
        low += int(words.sum())

    rest = b""
    for piece in pieces:
        start = 0
        if rest and len(piece):
            start = 1
            add(memoryview(rest + bytes(piece[:1])))
            rest = b""
        end = start + (len(piece) - start) // 2 * 2
        for at in range(start, end, BLOCK):
            add(piece[at : min(at + BLOCK, end)])
        rest = rest or bytes(piece[end:])
    if rest:
        add(memoryview(rest + b"\0"))
    return _folded(high) << 16 | _folded(low)


def _folded(value: int) -> int:
    return value % 65535 or (65535 if value else 0)
