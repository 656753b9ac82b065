"""The vocabulary kernels are written in: vectors, unaligned loads, carry-less multiplies.

A vector is a Numba type whose data model is an LLVM vector of 64-bit lanes. It may be
wider than a register: LLVM splits it, so a block of several accumulators is one value
and one template serves any number of them. Only this file writes LLVM IR for kernels.

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
    """A vector of 64-bit lanes."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Vector({lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(_I64, vector.lanes))


PAIR = Vector(2)
"""A 128-bit vector: what one carry-less multiply yields."""


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


def load_vector(lanes: int) -> Any:
    """Return the unaligned load of a vector of *lanes* at (pointer, byte offset)."""

    @intrinsic  # type: ignore[untyped-decorator]
    def load(typing: Any, pointer: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load(_at(builder, *args, ir.VectorType(_I64, lanes)), align=1)

        return Vector(lanes)(Pointer, types.int64), generate

    return load


def splat(lanes: int) -> Any:
    """Return the function that puts a uint64 into every one of *lanes*."""

    @intrinsic  # type: ignore[untyped-decorator]
    def broadcast(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            vector = ir.Constant(ir.VectorType(_I64, lanes), ir.Undefined)
            vector = builder.insert_element(vector, args[0], _i32(0))
            return builder.shuffle_vector(vector, vector, _index(*[0] * lanes))

        return Vector(lanes)(u64), generate

    return broadcast


def only(lanes: int, position: int) -> Any:
    """Return the function that puts a uint64 into lane *position*, zeros elsewhere."""

    @intrinsic  # type: ignore[untyped-decorator]
    def insert(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            zeros = ir.Constant(ir.VectorType(_I64, lanes), None)
            return builder.insert_element(zeros, args[0], _i32(position))

        return Vector(lanes)(u64), generate

    return insert


def lane(position: int) -> Any:
    """Return the function that takes lane *position* out of a vector."""

    @intrinsic  # type: ignore[untyped-decorator]
    def extract(typing: Any, vector: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.extract_element(args[0], _i32(position))

        return u64(vector), generate

    return extract


def _elementwise(operation: str) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def function(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, operation)(*args)

        return a(a, a), generate

    return function


xor = _elementwise("xor")
"""Add two vectors of polynomials. Three-way xors are found by LLVM."""

both = _elementwise("and_")
"""Keep the bits that both vectors have."""


def _split(builder: Any, vector: Any, width: int) -> list[Any]:
    """Return *vector* in pieces of *width* elements."""
    count = vector.type.count
    return [
        builder.shuffle_vector(vector, vector, _index(*range(start, start + width)))
        for start in range(0, count, width)
    ]


def _join(builder: Any, pieces: list[Any]) -> Any:
    """Return the vector of equal *pieces*, a power of two of them."""
    while len(pieces) > 1:
        whole = _index(*range(2 * pieces[0].type.count))
        pairs = zip(pieces[::2], pieces[1::2], strict=True)
        pieces = [builder.shuffle_vector(low, high, whole) for low, high in pairs]
    return pieces[0]


@intrinsic  # type: ignore[untyped-decorator]
def sum_pairs(typing: Any, vector: Any) -> Any:
    """Add the 128-bit pairs of a vector up."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (total,) = args
        while (count := total.type.count) > 2:
            total = builder.xor(*_split(builder, total, count // 2))
        return total

    return PAIR(vector), generate


@intrinsic  # type: ignore[untyped-decorator]
def reverse_pairs(typing: Any, vector: Any) -> Any:
    """Reverse the 16 bytes of each 128-bit pair."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = vector.lanes * 8
        data = builder.bitcast(args[0], ir.VectorType(_I8, count))
        order = [start + k for start in range(0, count, 16) for k in range(15, -1, -1)]
        data = builder.shuffle_vector(data, data, _index(*order))
        return builder.bitcast(data, args[0].type)

    return vector(vector), generate


def clmul(arch: str, bits: int, a_lane: int, b_lane: int) -> Any:
    """Return the carry-less product of lane *a_lane* of *a* with *b_lane* of *b*, pair by pair.

    *bits* is the width of the instruction: 128, 256 or 512 on x86-64, 128 on AArch64.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def product(typing: Any, a: Any, b: Any) -> Any:
        native = min(bits // 64, a.lanes)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = _pmull if arch == "aarch64" else _pclmulqdq
            pieces = zip(*(_split(builder, vector, native) for vector in args), strict=True)
            return _join(builder, [emit(builder, x, y, a_lane, b_lane) for x, y in pieces])

        return a(a, a), generate

    return product


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
