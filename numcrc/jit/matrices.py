"""Write folding as bit matrices, for the instruction that multiplies bytes by them (GFNI).

``vgf2p8affineqb`` multiplies every byte of a register by a matrix of 8 x 8 bits, one for each
lane of 64 bits. Take v registers of message bytes, a *group*, whose u-th is ``D_u`` bits above
the last. At one place of a byte in a lane, the 8v bits of the group's bytes there stand for

    x^(D_u) * x^b,    u = 1..v, b = 0..7

times a power of x that is the place's own. When these elements span GF(2)[x]/P, a multiple of one
by ``x^D`` is a sum of them: to fold the group over D bits is a matrix of 8v x 8v bits, v^2 blocks
of the instruction's size. The power of x is common to all 8v, so every place shares the blocks:
no byte is moved, and registers of any width, and either bit order, are folded alike.

Half as many registers are enough when the two lanes of each 128-bit pair are taken together, the
first 64 bits above the second: 16v elements, and each register also with its lanes exchanged.

Whether they span depends only on P and the ``D_u``. As many elements as P has degree are
independent with a probability of 0.29; so plans arrange their groups in several ways, and the
first that spans is taken. For a P of lower degree there are more elements than it needs.
"""

from __future__ import annotations

from numcrc._light import cache
from numcrc.crc import gf2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def spans(generator: int, above: tuple[int, ...], lanes: int) -> bool:
    """Return whether matrices can fold a group modulo the polynomial *generator*.

    *above* is how many bits each register is above the last. *lanes* is 1, or 2 to take the lanes
    of each 128-bit pair together.
    """
    return _solver(generator, _places(above, lanes)) is not None


def matrices(
    generator: int, above: tuple[int, ...], lanes: int, distance: int, refin: bool
) -> list[int]:
    """Return the 64-bit words that fold a group, for which `spans` is true, over *distance* bits.

    For each register of the result, each register of the group, and the latter's lanes in order
    and exchanged, there is a matrix for each lane, with row i (which makes bit i) in byte 7-i. Bit
    b of a byte stands for ``x^(7-b)`` when *refin*, else for ``x^b``: the bytes are as loaded.
    """
    places = _places(above, lanes)
    solve, shift = _solver(generator, places), gf2.power_of_x(distance, generator)
    assert solve is not None
    flip = 7 if refin else 0
    blocks = [[0] * len(places) for _ in places]
    for source, elements in enumerate(_elements(generator, places)):
        for b, element in enumerate(elements):
            image = solve(gf2.mod(gf2.multiply(element, shift), generator))
            for result in range(len(places)):
                for row in range(8):
                    if image >> (8 * result + row) & 1:
                        blocks[result][source] |= 1 << (8 * (7 - (row ^ flip)) + (b ^ flip))
    return [
        blocks[result * lanes + lane][source * lanes + (lane ^ turn)]
        for result in range(len(above))
        for source in range(len(above))
        for turn in range(lanes)
        for lane in range(lanes)
    ]


def _places(above: tuple[int, ...], lanes: int) -> tuple[int, ...]:
    """Return the bits by which each lane of each register is above the last."""
    return tuple(bits + 64 * (lanes - 1 - lane) for bits in above for lane in range(lanes))


def _elements(generator: int, places: tuple[int, ...]) -> list[list[int]]:
    """Return, for each place D, ``x^D * x^b`` for b = 0..7."""
    powers = (gf2.power_of_x(bits, generator) for bits in places)
    return [[gf2.mod(power << b, generator) for b in range(8)] for power in powers]


@cache
def _solver(generator: int, places: tuple[int, ...]) -> Callable[[int], int] | None:
    """Return the function that writes a polynomial as a sum of elements; None if they do not span.

    Bit 8i+b of its result stands for element b of place i.
    """
    pivots: dict[int, tuple[int, int]] = {}

    def reduce(element: int, made_of: int) -> tuple[int, int]:
        while element and (top := element.bit_length()) in pivots:
            pivot, parts = pivots[top]
            element ^= pivot
            made_of ^= parts
        return element, made_of

    flat = [element for elements in _elements(generator, places) for element in elements]
    for i, element in enumerate(flat):
        rest, made_of = reduce(element, 1 << i)
        if rest:
            pivots[rest.bit_length()] = rest, made_of
    if len(pivots) < generator.bit_length() - 1:
        return None
    return lambda element: reduce(element, 0)[1]
