"""Emit the CPU's own CRC-32 instruction."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from numcrc.jit.emit.scalars import I32, I64, at, declare, emits, u64


def _instruction(arch: str, castagnoli: bool):
    """Return ``emit(builder, crc, word)``, which takes 8 bytes into a reflected 32-bit CRC.

    x86-64 has the instruction for CRC-32C (Castagnoli's polynomial), AArch64 for CRC-32 too.
    """
    name, integer = {
        ("x86_64", True): ("llvm.x86.sse42.crc32.64.64", I64),
        ("aarch64", True): ("llvm.aarch64.crc32cx", I32),
        ("aarch64", False): ("llvm.aarch64.crc32x", I32),
    }[arch, castagnoli]

    def emit(builder, crc, word):
        function = declare(builder, ir.FunctionType(integer, [integer, I64]), name)
        if integer is I32:
            crc = builder.trunc(crc, I32)
        result = builder.call(function, [crc, word])
        return builder.zext(result, I64) if integer is I32 else result

    return emit


def crc32_word(arch: str, castagnoli: bool):
    """Return the instruction as ``step(crc, word) -> crc``, all uint64."""
    return emits(u64, u64, u64)(_instruction(arch, castagnoli))


def streams_state(count: int):
    """Return ``start(crc)``, a tuple of *count* CRCs: the given one, then zeros."""

    @emits(types.UniTuple(u64, count), u64)
    def start(builder, crc):
        zeros = ir.Constant(ir.ArrayType(I64, count), None)
        return builder.insert_value(zeros, crc, 0)

    return start


def crc32_streams(arch: str, castagnoli: bool, length: int, words: int):
    """Return ``take(crcs, pointer, offset) -> crcs``: *words* words into each CRC of a tuple.

    The first stream's words are at (pointer, byte offset), each next stream's *length* bytes on.
    """
    instruction = _instruction(arch, castagnoli)

    @emits(lambda crcs, pointer, offset: crcs)
    def take(builder, crcs, pointer, offset):
        first = builder.gep(pointer, [offset])
        for word in range(words):
            for stream in range(crcs.type.count):
                place = at(builder, first, ir.Constant(I64, length * stream + 8 * word), I64)
                data = builder.load(place, align=1)
                crc = instruction(builder, builder.extract_value(crcs, stream), data)
                crcs = builder.insert_value(crcs, crc, stream)
        return crcs

    return take
