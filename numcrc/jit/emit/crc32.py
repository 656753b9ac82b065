"""The vocabulary kernels are written in: the CPU's own CRC-32 instruction."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from numcrc.jit.emit.scalars import I32, I64, Pointer, at, declare, u64


def _crc32(arch: str, castagnoli: bool) -> Any:
    """Return what emits the CPU instruction that takes 8 bytes into a reflected 32-bit register.

    x86-64 has it for CRC-32C (Castagnoli's polynomial), AArch64 for CRC-32 also.
    """
    name, width = {
        ("x86_64", True): ("llvm.x86.sse42.crc32.64.64", I64),
        ("aarch64", True): ("llvm.aarch64.crc32cx", I32),
        ("aarch64", False): ("llvm.aarch64.crc32x", I32),
    }[arch, castagnoli]

    def emit(builder: Any, register: Any, word: Any) -> Any:
        function = declare(builder, ir.FunctionType(width, [width, I64]), name)
        if width is I32:
            register = builder.trunc(register, I32)
        result = builder.call(function, [register, word])
        return builder.zext(result, I64) if width is I32 else result

    return emit


def crc32_word(arch: str, castagnoli: bool) -> Any:
    """Return the instruction as a function of the register and the 8 bytes, uint64 both."""
    emit = _crc32(arch, castagnoli)

    @intrinsic
    def step(typing: Any, register: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return emit(builder, *args)

        return u64(u64, u64), generate

    return step


def streams_state(count: int) -> Any:
    """Return the function of a register that gives *count* of them, that one and zeros."""

    @intrinsic
    def start(typing: Any, register: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            zeros = ir.Constant(ir.ArrayType(I64, count), None)
            return builder.insert_value(zeros, args[0], 0)

        return types.UniTuple(u64, count)(u64), generate

    return start


def crc32_streams(arch: str, castagnoli: bool, length: int, words: int) -> Any:
    """Return the function that takes *words* words into each register of a tuple.

    Those of the first are at (pointer, byte offset), of each next *length* bytes on.
    """
    emit = _crc32(arch, castagnoli)

    @intrinsic
    def take(typing: Any, registers: Any, pointer: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            state, first = args[0], builder.gep(args[1], [args[2]])
            for word in range(words):
                for stream in range(registers.count):
                    place = at(builder, first, ir.Constant(I64, length * stream + 8 * word), I64)
                    taken = builder.load(place, align=1)
                    register = emit(builder, builder.extract_value(state, stream), taken)
                    state = builder.insert_value(state, register, stream)
            return state

        return registers(registers, Pointer, types.int64), generate

    return take
