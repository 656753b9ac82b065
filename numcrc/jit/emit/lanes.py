"""Emit moves of lanes within and between vectors.

A *quad* is one 512-bit register of four 128-bit pairs, one for each of four records.
"""

from __future__ import annotations

from functools import reduce

from llvmlite import ir

from numcrc.jit.emit.scalars import const32, emits, u64
from numcrc.jit.emit.vectors import PAIR, Vector, indices, registers_of, vector_of

QUAD = Vector(64, 512)


def repeat(vector: Vector):
    """Return the function that puts a pair into every pair of a *vector* of one register."""

    @emits(vector, PAIR)
    def everywhere(builder, pair):
        (one,) = registers_of(builder, pair)
        lanes = indices(*[0, 1] * (vector.lanes // 2))
        return vector_of(builder, [builder.shuffle_vector(one, one, lanes)])

    return everywhere


@emits(lambda vector: vector)
def swap_lanes(builder, vector):
    """Exchange the two lanes of each pair."""
    registers = registers_of(builder, vector)
    lanes = indices(*(lane ^ 1 for lane in range(registers[0].type.count)))
    return vector_of(builder, [builder.shuffle_vector(r, r, lanes) for r in registers])


@emits(lambda vector: Vector(vector.lanes * 8, vector.lanes * 64))
def sum_registers(builder, vector):
    """Add up the registers of a vector."""
    return vector_of(builder, [reduce(builder.xor, registers_of(builder, vector))])


@emits(QUAD, QUAD, QUAD, QUAD, QUAD)
def sum_pairs_of_four(builder, a, b, c, d):
    """Add up the pairs of each of four registers; the sums are the pairs of the result."""

    def added(x, y, first, second):
        parts = (
            builder.shuffle_vector(x, y, indices(*(2 * p + lane for p in pairs for lane in (0, 1))))
            for pairs in (first, second)
        )
        return builder.xor(*parts)

    a, b, c, d = (registers_of(builder, vector)[0] for vector in (a, b, c, d))
    first, second = (added(x, y, (0, 1, 4, 5), (2, 3, 6, 7)) for x, y in ((a, b), (c, d)))
    return vector_of(builder, [added(first, second, (0, 2, 4, 6), (1, 3, 5, 7))])


@emits(QUAD, PAIR, PAIR, PAIR, PAIR)
def side_by_side(builder, a, b, c, d):
    """Return the quad of four pairs."""
    a, b, c, d = (registers_of(builder, pair)[0] for pair in (a, b, c, d))
    first, second = (builder.shuffle_vector(x, y, indices(*range(4))) for x, y in ((a, b), (c, d)))
    return vector_of(builder, [builder.shuffle_vector(first, second, indices(*range(8)))])


@emits(QUAD, u64, u64, u64, u64)
def in_low_lanes(builder, a, b, c, d):
    """Put four uint64 into lane 0 of the pairs of a quad, zeros into lane 1."""
    quad = ir.Constant(QUAD.register, None)
    for pair, value in enumerate((a, b, c, d)):
        quad = builder.insert_element(quad, value, const32(2 * pair))
    return vector_of(builder, [quad])
