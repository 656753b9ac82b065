"""Compute CRCs inside a user's own ``@njit`` and ``prange`` code.

Numba calls `init` through the entry point ``numba_extensions``, and then compiles calls of the
drop-in functions and of every `numcrc.Algorithm`. They call the same kernel as Python, by its
address in this process. For that reason Numba does not cache a function with such a call, and
no cache can carry it to another CPU.

Examples
--------
>>> import numba, numcrc, numpy as np
>>> crc = numcrc.algorithms["CRC-16/ARC"]
>>> @numba.njit
... def checksums(a):
...     return [crc(row) for row in a]
>>> checksums(np.zeros((2, 3), "u1"))
[0, 0]
"""

from __future__ import annotations

from functools import cache
from types import BuiltinFunctionType
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, errors, types
from numba.core.imputils import lower_constant, lower_getattr
from numba.core.typing.templates import (
    AttributeTemplate,
    infer_getattr,
    make_overload_template,
)
from numba.extending import (
    intrinsic,
    models,
    register_jitable,
    register_model,
    typeof_impl,
)

from numcrc.algorithm import Algorithm
from numcrc.compiled import Compiled
from numcrc.crc.model import Model
from numcrc.jit import engine
from numcrc.records.arguments import dtype_of


class AlgorithmType(types.Function):  # type: ignore[misc]
    """The Numba type of one algorithm: a function with methods."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        super().__init__(_call_template(compiled))


@typeof_impl.register(Algorithm)
def _typeof_algorithm(crc: Algorithm, context: Any) -> Any:
    if crc.width > 64:
        raise errors.TypingError(f"{crc.name}: compiled code takes widths up to 64 bits")
    return _type_of(crc.model)


@typeof_impl.register(BuiltinFunctionType)
def _typeof_builtin(function: Any, context: Any) -> Any:
    """Return the type of a drop-in or `Algorithm.function`, None for any other builtin."""
    block = function.__self__
    if not isinstance(block, engine.Block) or block.model is None:
        return None
    return _type_of(block.model)


@cache
def _type_of(model: Model) -> AlgorithmType:
    return AlgorithmType(Compiled(model))


register_model(AlgorithmType)(models.OpaqueModel)


@lower_constant(AlgorithmType)
def _constant(context: Any, builder: Any, algorithm_type: Any, value: Any) -> Any:
    return context.get_dummy_value()


def _address_and_length(context: Any, builder: Any, buffer_type: Any, value: Any) -> Any:
    """Return the address and the length in bytes of a contiguous buffer, as LLVM values."""
    buffer = context.make_array(buffer_type)(context, builder, value)
    pointer = builder.bitcast(buffer.data, cgutils.voidptr_t)
    return pointer, builder.mul(buffer.nitems, buffer.itemsize)


@cache
def _kernel(compiled: Compiled) -> Any:
    """Return the intrinsic ``(buffer, first, length, value) -> crc`` for part of a buffer."""
    plan = compiled.plan
    address, block = engine.raw(compiled.model, plan)

    @intrinsic
    def kernel(typing: Any, buffer: Any, first: Any, length: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer, _ = _address_and_length(context, builder, buffer, args[0])
            integer = ir.IntType(64)
            arguments = [cgutils.voidptr_t, cgutils.voidptr_t, integer, integer]
            function = context.add_dynamic_addr(
                builder, address, info=f"numcrc {compiled.plan.name}"
            )
            function_type = ir.FunctionType(integer, arguments)
            function = builder.bitcast(function, function_type.as_pointer())
            constants = context.add_dynamic_addr(builder, block, info="numcrc constants")
            start = builder.gep(pointer, [args[1]])
            return builder.call(function, [constants, start, args[2], args[3]])

        return types.uint64(buffer, types.int64, types.int64, types.uint64), generate

    return kernel


@intrinsic
def _size(typing: Any, buffer: Any) -> Any:
    """Return the length in bytes of a contiguous buffer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _address_and_length(context, builder, buffer, args[0])[1]

    return types.int64(buffer), generate


@register_jitable
def _as_it_is(buffer: Any) -> Any:
    return buffer


@register_jitable
def _in_order(buffer: Any) -> Any:
    return np.ascontiguousarray(buffer)


def _contiguous(buffer: Any) -> Any:
    """Return the function that makes *buffer* C-contiguous; None if it is not plain data."""
    if not isinstance(buffer, types.Buffer) or isinstance(buffer.dtype, types.PyObject):
        return None
    return _as_it_is if buffer.layout == "C" else _in_order


