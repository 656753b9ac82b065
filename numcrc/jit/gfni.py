"""The vocabulary kernels are written in: bytes times matrices (`numcrc.matrices`)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from numcrc.jit.memory import I8, declare
from numcrc.jit.simd import as_array, indices, registers_of


def by_matrices(groups: list[list[int]], lanes: int, bits: int) -> Any:
    """Return the fold of a block's registers that stand in *groups*, each with its group.

    Of ``(multiplied, block, matrices)`` it gives *multiplied* with these registers replaced: by
    the sum, over the u-th of a group, of that register's bytes times matrices[v, u]. With two
    *lanes*, also of its bytes with the lanes exchanged times the next matrices.
    """
    as_bytes = ir.VectorType(I8, bits // 8)
    exchanged = indices(*(lane ^ 1 for lane in range(bits // 64)))

    @intrinsic
    def mixed(typing: Any, multiplied: Any, block: Any, matrices: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            affine = declare(
                builder,
                ir.FunctionType(as_bytes, [as_bytes, as_bytes, I8]),
                f"llvm.x86.vgf2p8affineqb.{bits}",
            )
            results, registers, factors = (registers_of(builder, array) for array in args)
            factors = [builder.bitcast(factor, as_bytes) for factor in factors]

            def turned(register: Any) -> list[Any]:
                turns = [register]
                if lanes == 2:
                    turns.append(builder.shuffle_vector(register, register, exchanged))
                return [builder.bitcast(turn, as_bytes) for turn in turns]

            for group in groups:
                sources = [turn for position in group for turn in turned(registers[position])]
                for v, position in enumerate(group):
                    mine = factors[v * len(sources) : (v + 1) * len(sources)]
                    total, *others = (
                        builder.call(affine, [source, factor, ir.Constant(I8, 0)])
                        for source, factor in zip(sources, mine, strict=True)
                    )
                    for other in others:
                        total = builder.xor(total, other)
                    results[position] = builder.bitcast(total, block.register)
            return as_array(builder, results)

        return block(multiplied, block, matrices), generate

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
