"""Take four short records at a time: SIMD across records.

Each record is in a *window* of its own (`numcrc.jit.kernels.fold`) and weighed alone. But
the four sums T, and the terms that the state adds to each, ``R * x^(8n)``, are the four pairs of
one register: one product makes the latter, and two reduce all four. As a window's code does not
depend on the length, four lengths cost no more than one: the largest decides the windows' size.
"""

from __future__ import annotations

from numcrc.jit.emit.lanes import (
    QUAD,
    in_low_lanes,
    repeat,
    side_by_side,
    sum_pairs_of_four,
    sum_registers,
)
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import load64
from numcrc.jit.emit.vectors import PAIR, Vector, clmul, lane, load_end, xor
from numcrc.jit.kernels.reduce import ORDERS, barrett_reduction, weigh_lanes
from numcrc.jit.plan import Plan


def state_quad(plan: Plan):
    """Return ``behind(constants, n, n2, n3, n4, state)``: ``R * x^(8n)`` for each record."""
    powers, times = plan.layout.powers, clmul(plan.arch, 0, 0)

    @inline
    def behind(k, n, n2, n3, n4, state):
        powers_of_x = in_low_lanes(
            load64(k, powers + 8 * n),
            load64(k, powers + 8 * n2),
            load64(k, powers + 8 * n3),
            load64(k, powers + 8 * n4),
        )
        return times(in_low_lanes(state, state, state, state), powers_of_x)

    return behind


def quad_kernel(plan: Plan):
    """Return ``kernel(constants, p, p2, p3, p4, n, n2, n3, n4, longest, behind) -> states``.

    It takes four records at p to p4, of n to n4 bytes: 1 to ``windows[-1]``. *longest* is the
    largest of the lengths, and *behind* the result of `state_quad`.
    """
    reduce = barrett_reduction(plan, QUAD)
    first, second, third, fourth = (lane(2 * record + plan.high_terms_first) for record in range(4))
    *shorter, longest_window = plan.windows
    sums = _four_sums(plan, longest_window)
    for size in reversed(shorter):
        sums = _up_to(size, _four_sums(plan, size), sums)

    @inline
    def kernel(k, p, p2, p3, p4, n, n2, n3, n4, longest, behind):
        t = xor(sums(k, p, p2, p3, p4, n, n2, n3, n4, longest), behind)
        remainder = reduce(k, t)
        return first(remainder), second(remainder), third(remainder), fourth(remainder)

    return kernel


def _four_sums(plan: Plan, size: int):
    """Return the function that weighs four records of at most *size* bytes."""
    if size == PAIR.lanes * 8:
        return _four_pairs(plan)
    load, weighed = load_end(Vector(size, plan.bits)), weigh_lanes(plan, size)
    in_order = ORDERS[plan.order].vector

    @inline
    def one(k, p, n):
        return sum_registers(weighed(k, in_order(load(p, n))))

    @inline
    def sums(k, p, p2, p3, p4, n, n2, n3, n4, longest):
        return sum_pairs_of_four(one(k, p, n), one(k, p2, n2), one(k, p3, n3), one(k, p4, n4))

    return sums


def _four_pairs(plan: Plan):
    """Return the function that weighs four records of at most one pair, all at once."""
    load, in_order = load_end(PAIR), ORDERS[plan.order].vector
    weighed = weigh_lanes(plan, PAIR.lanes * 8, repeat(QUAD))

    @inline
    def sums(k, p, p2, p3, p4, n, n2, n3, n4, longest):
        records = side_by_side(load(p, n), load(p2, n2), load(p3, n3), load(p4, n4))
        return weighed(k, in_order(records))

    return sums


def _up_to(size: int, short, long):
    @inline
    def sums(k, p, p2, p3, p4, n, n2, n3, n4, longest):
        if longest <= size:
            return short(k, p, p2, p3, p4, n, n2, n3, n4, longest)
        return long(k, p, p2, p3, p4, n, n2, n3, n4, longest)

    return sums
