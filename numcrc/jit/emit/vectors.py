"""Emit operations on vectors: loads, shuffles, sums and carry-less products.

A vector is a Numba type whose data model is an array of LLVM vectors of 64-bit lanes,
one a register: a block of several accumulators is one value, and one template serves
any number of them.
"""

from __future__ import annotations

from functools import reduce

from llvmlite import ir
from numba.core import types
from numba.extending import models, register_model

from numcrc.jit.emit.scalars import I8, I32, I64, Pointer, at, const32, declare, emits, i64, u64


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
    def __init__(self, manager, vector: Vector) -> None:
        super().__init__(manager, vector, ir.ArrayType(vector.register, vector.registers))


PAIR = Vector(16)
"""128 bits, the product of one carry-less multiply."""


def indices(*lanes: int):
    """Return the constant by which a shuffle takes *lanes*."""
    return ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))


def registers_of(builder, vector):
    """Return a vector's registers, LLVM vectors."""
    return [builder.extract_value(vector, k) for k in range(vector.type.count)]


def vector_of(builder, registers):
    """Return the vector of these registers."""
    array = ir.Constant(ir.ArrayType(registers[0].type, len(registers)), ir.Undefined)
    for k, register in enumerate(registers):
        array = builder.insert_value(array, register, k)
    return array


def load_vector(vector: Vector, lanes: int = 0):
    """Return ``load(pointer, offset)``: the *vector* at that byte offset, unaligned.

    With *lanes*, only so many are loaded for each register, and repeated to fill it.
    """
    loaded_lanes = lanes or vector.lanes
    kind = ir.VectorType(I64, loaded_lanes)
    order = indices(*(lane % loaded_lanes for lane in range(vector.lanes)))

    @emits(vector, Pointer, i64)
    def load(builder, pointer, offset):
        first = builder.gep(pointer, [offset])
        registers = []
        for k in range(vector.registers):
            place = at(builder, first, ir.Constant(I64, 8 * loaded_lanes * k), kind)
            register = builder.load(place, align=1)
            if lanes:
                register = builder.shuffle_vector(register, register, order)
            registers.append(register)
        return vector_of(builder, registers)

    return load


def load_end(vector: Vector):
    """Return ``load(pointer, n)``: the n bytes at *pointer* in the end of a *vector*, zeros before.

    No more than n bytes are read. Needs masks of bytes (AVX-512), and n not above the size.
    """
    size, step = vector.registers * vector.lanes * 8, vector.lanes * 8
    data, mask_type = ir.VectorType(I8, step), ir.VectorType(ir.IntType(1), step)
    bits, name = ir.IntType(step), f"llvm.masked.load.v{step}i8.p0"

    @emits(vector, Pointer, i64)
    def load(builder, pointer, n):
        function_type = ir.FunctionType(data, [data.as_pointer(), I32, mask_type, data])
        function, loaded = declare(builder, function_type, name), []
        zeros = builder.sub(ir.Constant(I64, size), n)
        first = builder.gep(pointer, [builder.neg(zeros)])
        for k in range(vector.registers):
            # Of the zeros, those in this register: some, all or none.
            here = builder.sub(zeros, ir.Constant(I64, k * step))
            none = builder.icmp_signed("<", here, ir.Constant(I64, 0))
            all_ = builder.icmp_signed(">=", here, ir.Constant(I64, step))
            here = builder.select(none, ir.Constant(I64, 0), here)
            amount = builder.trunc(here, bits) if step < 64 else here
            mask = builder.shl(ir.Constant(bits, -1), amount)
            mask = builder.select(all_, ir.Constant(bits, 0), mask)
            place = at(builder, first, ir.Constant(I64, k * step), data)
            masked = [place, const32(1), builder.bitcast(mask, mask_type), ir.Constant(data, None)]
            loaded.append(builder.bitcast(builder.call(function, masked), vector.register))
        return vector_of(builder, loaded)

    return load


def load_spread_to_end(vector: Vector):
    """Return `load_end` for n bytes that leave no register empty (AVX-512 VBMI2).

    The first register's bytes are taken from *pointer* on, and expanded to its end: a load
    that began before the message would stall 4 ns on store forwarding, as the reference count
    of a bytes object was just written there.
    """
    step = vector.lanes * 8
    data, mask_type = ir.VectorType(I8, step), ir.VectorType(ir.IntType(1), step)
    name = f"llvm.masked.expandload.v{step}i8"

    @emits(vector, Pointer, i64)
    def load(builder, pointer, n):
        function_type = ir.FunctionType(data, [data.as_pointer(), mask_type, data])
        zeros = builder.sub(ir.Constant(I64, vector.registers * step), n)
        mask = builder.shl(ir.Constant(ir.IntType(step), -1), zeros)
        spread = [
            at(builder, pointer, ir.Constant(I64, 0), data),
            builder.bitcast(mask, mask_type),
            ir.Constant(data, None),
        ]
        first = builder.call(declare(builder, function_type, name), spread)
        loaded = [builder.bitcast(first, vector.register)]
        start = builder.gep(pointer, [builder.neg(zeros)])
        for k in range(1, vector.registers):
            place = at(builder, start, ir.Constant(I64, k * step), vector.register)
            loaded.append(builder.load(place, align=1))
        return vector_of(builder, loaded)

    return load


