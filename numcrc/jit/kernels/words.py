"""Load messages shorter than a word, and shift by up to a whole word."""

from __future__ import annotations

from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import load8, load16, load32, u64


@inline
def shift_left(value, bits):
    """Return ``value << bits`` for bits of 0..64, even: LLVM leaves a shift by 64 undefined."""
    return value << (bits >> 1) << (bits >> 1)


@inline
def shift_right(value, bits):
    """Return ``value >> bits`` for bits of 0..64, even."""
    return value >> (bits >> 1) >> (bits >> 1)


@inline
def load_few(p, n):
    """Return the n < 8 bytes at p as a little-endian integer, from loads that overlap."""
    if n >= 4:
        return load32(p, 0) | load32(p, n - 4) << (8 * (n - 4))
    if n >= 2:
        return load16(p, 0) | load16(p, n - 2) << (8 * (n - 2))
    return load8(p, 0) if n else u64(0)
