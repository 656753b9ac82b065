"""The register after zero bytes, ``R * x^(8n) mod G``, in O(log n) steps.

The exponent is taken apart into powers of two, whose powers of x the constants hold.
Multiplying is shift and add, one bit of the multiplier at a time: no instruction beyond
the baseline, and 64 cycles are little against what a caller would otherwise feed.
"""

from __future__ import annotations

from typing import Any

from numcrc.constants import ZERO_POWERS
from numcrc.jit.memory import inline, load64, u64

_NEGATIVE = 8 * (1 + ZERO_POWERS)


@inline
def zeros_kernel(k: Any, n: Any, register: Any) -> Any:
    """Return *register* (NORMAL) after n zero bytes, or before them if n < 0."""
    generator = load64(k, 0)
    power = 8
    if n < 0:
        power = _NEGATIVE
        n = -n
    while n:
        if n & 1:
            product = u64(0)
            factor = load64(k, power)
            while factor:
                product ^= register & (u64(0) - (factor & u64(1)))
                register = register << 1 ^ generator & (u64(0) - (register >> 63))
                factor >>= u64(1)
            register = product
        n >>= 1
        power += 8
    return register
