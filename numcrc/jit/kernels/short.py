"""Take messages that are too short to fold: empty, below 16 bytes, or in a masked vector.

See `numcrc.jit.kernels.fold` for the whole. Each function here makes the code for one plan. Only a
machine with AVX-512 runs windows; `numcrc.jit.kernels.quad` repeats their step for four records.
"""

from __future__ import annotations

from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import load64
from numcrc.jit.emit.vectors import PAIR, Vector, clmul, load_end, load_spread_to_end, only, xor
from numcrc.jit.kernels.reduce import ORDERS, tail_of
from numcrc.jit.kernels.words import load_few, shift_left, shift_right
from numcrc.jit.plan import Plan


def choose(size: int, long, short):
    """Return the function that is *long* for *size* bytes or more, *short* for fewer."""

    @inline
    def to_tail(k, p, n, state):
        if n >= size:
            return long(k, p, n, state)
        return short(k, p, n, state)

    return to_tail


def empty(plan: Plan):
    """Return the function that takes no bytes to T, which is the state."""
    at_low = only(PAIR, int(plan.high_terms_first))

    @inline
    def to_tail(k, p, n, state):
        return at_low(state)

    return to_tail


def window(plan: Plan, size: int, below: int):
    """Return the function that takes a message of *below* + 1 to *size* bytes to T."""
    register = plan.bits // 8
    all_registers = size >= register and size - below <= register
    load = (load_spread_to_end if all_registers else load_end)(Vector(size, plan.bits))
    tail, in_order = tail_of(plan, size), ORDERS[plan.order].vector
    in_lane, times, powers = only(PAIR, 0), clmul(plan.arch, 0, 0), plan.layout.powers

    @inline
    def to_tail(k, p, n, state):
        behind = times(in_lane(state), in_lane(load64(k, powers + 8 * n)))
        return xor(tail(k, in_order(load(p, n))), behind)

    return to_tail


def below_16_bytes(plan: Plan):
    """Return the function that takes a message of 0..15 bytes to T, in scalar registers.

    A message of 8 bytes or more is a 128-bit block that lacks some leading zeros. A shorter one
    is added to the first bytes of the state: ``T = (R + M) * x^(8n)``, M leftmost.
    """
    word = ORDERS[plan.order].word
    high = 1 - plan.high_terms_first
    times_x, over_x = (shift_left, shift_right) if high else (shift_right, shift_left)
    at_high, at_low = only(PAIR, high), only(PAIR, 1 - high)
    tail = tail_of(plan, 16)

    @inline
    def to_tail(k, p, n, state):
        if n >= 8:
            rest = 8 * (n - 8)
            first = state ^ word(load64(p, 0))
            second = times_x(state, rest) ^ word(load64(p, n - 8))
            return tail(k, xor(at_high(over_x(first, 64 - rest)), at_low(second)))
        first = state ^ word(load_few(p, n))
        return xor(at_high(over_x(first, 64 - 8 * n)), at_low(times_x(first, 8 * n)))

    return to_tail
