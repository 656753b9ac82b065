"""The vocabulary kernels are written in: vectors, unaligned loads, carry-less multiplies.

A vector is a Numba type whose data model is an array of LLVM vectors of 64-bit lanes,
one a register: a block of several accumulators is one value, and one template serves
any number of them. Only this file writes LLVM IR for kernels.

Addresses are made by pointer and GEP, never by integer arithmetic, which LLVM treats as
having no provenance. Polynomials are unsigned 64-bit integers throughout.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic, models, register_model

Pointer = types.voidptr
u64 = types.uint64

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


def inline(function: Any) -> Any:
    """Make a Python function part of every kernel that calls it.

    Inlined as Numba IR, so a kernel is one function and Numba generates no machine code
    for its parts. Made directly, not by ``njit``, which ``NUMBA_DISABLE_JIT`` disables;
    ``error_model="numpy"`` because a kernel has no way to raise, nor a need to.
    """
    options = {"nopython": True, "boundscheck": False, "error_model": "numpy", "inline": "always"}
    return CPUDispatcher(function, targetoptions=options)


class Vector(types.Type):
    """As many registers as hold *size* bytes, each of at most *bits* bits in 64-bit lanes.

    An LLVM array of vectors, not one wide vector: LLVM would hold the latter in the
    widest registers the CPU has, and take them apart for every narrower multiply.
    """

    def __init__(self, size: int, bits: int = 128) -> None:
        self.lanes = min(bits // 64, size // 8)
        self.registers = size // 8 // self.lanes
        self.register = ir.VectorType(_I64, self.lanes)
        super().__init__(name=f"Vector({self.registers} x {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.ArrayType(vector.register, vector.registers))


PAIR = Vector(16)
"""128 bits: what one carry-less multiply yields."""


def _index(*lanes: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(_I32, len(lanes)), list(lanes))


def _i32(value: int) -> ir.Constant:
    return ir.Constant(_I32, value)


def _at(builder: Any, pointer: Any, offset: Any, llvm_type: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [offset]), llvm_type.as_pointer())


# Memory and addresses


def _scalar_load(bits: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def load(typing: Any, pointer: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = builder.load(_at(builder, *args, ir.IntType(bits)), align=1)
            return value if bits == 64 else builder.zext(value, _I64)

        return u64(Pointer, types.int64), generate

    return load


load8, load16, load32, load64 = map(_scalar_load, (8, 16, 32, 64))
"""Load an unaligned little-endian integer at (pointer, byte offset), as uint64."""


@intrinsic  # type: ignore[untyped-decorator]
def store64(typing: Any, pointer: Any, offset: Any, value: Any) -> Any:
    """Store a uint64, unaligned, at (pointer, byte offset)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _at(builder, args[0], args[1], _I64), align=1)
        return context.get_dummy_value()

    return types.void(Pointer, types.int64, u64), generate


