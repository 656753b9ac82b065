"""Compute the state after zero bytes, ``R * x^(8n) mod G``, in O(log n) steps.

The exponent is a sum of powers of two, and the constants hold x to each of them.
Multiplying is shift and add, one bit of the factor at a time: it needs no instruction beyond
the baseline, and its 64 cycles are little compared with feeding the bytes.
"""

from __future__ import annotations

from numcrc.jit.constants import ZERO_POWERS
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import load64, u64

_POSITIVE = 16
_NEGATIVE = _POSITIVE + 8 * ZERO_POWERS


@inline
def multiply(k, state, factor):
    """Return *state* (NORMAL) times *factor*, a polynomial below P."""
    generator = load64(k, 0)
    product = u64(0)
    while factor:
        product ^= state & (u64(0) - (factor & u64(1)))
        state = state << 1 ^ generator & (u64(0) - (state >> 63))
        factor >>= u64(1)
    return product


@inline
def zeros_kernel(k, n, state):
    """Return *state* (NORMAL) after n zero bytes, or before them if n < 0."""
    power, count = _POSITIVE, u64(n)
    if n < 0:
        power, count = _NEGATIVE, u64(0) - u64(n)  # 2^63 too, which int64 does not hold
    while count:
        if count & u64(1):
            state = multiply(k, state, load64(k, power))
        count >>= u64(1)
        power += 8
    return state


@inline
def zeros_factor(k, n):
    """Return ``x^(8n) mod P``, the factor by which n zero bytes multiply any state."""
    scale = load64(k, 8)
    return zeros_kernel(k, n, u64(1) << scale) >> scale
