"""What is left of a message in the end: the last block, the short ones, the remainder.

See `numcrc.jit.kernels.fold` for the whole. Here are its tail, its short messages and the
Barrett reduction, each as a function that makes the code for one plan.
"""

from __future__ import annotations

from numcrc.jit.emit.lanes import repeat, swap_lanes
from numcrc.jit.emit.scalars import inline, load64, reverse_bits, swap_bytes
from numcrc.jit.emit.vectors import (
    PAIR,
    Vector,
    both,
    clmul,
    load_end,
    load_spread_to_end,
    load_vector,
    mirror_bytes,
    only,
    reverse_pairs,
    splat,
    sum_pairs,
    xor,
)
from numcrc.jit.kernels.words import load_few, shift_left, shift_right
from numcrc.jit.plan import Plan


@inline
def as_loaded(value):
    """Return *value*."""
    return value


@inline
def _mirrored_word(value):
    return swap_bytes(reverse_bits(value))


#: How a vector and a word of the message become polynomials.
ORDERS = {
    "reflected": (as_loaded, as_loaded),
    "normal": (reverse_pairs, swap_bytes),
    "mirrored": (mirror_bytes, _mirrored_word),
}


def choose(size: int, long, short):
    """Return the function that is *long* from *size* bytes up, *short* below."""

    @inline
    def remains(k, p, n, register):
        if n >= size:
            return long(k, p, n, register)
        return short(k, p, n, register)

    return remains


def weighing(plan: Plan, size: int):
    """Return the function that takes a block of *size* bytes to T."""
    weighted = weighting(plan, size)

    @inline
    def weigh(k, block):
        return sum_pairs(weighted(k, block))

    return weigh


def weighting(plan: Plan, size: int, spread=as_loaded):
    """Return the product of a block of *size* bytes: each lane by its weight, pairs apart.

    Or of several such blocks side by side, for all of which *spread* makes weights of one's.
    """
    layout = plan.layout
    load = load_vector(Vector(size, plan.bits))
    even, odd = clmul(plan.arch, 0, 0), clmul(plan.arch, 1, 1)
    offset = layout.weights + layout.block - size

    @inline
    def weighted(k, block):
        weights = spread(load(k, offset))
        return xor(even(block, weights), odd(block, weights))

    return weighted


def empty(plan: Plan):
    """Return the function that takes no bytes to T, the register."""
    at_low = only(PAIR, int(plan.reflected))

    @inline
    def remains(k, p, n, register):
        return at_low(register)

    return remains


def window(plan: Plan, size: int, over: int):
    """Return the function that takes a message of more than *over* to *size* bytes to T."""
    register = plan.bits // 8
    all_registers = size >= register and size - over <= register
    load = (load_spread_to_end if all_registers else load_end)(Vector(size, plan.bits))
    weigh, in_order = weighing(plan, size), ORDERS[plan.order][0]
    in_lane, times, powers = only(PAIR, 0), clmul(plan.arch, 0, 0), plan.layout.powers

    @inline
    def remains(k, p, n, register):
        behind = times(in_lane(register), in_lane(load64(k, powers + 8 * n)))
        return xor(weigh(k, in_order(load(p, n))), behind)

    return remains


def below_16_bytes(plan: Plan):
    """Return the function that takes a message of 0..15 bytes to T, in scalar registers.

    Of 8 bytes or more, the message is a 128-bit block, short of some leading zeros. Of
    less, it stands above some of the register: ``T = (R + M) * x^(8n)``, M leftmost.
    """
    word = ORDERS[plan.order][1]
    times_x, over_x = (shift_right, shift_left) if plan.reflected else (shift_left, shift_right)
    high = 1 - plan.reflected
    at_high, at_low = only(PAIR, high), only(PAIR, 1 - high)
    weigh = weighing(plan, 16)

    @inline
    def remains(k, p, n, register):
        if n >= 8:
            odd = 8 * (n - 8)
            first = register ^ word(load64(p, 0))
            second = times_x(register, odd) ^ word(load64(p, n - 8))
            return weigh(k, xor(at_high(over_x(first, 64 - odd)), at_low(second)))
        first = register ^ word(load_few(p, n))
        return xor(at_high(over_x(first, 64 - 8 * n)), at_low(times_x(first, 8 * n)))

    return remains


def barrett_reduction(plan: Plan, vector: Vector):
    """Return the function of T, in each pair of a *vector*, whose low lanes are ``T mod G``.

    That is ``T - floor(T / G) * G``. Of the product only the low 64 bits are needed: the
    high ones cancel T's.
    """
    factors, constant_term, reflected = plan.layout.barrett, plan.layout.odd, plan.reflected
    load, everywhere, spread = load_vector(PAIR), repeat(vector), splat(vector)
    high = 1 - reflected
    by_reciprocal, by_generator = clmul(plan.arch, high, 0), clmul(plan.arch, high, 1)

    @inline
    def reduce(k, t):
        pair = everywhere(load(k, factors))
        quotient = by_reciprocal(t, pair)
        if not reflected:  # the reciprocal's own x^64
            quotient = xor(quotient, t)
        remainder = xor(t, by_generator(quotient, pair))
        if reflected:  # the polynomial's own x^0
            ones = spread(load64(k, constant_term))
            remainder = xor(remainder, both(swap_lanes(quotient), ones))
        return remainder

    return reduce
