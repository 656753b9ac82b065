"""Compute the CRCs of the variables of xarray datasets.

It needs xarray: ``pip install 'numcrc[xarray]'``.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.algorithm import Algorithm
from numcrc.registry import resolved

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

__all__ = ["crcs"]

_PIECE = 1 << 26
"""Bytes of a variable that are read at a time, unless a chunk of its file is larger."""


def crcs(
    dataset: xr.Dataset | xr.DataArray, algorithm: Algorithm | str, *, compute: bool = True
) -> dict[Hashable, Any]:
    """Return the CRC of each variable of a dataset: that of its values' bytes in C order.

    Parameters
    ----------
    dataset : xarray.Dataset or xarray.DataArray
        All its variables count, coordinates included, as they are all in its file. Variables
        that are not in memory yet are read piece by piece and not kept; those of Dask arrays
        are computed chunk by chunk, all at once.
    algorithm : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.
    compute : bool
        If false, the CRC of a variable with chunks is a Dask array without axes, to be computed
        with others: ``dask.compute(crcs)``.

    Returns
    -------
    dict
        From the name of each variable to its CRC, an int. A DataArray without a name has the
        key None.

    Raises
    ------
    ImportError
        xarray is not installed.
    TypeError
        *dataset* is neither, or a variable holds Python objects (as strings may be), or is not
        made of NumPy arrays; the message has its name.
    ValueError
        The sizes of a variable's chunks are unknown, or a DataArray has the name of one of its
        coordinates and other values.

    Notes
    -----
    The values are those that the dataset shows. xarray decodes what files contain, and may give
    it another dtype: times, or integers with a scale. ``xarray.open_dataset(path,
    decode_cf=False)`` gives what is in the file. Names, attributes and the order of variables do
    not count.

    Examples
    --------
    >>> import numcrc, numcrc.xarray, xarray, numpy as np
    >>> t = np.arange(6.0).reshape(2, 3)
    >>> dataset = xarray.Dataset({"t": (("y", "x"), t)}, coords={"x": [1, 2, 3]})
    >>> found = numcrc.xarray.crcs(dataset, "crc32c")
    >>> sorted(found), found["t"] == numcrc.crc32c(t)
    (['t', 'x'], True)
    >>> numcrc.xarray.crcs(dataset.chunk(y=1), "crc32c") == found
    True
    """
    try:
        import xarray as xr
    except ImportError as error:
        raise ImportError("numcrc.xarray needs xarray: pip install 'numcrc[xarray]'") from error

    algorithm = resolved(algorithm)
    if isinstance(dataset, xr.DataArray):
        variables, name = dict(dataset.coords.variables), dataset.name
        if name in variables and not variables[name].equals(dataset.variable):
            raise ValueError(
                f"the DataArray {name!r} has a coordinate of the same name: pass its .rename(...)"
            )
        variables[name] = dataset.variable
    elif isinstance(dataset, xr.Dataset):
        variables = dict(dataset.variables)
    else:
        raise TypeError(
            f"dataset must be an xarray Dataset or DataArray, not {type(dataset).__name__}"
        )
    found = {}
    for name, variable in variables.items():
        try:
            found[name] = _crc(variable, algorithm)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"variable {name!r}: {error}") from error
    if not compute or all(isinstance(crc, int) for crc in found.values()):
        return found
    from dask.base import compute as computed

    return {name: int(crc) for name, crc in computed(found)[0].items()}


def _crc(variable: xr.Variable, algorithm: Algorithm) -> Any:
    dtype = variable.dtype
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        what = "holds Python objects" if isinstance(dtype, np.dtype) else "is an array of pandas"
        raise TypeError(
            f"it {what} (dtype {dtype}), not plain data: convert it with .astype, or leave it out"
            " with .drop_vars"
        )
    if variable.chunks is not None:
        from numcrc.dask import crc

        return crc(variable.data, algorithm)
    total = algorithm.zeros(algorithm(b""), dtype.itemsize * variable.size)
    for block in _blocks(variable):
        data = _plain(variable[block].data)
        total ^= algorithm.contribution(data, variable.shape, tuple(axis.start for axis in block))
    return total


def _blocks(variable: xr.Variable) -> Iterator[tuple[slice, ...]]:
    """Yield the places of blocks of about `_PIECE` bytes, or of one chunk if that is larger.

    They have whole chunks of the file, so that each chunk is read once.
    """
    chunks, shape = variable.encoding.get("preferred_chunks") or {}, variable.shape
    steps = [int(np.max(chunks.get(axis, 1), initial=1)) for axis in variable.dims]
    steps = [min(step, max(1, length)) for step, length in zip(steps, shape, strict=True)]
    more = _PIECE // max(1, variable.dtype.itemsize * math.prod(steps))
    for axis in reversed(range(len(shape))):
        times = max(1, min(more, -(-shape[axis] // steps[axis])))
        steps[axis] *= times
        more //= times
    counts = [-(-length // step) for length, step in zip(shape, steps, strict=True)]
    for place in np.ndindex(*counts):
        yield tuple(
            slice(i * step, min((i + 1) * step, length))
            for i, step, length in zip(place, steps, shape, strict=True)
        )


def _plain(data: Any) -> npt.NDArray[Any]:
    if not isinstance(data, np.ndarray):
        kind = f"{type(data).__module__}.{type(data).__name__}"
        raise TypeError(f"it must be made of NumPy arrays, not {kind}")
    return data
