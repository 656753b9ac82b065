"""Compute in Python what builtins compute, where the system runs no machine code of ours.

CRC-32 is computed by zlib, all others by their definition: a million times slower, and right.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Callable
from typing import Any

from numcrc.crc import reference
from numcrc.crc.model import Model
from numcrc.jit import constants
from numcrc.jit.builtins.abi import Work
from numcrc.jit.linker import NoMachineCodeError
from numcrc.jit.plan import COLLECT, JOIN, RELEASE, ZEROS, ZEROS_MANY, Plan

_ZLIB = Model(32, 0x04C11DB7, 0xFFFFFFFF, refin=True, refout=True, xorout=0xFFFFFFFF)
_UNSIGNED = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}


def builtin(model: Model, plan: Plan, fallback: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return a function that returns what *plan*'s builtin for *model* does."""
    if plan == ZEROS or (fallback is not None and not hasattr(fallback, "__self__")):
        assert fallback is not None
        return fallback  # of general_zeros, or a drop-in function, which calls an algorithm
    if plan in _OF_MODELS:
        return _OF_MODELS[plan](model)
    if plan.family == "wide":
        return _wide(model)
    return _run(model) if plan.form == "records" else _call(model, fallback)


def tool(plan: Plan) -> Callable[..., int]:
    """Return a function that does what *plan*'s builtin may do, which is nothing."""
    found = {COLLECT: lambda *arguments: arguments[-1], RELEASE: lambda views: 0}.get(plan)
    if found is None:
        raise NoMachineCodeError(f"cannot compute {plan.name}: no machine code can be made here")
    return found


def _crc_of(model: Model) -> Callable[[bytes | memoryview, int | None], int]:
    if model == _ZLIB:
        return lambda data, value: zlib.crc32(data, value or 0)
    return lambda data, value: reference.crc(model, data, value)


def _call(model: Model, fallback: Any) -> Callable[..., int]:
    crc_of = _crc_of(model)

    def crc(data: Any, /, value: Any = None) -> int:
        plain = type(data) is bytes or (
            type(data) is memoryview and data.format == "B" and data.contiguous
        )
        if plain and (value is None or (type(value) is int and 0 <= value <= model.mask)):
            return crc_of(data, value)
        result: int = fallback(data, value)
        return result

    return crc


def _wide(model: Model) -> Callable[[Any, bytes], bytes]:
    def feed(data: Any, state: bytes) -> bytes:
        bits = reference.message_bits(bytes(data), model.refin)
        register = reference.feed(model, constants.register_of_wide(model, state), bits)
        return constants.wide_register(model, register)

    return feed


def _words(address: int, count: int, size: int = 8) -> Any:
    return (_UNSIGNED[size] * count).from_address(address)


def _signed(address: int, count: int) -> Any:
    return (ctypes.c_int64 * count).from_address(address)


def _run(model: Model) -> Callable[[int, int], int]:
    crc_of = _crc_of(model)

    def compute(work: Work, first: int, last: int) -> None:
        out = _words(work.out, last, work.out_size)
        for i in range(first, last):
            length = _signed(work.lengths, last)[i] if work.lengths else work.length
            if work.pointers:
                start = _words(work.pointers, last)[i]
            else:
                offset = _signed(work.offsets, last)[i] if work.offsets else work.stride * i
                start = work.base + offset
            value = None
            if work.chain and i:
                value = out[i - 1]
            elif work.values:
                value = _words(work.values + work.value_step * i, 1)[0]
            out[i] = crc_of(ctypes.string_at(start, length), value)

    def run(work_address: int, limit: int) -> int:
        words = _signed(work_address, len(Work._fields))
        work = Work(*words)
        done = 0
        while done < limit:
            # Two threads may take the same chunk, and compute the same.
            taken = words[-1]
            words[-1] = taken + 1
            if taken >= work.chunks:
                break
            compute(work, *_signed(work.bounds + 8 * taken, 2))
            done += 1
        return done

    return run


def _zeros_many(model: Model) -> Callable[[int, int, int, int], int]:
    def zeros_many(values: int, counts: int, out: int, number: int) -> int:
        results, given, each = _words(out, number), _words(values, number), _signed(counts, number)
        for i in range(number):
            register = reference.after_zeros(model, reference.register_of(model, given[i]), each[i])
            results[i] = reference.value_of(model, register)
        return number

    return zeros_many


def _join(model: Model) -> Callable[[int, int, int, int, int, int], int]:
    def join(values: int, lengths: int, out: int, number: int, each: int, length: int) -> int:
        results, given = _words(out, number), _words(values, number * each)
        sizes = _signed(lengths, number * each) if lengths else [length] * (number * each)
        for result in range(number):
            register = model.init
            for i in range(result * each, (result + 1) * each):
                behind = reference.register_of(model, given[i])
                register = behind ^ reference.after_zeros(model, register ^ model.init, sizes[i])
            results[result] = reference.value_of(model, register)
        return number

    return join


_OF_MODELS: dict[Plan, Callable[[Model], Callable[..., int]]] = {
    ZEROS_MANY: _zeros_many,
    JOIN: _join,
}
