"""Compute the CRCs of Dask arrays and of their chunks."""

from __future__ import annotations

import math
import operator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.algorithm import Algorithm
from numcrc.records.arguments import checked_values, dtype_of
from numcrc.registry import resolved

try:
    import dask.array as da
    from dask.base import tokenize
    from dask.layers import ArraySliceDep, ArrayValuesDep
except ImportError as error:
    raise ImportError("numcrc.dask needs Dask: pip install 'numcrc[dask]'") from error

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[Any]


class ChecksumError(ValueError):
    """A chunk has another CRC than expected.

    Attributes
    ----------
    chunk : tuple of int
        The chunk's place among the chunks, as an index of ``x.blocks``.
    """

    __module__ = "numcrc.dask"

    def __init__(self, message: str, chunk: tuple[int, ...]) -> None:
        super().__init__(message, chunk)
        self.chunk = chunk

    def __str__(self) -> str:
        return str(self.args[0])


def crc(x: da.Array, algorithm: Algorithm | str) -> da.Array:
    """Return the CRC of a Dask array: that of its bytes in C order, for any chunks.

    It equals ``algorithm(x.compute())``, but nothing is rechunked: each chunk is read where it
    is, and one number a chunk travels.

    Parameters
    ----------
    x : dask.array.Array
        Of plain NumPy data.
    algorithm : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.

    Returns
    -------
    dask.array.Array
        Without axes, of the dtype that `numcrc.Algorithm.rows` gives: ``int(crc(x, name))``
        computes it.

    Raises
    ------
    TypeError
        *x* is not a Dask array, or its chunks are not plain NumPy arrays: they hold Python
        objects, are masked, sparse, or in the memory of a GPU. When it is computed, also if a
        chunk is not what Dask expects.
    ValueError
        The sizes of chunks are unknown.

    Notes
    -----
    The bytes are those of ``x.dtype``, its byte order included.

    Examples
    --------
    >>> import dask.array, numcrc, numcrc.dask, numpy as np
    >>> a = np.arange(10_000.0).reshape(100, 100)
    >>> x = dask.array.from_array(a, chunks=(30, 70))
    >>> int(numcrc.dask.crc(x, "crc32c")) == numcrc.crc32c(a)
    True
    """
    algorithm, x = resolved(algorithm), _checked(x)
    dtype, total = dtype_of(algorithm._compiled), x.dtype.itemsize * math.prod(x.shape)
    parts = _one_for_each_chunk(
        _contribution, x, "crc", algorithm, ArraySliceDep(x.chunks), shape=x.shape
    )
    zeros = np.array(algorithm.zeros(algorithm(b""), total), dtype)[()]
    if not x.ndim:
        return parts.map_blocks(operator.xor, zeros, dtype=dtype, meta=_empty(0, dtype))
    return da.reduction(
        parts,
        chunk=_sum,
        combine=_sum,
        aggregate=partial(_sum, initial=zeros),
        dtype=dtype,
        meta=_empty(0, dtype),
        name="crc",
    )


def chunk_crcs(x: da.Array, algorithm: Algorithm | str) -> da.Array:
    """Return the CRC of each chunk of a Dask array.

    Parameters
    ----------
    x, algorithm
        As for `crc`, as are errors.

    Returns
    -------
    dask.array.Array
        Of the shape ``x.numblocks``: each item is the CRC of a chunk's bytes in C order.

    Examples
    --------
    >>> import dask.array, numcrc, numcrc.dask
    >>> x = dask.array.arange(10, chunks=4)
    >>> table = numcrc.dask.chunk_crcs(x, "crc32c").compute()
    >>> table.shape, int(table[0]) == numcrc.crc32c(x.blocks[0].compute())
    ((3,), True)
    """
    algorithm, x = resolved(algorithm), _checked(x)
    return _one_for_each_chunk(_whole, x, "chunk-crcs", algorithm, ArraySliceDep(x.chunks))


def verify_chunks(x: da.Array, table: npt.ArrayLike, algorithm: Algorithm | str) -> da.Array:
    """Return *x* with a check of each chunk, which is made when the chunk is computed.

    Chunks that a computation does not use are not checked.

    Parameters
    ----------
    x, algorithm
        As for `crc`.
    table : array of int
        The CRC of each chunk, as computed by `chunk_crcs`.

    Returns
    -------
    dask.array.Array
        Equal to *x*. To compute a chunk whose CRC differs is a `ChecksumError` with the place of
        the chunk.

    Raises
    ------
    TypeError
        As for `crc`, or *table* is not of integers.
    ValueError
        As for `crc`, *table* has not one CRC for each chunk, or one is wider than the register.

    Examples
    --------
    >>> import dask.array, numcrc.dask
    >>> x = dask.array.arange(10, chunks=4)
    >>> table = numcrc.dask.chunk_crcs(x, "crc32c").compute()
    >>> int(numcrc.dask.verify_chunks(x, table, "crc32c").sum())
    45
    >>> damaged = dask.array.where(x == 5, 6, x)
    >>> numcrc.dask.verify_chunks(damaged, table, "crc32c").sum().compute()
    Traceback (most recent call last):
    numcrc.dask.ChecksumError: chunk (1,) has CRC-32/ISCSI 3237a553, expected f90b9430
    """
    algorithm, x = resolved(algorithm), _checked(x)
    if isinstance(table, da.Array):
        raise TypeError("table must be computed: pass table.compute()")
    values = checked_values(algorithm._compiled, table, "table")
    if values.shape != x.numblocks:
        raise ValueError(
            f"table must have one CRC for each chunk, shape {x.numblocks}, not {values.shape}"
        )
    axes = range(x.ndim)
    places = np.empty(x.numblocks, object)
    for place in np.ndindex(x.numblocks):
        places[place] = (place, int(values[place]))
    return da.blockwise(
        _verified,
        axes,
        *(x, axes, ArraySliceDep(x.chunks), axes),
        *(ArrayValuesDep(x.chunks, places), axes),
        algorithm=algorithm,
        expected=x.dtype,
        dtype=x.dtype,
        meta=x._meta,
        align_arrays=False,
        name=f"verify-chunks-{tokenize(x.name, values, repr(algorithm))}",
    )