def _start(compiled: Compiled, value: Any) -> Any:
    """Return the jitable function that checks *value* and returns the CRC to continue from."""
    empty, mask = np.uint64(compiled.empty), np.uint64(compiled.model.mask)
    if value is None or isinstance(value, (types.Omitted, types.NoneType)):
        return register_jitable(lambda value: empty)
    if not isinstance(value, types.Integer):
        raise errors.TypingError(f"value must be an integer, not {value}")

    @register_jitable
    def checked(value: Any) -> Any:
        if value < 0 or types.uint64(value) > mask:
            raise ValueError("value must not be negative or wider than the register")
        return types.uint64(value)

    return checked


def _call_template(compiled: Compiled) -> Any:
    """Return the typing template of ``crc(data, value=None)``.

    The result is a uint64 for a width of 64 and an int64 for others, since Numba converts the
    sum of an int64 and a uint64 to a float.
    """
    result = types.int64 if compiled.width < 64 else types.uint64

    def call(data: Any, value: Any = None) -> Any:
        """Serve as the template's key, which must be a function."""

    def implement(data: Any, value: Any = None) -> Any:
        contiguous = _contiguous(data)
        if contiguous is None:
            return None
        kernel, start = _kernel(compiled), _start(compiled, value)

        def implementation(data: Any, value: Any = None) -> Any:
            buffer = contiguous(data)
            return result(kernel(buffer, 0, _size(buffer), start(value)))

        return implementation

    return make_overload_template(call, implement, {}, strict=True, inline="never")


@infer_getattr
class _Methods(AttributeTemplate):  # type: ignore[misc]
    key = AlgorithmType

    def resolve_segments(self, algorithm_type: AlgorithmType) -> Any:
        """Return the type of ``crc.segments`` of this algorithm."""
        return types.Function(_segments_template(algorithm_type.compiled))


@lower_getattr(AlgorithmType, "segments")
def _method(context: Any, builder: Any, algorithm_type: Any, value: Any) -> Any:
    return context.get_dummy_value()


@cache
def _segments_template(compiled: Compiled) -> Any:
    """Return the typing template of ``crc.segments`` for one thread and a scalar value."""

    def call(buffer: Any, offsets: Any, lengths: Any = None, value: Any = None) -> Any:
        """Serve as the template's key, which must be a function."""

    def implement(buffer: Any, offsets: Any, lengths: Any = None, value: Any = None) -> Any:
        contiguous = _contiguous(buffer)
        return contiguous and _segments(compiled, contiguous, offsets, lengths, value)

    return make_overload_template(call, implement, {}, strict=True, inline="never")


def _segments(compiled: Compiled, contiguous: Any, offsets: Any, lengths: Any, value: Any) -> Any:
    for what in (offsets, lengths):
        if isinstance(getattr(what, "dtype", types.int64), types.Integer):
            continue
        raise errors.TypingError(f"offsets and lengths must be integers, not {what}")
    kernel, start, dtype = _kernel(compiled), _start(compiled, value), dtype_of(compiled)
    alone = lengths is None or isinstance(lengths, (types.Omitted, types.NoneType))
    length_of = _next_minus_this if alone else _given_length

    def implementation(buffer: Any, offsets: Any, lengths: Any = None, value: Any = None) -> Any:
        data, first = contiguous(buffer), start(value)
        size = _size(data)
        count = len(offsets) - 1 if alone else len(offsets)
        if count < 0:
            raise ValueError("offsets without lengths must be n + 1 for n records, not 0")
        if not alone and len(lengths) != count:
            raise ValueError("offsets and lengths must have the same size")
        for i in range(count):
            offset, length = types.int64(offsets[i]), types.int64(length_of(offsets, lengths, i))
            if length < 0 or length > size or offset < 0 or offset > size - length:
                raise ValueError("a segment is outside the buffer, or offsets decrease")
        out = np.empty(count, dtype)
        for i in range(count):
            offset, length = types.int64(offsets[i]), types.int64(length_of(offsets, lengths, i))
            out[i] = kernel(data, offset, length, first)
        return out

    return implementation


@register_jitable
def _next_minus_this(offsets: Any, lengths: Any, i: Any) -> Any:
    return types.int64(offsets[i + 1]) - types.int64(offsets[i])


@register_jitable
def _given_length(offsets: Any, lengths: Any, i: Any) -> Any:
    return lengths[i]


def init() -> None:
    """Do nothing: importing this module has registered everything with Numba."""
