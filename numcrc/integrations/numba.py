"""Compute CRCs inside a user's own ``@njit`` and ``prange`` code.

Numba calls ``init`` through the entry point ``numba_extensions``, and then compiles calls of the
drop-in functions and of every `numcrc.Algorithm`. They call the same kernel as Python, by its
address in this process. For that reason Numba does not cache a function with such a call, and
no cache can carry it to another CPU.

Of an algorithm's methods there are ``segments`` (one thread, a scalar value), and ``combine`` and
``zeros`` of scalars. An algorithm refuses a value out of range; the drop-in functions take it
modulo 2**width, as in Python.

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
from numcrc.crc import gf2
from numcrc.crc.model import Model
from numcrc.jit import engine
from numcrc.records.arguments import dtype_of


class AlgorithmType(types.Function):  # type: ignore[misc]
    """The Numba type of one algorithm: a function with methods.

    If it *wraps*, values count modulo 2**width, as those of the drop-in functions do.
    """

    def __init__(self, compiled: Compiled, wraps: bool) -> None:
        self.compiled, self.wraps = compiled, wraps
        super().__init__(_call_template(compiled, wraps))


@typeof_impl.register(Algorithm)
def _typeof_algorithm(crc: Algorithm, context: Any) -> Any:
    if crc.width > 64:
        raise errors.TypingError(f"{crc.name}: compiled code takes widths up to 64 bits")
    return _type_of(crc.model, False)


@typeof_impl.register(BuiltinFunctionType)
def _typeof_builtin(function: Any, context: Any) -> Any:
    """Return the type of a drop-in or `Algorithm.function`, None for any other builtin."""
    block = function.__self__
    if not isinstance(block, engine.SelfData) or block.model is None:
        return None
    return _type_of(block.model, not hasattr(block.fallback, "__self__"))


@cache
def _type_of(model: Model, wraps: bool) -> AlgorithmType:
    return AlgorithmType(Compiled(model), wraps)


register_model(AlgorithmType)(models.OpaqueModel)


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


def _start(compiled: Compiled, wraps: bool, value: Any, name: str = "value") -> Any:
    """Return the jitable function that checks *value* and returns the CRC to continue from."""
    empty, mask = np.uint64(compiled.empty), np.uint64(compiled.model.mask)
    if value is None or isinstance(value, (types.Omitted, types.NoneType)):
        return register_jitable(lambda value: empty)
    _require_integer(value, name)
    if wraps:
        return register_jitable(lambda value: types.uint64(value) & mask)
    message = f"{name} must be 0 <= {name} < 2**{compiled.width}"

    @register_jitable
    def checked(value: Any) -> Any:
        if value < 0 or types.uint64(value) > mask:
            raise ValueError(message)
        return types.uint64(value)

    return checked


def _require_integer(argument: Any, name: str) -> None:
    if not isinstance(argument, types.Integer):
        raise errors.TypingError(f"{name} must be an integer, not {argument}")


def _require_integers(argument: Any, name: str) -> None:
    dtype = getattr(argument, "dtype", None)
    if not isinstance(dtype, types.Integer):
        raise errors.TypingError(f"{name} must be an array of integers, not {argument}")


def _result(compiled: Compiled) -> Any:
    """Return the type of a CRC: uint64 for a width of 64, int64 for others.

    Numba converts the sum of an int64 and a uint64 to a float.
    """
    return types.int64 if compiled.width < 64 else types.uint64


def _template(implement: Any) -> Any:
    """Return a typing template with the overload *implement*."""

    def key() -> None:
        """Serve as the template's key, which must be a function of its own."""

    return make_overload_template(key, implement, {}, strict=True, inline="never")


def _call_template(compiled: Compiled, wraps: bool) -> Any:
    """Return the typing template of ``crc(data, value=None)``."""
    result = _result(compiled)

    def implement(data: Any, value: Any = None) -> Any:
        contiguous = _contiguous(data)
        if contiguous is None:
            return None
        kernel, start = _kernel(compiled), _start(compiled, wraps, value)

        def implementation(data: Any, value: Any = None) -> Any:
            buffer = contiguous(data)
            return result(kernel(buffer, 0, _size(buffer), start(value)))

        return implementation

    return _template(implement)


@infer_getattr
class _Methods(AttributeTemplate):  # type: ignore[misc]
    key = AlgorithmType

    def generic_resolve(self, algorithm_type: AlgorithmType, name: str) -> Any:
        """Return the type of a method, and refuse all else that an algorithm has in Python."""
        if name in _TEMPLATES:
            return types.Function(_TEMPLATES[name](algorithm_type.compiled, algorithm_type.wraps))
        if hasattr(Algorithm, name) and not name.startswith("_"):
            raise errors.TypingError(
                f"{name} of an algorithm is not available in compiled code; call the algorithm, or"
                " use its segments, combine or zeros"
            )
        return None


@cache
def _segments_template(compiled: Compiled, wraps: bool) -> Any:
    """Return the typing template of ``crc.segments`` for one thread and a scalar value."""

    def implement(buffer: Any, offsets: Any, lengths: Any = None, value: Any = None) -> Any:
        contiguous, start = _contiguous(buffer), _start(compiled, wraps, value)
        return contiguous and _segments(compiled, contiguous, offsets, lengths, start)

    return _template(implement)


