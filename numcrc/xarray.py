"""Compute the CRCs of the variables of xarray datasets.

It needs xarray: ``pip install 'numcrc[xarray]'``.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.algorithm import Algorithm, resolved

try:
    import xarray as xr
except ImportError as error:
    raise ImportError("numcrc.xarray needs xarray: pip install 'numcrc[xarray]'") from error

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["crcs"]

_PIECE = 1 << 26
"""Bytes of a variable that are read at a time."""


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
    TypeError
        *dataset* is neither, or a variable holds Python objects (as strings may be), or is not
        made of NumPy arrays; the message has its name.

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
    algorithm = resolved(algorithm)
    if isinstance(dataset, xr.DataArray):
        variables = {**dataset.coords.variables, dataset.name: dataset.variable}
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
        except TypeError as error:
            raise TypeError(f"variable {name!r}: {error}") from None
    if not compute or all(isinstance(crc, int) for crc in found.values()):
        return found
    from dask.base import compute as computed

    return {name: int(crc) for name, crc in computed(found)[0].items()}


def _crc(variable: xr.Variable, algorithm: Algorithm) -> Any:
    if variable.dtype.hasobject:
        raise TypeError(
            f"it holds Python objects (dtype {variable.dtype}), not plain data: convert it with"
            " .astype, or leave it out with .drop_vars"
        )
    if variable.chunks is not None:
        from numcrc.dask import crc

        return crc(variable.data, algorithm)
    value = None
    for piece in _pieces(variable.shape, variable.dtype.itemsize):
        value = algorithm(_plain(variable[piece].data), value)
    return algorithm(b"", value)


def _pieces(shape: tuple[int, ...], size: int) -> Iterator[tuple[int | slice, ...]]:
    """Yield the indices of pieces of at most `_PIECE` bytes, which are in C order."""
    if not shape or size * math.prod(shape) <= _PIECE:
        yield ()
        return
    one = size * math.prod(shape[1:])
    if one > _PIECE:
        for i in range(shape[0]):
            for piece in _pieces(shape[1:], size):
                yield i, *piece
        return
    step = _PIECE // one
    for start in range(0, shape[0], step):
        yield (slice(start, start + step),)


def _plain(data: Any) -> npt.NDArray[Any]:
    if not isinstance(data, np.ndarray):
        kind = f"{type(data).__module__}.{type(data).__name__}"
        raise TypeError(f"it must be made of NumPy arrays, not {kind}")
    return data
