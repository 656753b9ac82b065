"""The vocabulary kernels are written in: bytes times matrices (`numcrc.jit.matrices`)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from numcrc.jit.emit.scalars import I8, declare
from numcrc.jit.emit.vectors import as_array, indices, pclmulqdq, registers_of


def mixture(kinds: str, groups: list[list[int]], lanes: int, reflected: bool, bits: int) -> Any:
    """Return the fold of a block whose registers are folded as *kinds* says.

    Of ``(block, high_power, low_power, matrices)``: those that are "c" by the powers, pair by
    pair; those of *groups* as the sum, over the u-th of the group, of that register's bytes times
    matrices[v, u]. With two *lanes*, also of its bytes with the lanes exchanged times the next
    matrices.

    One register after the other: the units that multiply and those that take matrices are given
    work in turn, and neither waits for the queue of the other.
    """
    as_bytes = ir.VectorType(I8, bits // 8)
    exchanged = indices(*(lane ^ 1 for lane in range(bits // 64)))
    high = 1 - reflected

    @intrinsic
    def mixed(typing: Any, block: Any, high_power: Any, low_power: Any, matrices: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            affine = declare(
                builder,
                ir.FunctionType(as_bytes, [as_bytes, as_bytes, I8]),
                f"llvm.x86.vgf2p8affineqb.{bits}",
            )
            registers, highs, lows, factors = (registers_of(builder, array) for array in args)
            factors = [builder.bitcast(factor, as_bytes) for factor in factors]

            def multiplied(register: Any) -> Any:
                products = (
                    pclmulqdq(builder, register, power, side, side)
                    for power, side in ((highs[0], high), (lows[0], 1 - high))
                )
                return builder.xor(*products)

            def turned(register: Any) -> list[Any]:
                turns = [register]
                if lanes == 2:
                    turns.append(builder.shuffle_vector(register, register, exchanged))
                return [builder.bitcast(turn, as_bytes) for turn in turns]

            def by_matrices(sources: list[Any], place: int) -> Any:
                mine = factors[place * len(sources) : (place + 1) * len(sources)]
                total, *others = (
                    builder.call(affine, [source, factor, ir.Constant(I8, 0)])
                    for source, factor in zip(sources, mine, strict=True)
                )
                for other in others:
                    total = builder.xor(total, other)
                return builder.bitcast(total, block.register)

            results, sources = [], {}
            for position, kind in enumerate(kinds):
                if kind == "c":
                    results.append(multiplied(registers[position]))
                    continue
                group = groups[int(kind)]
                place = group.index(position)
                if not place:
                    sources[kind] = [turn for at in group for turn in turned(registers[at])]
                results.append(by_matrices(sources[kind], place))
            return as_array(builder, results)

        return block(block, high_power, low_power, matrices), generate

    return mixed


def pick(taken: list[bool]) -> Any:
    """Return the function of two blocks that takes the first's registers where *taken* says so.

    What is not taken is not computed: LLVM sees to that.
    """

    @intrinsic
    def picked(typing: Any, block: Any, other: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pairs = zip(*(registers_of(builder, array) for array in args), strict=True)
            chosen = [a if first else b for first, (a, b) in zip(taken, pairs, strict=True)]
            return as_array(builder, chosen)

        return block(block, other), generate

    return picked
