"""The vocabulary kernels are written in: bytes times matrices (`numcrc.planes`)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from numcrc.jit.memory import I8, declare
from numcrc.jit.simd import as_array, registers_of


@intrinsic
def by_matrices(typing: Any, block: Any, matrices: Any, seen: Any) -> Any:
    """Return the sum, over r, of the lanes that *seen*[r] names times *matrices*[r].

    Their r-th registers are for all registers of the block; *seen*[0] is every lane itself.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = block.register
        as_bytes = ir.VectorType(I8, 8 * block.lanes)
        multiply = declare(
            builder,
            ir.FunctionType(as_bytes, [as_bytes, as_bytes, I8]),
            f"llvm.x86.vgf2p8affineqb.{64 * block.lanes}",
        )
        permute = declare(
            builder, ir.FunctionType(lanes, [lanes, lanes]), "llvm.x86.avx512.permvar.di.512"
        )
        first, *others = (
            builder.bitcast(matrix, as_bytes) for matrix in registers_of(builder, args[1])
        )
        orders = registers_of(builder, args[2])[1:]

        def times(register: Any, matrix: Any) -> Any:
            data = builder.bitcast(register, as_bytes)
            product = builder.call(multiply, [data, matrix, ir.Constant(I8, 0)])
            return builder.bitcast(product, lanes)

        results = []
        for register in registers_of(builder, args[0]):
            total = times(register, first)
            for matrix, order in zip(others, orders, strict=True):
                turned = builder.call(permute, [register, order])
                total = builder.xor(total, times(turned, matrix))
            results.append(total)
        return as_array(builder, results)

    return block(block, matrices, seen), generate


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
