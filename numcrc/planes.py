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
searched for. Where all eight lanes are none, two vectors X and Y of a distance may do, with sets
of four lanes in X and the same four in Y: then, of both, each folded lane is a sum over both.
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
    """P times a factor: of degree ``8 * size * vectors``."""
    sets: tuple[tuple[int, ...], ...]
    """The lanes of a vector, split."""
    gap: int = 0
    """Bits that the first of two vectors stands above the second; 0: one vector is enough."""

    @property
    def size(self) -> int:
        """Lanes of one vector in a set."""
        return len(self.sets[0])

    @property
    def vectors(self) -> int:
        """Vectors that are folded together."""
        return 2 if self.gap else 1


@cache
def planes(generator: int, gap: int = 0) -> Planes | None:
    """Return the smallest sets for the polynomial *generator* (with its leading term).

    They are of one vector or, with a *gap*, of two. None: no sets were found.
    """
    width = generator.bit_length() - 1
    for size in (4,) if gap else (1, 2, 4, 8):
        more = 8 * size * (2 if gap else 1) - width
        if more < 0:
            continue
        factors = (1 << more | low for low in range(1, 16, 2)) if more > 3 else (1 << more | 1,)
        for factor in factors if more else (1,):
            for sets in _splits(size):
                found = Planes(gf2.multiply(generator, factor), sets, gap)
                elements = _elements(found)
                if all(_coordinates(_basis(elements, lanes)) for lanes in sets):
                    return found
    return None


def matrices(found: Planes, distance: int, refin: bool) -> list[int]:
    """Return the words by which 64 bytes, or twice as many, are folded over *distance* bits.

    Eight words, one a lane. For each vector that is made, each that it is made from, and each
    r, the matrices, with row i (what makes bit i) in byte 7-i. Then for each r the lanes that are
    seen. When not *refin*, bit b of a byte stands for ``x^b`` instead: the bytes are as loaded
    then, too, and need no mirroring.
    """
    elements, shift = _elements(found), gf2.power_of_x(distance, found.modulus)
    if not refin:
        elements = [[of_a_lane[::-1] for of_a_lane in vector] for vector in elements]
    size, vectors = found.size, found.vectors
    blocks = [[0] * LANES for _ in range(vectors * vectors * size)]
    seen = [[0] * LANES for _ in range(size)]
    for lanes in found.sets:
        solve = _coordinates(_basis(elements, lanes))
        assert solve is not None
        for source in range(vectors * size):
            q = lanes[source % size]
            for bit, element in enumerate(elements[source // size][q]):
                image = solve(gf2.mod(gf2.multiply(element, shift), found.modulus))
                for target in range(vectors * size):
                    lane, turn = lanes[target % size], (source - target) % size
                    seen[turn][lane] = q
                    block = blocks[(target // size * vectors + source // size) * size + turn]
                    for row in range(8):
                        if image >> (8 * target + row) & 1:
                            block[lane] |= 1 << (8 * (7 - row) + bit)
    return [word for words in (*blocks, *seen) for word in words]


def _elements(found: Planes) -> list[list[list[int]]]:
    """Return, for each vector and lane, what bits 0..7 of the last byte stand for."""
    return [_vector(found.modulus, above) for above in ((found.gap, 0) if found.gap else (0,))]


@cache
def _vector(modulus: int, above: int) -> list[list[int]]:
    powers, over = [gf2.power_of_x(above, modulus)], modulus.bit_length() - 1
    for _ in range(64 * LANES):
        more = powers[-1] << 1
        powers.append(more ^ modulus if more >> over else more)
    return [[powers[64 * (7 - q) + 7 - bit] for bit in range(8)] for q in range(LANES)]


def _basis(elements: list[list[list[int]]], lanes: tuple[int, ...]) -> list[int]:
    return [element for vector in elements for q in lanes for element in vector[q]]


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