def splat(vector: Vector):
    """Return the function that puts a uint64 into every lane of a *vector*."""

    @emits(vector, u64)
    def broadcast(builder, value):
        one = ir.Constant(vector.register, ir.Undefined)
        one = builder.insert_element(one, value, const32(0))
        one = builder.shuffle_vector(one, one, indices(*[0] * vector.lanes))
        return vector_of(builder, [one] * vector.registers)

    return broadcast


def only(vector: Vector, position: int):
    """Return the function that puts a uint64 into lane *position*, zeros elsewhere."""

    @emits(vector, u64)
    def insert(builder, value):
        zeros = ir.Constant(vector.register, None)
        first = builder.insert_element(zeros, value, const32(position))
        return vector_of(builder, [first] + [zeros] * (vector.registers - 1))

    return insert


def lane(position: int):
    """Return the function that takes lane *position* out of a vector of one register."""

    @emits(lambda vector: u64)
    def extract(builder, vector):
        return builder.extract_element(builder.extract_value(vector, 0), const32(position))

    return extract


def _registerwise(emit):
    """Return the function of two vectors that *emit* computes register by register."""

    @emits(lambda a, b: a)
    def function(builder, a, b):
        registers = zip(registers_of(builder, a), registers_of(builder, b), strict=True)
        return vector_of(builder, [emit(builder, x, y) for x, y in registers])

    return function


xor = _registerwise(lambda builder, a, b: builder.xor(a, b))
"""Add two vectors of polynomials. LLVM finds three-way xors."""

and_ = _registerwise(lambda builder, a, b: builder.and_(a, b))
"""Keep the bits that both vectors have."""


@emits(lambda vector: PAIR)
def sum_pairs(builder, vector):
    """Add up the 128-bit pairs of a vector."""
    total = reduce(builder.xor, registers_of(builder, vector))
    while (half := total.type.count // 2) > 1:
        low, high = indices(*range(half)), indices(*range(half, 2 * half))
        parts = (builder.shuffle_vector(total, total, lanes) for lanes in (low, high))
        total = builder.xor(*parts)
    return vector_of(builder, [total])


def _bytewise(emit):
    """Return the function of a vector that *emit* computes on each register's bytes."""

    @emits(lambda vector: vector)
    def function(builder, vector):
        registers = registers_of(builder, vector)
        kind = registers[0].type
        as_bytes = ir.VectorType(I8, kind.count * 8)
        changed = (emit(builder, builder.bitcast(register, as_bytes)) for register in registers)
        return vector_of(builder, [builder.bitcast(data, kind) for data in changed])

    return function


def _reverse_sixteens(builder, data):
    starts = range(0, data.type.count, 16)
    order = indices(*(start + k for start in starts for k in range(15, -1, -1)))
    return builder.shuffle_vector(data, data, order)


def _reverse_bits(builder, data):
    name = f"llvm.bitreverse.v{data.type.count}i8"
    return builder.call(declare(builder, ir.FunctionType(data.type, [data.type]), name), [data])


reverse_pairs = _bytewise(_reverse_sixteens)
"""Reverse the 16 bytes of each 128-bit pair."""

mirror_bytes = _bytewise(_reverse_bits)
"""Reverse the bits of each byte: one instruction with GFNI and on AArch64, else many."""


def clmul(arch: str, a_lane: int, b_lane: int):
    """Return ``multiply(a, b)``: the carry-less product of two lanes, pair by pair.

    *a_lane* and *b_lane*, 0 or 1, say which lane of each pair of *a* and of *b*.
    """
    emit = {"x86_64": pclmulqdq, "aarch64": _pmull}[arch]
    return _registerwise(lambda builder, a, b: emit(builder, a, b, a_lane, b_lane))


def pclmulqdq(builder, a, b, a_lane: int, b_lane: int):
    """Emit the product for one register of x86-64."""
    name = "llvm.x86.pclmulqdq" + {2: "", 4: ".256", 8: ".512"}[a.type.count]
    function = declare(builder, ir.FunctionType(a.type, [a.type, a.type, I8]), name)
    return builder.call(function, [a, b, ir.Constant(I8, a_lane | b_lane << 4)])


def _pmull(builder, a, b, a_lane: int, b_lane: int):
    result = ir.VectorType(I8, 16)
    name = "llvm.aarch64.neon.pmull64"
    function = declare(builder, ir.FunctionType(result, [I64, I64]), name)
    x = builder.extract_element(a, const32(a_lane))
    y = builder.extract_element(b, const32(b_lane))
    return builder.bitcast(builder.call(function, [x, y]), a.type)