def _segments(compiled: Compiled, contiguous: Any, offsets: Any, lengths: Any, start: Any) -> Any:
    alone = lengths is None or isinstance(lengths, (types.Omitted, types.NoneType))
    _require_integers(offsets, "offsets")
    if not alone:
        _require_integers(lengths, "lengths")
    kernel, dtype = _kernel(compiled), dtype_of(compiled)
    length_of = _next_minus_this if alone else _given_length

    def implementation(buffer: Any, offsets: Any, lengths: Any = None, value: Any = None) -> Any:
        data, first = contiguous(buffer), start(value)
        size = _size(data)
        count = len(offsets) - 1 if alone else len(offsets)
        if count < 0:
            raise ValueError("offsets without lengths must be n + 1 for n records, not 0")
        if not alone and len(lengths) != count:
            raise ValueError("offsets and lengths must have the same size")
        out = np.empty(count, dtype)
        for i in range(count):
            # Read once: another thread may change them between a check and a second read.
            offset, length = types.int64(offsets[i]), types.int64(length_of(offsets, lengths, i))
            if length < 0 or length > size or offset < 0 or offset > size - length:
                raise ValueError("a segment is outside the buffer, or offsets decrease")
            out[i] = kernel(data, offset, length, first)
        return out

    return implementation


@register_jitable
def _next_minus_this(offsets: Any, lengths: Any, i: Any) -> Any:
    return types.int64(offsets[i + 1]) - types.int64(offsets[i])


@register_jitable
def _given_length(offsets: Any, lengths: Any, i: Any) -> Any:
    return lengths[i]


@cache
def _zeros_template(compiled: Compiled, wraps: bool) -> Any:
    """Return the typing template of ``crc.zeros(value, n)`` of scalars."""
    result, after = _result(compiled), _after_zeros(compiled.model)
    even = not compiled.model.poly & 1

    def implement(value: Any, n: Any) -> Any:
        _require_integer(value, "value")
        _require_integer(n, "n")
        start = _start(compiled, wraps, value)

        def implementation(value: Any, n: Any) -> Any:
            crc = start(value)
            if even and n < 0:
                raise ValueError("n must not be negative: the polynomial has no constant term")
            return result(after(crc, n))

        return implementation

    return _template(implement)


@cache
def _combine_template(compiled: Compiled, wraps: bool) -> Any:
    """Return the typing template of ``crc.combine(crc1, crc2, len2)`` of scalars."""
    result, after, model = _result(compiled), _after_zeros(compiled.model), compiled.model
    xorout, difference = np.uint64(model.xorout), np.uint64(compiled.empty ^ model.xorout)

    def implement(crc1: Any, crc2: Any, len2: Any) -> Any:
        _require_integer(crc1, "crc1")
        _require_integer(crc2, "crc2")
        _require_integer(len2, "len2")
        first = _start(compiled, wraps, crc1, "crc1")
        second = _start(compiled, wraps, crc2, "crc2")

        def implementation(crc1: Any, crc2: Any, len2: Any) -> Any:
            a, b = first(crc1), second(crc2)
            if len2 < 0:
                raise ValueError("len2 must not be negative")
            # crc(AB) = crc(B) + xorout + zeros(crc(A) + crc of nothing + xorout, len(B)).
            return result(b ^ xorout ^ after(a ^ difference, len2))

        return implementation

    return _template(implement)


@cache
def _after_zeros(model: Model) -> Any:
    """Return the jitable function ``(value, n) -> value`` after n more zero bytes.

    The register is multiplied by ``x^(8n) mod P``, the product of the ``x^(8 * 2^k)`` for the
    bits k of n. The bits stand as in a CRC: highest term first, lowest first if refout is set.
    """
    multiply, xorout = _multiply(model), np.uint64(model.xorout)
    forward, back = _powers(model, 8), _powers(model, -8 if model.poly & 1 else 8)
    zero, one = np.uint64(0), np.uint64(1)

    @register_jitable
    def after(value: Any, n: Any) -> Any:
        count = types.uint64(n)
        powers = forward
        if n < 0:
            count = zero - count
            powers = back
        register, k = value ^ xorout, 0
        while count:
            if count & one:
                register = multiply(register, powers[k])
            count >>= one
            k += 1
        return register ^ xorout

    return after


def _powers(model: Model, exponent: int) -> Any:
    """Return ``x^(exponent * 2^k) mod P`` for k = 0..63, as `_multiply` takes them."""
    found = gf2.squares(exponent, model.generator, 64)
    if model.refout:
        found = [gf2.reflect(power, model.width) for power in found]
    return np.array(found, np.uint64)


def _multiply(model: Model) -> Any:
    """Return the jitable function that multiplies two polynomials modulo P, bit by bit."""
    zero, one, width = np.uint64(0), np.uint64(1), model.width
    if model.refout:
        reflected, unused = np.uint64(gf2.reflect(model.poly, width)), np.uint64(64 - width)
        sign = np.uint64(63)

        @register_jitable
        def multiply(a: Any, b: Any) -> Any:
            product, b = zero, b << unused
            while b:
                product ^= a & (zero - (b >> sign))
                a = (a >> one) ^ (reflected & (zero - (a & one)))
                b <<= one
            return product

        return multiply

    poly, mask, top = np.uint64(model.poly), np.uint64(model.mask), np.uint64(width - 1)

    @register_jitable
    def multiply_normal(a: Any, b: Any) -> Any:
        product = zero
        while b:
            product ^= a & (zero - (b & one))
            a = (a << one & mask) ^ (poly & (zero - (a >> top)))
            b >>= one
        return product

    return multiply_normal


_TEMPLATES = {
    "segments": _segments_template,
    "combine": _combine_template,
    "zeros": _zeros_template,
}
"""The typing template of each method."""


def _no_data(context: Any, builder: Any, algorithm_type: Any, value: Any) -> Any:
    """Return the value of an algorithm or a method, whose type says all."""
    return context.get_dummy_value()


lower_constant(AlgorithmType)(_no_data)
for _name in _TEMPLATES:
    lower_getattr(AlgorithmType, _name)(_no_data)


def init() -> None:
    """Do nothing: importing this module has registered everything with Numba."""
