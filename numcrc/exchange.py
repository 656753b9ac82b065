"""View memory that other libraries share, by Arrow's C data interface and by DLPack.

Nothing is copied, and no capsule is consumed: its destructor releases what it has. The arrays of a
stream are this module's, and released once nothing refers to them. See
https://arrow.apache.org/docs/format/CDataInterface.html and https://dmlc.github.io/dlpack/latest/.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


def arrays(data: Any) -> list[Array] | None:
    """Return arrays on the memory of *data*, which are its bytes one after another.

    None if *data* has neither interface; pandas is left to its own conversion to NumPy, for a
    conversion to Arrow takes NaN for a null.

    Raises
    ------
    TypeError
        The memory is of a GPU, or not plain data: nulls, bits, values of any length, tables.
    """
    kind = type(data)
    if has_arrow(kind) and kind.__module__.partition(".")[0] != "pandas":
        return [chunk.plain() for chunk in arrow_chunks(data)] or [np.empty(0, np.uint8)]
    if hasattr(kind, "__dlpack__") and hasattr(kind, "__dlpack_device__"):
        return [_of_dlpack(data)]
    return None


def _memory(address: int | None, shape: Any, size: int, owner: Any, strides: Any = None) -> Array:
    """Return an array on memory that *owner* keeps alive, its items of *size* bytes."""
    if 0 in shape or not size:
        return np.empty(shape, f"V{size}")
    if not address:
        raise ValueError(f"the memory of an array of shape {shape} is absent")
    interface = {"data": (address, True), "shape": shape, "strides": strides, "version": 3}
    return np.asarray(_Interface(interface | {"typestr": f"|V{size}"}, owner))


class _Interface:
    """An object with NumPy's array interface, to which its arrays refer."""

    def __init__(self, interface: dict[str, Any], owner: Any) -> None:
        self.__array_interface__, self.owner = interface, owner


_pointer_in = ctypes.PYFUNCTYPE(c_void_p, ctypes.py_object, c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_is_valid = ctypes.PYFUNCTYPE(c_int, ctypes.py_object, c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)


# Arrow


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_Schema._fields_ = [
    ("format", c_char_p),
    *((name, c_void_p) for name in ("name", "metadata")),
    *((name, c_int64) for name in ("flags", "n_children")),
    ("children", POINTER(POINTER(_Schema))),
    ("dictionary", POINTER(_Schema)),
    ("release", ctypes.CFUNCTYPE(None, POINTER(_Schema))),
    ("private_data", c_void_p),
]
_Array._fields_ = [
    *((name, c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Array))),
    ("dictionary", POINTER(_Array)),
    ("release", ctypes.CFUNCTYPE(None, POINTER(_Array))),
    ("private_data", c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))),
    ("get_next", ctypes.CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(c_void_p, POINTER(_Stream))),
    *((name, c_void_p) for name in ("release", "private_data")),
]

_OFFSETS = {"z": 4, "u": 4, "Z": 8, "U": 8}
"""Bytes of an offset of binary and string arrays, by format."""
_VIEWS = "vz", "vu"
_INDICES = {"c": "i1", "C": "u1", "s": "i2", "S": "u2", "i": "i4", "I": "u4", "l": "i8", "L": "u8"}
"""The dtype of integers, by format."""
_SIZES = {**{code: np.dtype(name).itemsize for code, name in _INDICES.items()}, "e": 2, "f": 4}
_SIZES |= {"g": 8, "tdD": 4, "tdm": 8, "tts": 4, "ttm": 4, "ttu": 8, "ttn": 8}
_SIZES |= {"tiM": 4, "tiD": 8, "tin": 16}
"""Bytes of a value, by format."""


def has_arrow(kind: type) -> bool:
    """Return whether objects of type *kind* share memory by Arrow's C data interface."""
    return hasattr(kind, "__arrow_c_array__") or hasattr(kind, "__arrow_c_stream__")


class _Owned:
    """A structure that is released once nothing refers to it."""

    def __init__(self, structure: Any) -> None:
        self.structure = structure

    def __del__(self) -> None:
        if self.structure.release:  # which sets it to null
            self.structure.release(ctypes.byref(self.structure))


