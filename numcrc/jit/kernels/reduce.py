"""Reduce a block to the remainder: bit orders, the weights of lanes, the Barrett reduction.

See `numcrc.jit.kernels.fold` for the whole. Each function here makes the code for one plan.
"""

from __future__ import annotations

from numcrc.jit.emit.lanes import repeat, swap_lanes
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import load64, reverse_bits, swap_bytes
from numcrc.jit.emit.vectors import (
    PAIR,
    Vector,
    both,
    clmul,
    load_vector,
    mirror_bytes,
    reverse_pairs,
    splat,
    sum_pairs,
    xor,
)
from numcrc.jit.plan import Plan


@inline
def as_loaded(value):
    """Return *value*."""
    return value


@inline
def _mirrored_word(value):
    return swap_bytes(reverse_bits(value))


ORDERS = {
    "reflected": (as_loaded, as_loaded),
    "normal": (reverse_pairs, swap_bytes),
    "mirrored": (mirror_bytes, _mirrored_word),
}
"""By order, the functions that make polynomials of a vector and of a word of the message."""


def weighing(plan: Plan, size: int):
    """Return the function that takes a block of *size* bytes to T."""
    weighted = weighting(plan, size)

    @inline
    def weigh(k, block):
        return sum_pairs(weighted(k, block))

    return weigh


def weighting(plan: Plan, size: int, spread=as_loaded):
    """Return ``weighted(constants, block)``: each lane of a block of *size* bytes by its weight.

    Pairs are not added up. Several such blocks may be side by side; *spread* then repeats the
    weights of one for all.
    """
    layout = plan.layout
    load = load_vector(Vector(size, plan.bits))
    by_lane_0, by_lane_1 = clmul(plan.arch, 0, 0), clmul(plan.arch, 1, 1)
    offset = layout.weights + layout.block - size

    @inline
    def weighted(k, block):
        weights = spread(load(k, offset))
        return xor(by_lane_0(block, weights), by_lane_1(block, weights))

    return weighted


def barrett_reduction(plan: Plan, vector: Vector):
    """Return ``reduce(constants, t)``, whose low lanes are ``T mod G`` of each pair of a *vector*.

    That is ``T - floor(T / G) * G``. Only the low 64 bits of the product are needed, as the
    high ones cancel T's.
    """
    factors, constant_term = plan.layout.barrett, plan.layout.constant_term
    reflected = plan.reflected
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
