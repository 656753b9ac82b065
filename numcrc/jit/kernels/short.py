"""Take messages that are too short to fold: empty, below 16 bytes, or in a masked vector.

See `numcrc.jit.kernels.fold` for the whole. Each function here makes the code for one plan.
"""

from __future__ import annotations

from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import load64
from numcrc.jit.emit.vectors import (
    PAIR,
    Vector,
    clmul,
    load_end,
    load_spread_to_end,
    only,
    xor,
)
from numcrc.jit.kernels.reduce import ORDERS, weighing
from numcrc.jit.kernels.words import load_few, shift_left, shift_right
from numcrc.jit.plan import Plan


def choose(size: int, long, short):
    """Return the function that is *long* for *size* bytes or more, *short* for fewer."""

    @inline
    def remains(k, p, n, state):
        if n >= size:
            return long(k, p, n, state)
        return short(k, p, n, state)

    return remains


def empty(plan: Plan):
    """Return the function that takes no bytes to T, which is the state."""
    at_low = only(PAIR, int(plan.reflected))

    @inline
    def remains(k, p, n, state):
        return at_low(state)

    return remains


def window(plan: Plan, size: int, over: int):
    """Return the function that takes a message of more than *over* to *size* bytes to T."""
    register = plan.bits // 8
    all_registers = size >= register and size - over <= register
    load = (load_spread_to_end if all_registers else load_end)(Vector(size, plan.bits))
    weigh, in_order = weighing(plan, size), ORDERS[plan.order][0]
    in_lane, times, powers = only(PAIR, 0), clmul(plan.arch, 0, 0), plan.layout.powers

    @inline
    def remains(k, p, n, state):
        behind = times(in_lane(state), in_lane(load64(k, powers + 8 * n)))
        return xor(weigh(k, in_order(load(p, n))), behind)

    return remains


def below_16_bytes(plan: Plan):
    """Return the function that takes a message of 0..15 bytes to T, in scalar registers.

    A message of 8 bytes or more is a 128-bit block that lacks some leading zeros. A shorter one
    is added to the first bytes of the state: ``T = (R + M) * x^(8n)``, M leftmost.
    """
    word = ORDERS[plan.order][1]
    times_x, over_x = (shift_right, shift_left) if plan.reflected else (shift_left, shift_right)
    high = 1 - plan.reflected
    at_high, at_low = only(PAIR, high), only(PAIR, 1 - high)
    weigh = weighing(plan, 16)

    @inline
    def remains(k, p, n, state):
        if n >= 8:
            rest = 8 * (n - 8)
            first = state ^ word(load64(p, 0))
            second = times_x(state, rest) ^ word(load64(p, n - 8))
            return weigh(k, xor(at_high(over_x(first, 64 - rest)), at_low(second)))
        first = state ^ word(load_few(p, n))
        return xor(at_high(over_x(first, 64 - 8 * n)), at_low(times_x(first, 8 * n)))

    return remains