def arrow_chunks(data: Any) -> list[Chunk]:
    """Return the chunks of an Arrow array, of an array of chunks, or of a Series."""
    kind = type(data)
    package = kind.__module__.partition(".")[0]
    if package == "pyarrow" and hasattr(data, "chunks"):
        # One by one: only so pyarrow gives the sizes of buffers.
        parts = data.chunks or [data.combine_chunks()]  # an empty one has the type
        return [chunk for part in parts for chunk in arrow_chunks(part)]
    if package == "polars" and str(getattr(data, "dtype", "")) == "Object":
        # Its Arrow array has the addresses of the objects.
        raise TypeError("the Series holds Python objects, not plain data: pass its .to_list()")
    if not hasattr(kind, "__arrow_c_array__"):
        return list(_of_stream(data.__arrow_c_stream__()))
    schema, array = capsules = data.__arrow_c_array__()
    chunk = Chunk(
        _not_released(_Schema.from_address(_pointer_in(schema, b"arrow_schema"))),
        _not_released(_Array.from_address(_pointer_in(array, b"arrow_array"))),
        capsules,
    )
    if package == "pyarrow" and hasattr(data, "buffers"):
        chunk.know_sizes(data)
    return [chunk]


def _not_released(structure: Any) -> Any:
    """Return *structure*, unless another consumer of its capsule has released it."""
    if not structure.release:
        raise ValueError("the Arrow data are released: another consumer has taken them")
    return structure


def _of_stream(capsule: Any) -> Iterator[Chunk]:
    stream = _not_released(_Stream.from_address(_pointer_in(capsule, b"arrow_array_stream")))

    def call(name: str, structure: Any) -> _Owned:
        status = getattr(stream, name)(ctypes.byref(stream), ctypes.byref(structure))
        if status:
            text = stream.get_last_error(ctypes.byref(stream))
            message = ctypes.string_at(text).decode(errors="replace") if text else "unknown error"
            raise OSError(status, f"cannot read an Arrow stream: {message}")
        return _Owned(structure)

    schema = call("get_schema", _Schema())
    while True:
        array = call("get_next", _Array())
        if not array.structure.release:  # the end
            return
        yield Chunk(schema.structure, array.structure, (schema, array))


class Places(NamedTuple):
    """Where values are in memory."""

    addresses: Array
    """uint64."""
    lengths: Array
    """In bytes, int64; 0 for nulls."""

    def items(self) -> Iterator[bytes]:
        """Yield a copy of each value."""
        for where, length in zip(self.addresses.tolist(), self.lengths.tolist(), strict=True):
            yield ctypes.string_at(where, length)