def _one_for_each_chunk(
    function: Callable[..., Array],
    x: da.Array,
    name: str,
    algorithm: Algorithm,
    places: Any,
    **keywords: Any,
) -> da.Array:
    """Return an array of ``function(chunk, place, ...)``, which is one number."""
    axes, dtype = range(x.ndim), dtype_of(algorithm._compiled)
    return da.blockwise(
        function,
        axes,
        *(x, axes, places, axes),
        algorithm=algorithm,
        expected=x.dtype,
        dtype=dtype,
        align_arrays=False,
        adjust_chunks=dict.fromkeys(axes, 1),
        meta=_empty(x.ndim, dtype),
        name=f"{name}-{tokenize(x.name, repr(algorithm))}",
        **keywords,
    )


# What workers compute. The threads are the workers'.


@lru_cache(maxsize=32)
def _kept(algorithm: Algorithm) -> Algorithm:
    """Return the first of equal algorithms: each task has a copy, whose functions are not made."""
    return algorithm


def _contribution(
    chunk: Any,
    place: tuple[slice, ...],
    algorithm: Algorithm,
    expected: np.dtype[Any],
    shape: tuple[int, ...],
) -> Array:
    array, start = _plain(chunk, place, expected), tuple(axis.start for axis in place)
    found = _kept(algorithm).contribution(array, shape, start, threads=1)
    return np.full((1,) * array.ndim, found, dtype_of(algorithm._compiled))


def _whole(
    chunk: Any, place: tuple[slice, ...], algorithm: Algorithm, expected: np.dtype[Any]
) -> Array:
    array = _plain(chunk, place, expected)
    return np.full((1,) * array.ndim, _kept(algorithm)(array), dtype_of(algorithm._compiled))


def _verified(
    chunk: Any,
    place: tuple[slice, ...],
    wanted: tuple[tuple[int, ...], int],
    algorithm: Algorithm,
    expected: np.dtype[Any],
) -> Any:
    number, crc = wanted
    found = _kept(algorithm)(_plain(chunk, place, expected))
    if found != crc:
        digits = -(-algorithm.width // 4)
        raise ChecksumError(
            f"chunk {number} has {algorithm.name} {found:0{digits}x}, expected {crc:0{digits}x}",
            number,
        )
    return chunk


def _sum(values: Array, axis: Any, keepdims: Any, initial: Any = 0) -> Array:
    found: Array = np.bitwise_xor.reduce(values, axis=axis, keepdims=keepdims, initial=initial)
    return found


# Checks


def _checked(x: da.Array) -> da.Array:
    """Return *x* if it is a Dask array of plain data whose shape is known."""
    if not isinstance(x, da.Array):
        raise TypeError(f"x must be a Dask array, not {type(x).__name__}{_advice(x)}")
    if x.dtype.hasobject:
        raise TypeError(f"x holds Python objects (dtype {x.dtype}), not plain data")
    if isinstance(x._meta, np.ma.MaskedArray):
        raise TypeError("x must not be masked: pass dask.array.ma.filled(x)")
    if not isinstance(x._meta, (np.ndarray, np.generic)):
        kind = f"{type(x._meta).__module__}.{type(x._meta).__name__}"
        raise TypeError(
            f"the chunks of x must be NumPy arrays, not {kind}: convert them with x.map_blocks"
        )
    if any(math.isnan(length) for length in x.shape):
        raise ValueError("the sizes of x's chunks are unknown: call x.compute_chunk_sizes() first")
    return x


def _advice(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return ": pass it to the algorithm itself"
    if hasattr(x, "to_dask_array"):  # DataFrames
        return ": pass its .to_dask_array(lengths=True)"
    if type(x).__module__.partition(".")[0] == "xarray":
        return ": pass its .data, or pass it to numcrc.xarray.crcs"
    return ""


def _plain(chunk: Any, place: tuple[slice, ...], expected: np.dtype[Any]) -> Array:
    """Return *chunk* as an array if it is what Dask expects at *place*."""
    where = ", ".join(f"{axis.start}:{axis.stop}" for axis in place)
    if isinstance(chunk, np.ma.MaskedArray) or not isinstance(chunk, (np.ndarray, np.generic)):
        raise TypeError(f"chunk [{where}] must be a NumPy array, not {type(chunk).__name__}")
    array, shape = np.asarray(chunk), tuple(axis.stop - axis.start for axis in place)
    if array.shape != shape:
        raise ValueError(f"chunk [{where}] has shape {array.shape}, but Dask expects {shape}")
    if array.dtype != expected:
        raise TypeError(f"chunk [{where}] has dtype {array.dtype}, but Dask expects {expected}")
    return array


def _empty(ndim: int, dtype: np.dtype[Any]) -> Array:
    return np.empty((0,) * ndim, dtype)
