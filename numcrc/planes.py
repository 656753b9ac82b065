"""Folding as a bit matrix, for the instruction that multiplies bytes by one (GFNI).

``vgf2p8affineqb`` multiplies every byte of a vector by a matrix of 8 x 8 bits, one matrix for
each 64-bit lane. Let A be 64 message bytes, reflected: bit b of byte p of lane q stands for
``x^(64(7-q)) * x^(8(7-p)) * x^(7-b)``. Split the lanes into sets of n/8, n being the degree of
P, brought to a multiple of 8 by a factor. Of one set and one p, the n elements

    x^(64(7-q)) * x^(7-b),    q in the set, b = 0..7

are, when they are independent, a basis of GF(2)[x]/P: multiplying by x^D is an n x n matrix,
(n/8)^2 blocks of the instruction's size. The factor x^(8(7-p)) is common to all, so the eight
bytes of a lane share their blocks, as the instruction wants. To fold A over D bits is then, for
r = 0..n/8-1: let each lane see the r-th next one of its set, multiply by that block, and add up.

Which sets are bases depends on P alone. A random set is one with probability 0.29, so they are
searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from typing import NamedTuple

from numcrc import gf2

LANES = 8


class Planes(NamedTuple):
    """The sets of lanes for one polynomial."""

    modulus: int
    """P times a factor: of degree ``8 * size``."""
    sets: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Lanes in a set, and matrices a lane is multiplied by."""
        return len(self.sets[0])


@cache
def planes(generator: int) -> Planes | None:
    """Return sets for the polynomial *generator* (with its leading term), the smallest there are.

    None: there are none in eight lanes.
    """
    width = generator.bit_length() - 1
    for size in (1, 2, 4, 8):
        more = 8 * size - width
        if more < 0:
            continue
        factors = (1 << more | low for low in range(1, 16, 2)) if more > 3 else (1 << more | 1,)
        for factor in factors if more else (1,):
            modulus = gf2.multiply(generator, factor)
            elements = _elements(modulus)
            for sets in _splits(size):
                if all(_coordinates([e for q in lanes for e in elements[q]]) for lanes in sets):
                    return Planes(modulus, sets)
    return None


def matrices(found: Planes, distance: int, refin: bool) -> list[int]:
    """Return the words by which 64 bytes are folded over *distance* bits.

    When not *refin*, bit b of a byte stands for ``x^b`` instead: the bytes are as loaded then,
    too, and need no mirroring.

    Eight words, one a lane, for each r: first the matrices, row i (what makes bit i) in byte
    7-i; then the lanes that are seen.
    """
    elements, shift = _elements(found.modulus), gf2.power_of_x(distance, found.modulus)
    if not refin:
        elements = [of_a_lane[::-1] for of_a_lane in elements]
    blocks = [[0] * LANES for _ in range(found.size)]
    seen = [[0] * LANES for _ in range(found.size)]
    for lanes in found.sets:
        solve = _coordinates([element for q in lanes for element in elements[q]])
        assert solve is not None
        for source, q in enumerate(lanes):
            for bit, element in enumerate(elements[q]):
                image = solve(gf2.mod(gf2.multiply(element, shift), found.modulus))
                for target, lane in enumerate(lanes):
                    turn = (source - target) % found.size
                    seen[turn][lane] = q
                    for row in range(8):
                        if image >> (8 * target + row) & 1:
                            blocks[turn][lane] |= 1 << (8 * (7 - row) + bit)
    return [word for words in (*blocks, *seen) for word in words]


def _elements(modulus: int) -> list[list[int]]:
    """Return what bits 0..7 of the last byte of lanes 0..7 stand for."""
    return [
        [gf2.power_of_x(64 * (7 - q) + 7 - bit, modulus) for bit in range(8)] for q in range(LANES)
    ]


def _splits(size: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield ways to split eight lanes into sets of *size*."""
    if size == 2:
        for d in range(1, LANES):
            yield tuple((q, q ^ d) for q in range(LANES) if q < q ^ d)
    elif size == 4:
        for others in combinations(range(1, LANES), 3):
            first = (0, *others)
            yield first, tuple(q for q in range(LANES) if q not in first)
    else:
        yield tuple(tuple(range(q, q + size)) for q in range(0, LANES, size))


def _coordinates(basis: list[int]) -> Callable[[int], int] | None:
    """Return what writes an element as a sum of *basis*: bit i for the i-th; None: it is none."""
    pivots: dict[int, tuple[int, int]] = {}

    def reduce(element: int, made_of: int) -> tuple[int, int]:
        while element and (top := element.bit_length()) in pivots:
            pivot, its = pivots[top]
            element ^= pivot
            made_of ^= its
        return element, made_of

    for i, element in enumerate(basis):
        rest, made_of = reduce(element, 1 << i)
        if not rest:
            return None
        pivots[rest.bit_length()] = rest, made_of
    return lambda element: reduce(element, 0)[1]