class Chunk:
    """An array in Arrow's layout, which *owner* keeps alive."""

    def __init__(self, schema: Any, array: Any, owner: Any) -> None:
        self.format: str = schema.format.decode()
        self.length, self._offset, self._array = array.length, array.offset, array
        self._schema, self._owner = schema, owner
        self._sizes: Sequence[int] | None = None
        self._of_dictionary: Places | None = None
        self.dictionary = None
        if schema.dictionary:
            self.dictionary = Chunk(schema.dictionary[0], array.dictionary[0], owner)

    def know_sizes(self, array: Any) -> None:
        """Take the sizes of buffers from pyarrow's *array*: its files may have wrong offsets."""
        array = getattr(array, "storage", array)  # of an extension type
        self._sizes = [0 if buffer is None else buffer.size for buffer in array.buffers()]
        if self.dictionary is not None:
            self.dictionary.know_sizes(array.dictionary)

    @property
    def has_values(self) -> bool:
        """Whether it has binary values or texts, or refers to some by indices."""
        if self.dictionary is not None:
            return self.dictionary.has_values
        return self.format in _OFFSETS or self.format in _VIEWS or self.format.startswith("w:")

    def valid(self) -> Array | None:
        """Return which values are not null; None if all are."""
        found = None
        array = self._array
        if self.length and array.null_count and array.n_buffers and array.buffers[0]:
            bits = self._buffer(0, -(-(self._offset + self.length) // 8), 1)
            first, start = divmod(self._offset, 8)
            flags = np.unpackbits(bits[first:].view(np.uint8), bitorder="little")
            found = flags[start : start + self.length].astype(bool)
        if self.dictionary is not None and (inside := self.dictionary.valid()) is not None:
            indices = self._indices(0, self.length)
            used = np.ones(self.length, bool) if found is None else found
            safe = np.where(used & (indices >= 0) & (indices < len(inside)), indices, 0)
            found = used & inside[safe]
        return None if found is None or found.all() else found

    def places(self, first: int, count: int, valid: Array | None) -> Places:
        """Return the places of *count* values from *first* on; *valid* says which are not null."""
        if self.dictionary is not None:
            found = self._places_by_indices(first, count, valid)
        elif self.format in _OFFSETS:
            found = self._places_by_offsets(first, count)
        elif self.format in _VIEWS:
            found = self._places_by_views(first, count, valid)
        else:
            size = int(self.format[2:])
            start = _address(self._buffer(1, self._offset + self.length, size))
            numbers = np.arange(self._offset + first, self._offset + first + count)
            found = Places((start + numbers * size).view(np.uint64), np.full(count, size))
        if valid is not None:
            found.lengths[~valid] = 0
        return found

    def plain(self) -> Array:
        """Return the values, which are all of one size, as an array; rows of lists of one size."""
        if self.dictionary is not None or self.format in _OFFSETS or self.format in _VIEWS:
            raise TypeError(
                "an Arrow array of values of any length has one CRC for each: use batch"
            )
        if self.format.startswith("+w:"):
            self._refuse_nulls()
            items = self._child(int(self.format[3:])).plain()
            return items.reshape(self.length, int(self.format[3:]), *items.shape[1:])
        size = _size(self.format)
        self._refuse_nulls()
        return self._buffer(1, self._offset + self.length, size)[self._offset :]

    def _child(self, size: int) -> Chunk:
        """Return the items of the lists, each of *size* items."""
        array = self._array.children[0][0]
        child = Chunk(self._schema.children[0][0], array, self._owner)
        child._offset += self._offset * size
        child.length = self.length * size
        if self._sizes is not None:
            child._sizes = self._sizes[1:]
        if self._offset * size + child.length > array.length:
            raise ValueError(
                f"the lists of the Arrow array have {array.length} items, not"
                f" {self._offset * size + child.length}"
            )
        return child

    def _refuse_nulls(self) -> None:
        if self.valid() is not None:
            raise TypeError("the Arrow array has nulls, which have no bytes: fill them first")

    def _buffer(self, number: int, count: int, size: int) -> Array:
        """Return *count* items of *size* bytes of a buffer."""
        address = self._array.buffers[number] if number < self._array.n_buffers else None
        if self._sizes is not None and count * size > self._sizes[number]:
            raise ValueError(
                f"buffer {number} of the Arrow array has {self._sizes[number]} bytes, not"
                f" {count * size}"
            )
        return _memory(address, (count,), size, self._owner)

    def _places_by_offsets(self, first: int, count: int) -> Places:
        size, start = _OFFSETS[self.format], self._offset + first
        if not self.length:  # an empty array may have no offsets
            return Places(np.zeros(0, np.uint64), np.zeros(0, np.int64))
        offsets = self._buffer(1, self._offset + self.length + 1, size)
        # A copy: what is checked is what is used.
        ends = offsets[start : start + count + 1].view(f"i{size}").astype(np.int64)
        lengths = np.diff(ends)
        if count and (lengths.min() < 0 or ends[0] < 0):
            i = int(np.argmax((lengths < 0) | (ends[:-1] < 0)))
            raise ValueError(
                f"the Arrow array's record {first + i} has invalid offsets: {ends[i]},"
                f" {ends[i + 1]}"
            )
        if self._sizes is not None and count and ends[-1] > self._sizes[2]:
            raise ValueError(
                f"the Arrow array's record {first + count - 1}, {lengths[-1]} bytes at {ends[-2]},"
                f" is outside the buffer of {self._sizes[2]}"
            )
        content = self._array.buffers[2]
        if not content and count and ends[-1] > ends[0]:
            raise ValueError("buffer 2 of the Arrow array is absent")
        ends += content or 0
        return Places(ends[:-1].view(np.uint64), lengths)

    def _places_by_views(self, first: int, count: int, valid: Array | None) -> Places:
        start = self._offset + first
        if not self.length:
            return Places(np.zeros(0, np.uint64), np.zeros(0, np.int64))
        buffer = self._buffer(1, self._offset + self.length, 16)
        views = buffer[start : start + count].view(np.int32).reshape(count, 4).copy()
        lengths = views[:, 0].astype(np.int64)
        # Up to 12 bytes are in the view itself, longer ones at an offset in one of more buffers.
        addresses = _address(buffer) + 4 + 16 * np.arange(start, start + count)
        far = lengths > 12
        if valid is not None:
            lengths[~valid] = 0
            far &= valid
        if lengths.min() < 0:
            i = int(np.argmin(lengths))
            raise ValueError(f"the Arrow array's record {first + i} has a negative length")
        if far.any():
            addresses = np.where(far, self._far(views, lengths, far, first), addresses)
        return Places(addresses.view(np.uint64), lengths)

    def _far(self, views: Array, lengths: Array, far: Array, first: int) -> Array:
        """Return the addresses of values in other buffers, which *far* says; others are undefined.

        The sizes of these buffers, in bytes, are the last buffer.
        """
        more = self._array.n_buffers - 3
        number = np.multiply(views[:, 2], far, dtype=np.int64)
        offset = np.multiply(views[:, 3], far, dtype=np.int64)
        if number.min() < 0 or number.max() >= more or offset.min() < 0:
            wrong = (number < 0) | (number >= more) | (offset < 0)
        else:
            sizes = _memory(self._array.buffers[more + 2], (more,), 8, self._owner).view(np.int64)
            wrong = sizes.take(number) - lengths < offset
        wrong &= far
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(f"the Arrow array's record {first + i} is outside its buffers")
        starts = np.array([self._array.buffers[2 + i] or 0 for i in range(more)], np.int64)
        found: Array = starts.take(number)
        found += offset
        return found

    def _indices(self, first: int, count: int) -> Array:
        dtype = np.dtype(_INDICES[self.format])
        buffer = self._buffer(1, self._offset + self.length, dtype.itemsize)
        start = self._offset + first
        return buffer[start : start + count].view(dtype).astype(np.int64)

    def _places_by_indices(self, first: int, count: int, valid: Array | None) -> Places:
        assert self.dictionary is not None
        if self._of_dictionary is None:
            size = self.dictionary.length
            self._of_dictionary = self.dictionary.places(0, size, self.dictionary.valid())
        indices = self._indices(first, count)
        if valid is not None:
            indices[~valid] = 0
            if not self.dictionary.length:  # all are null
                return Places(np.zeros(count, np.uint64), np.zeros(count, np.int64))
        if count and not 0 <= indices.min() <= indices.max() < self.dictionary.length:
            raise ValueError("an index of the Arrow array is outside its dictionary")
        return Places(*(found[indices] for found in self._of_dictionary))


def _size(code: str) -> int:
    """Return the bytes of a value of the format *code*."""
    if code.startswith("w:"):
        return int(code[2:])
    if code.startswith(("ts", "tD")):
        return 8
    if code.startswith("d:"):
        bits = code[2:].split(",")[2:] or ["128"]
        return int(bits[0]) // 8
    if code == "b":
        raise TypeError("an Arrow array of bools has bits, not bytes: cast it to uint8 first")
    if code not in _SIZES:
        what = "a table or struct: pass its columns" if code == "+s" else f"of the format {code!r}"
        raise TypeError(f"data must be an Arrow array of values of one size, not {what}")
    return _SIZES[code]


def _address(array: Array) -> int:
    where: int = array.__array_interface__["data"][0]
    return where


# DLPack


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    )


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", _Tensor),
    )