@intrinsic  # type: ignore[untyped-decorator]
def load_pointer(typing: Any, pointer: Any, offset: Any) -> Any:
    """Load a pointer at (pointer, byte offset)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_at(builder, *args, _I8.as_pointer()), align=1)

    return Pointer(Pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def advance(typing: Any, pointer: Any, offset: Any) -> Any:
    """Return the pointer *offset* bytes on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return Pointer(Pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def address(typing: Any, pointer: Any) -> Any:
    """Return a pointer's address, to compare and never to load from."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], _I64)

    return u64(Pointer), generate


@intrinsic  # type: ignore[untyped-decorator]
def null(typing: Any) -> Any:
    """Return the null pointer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(_I8.as_pointer(), None)

    return Pointer(), generate


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing: Any, pointer: Any, offset: Any) -> Any:
    """Ask for the cache line at (pointer, byte offset), which may lie outside the message."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function_type = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
        function = _declare(builder, function_type, "llvm.prefetch.p0")
        read, into_every_level, data = _i32(0), _i32(3), _i32(1)
        line = builder.gep(args[0], [args[1]])
        builder.call(function, [line, read, into_every_level, data])
        return context.get_dummy_value()

    return types.void(Pointer, types.int64), generate


def stack(size: int) -> Any:
    """Return a function that gives a pointer to *size* bytes of the caller's stack frame."""

    @intrinsic  # type: ignore[untyped-decorator]
    def allocate(typing: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            area = cgutils.alloca_once(builder, ir.ArrayType(_I64, -(-size // 8)))
            return builder.bitcast(area, _I8.as_pointer())

        return Pointer(), generate

    return allocate


# Scalars


def _unary(name: str) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def function(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            function_type = ir.FunctionType(_I64, [_I64])
            return builder.call(_declare(builder, function_type, f"llvm.{name}.i64"), args)

        return u64(u64), generate

    return function


swap_bytes = _unary("bswap")
"""Reverse the bytes of a uint64."""

reverse_bits = _unary("bitreverse")
"""Reverse the bits of a uint64."""


def _declare(builder: Any, function_type: Any, name: str) -> Any:
    return cgutils.get_or_insert_function(builder.module, function_type, name)


def crc32_word(arch: str, castagnoli: bool) -> Any:
    """Return the CPU instruction that takes 8 bytes into a reflected 32-bit register.

    x86-64 has it for CRC-32C (Castagnoli's polynomial), AArch64 for CRC-32 also.
    """
    name, width = {
        ("x86_64", True): ("llvm.x86.sse42.crc32.64.64", _I64),
        ("aarch64", True): ("llvm.aarch64.crc32cx", _I32),
        ("aarch64", False): ("llvm.aarch64.crc32x", _I32),
    }[arch, castagnoli]

    @intrinsic  # type: ignore[untyped-decorator]
    def step(typing: Any, register: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            function = _declare(builder, ir.FunctionType(width, [width, _I64]), name)
            register, word = args
            if width is _I32:
                register = builder.trunc(register, _I32)
            result = builder.call(function, [register, word])
            return builder.zext(result, _I64) if width is _I32 else result

        return u64(u64, u64), generate

    return step


# Vectors


def _registers(builder: Any, array: Any) -> list[Any]:
    return [builder.extract_value(array, k) for k in range(array.type.count)]


def _array(builder: Any, registers: list[Any]) -> Any:
    array = ir.Constant(ir.ArrayType(registers[0].type, len(registers)), ir.Undefined)
    for k, register in enumerate(registers):
        array = builder.insert_value(array, register, k)
    return array


def load_vector(vector: Vector) -> Any:
    """Return the unaligned load of a *vector* at (pointer, byte offset)."""

    @intrinsic  # type: ignore[untyped-decorator]
    def load(typing: Any, pointer: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = builder.gep(args[0], [args[1]])
            loaded = []
            for k in range(vector.registers):
                place = _at(builder, start, ir.Constant(_I64, k * vector.lanes * 8), vector.register)
                loaded.append(builder.load(place, align=1))
            return _array(builder, loaded)

        return vector(Pointer, types.int64), generate

    return load


def splat(vector: Vector) -> Any:
    """Return the function that puts a uint64 into every lane of a *vector*."""

    @intrinsic  # type: ignore[untyped-decorator]
    def broadcast(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            one = ir.Constant(vector.register, ir.Undefined)
            one = builder.insert_element(one, args[0], _i32(0))
            one = builder.shuffle_vector(one, one, _index(*[0] * vector.lanes))
            return _array(builder, [one] * vector.registers)

        return vector(u64), generate

    return broadcast


def only(vector: Vector, position: int) -> Any:
    """Return the function that puts a uint64 into lane *position*, zeros elsewhere."""

    @intrinsic  # type: ignore[untyped-decorator]
    def insert(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            zeros = ir.Constant(vector.register, None)
            first = builder.insert_element(zeros, args[0], _i32(position))
            return _array(builder, [first] + [zeros] * (vector.registers - 1))

        return vector(u64), generate

    return insert


def lane(position: int) -> Any:
    """Return the function that takes lane *position* out of a pair."""

    @intrinsic  # type: ignore[untyped-decorator]
    def extract(typing: Any, pair: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.extract_element(builder.extract_value(args[0], 0), _i32(position))

        return u64(PAIR), generate

    return extract


def _registerwise(emit: Any) -> Any:
    """Return the function of two vectors that *emit* computes register by register."""

    @intrinsic  # type: ignore[untyped-decorator]
    def function(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            registers = zip(*(_registers(builder, array) for array in args), strict=True)
            return _array(builder, [emit(builder, x, y) for x, y in registers])

        return a(a, a), generate

    return function


xor = _registerwise(lambda builder, a, b: builder.xor(a, b))
"""Add two vectors of polynomials. Three-way xors are found by LLVM."""

both = _registerwise(lambda builder, a, b: builder.and_(a, b))
"""Keep the bits that both vectors have."""


@intrinsic  # type: ignore[untyped-decorator]
def sum_pairs(typing: Any, vector: Any) -> Any:
    """Add the 128-bit pairs of a vector up."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total, *others = _registers(builder, args[0])
        for other in others:
            total = builder.xor(total, other)
        while (half := total.type.count // 2) > 1:
            low, high = _index(*range(half)), _index(*range(half, 2 * half))
            parts = (builder.shuffle_vector(total, total, lanes) for lanes in (low, high))
            total = builder.xor(*parts)
        return _array(builder, [total])

    return PAIR(vector), generate


@intrinsic  # type: ignore[untyped-decorator]
def reverse_pairs(typing: Any, vector: Any) -> Any:
    """Reverse the 16 bytes of each 128-bit pair."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = vector.lanes * 8
        order = _index(*(start + k for start in range(0, count, 16) for k in range(15, -1, -1)))
        reversed_ = []
        for register in _registers(builder, args[0]):
            data = builder.bitcast(register, ir.VectorType(_I8, count))
            data = builder.shuffle_vector(data, data, order)
            reversed_.append(builder.bitcast(data, register.type))
        return _array(builder, reversed_)

    return vector(vector), generate


def clmul(arch: str, a_lane: int, b_lane: int) -> Any:
    """Return the carry-less product of lane *a_lane* of *a* with *b_lane* of *b*, pair by pair."""
    emit = _pmull if arch == "aarch64" else _pclmulqdq
    return _registerwise(lambda builder, a, b: emit(builder, a, b, a_lane, b_lane))


def _pclmulqdq(builder: Any, a: Any, b: Any, a_lane: int, b_lane: int) -> Any:
    name = "llvm.x86.pclmulqdq" + {2: "", 4: ".256", 8: ".512"}[a.type.count]
    function = _declare(builder, ir.FunctionType(a.type, [a.type, a.type, _I8]), name)
    return builder.call(function, [a, b, ir.Constant(_I8, a_lane | b_lane << 4)])


def _pmull(builder: Any, a: Any, b: Any, a_lane: int, b_lane: int) -> Any:
    result = ir.VectorType(_I8, 16)
    name = "llvm.aarch64.neon.pmull64"
    function = _declare(builder, ir.FunctionType(result, [_I64, _I64]), name)
    x = builder.extract_element(a, _i32(a_lane))
    y = builder.extract_element(b, _i32(b_lane))
    return builder.bitcast(builder.call(function, [x, y]), a.type)
