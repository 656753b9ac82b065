"""The vocabulary kernels are written in: bytes times matrices (`numcrc.planes`)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from numcrc.jit.memory import I8, declare
from numcrc.jit.simd import as_array, registers_of


def by_matrices(kinds: str, vectors: int, bits: int) -> Any:
    """Return the fold of a block's registers that *kinds* calls "g", *vectors* at a time.

    Of ``(multiplied, block, matrices, seen)`` it gives *multiplied* with these registers
    replaced: by the sum, over u and r, of the lanes of register u that *seen*[r] names, times
    matrices[v, u, r]. *seen*[0] is every lane itself.
    """
    which = [position for position, kind in enumerate(kinds) if kind == "g"]
    together = [which[first : first + vectors] for first in range(0, len(which), vectors)]
    as_bytes = ir.VectorType(I8, bits // 8)

    @intrinsic
    def mixed(typing: Any, multiplied: Any, block: Any, matrices: Any, seen: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            affine = declare(
                builder,
                ir.FunctionType(as_bytes, [as_bytes, as_bytes, I8]),
                f"llvm.x86.vgf2p8affineqb.{bits}",
            )
            permute = declare(
                builder,
                ir.FunctionType(block.register, [block.register] * 2),
                f"llvm.x86.avx512.permvar.di.{bits}",
            )
            results, registers, factors, orders = (registers_of(builder, array) for array in args)
            factors = [builder.bitcast(factor, as_bytes) for factor in factors]

            def turned(register: Any) -> list[Any]:
                lanes = [builder.call(permute, [register, order]) for order in orders[1:]]
                return [builder.bitcast(each, as_bytes) for each in (register, *lanes)]

            for group in together:
                sources = [each for position in group for each in turned(registers[position])]
                for v, position in enumerate(group):
                    mine = factors[v * len(sources) : (v + 1) * len(sources)]
                    products = [
                        builder.call(affine, [source, factor, ir.Constant(I8, 0)])
                        for source, factor in zip(sources, mine, strict=True)
                    ]
                    total, *others = (builder.bitcast(p, block.register) for p in products)
                    for other in others:
                        total = builder.xor(total, other)
                    results[position] = total
            return as_array(builder, results)

        return block(multiplied, block, matrices, seen), generate

    return mixed


def pick(kinds: str, kind: str) -> Any:
    """Return the function of two blocks that takes the first's registers where *kinds* is *kind*.

    What is not taken is not computed: LLVM sees to that.
    """

    @intrinsic
    def picked(typing: Any, block: Any, other: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pairs = zip(*(registers_of(builder, array) for array in args), strict=True)
            chosen = [a if k == kind else b for k, (a, b) in zip(kinds, pairs, strict=True)]
            return as_array(builder, chosen)

        return block(block, other), generate

    return picked