_OF_CPU = 1, 3, 11  # kDLCPU, kDLCUDAHost, kDLROCMHost


def _of_dlpack(data: Any) -> Array:
    name = type(data).__name__
    try:
        device, number = map(int, data.__dlpack_device__())
        if device not in _OF_CPU:
            raise TypeError(
                f"data must be in the memory of the CPU, but the {name} is on device"
                f" {device, number}: copy it to the CPU first"
            )
        try:
            capsule = data.__dlpack__(max_version=(1, 0))
        except TypeError:  # before version 1
            capsule = data.__dlpack__()
    except (BufferError, RuntimeError, ValueError) as error:
        raise TypeError(f"the {name} does not share its memory: {error}") from error
    if _is_valid(capsule, b"dltensor_versioned"):
        managed = _Versioned.from_address(_pointer_in(capsule, b"dltensor_versioned"))
        if managed.major != 1:
            raise TypeError(f"the {name} shares its memory by DLPack {managed.major}, not 1")
        tensor = managed.tensor
    else:
        tensor = _Tensor.from_address(_pointer_in(capsule, b"dltensor"))
    size, rest = divmod(tensor.bits * tensor.lanes, 8)
    if rest:
        raise TypeError(f"an item of the {name} has {tensor.bits * tensor.lanes} bits, not bytes")
    if tensor.ndim and not tensor.shape:
        raise ValueError(f"the shape of the {name} is absent")
    shape = tuple(tensor.shape[: tensor.ndim]) if tensor.ndim else ()
    strides = None
    if tensor.strides and tensor.ndim:
        strides = tuple(step * size for step in tensor.strides[: tensor.ndim])
    address = (tensor.data or 0) + tensor.byte_offset
    return _memory(address, shape, size, capsule, strides)
