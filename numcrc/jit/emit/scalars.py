"""Emit loads, stores, pointers and integer operations, and make intrinsics of them.

Addresses are made by pointer and GEP, never by integer arithmetic, which LLVM treats as
having no provenance. Polynomials are unsigned 64-bit integers throughout; a constant in
a kernel is cast to one, since Numba takes ``uint64 ^ int64`` for signed.
"""

from __future__ import annotations

from functools import wraps

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

Pointer = types.voidptr
i32, i64, u64 = types.int32, types.int64, types.uint64

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


def const32(value: int) -> ir.Constant:
    """Return an LLVM constant of 32 bits."""
    return ir.Constant(I32, value)


def at(builder, pointer, offset, llvm_type):
    """Return the pointer to a value of *llvm_type* at (pointer, byte offset)."""
    return builder.bitcast(builder.gep(pointer, [offset]), llvm_type.as_pointer())


def emits(result, *arguments):
    """Make ``emit(builder, *values) -> value`` callable in kernels, an intrinsic of Numba's.

    *result* and *arguments* are the types of its signature. *result* may instead be a function
    of the types it is called with, which are the arguments' types then.
    """

    def decorate(emit):
        @wraps(emit)  # Numba counts parameters by its signature
        def definition(typing, *given):
            def generate(context, builder, signature, values):
                value = emit(builder, *values)
                return context.get_dummy_value() if value is None else value

            if isinstance(result, types.Type):
                return result(*arguments), generate
            return result(*given)(*given), generate

        return intrinsic(definition)

    return decorate


def _scalar_load(bits):
    @emits(u64, Pointer, i64)
    def load(builder, pointer, offset):
        value = builder.load(at(builder, pointer, offset, ir.IntType(bits)), align=1)
        return value if bits == 64 else builder.zext(value, I64)

    return load


load8, load16, load32, load64 = map(_scalar_load, (8, 16, 32, 64))
"""Load an unaligned little-endian integer at (pointer, byte offset), as uint64."""


def _scalar_store(bits):
    @emits(types.void, Pointer, i64, u64)
    def store(builder, pointer, offset, value):
        integer = ir.IntType(bits)
        value = value if bits == 64 else builder.trunc(value, integer)
        builder.store(value, at(builder, pointer, offset, integer), align=1)

    return store


store8, store16, store32, store64 = map(_scalar_store, (8, 16, 32, 64))
"""Store the low bits of a uint64, unaligned, at (pointer, byte offset)."""


@emits(types.void, Pointer, i64, Pointer)
def store_pointer(builder, pointer, offset, value):
    """Store a pointer at (pointer, byte offset)."""
    builder.store(value, at(builder, pointer, offset, I8.as_pointer()), align=1)


@emits(i64, Pointer, i64)
def atomic_add(builder, pointer, value):
    """Add to the aligned int64 at *pointer*, atomically, and return its value before."""
    place = builder.bitcast(pointer, I64.as_pointer())
    return builder.atomic_rmw("add", place, value, "monotonic")


@emits(Pointer, Pointer, i64)
def load_pointer(builder, pointer, offset):
    """Load a pointer at (pointer, byte offset)."""
    return builder.load(at(builder, pointer, offset, I8.as_pointer()), align=1)


@emits(Pointer, Pointer, i64)
def advance(builder, pointer, offset):
    """Return the pointer *offset* bytes on."""
    return builder.gep(pointer, [offset])


@emits(u64, Pointer)
def address(builder, pointer):
    """Return a pointer's address, to compare and never to load from."""
    return builder.ptrtoint(pointer, I64)


@emits(Pointer)
def null(builder):
    """Return the null pointer."""
    return ir.Constant(I8.as_pointer(), None)


@emits(types.boolean, Pointer)
def is_null(builder, pointer):
    """Whether *pointer* is the null pointer."""
    return builder.icmp_unsigned("==", pointer, ir.Constant(I8.as_pointer(), None))


LINE = 64
"""Bytes of a cache line."""


@emits(types.void, Pointer, i64)
def prefetch(builder, pointer, offset):
    """Ask for the cache line at (pointer, byte offset), which may lie outside the message."""
    function_type = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
    function = declare(builder, function_type, "llvm.prefetch.p0")
    read, into_every_level, data = const32(0), const32(3), const32(1)
    builder.call(function, [builder.gep(pointer, [offset]), read, into_every_level, data])


def stack(size):
    """Return a function that gives a pointer to *size* bytes of the caller's stack frame."""

    @emits(Pointer)
    def allocate(builder):
        with builder.goto_entry_block():  # cgutils.alloca_once would also clear the area
            area = builder.alloca(ir.ArrayType(I64, -(-size // 8)))
        return builder.bitcast(area, I8.as_pointer())

    return allocate


def _unary(name):
    @emits(u64, u64)
    def function(builder, value):
        return builder.call(
            declare(builder, ir.FunctionType(I64, [I64]), f"llvm.{name}.i64"), [value]
        )

    return function


swap_bytes = _unary("bswap")
"""Reverse the bytes of a uint64."""

reverse_bits = _unary("bitreverse")
"""Reverse the bits of a uint64."""

count_ones = _unary("ctpop")
"""Count the ones of a uint64."""


def declare(builder, function_type, name: str):
    """Return the external function or LLVM intrinsic called *name*."""
    return cgutils.get_or_insert_function(builder.module, function_type, name)
