"""The vocabulary kernels are written in, last part: moving the lanes of vectors about.

A *quad* is one 512-bit register of four 128-bit pairs, one for each of four records.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from numcrc.jit.emit.scalars import i32, u64
from numcrc.jit.emit.vectors import PAIR, Vector, as_array, indices, registers_of

QUAD = Vector(64, 512)


def repeat(vector: Vector) -> Any:
    """Return the function that puts a pair into every pair of a *vector* of one register."""

    @intrinsic
    def everywhere(typing: Any, pair: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            (one,) = registers_of(builder, args[0])
            lanes = indices(*[0, 1] * (vector.lanes // 2))
            return as_array(builder, [builder.shuffle_vector(one, one, lanes)])

        return vector(PAIR), generate

    return everywhere


@intrinsic
def swap_lanes(typing: Any, vector: Any) -> Any:
    """Exchange the two lanes of each pair."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = indices(*(lane ^ 1 for lane in range(vector.lanes)))
        registers = registers_of(builder, args[0])
        return as_array(builder, [builder.shuffle_vector(r, r, lanes) for r in registers])

    return vector(vector), generate


@intrinsic
def sum_registers(typing: Any, vector: Any) -> Any:
    """Add the registers of a vector up."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total, *others = registers_of(builder, args[0])
        for other in others:
            total = builder.xor(total, other)
        return as_array(builder, [total])

    return Vector(vector.lanes * 8, vector.lanes * 64)(vector), generate


@intrinsic
def sum_pairs_of_four(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Add up the pairs of each of four registers: the sums are the pairs of the quad."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def added(x: Any, y: Any, first: tuple[int, ...], second: tuple[int, ...]) -> Any:
            parts = (
                builder.shuffle_vector(
                    x, y, indices(*(2 * p + lane for p in pairs for lane in (0, 1)))
                )
                for pairs in (first, second)
            )
            return builder.xor(*parts)

        registers = [registers_of(builder, array)[0] for array in args]
        first, second = (
            added(x, y, (0, 1, 4, 5), (2, 3, 6, 7)) for x, y in (registers[:2], registers[2:])
        )
        return as_array(builder, [added(first, second, (0, 2, 4, 6), (1, 3, 5, 7))])

    return QUAD(a, b, c, d), generate


@intrinsic
def side_by_side(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the quad of four pairs."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b, c, d = (registers_of(builder, array)[0] for array in args)
        first, second = (
            builder.shuffle_vector(x, y, indices(*range(4))) for x, y in ((a, b), (c, d))
        )
        return as_array(builder, [builder.shuffle_vector(first, second, indices(*range(8)))])

    return QUAD(a, b, c, d), generate


@intrinsic
def in_low_lanes(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Put four uint64 into lane 0 of the pairs of a quad, zeros into lane 1."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        quad = ir.Constant(QUAD.register, None)
        for pair, value in enumerate(args):
            quad = builder.insert_element(quad, value, i32(2 * pair))
        return as_array(builder, [quad])

    return QUAD(u64, u64, u64, u64), generate
