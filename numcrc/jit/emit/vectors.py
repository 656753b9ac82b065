"""The vocabulary kernels are written in, second part: vectors.

A vector is a Numba type whose data model is an array of LLVM vectors of 64-bit lanes,
one a register: a block of several accumulators is one value, and one template serves
any number of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

from numcrc.jit.emit.scalars import I8, I32, I64, Pointer, at, declare, i32, u64


class Vector(types.Type):  # type: ignore[misc]
    """As many registers as hold *size* bytes, each of at most *bits* bits in 64-bit lanes.

    An LLVM array of vectors, not one wide vector: LLVM would hold the latter in the
    widest registers the CPU has, and take them apart for every narrower multiply.
    """

    def __init__(self, size: int, bits: int = 128) -> None:
        self.lanes = min(bits // 64, size // 8)
        self.registers = size // 8 // self.lanes
        self.register = ir.VectorType(I64, self.lanes)
        super().__init__(name=f"Vector({self.registers} x {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.ArrayType(vector.register, vector.registers))


PAIR = Vector(16)
"""128 bits: what one carry-less multiply yields."""


def indices(*lanes: int) -> ir.Constant:
    """Return the constant that tells a shuffle which lanes to take."""
    return ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))


def registers_of(builder: Any, array: Any) -> list[Any]:
    """Return the LLVM vectors that are a vector."""
    return [builder.extract_value(array, k) for k in range(array.type.count)]


def as_array(builder: Any, registers: list[Any]) -> Any:
    """Return the vector that LLVM vectors are."""
    array = ir.Constant(ir.ArrayType(registers[0].type, len(registers)), ir.Undefined)
    for k, register in enumerate(registers):
        array = builder.insert_value(array, register, k)
    return array


def load_vector(vector: Vector, lanes: int = 0) -> Any:
    """Return the unaligned load of a *vector* at (pointer, byte offset).

    With *lanes*, of so many for each register, which fill it again and again.
    """
    loaded_lanes = lanes or vector.lanes
    kind = ir.VectorType(I64, loaded_lanes)
    order = indices(*(lane % loaded_lanes for lane in range(vector.lanes)))

    @intrinsic
    def load(typing: Any, pointer: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            first = builder.gep(args[0], [args[1]])
            registers = []
            for k in range(vector.registers):
                place = at(builder, first, ir.Constant(I64, 8 * loaded_lanes * k), kind)
                register = builder.load(place, align=1)
                if lanes:
                    register = builder.shuffle_vector(register, register, order)
                registers.append(register)
            return as_array(builder, registers)

        return vector(Pointer, types.int64), generate

    return load


def load_end(vector: Vector) -> Any:
    """Return the load of the *n* bytes at a pointer into the end of a *vector*, zeros before.

    No more than *n* bytes are read. Needs masks of bytes (AVX-512), and *n* not above the size.
    """
    size, step = vector.registers * vector.lanes * 8, vector.lanes * 8
    data, mask_type = ir.VectorType(I8, step), ir.VectorType(ir.IntType(1), step)
    bits, name = ir.IntType(step), f"llvm.masked.load.v{step}i8.p0"

    @intrinsic
    def load(typing: Any, pointer: Any, n: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(data, [data.as_pointer(), I32, mask_type, data])
            function, loaded = declare(builder, kind, name), []
            zeros = builder.sub(ir.Constant(I64, size), args[1])
            first = builder.gep(args[0], [builder.neg(zeros)])
            for k in range(vector.registers):
                # Of the zeros, those in this register: some, all or none.
                here = builder.sub(zeros, ir.Constant(I64, k * step))
                none, all_ = (
                    builder.icmp_signed(order, here, ir.Constant(I64, limit))
                    for order, limit in (("<", 0), (">=", step))
                )
                here = builder.select(none, ir.Constant(I64, 0), here)
                amount = builder.trunc(here, bits) if step < 64 else here
                mask = builder.shl(ir.Constant(bits, -1), amount)
                mask = builder.select(all_, ir.Constant(bits, 0), mask)
                place = at(builder, first, ir.Constant(I64, k * step), data)
                masked = [place, i32(1), builder.bitcast(mask, mask_type), ir.Constant(data, None)]
                loaded.append(builder.bitcast(builder.call(function, masked), vector.register))
            return as_array(builder, loaded)

        return vector(Pointer, types.int64), generate

    return load


def load_spread_to_end(vector: Vector) -> Any:
    """Return the same for *n* that leave no register empty (AVX-512 VBMI2).

    The first register's bytes are taken from the pointer on, and spread to its end: a load that
    began before the message would wait 4 ns for what was just stored there, which of a bytes
    object is its count of references.
    """
    step = vector.lanes * 8
    data, mask_type = ir.VectorType(I8, step), ir.VectorType(ir.IntType(1), step)
    name = f"llvm.masked.expandload.v{step}i8"

    @intrinsic
    def load(typing: Any, pointer: Any, n: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(data, [data.as_pointer(), mask_type, data])
            zeros = builder.sub(ir.Constant(I64, vector.registers * step), args[1])
            mask = builder.shl(ir.Constant(ir.IntType(step), -1), zeros)
            spread = [
                at(builder, args[0], ir.Constant(I64, 0), data),
                builder.bitcast(mask, mask_type),
                ir.Constant(data, None),
            ]
            first = builder.call(declare(builder, kind, name), spread)
            loaded = [builder.bitcast(first, vector.register)]
            start = builder.gep(args[0], [builder.neg(zeros)])
            for k in range(1, vector.registers):
                place = at(builder, start, ir.Constant(I64, k * step), vector.register)
                loaded.append(builder.load(place, align=1))
            return as_array(builder, loaded)

        return vector(Pointer, types.int64), generate

    return load


def splat(vector: Vector) -> Any:
    """Return the function that puts a uint64 into every lane of a *vector*."""

    @intrinsic
    def broadcast(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            one = ir.Constant(vector.register, ir.Undefined)
            one = builder.insert_element(one, args[0], i32(0))
            one = builder.shuffle_vector(one, one, indices(*[0] * vector.lanes))
            return as_array(builder, [one] * vector.registers)

        return vector(u64), generate

    return broadcast


def only(vector: Vector, position: int) -> Any:
    """Return the function that puts a uint64 into lane *position*, zeros elsewhere."""

    @intrinsic
    def insert(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            zeros = ir.Constant(vector.register, None)
            first = builder.insert_element(zeros, args[0], i32(position))
            return as_array(builder, [first] + [zeros] * (vector.registers - 1))

        return vector(u64), generate

    return insert


def lane(position: int) -> Any:
    """Return the function that takes lane *position* out of a vector of one register."""

    @intrinsic
    def extract(typing: Any, vector: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.extract_element(builder.extract_value(args[0], 0), i32(position))

        return u64(vector), generate

    return extract


def _registerwise(emit: Any) -> Any:
    """Return the function of two vectors that *emit* computes register by register."""

    @intrinsic
    def function(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            registers = zip(*(registers_of(builder, array) for array in args), strict=True)
            return as_array(builder, [emit(builder, x, y) for x, y in registers])

        return a(a, a), generate

    return function


xor = _registerwise(lambda builder, a, b: builder.xor(a, b))
"""Add two vectors of polynomials. Three-way xors are found by LLVM."""

both = _registerwise(lambda builder, a, b: builder.and_(a, b))
"""Keep the bits that both vectors have."""


@intrinsic
def sum_pairs(typing: Any, vector: Any) -> Any:
    """Add the 128-bit pairs of a vector up."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total, *others = registers_of(builder, args[0])
        for other in others:
            total = builder.xor(total, other)
        while (half := total.type.count // 2) > 1:
            low, high = indices(*range(half)), indices(*range(half, 2 * half))
            parts = (builder.shuffle_vector(total, total, lanes) for lanes in (low, high))
            total = builder.xor(*parts)
        return as_array(builder, [total])

    return PAIR(vector), generate


def _bytewise(emit: Any) -> Any:
    """Return the function of a vector that *emit* computes on each register's bytes."""

    @intrinsic
    def function(typing: Any, vector: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            as_bytes = ir.VectorType(I8, vector.lanes * 8)
            changed = (
                emit(builder, builder.bitcast(register, as_bytes))
                for register in registers_of(builder, args[0])
            )
            return as_array(builder, [builder.bitcast(data, vector.register) for data in changed])

        return vector(vector), generate

    return function


def _reverse_sixteens(builder: Any, data: Any) -> Any:
    starts = range(0, data.type.count, 16)
    order = indices(*(start + k for start in starts for k in range(15, -1, -1)))
    return builder.shuffle_vector(data, data, order)


def _reverse_bits(builder: Any, data: Any) -> Any:
    name = f"llvm.bitreverse.v{data.type.count}i8"
    return builder.call(declare(builder, ir.FunctionType(data.type, [data.type]), name), [data])


reverse_pairs = _bytewise(_reverse_sixteens)
"""Reverse the 16 bytes of each 128-bit pair."""

mirror_bytes = _bytewise(_reverse_bits)
"""Reverse the bits of each byte: one instruction with GFNI and on AArch64, else many."""


def clmul(arch: str, a_lane: int, b_lane: int) -> Any:
    """Return the carry-less product of lane *a_lane* of *a* with *b_lane* of *b*, pair by pair."""
    emit = _pmull if arch == "aarch64" else pclmulqdq
    return _registerwise(lambda builder, a, b: emit(builder, a, b, a_lane, b_lane))


def pclmulqdq(builder: Any, a: Any, b: Any, a_lane: int, b_lane: int) -> Any:
    """Emit the product for one register of x86-64."""
    name = "llvm.x86.pclmulqdq" + {2: "", 4: ".256", 8: ".512"}[a.type.count]
    function = declare(builder, ir.FunctionType(a.type, [a.type, a.type, I8]), name)
    return builder.call(function, [a, b, ir.Constant(I8, a_lane | b_lane << 4)])


def _pmull(builder: Any, a: Any, b: Any, a_lane: int, b_lane: int) -> Any:
    result = ir.VectorType(I8, 16)
    name = "llvm.aarch64.neon.pmull64"
    function = declare(builder, ir.FunctionType(result, [I64, I64]), name)
    x = builder.extract_element(a, i32(a_lane))
    y = builder.extract_element(b, i32(b_lane))
    return builder.bitcast(builder.call(function, [x, y]), a.type)
