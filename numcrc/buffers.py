"""View any buffer or array as bytes in C order, without a copy of the whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from numcrc.process import imported

if TYPE_CHECKING:
    import numpy.typing as npt

    class Buffer(Protocol):
        """An object with the buffer protocol: bytes, memoryview, mmap, array, ndarray, ..."""

        def __buffer__(self, flags: int, /) -> memoryview:
            """Return a view of the memory."""

    Data = bytes | bytearray | memoryview | Buffer | npt.NDArray[Any]
else:
    Data = object

_SCRATCH = 256 * 1024
"""Bytes of an array that are copied into C order at a time."""


def as_array(data: Data) -> npt.NDArray[Any]:
    """Return *data* as an ndarray on the same memory, its items unsigned integers or void.

    Every byte of an item then counts, padding included, and copies take whole items. Memory
    that NumPy cannot describe (suboffsets, unknown formats with strides) is copied, and so are
    the chunks of an Arrow array that has several.

    Raises
    ------
    TypeError
        *data* is not a buffer, holds Python objects, or is a masked array.
    """
    found = _arrays(data)
    return found[0] if len(found) == 1 else np.concatenate(found)


def _arrays(data: Any) -> list[npt.NDArray[Any]]:
    """Return what `as_array` does, an array for each chunk of an Arrow array."""
    if not isinstance(data, np.ndarray):
        if isinstance(data, str):  # numpy.str_ has a buffer
            raise TypeError(f"{_WRONG} {type(data).__name__}: encode it first")
        try:
            view = memoryview(data)
        except (TypeError, BufferError) as error:
            return [_unsigned(array) for array in _shared(data, error)]
        return [_unsigned(_array_of_view(view))]
    refuse_masked(data, "data")
    if data.dtype.hasobject:
        raise TypeError(f"an array of dtype {data.dtype} holds Python objects, not plain data")
    return [_unsigned(data.view(np.ndarray))]


def _unsigned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    size = array.itemsize
    return array.view(f"u{size}" if size in (1, 2, 4, 8) else f"V{size}") if size else array


def refuse_masked(array: object, what: str) -> None:
    """Raise TypeError if *array* is masked: the data under a mask have no meaning."""
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(array, masked.MaskedArray):
        raise TypeError(
            f"{what} must not be a masked array: pass its .filled(), or its .data to count the"
            " data under the mask"
        )


def _array_of_view(view: memoryview) -> npt.NDArray[Any]:
    # Names of fields stand between colons; outside of them, O stands for a Python object.
    if any("O" in types for types in view.format.split(":")[::2]):
        raise TypeError(f"a buffer of format {view.format!r} holds Python objects, not plain data")
    dtype, shape = f"V{view.itemsize}", view.shape or ()
    if not view.nbytes:
        return np.empty(shape, dtype)
    if view.c_contiguous:
        return np.frombuffer(view, dtype).reshape(shape)
    try:
        return np.asarray(view)
    except (BufferError, ValueError, NotImplementedError):
        return np.frombuffer(view.tobytes(), dtype).reshape(shape)


def flat_bytes(data: Data) -> npt.NDArray[Any]:
    """Return the bytes of *data*, which must be C-contiguous, as a flat array on its memory."""
    array = as_array(data)
    if not array.nbytes:
        return np.empty(0, np.uint8)
    if not array.flags.c_contiguous:
        raise ValueError("the buffer must be C-contiguous")
    return array.reshape(-1).view(np.uint8)


def pieces(data: Data) -> Iterator[memoryview]:
    """Yield the bytes of *data* in C order, as contiguous views of single bytes.

    Raises
    ------
    TypeError
        *data* is not a buffer, holds Python objects, or is a masked array.
    """
    for array in _arrays(data):
        chunks: Any = (array,)
        if array.nbytes and not array.flags.c_contiguous:
            size = max(1, _SCRATCH // array.itemsize)
            # Views of *data* where it is contiguous, else the iterator's own buffer.
            parts = np.nditer(array, ["external_loop", "buffered"], order="C", buffersize=size)
            chunks = map(np.ascontiguousarray, parts)
        for chunk in chunks:
            yield flat_bytes(chunk).data


_WRONG = "data must be bytes-like or an array, not"


def _shared(data: Any, error: TypeError | BufferError) -> list[npt.NDArray[Any]]:
    """Return the memory that *data*, which has no buffer because of *error*, shares otherwise."""
    kind = type(data)
    wrong = f"{_WRONG} {kind.__name__}"
    if (advice := _IN_PARTS.get(kind.__module__.partition(".")[0])) is not None:
        raise TypeError(f"{wrong}: {advice}") from None
    found: list[npt.NDArray[Any]] | None = imported("numcrc.exchange").arrays(data)
    if found is not None:
        return found
    if hasattr(kind, "__array_interface__") or hasattr(kind, "__array_struct__"):
        return _arrays(np.asarray(data))
    if hasattr(kind, "__buffer__"):  # its own error
        raise error
    raise TypeError(wrong + _advice(kind)) from None


_IN_PARTS = {
    "dask": "pass it to numcrc.dask.crc, or compute it first",
    "h5py": "read it first, as x[()]",
    "xarray": "pass its .values, or pass it to numcrc.xarray.crcs",
    "zarr": "read it first, as x[...]",
}
"""How to compute objects whose data are not in memory, or in several arrays, by their package."""


def _advice(kind: type) -> str:
    """Return how to make an array of an object of type *kind*, "" if it is not like one."""
    if kind.__name__ == "DataFrame":
        return ": pass its columns, each as .to_numpy()"
    if hasattr(kind, "__cuda_array_interface__"):
        return ": copy it from the GPU first"
    if hasattr(kind, "to_numpy"):  # of pandas
        return ": pass its .to_numpy()"
    if hasattr(kind, "compute"):
        return ": compute it first"
    if hasattr(kind, "__array__") or issubclass(kind, (list, tuple)):
        return ": pass np.asarray() of it"
    return ""
