"""Check the arguments of calls that compute many CRCs, and convert them to arrays.

The arrays are copies, and the checks are on these: the caller's memory may change at any time,
by another thread or by a method that a conversion calls.
"""

from __future__ import annotations

import operator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import refuse_masked
from numcrc.threads import checked_threads

if TYPE_CHECKING:
    import numpy.typing as npt

    from numcrc.compiled import Compiled

    Array = npt.NDArray[Any]
else:
    Array = np.ndarray


def dtype_of(compiled: Compiled) -> np.dtype[Any]:
    """Return the smallest unsigned dtype of at least *width* bits; object above 64."""
    for size in (1, 2, 4, 8):
        if compiled.width <= 8 * size:
            return np.dtype(f"u{size}")
    return np.dtype(object)


def checked_values(compiled: Compiled, value: Any, what: str = "value") -> Array:
    """Return a copy of *value*, CRCs of any shape, as uint64 (object above 64 bits).

    Raises
    ------
    TypeError
        One is not an integer, or *value* is a masked array.
    ValueError
        One is negative or wider than the register.
    """
    word = np.dtype(object if compiled.width > 64 else np.uint64)
    refuse_masked(value, what)
    array = np.asarray(value)
    if array.dtype.kind == "u" and array.size:
        copy = array.astype(word)
        if 8 * array.itemsize > compiled.width:
            compiled.checked(int(copy.max()), what)
        return copy
    array = np.array(array)
    if array.dtype.kind not in "iu" and not isinstance(value, np.ndarray):
        # NumPy converts a list to floats if it has values on both sides of 2**63.
        array = np.asarray(value, object)
    if array.dtype == object or not array.size:
        numbers = [compiled.checked(number, what) for number in array.ravel().tolist()]
        return np.array(numbers, dtype=word).reshape(array.shape)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be integers, not {array.dtype}")
    for extreme in (int(array.min()), int(array.max())):
        compiled.checked(extreme, what)
    return array.astype(word, copy=False)


def checked_axis(axis: int, ndim: int) -> int:
    """Return *axis* counted from the first one, or raise AxisError."""
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def integers(numbers: Any, what: str) -> Array:
    """Return a copy of *numbers* as int64.

    Raises
    ------
    TypeError
        One is not an integer, or *numbers* is a masked array.
    ValueError
        One does not fit.
    """
    refuse_masked(numbers, what)
    array = np.array(np.asarray(numbers))
    if array.dtype.kind in "fO" and not isinstance(numbers, np.ndarray):
        # NumPy converts an empty list to floats, and one with values on both sides of 2**63.
        try:
            exact = [operator.index(number) for number in np.asarray(numbers, object).flat]
        except TypeError:
            raise TypeError(f"{what} must be integers, not {array.dtype}") from None
        for number in exact:
            if not -(2**63) <= number < 2**63:
                raise ValueError(f"{what} must be -2**63 to 2**63 - 1, but one is {number}")
        return np.array(exact, np.int64).reshape(array.shape)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be integers, not {array.dtype}")
    if array.dtype.kind == "u" and array.size and (largest := int(array.max())) >= 2**63:
        raise ValueError(f"{what} must be -2**63 to 2**63 - 1, but one is {largest}")
    return array.astype(np.int64, copy=False)


def one_or_integers(numbers: Any, what: str) -> Array:
    """Return *numbers* as `integers` does, or as one object if it is one int that does not fit."""
    if not np.ndim(numbers):
        with suppress(TypeError):  # `integers` raises it
            number = operator.index(numbers)
            if not -(2**63) <= number < 2**63:
                return np.array(number, object)
            return np.array(number, np.int64)  # True too is one int
    return integers(numbers, what)


def lengths_in_bytes(lengths: Any, what: str) -> Array:
    """Return a copy of *lengths* as int64, or raise as `integers` does or if one is negative."""
    return not_negative(integers(lengths, what), what)


def not_negative(array: Array, what: str) -> Array:
    """Return *array*, or raise ValueError if a number is negative."""
    if (array < 0).any():
        raise ValueError(f"{what} must not be negative, but one is {int(array.min())}")
    return array


class Call:
    """The arguments that calls for many CRCs have in common, and the results.

    Make it before the data are converted: to convert these arguments may run code that moves
    the memory of the data.
    """

    values: Array | None
    """The CRCs to continue from: one for all records or, flat, one for each."""
    array: Array
    """The results, C-contiguous; copied to the caller's *out* once all are computed."""

    def __init__(self, compiled: Compiled, value: Any, out: Any, threads: int | None) -> None:
        self.compiled = compiled
        self.values = None if value is None else checked_values(compiled, value)
        self.threads = None if threads is None else checked_threads(threads)
        self._out = out

    def begin(self, shape: tuple[int, ...]) -> None:
        """Make the array of results, of this *shape*, and check the others against it."""
        if self.values is not None and self.values.ndim:
            try:
                self.values = np.broadcast_to(self.values, shape).reshape(-1)
            except ValueError:
                raise ValueError(
                    f"cannot broadcast value of shape {self.values.shape}"
                    f" to the result's shape {shape}"
                ) from None
        out, dtype = self._out, dtype_of(self.compiled)
        if out is not None:
            if not isinstance(out, np.ndarray):
                raise TypeError(f"out must be an array, not {type(out).__name__}")
            refuse_masked(out, "out")
            if out.shape != shape or out.dtype != dtype:
                raise ValueError(
                    f"out must have shape {shape} and dtype {dtype},"
                    f" not {out.shape} and {out.dtype}"
                )
            if not out.flags.writeable:
                raise ValueError("out is read-only")
        self.array = np.empty(shape, dtype)

    def part(self, first: int, count: int) -> tuple[Array | None, Array]:
        """Return the values and the results of *count* records from *first* on."""
        part, values = slice(first, first + count), self.values
        if values is not None and values.ndim:
            values = values[part]
        return values, self.array.reshape(-1)[part]

    def result(self) -> Any:
        """Return *out* with the results, or a new array; a scalar if it has no axes."""
        if self._out is None:
            return self.array[()]
        self._out[...] = self.array
        return self._out
