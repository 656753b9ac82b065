"""Any buffer or array as plain bytes, in C order, without a copy of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

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
"""Bytes of an array that are brought into order at a time."""


def as_array(data: Data) -> npt.NDArray[Any]:
    """Return *data* as an ndarray on the same memory.

    Raises
    ------
    TypeError
        *data* has no buffer, or one that holds Python objects.
    """
    import numpy as np

    array = data if isinstance(data, np.ndarray) else np.asarray(_view(data))
    if array.dtype.hasobject:
        raise TypeError(
            f"an array of dtype {array.dtype} holds Python objects, whose bytes are no data"
        )
    return array.view(np.ndarray)


def flat_bytes(data: Data) -> npt.NDArray[Any]:
    """Return the bytes of *data*, which must be C-contiguous, as a flat array on its memory."""
    import numpy as np

    array = as_array(data)
    if not array.flags.c_contiguous:
        raise ValueError("the buffer must be C-contiguous")
    if not array.nbytes:
        return np.empty(0, np.uint8)
    # Through uint8, for the dtypes that have no buffer format of their own.
    return array.reshape(-1).view(np.uint8)


def pieces(data: Data) -> Iterator[memoryview]:
    """Yield the bytes of *data* in C order, as contiguous views of single bytes.

    Raises
    ------
    TypeError
        *data* has no buffer, or one that holds Python objects.
    """
    import numpy as np

    array = as_array(data)
    if array.flags.c_contiguous or not array.nbytes:
        yield memoryview(flat_bytes(array))  # type: ignore[arg-type]
        return
    flags = ["external_loop", "buffered"]
    buffersize = max(1, _SCRATCH // array.itemsize)
    for chunk in np.nditer(array, flags=flags, order="C", buffersize=buffersize):  # type: ignore[call-overload]
        # What is contiguous already comes as a view, else as the iterator's own buffer.
        yield memoryview(flat_bytes(np.ascontiguousarray(chunk)))  # type: ignore[arg-type]


def _view(data: Data) -> memoryview:
    try:
        return memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        hint = ": encode it first" if isinstance(data, str) else ""
        raise TypeError(
            f"data must be bytes-like or an array, not {type(data).__name__}{hint}"
        ) from None
