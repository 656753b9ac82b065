"""Reduce a block to its remainder: bit orders, the weights of lanes, the Barrett reduction.

See `numcrc.jit.kernels.fold` for the whole. Each function here makes the code for one plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from numcrc.jit.emit.lanes import repeat, swap_lanes
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import load64, reverse_bits, swap_bytes
from numcrc.jit.emit.vectors import (
    PAIR,
    Vector,
    and_,
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
    """Leave bytes as loaded: the identity, for the reflected order."""
    return value


@inline
def _mirrored_word(value):
    return swap_bytes(reverse_bits(value))


class Order(NamedTuple):
    """The functions that make polynomials of a message's bytes."""

    vector: Callable[..., object]
    word: Callable[..., object]


ORDERS = {
    "reflected": Order(as_loaded, as_loaded),
    "normal": Order(reverse_pairs, swap_bytes),
    "mirrored": Order(mirror_bytes, _mirrored_word),
}
"""By the names of `numcrc.jit.plan.Plan.order`."""


def tail_of(plan: Plan, size: int):
    """Return ``tail(constants, block)``, which takes a block of *size* bytes to T."""
    weighed = weigh_lanes(plan, size)

    @inline
    def tail(k, block):
        return sum_pairs(weighed(k, block))

    return tail


def weigh_lanes(plan: Plan, size: int, spread=as_loaded):
    """Return ``weighed(constants, block)``: each lane of a block of *size* bytes by its weight.

    Pairs are not added up. Several such blocks may be side by side; *spread* then repeats the
    weights of one for all.
    """
    layout = plan.layout
    load = load_vector(Vector(size, plan.bits))
    by_lane_0, by_lane_1 = clmul(plan.arch, 0, 0), clmul(plan.arch, 1, 1)
    offset = layout.weights + layout.block - size

    @inline
    def weighed(k, block):
        weights = spread(load(k, offset))
        return xor(by_lane_0(block, weights), by_lane_1(block, weights))

    return weighed


def barrett_reduction(plan: Plan, vector: Vector):
    """Return ``reduce(constants, t)``: ``T mod G`` of each pair of a *vector*, in one of its lanes.

    This remainder lane is 1 if high terms come first, else 0. The remainder is
    ``T - floor(T / G) * G``: only the low 64 bits of the product are needed, as the high ones
    cancel T's.
    """
    reciprocal_offset, constant_term = plan.layout.barrett, plan.layout.constant_term
    reflected = plan.high_terms_first
    load, everywhere, spread = load_vector(PAIR), repeat(vector), splat(vector)
    high = 1 - reflected
    by_reciprocal, by_generator = clmul(plan.arch, high, 0), clmul(plan.arch, high, 1)

    @inline
    def reduce(k, t):
        pair = everywhere(load(k, reciprocal_offset))
        quotient = by_reciprocal(t, pair)
        if not reflected:  # the reciprocal's own x^64
            quotient = xor(quotient, t)
        remainder = xor(t, by_generator(quotient, pair))
        if reflected:  # the polynomial's own x^0
            ones = spread(load64(k, constant_term))
            remainder = xor(remainder, and_(swap_lanes(quotient), ones))
        return remainder

    return reduce
