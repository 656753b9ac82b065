"""Emit products of bytes and bit matrices (`numcrc.jit.matrices`)."""

from __future__ import annotations

from functools import reduce

from llvmlite import ir

from numcrc.jit.emit.scalars import I8, declare, emits
from numcrc.jit.emit.vectors import indices, pclmulqdq, registers_of, vector_of


def mixture(units: str, groups: list[list[int]], lanes: int, high_terms_first: bool, bits: int):
    """Return ``mixed(block, high_power, low_power, matrices)``, the fold that *units* describes.

    Registers that are "c" are folded by the powers, pair by pair. Register v of a group becomes
    the sum, over each register u of the group, of that register's bytes times matrices[v, u].
    With two *lanes*, the bytes with the lanes exchanged times the next matrices are added.

    Products are emitted register by register, so that the multiplier and the units that take
    matrices get work in turn, and neither waits for the other's queue.
    """
    as_bytes = ir.VectorType(I8, bits // 8)
    exchanged = indices(*(lane ^ 1 for lane in range(bits // 64)))
    high = 1 - high_terms_first

    @emits(lambda block, high_power, low_power, matrices: block)
    def mixed(builder, block, high_power, low_power, matrices):
        affine = declare(
            builder,
            ir.FunctionType(as_bytes, [as_bytes, as_bytes, I8]),
            f"llvm.x86.vgf2p8affineqb.{bits}",
        )
        registers = registers_of(builder, block)
        highs, lows = registers_of(builder, high_power), registers_of(builder, low_power)
        factors = [builder.bitcast(f, as_bytes) for f in registers_of(builder, matrices)]

        def multiplied(register):
            products = (
                pclmulqdq(builder, register, power, side, side)
                for power, side in ((highs[0], high), (lows[0], 1 - high))
            )
            return builder.xor(*products)

        def turned(register):
            turns = [register]
            if lanes == 2:
                turns.append(builder.shuffle_vector(register, register, exchanged))
            return [builder.bitcast(turn, as_bytes) for turn in turns]

        def by_matrices(sources, place):
            mine = factors[place * len(sources) : (place + 1) * len(sources)]
            products = [
                builder.call(affine, [source, factor, ir.Constant(I8, 0)])
                for source, factor in zip(sources, mine, strict=True)
            ]
            return builder.bitcast(reduce(builder.xor, products), registers[0].type)

        results, sources = [], {}
        for position, unit in enumerate(units):
            if unit == "c":
                results.append(multiplied(registers[position]))
                continue
            group = groups[int(unit)]
            place = group.index(position)
            if not place:
                sources[unit] = [turn for at in group for turn in turned(registers[at])]
            results.append(by_matrices(sources[unit], place))
        return vector_of(builder, results)

    return mixed


def pick(taken: list[bool]):
    """Return ``picked(block, other)``, with the registers of *block* where *taken*, else *other*'s.

    LLVM drops the computation of the registers that are not taken.
    """

    @emits(lambda block, other: block)
    def picked(builder, block, other):
        pairs = zip(registers_of(builder, block), registers_of(builder, other), strict=True)
        return vector_of(
            builder, [a if first else b for first, (a, b) in zip(taken, pairs, strict=True)]
        )

    return picked
