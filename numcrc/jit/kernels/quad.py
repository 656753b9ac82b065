"""Four short records at a time: SIMD across records.

Each record lies in a *window* of its own (`numcrc.jit.kernels.fold`), weighted by itself. But
the four sums T, and what the register adds to each, ``R * x^(8n)``, are the four pairs of one
register: one product for the latter and two for the Barrett reductions serve all four. And as
nothing in a window depends on the length, four lengths cost no more than one: the largest
chooses the windows' size.
"""

from __future__ import annotations

from typing import Any

from numcrc.constants import FoldLayout
from numcrc.jit.kernels.fold import ORDERS, barrett_reduction, weighting
from numcrc.jit.lanes import QUAD, in_low_lanes, sum_pairs_of_four, sum_registers
from numcrc.jit.memory import inline, load64
from numcrc.jit.simd import Vector, clmul, lane, load_end, xor


def quad_kernel(
    arch: str, bits: int, windows: tuple[int, ...], blocks: tuple[int, ...], order: str
) -> Any:
    """Return ``kernel(constants, p, p2, p3, p4, n, n2, n3, n4, longest, register) -> registers``.

    Four records at p to p4, of n to n4 bytes: 1 to ``windows[-1]``, *longest* being the
    largest. All continue from *register*.
    """
    layout = FoldLayout(blocks[-1])
    in_order, _, reflected = ORDERS[order]
    reduce, times = barrett_reduction(arch, layout, reflected, QUAD), clmul(arch, 0, 0)
    first, second, third, fourth = (lane(2 * record + int(reflected)) for record in range(4))
    powers = layout.powers
    sums = _four_sums(arch, bits, windows[-1], layout, in_order)
    for size in reversed(windows[:-1]):
        sums = _up_to(size, _four_sums(arch, bits, size, layout, in_order), sums)

    @inline
    def kernel(
        k: Any, p: Any, p2: Any, p3: Any, p4: Any, n: Any, n2: Any, n3: Any, n4: Any,
        longest: Any, register: Any,
    ) -> Any:  # fmt: skip
        powers_of_x = in_low_lanes(
            load64(k, powers + 8 * n),
            load64(k, powers + 8 * n2),
            load64(k, powers + 8 * n3),
            load64(k, powers + 8 * n4),
        )
        registers = in_low_lanes(register, register, register, register)
        t = xor(sums(k, p, p2, p3, p4, n, n2, n3, n4, longest), times(registers, powers_of_x))
        remainder = reduce(k, t)
        return first(remainder), second(remainder), third(remainder), fourth(remainder)

    return kernel


def _four_sums(arch: str, bits: int, size: int, layout: FoldLayout, in_order: Any) -> Any:
    """Return the function that weighs four records of at most *size* bytes."""
    load, weighted = load_end(Vector(size, bits)), weighting(arch, bits, size, layout)

    @inline
    def one(k: Any, p: Any, n: Any) -> Any:
        return sum_registers(weighted(k, in_order(load(p, n))))

    @inline
    def sums(
        k: Any, p: Any, p2: Any, p3: Any, p4: Any, n: Any, n2: Any, n3: Any, n4: Any,
        longest: Any,
    ) -> Any:  # fmt: skip
        return sum_pairs_of_four(one(k, p, n), one(k, p2, n2), one(k, p3, n3), one(k, p4, n4))

    return sums


def _up_to(size: int, short: Any, long: Any) -> Any:
    @inline
    def sums(
        k: Any, p: Any, p2: Any, p3: Any, p4: Any, n: Any, n2: Any, n3: Any, n4: Any,
        longest: Any,
    ) -> Any:  # fmt: skip
        if longest <= size:
            return short(k, p, p2, p3, p4, n, n2, n3, n4, longest)
        return long(k, p, p2, p3, p4, n, n2, n3, n4, longest)

    return sums
