"""Test that every buffer and array counts as its bytes in C order, except Python objects."""

from __future__ import annotations

import array
import ctypes
import mmap
import random
import sys
import tracemalloc
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from strategies import few, views
from support import ALL_DTYPES, STRUCTURES, Callee, in_c_order

import numcrc

DATA = random.Random(2).randbytes(4000)


class _WithObject(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int32), ("thing", ctypes.py_object))


OBJECTS = {
    "array": np.array([1, None, "x"], object),
    "empty array": np.array([], object),
    "0-d array": np.array(None, object),
    "strided array": np.array([1, None, "x"], object)[::2],
    "structure": np.zeros(3, [("a", "f8"), ("b", "O")]),
    "aligned structure": np.zeros(3, np.dtype([("a", "i4"), ("b", "O")], align=True)),
    "packed structure": np.zeros(3, [("b", "O"), ("a", "i4")]),
    "nested structure": np.zeros(3, [("a", "i4"), ("b", [("c", "O", (2,))])]),
    "ctypes array": (ctypes.py_object * 2)(1, 2),
    "ctypes structure": _WithObject(1, 2),
}


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="new in NumPy 2")
def test_arrays_of_strings_on_the_heap(callee):
    strings = np.array(["a", "long enough to be on the heap"], np.dtypes.StringDType())
    for array_ in (strings, strings[::-1]):
        with pytest.raises(TypeError, match="holds Python objects"):
            callee.call(array_)


@pytest.mark.parametrize("name", OBJECTS)
def test_arrays_of_objects(callee, name):
    """Their memory holds addresses."""
    for value in (None, 1, np.uint8(1)):
        with pytest.raises(TypeError, match="holds Python objects"):
            callee.call(OBJECTS[name], value)


@pytest.mark.parametrize("name", OBJECTS)
def test_memoryviews_of_objects(callee, name):
    with pytest.raises(TypeError, match="holds Python objects"):
        callee.call(memoryview(OBJECTS[name]))


# Kinds of buffers


class _Number(ctypes.Structure):
    _fields_ = (("O", ctypes.c_double), ("b", ctypes.c_int32))


class _BigEndian(ctypes.BigEndianStructure):
    _fields_ = (("a", ctypes.c_uint64), ("b", ctypes.c_int16))


class _Bits(ctypes.Structure):
    _fields_ = (("low", ctypes.c_uint64, 3), ("high", ctypes.c_uint64, 61))


class _Either(ctypes.Union):
    _fields_ = (("a", ctypes.c_double), ("b", ctypes.c_int16))


class _Pointers(ctypes.Structure):
    _fields_ = (("to", ctypes.POINTER(ctypes.c_int)), ("call", ctypes.CFUNCTYPE(None)))


class _Subclass(bytes):
    """A subclass with a __dict__, whose memory layout differs from bytes."""


def anonymous_map(data: bytes) -> mmap.mmap:
    area = mmap.mmap(-1, len(data))
    area[:] = data
    return area


RAW = DATA[:48]
BUFFERS = {
    "bytes": RAW,
    "subclass of bytes": _Subclass(RAW),
    "bytearray": bytearray(RAW),
    "empty bytearray": bytearray(),
    "memoryview": memoryview(RAW),
    "slice": memoryview(RAW)[3:-5],
    "writable memoryview": memoryview(bytearray(RAW)),
    "stepping memoryview": memoryview(RAW)[::3],
    "backward memoryview": memoryview(RAW)[::-1],
    "memoryview in 3 dimensions": memoryview(RAW).cast("B", (2, 3, 8)),
    "memoryview of 0 dimensions": memoryview(RAW[:8]).cast("d", ()),
    "mmap": anonymous_map(RAW),
    "array.array": array.array("d", [1.5, -2.5]),
    "array.array of characters": array.array("w" if sys.version_info >= (3, 13) else "u", "żółw"),
    "empty array.array": array.array("i"),
} | {f"memoryview of {code}": memoryview(RAW).cast(code) for code in "bBcdfhHiIlLnNPqQ?"}
CTYPES = {
    "char array": ctypes.create_string_buffer(RAW, 48),
    "wchar array": ctypes.create_unicode_buffer("wide"),
    "int array": (ctypes.c_int32 * 3)(1, -2, 3),
    "matrix": (ctypes.c_double * 2 * 3)(),
    "number": ctypes.c_double(1.5),
    "bool": ctypes.c_bool(True),
    "long double array": (ctypes.c_longdouble * 2)(),
    "field named O": _Number(1.5, 7),
    "array of structures": (_Number * 2)(_Number(1.5, 7)),
    "big endian structure": _BigEndian(1, 2),
    "bit fields": _Bits(5, 2**60),
    "union": _Either(1.5),
    "void pointers": (ctypes.c_void_p * 2)(1, 2),
    "char pointers": (ctypes.c_char_p * 2)(),
    "structure of pointers": _Pointers(),
}


def holds(callee: Callee, data: object, plain: bytes) -> None:
    """Assert that *data* counts as the bytes *plain*, in machine code and in Python."""
    value = 0x9D & callee.algorithm.model.mask
    assert callee.call(data) == callee.expected(plain)
    assert callee.call(data, value) == callee.expected(plain, value)
    # Machine code passes a value that is not an int on to Python.
    assert callee.call(data, np.uint64(value)) == callee.expected(plain, value)


@pytest.mark.parametrize("name", BUFFERS)
def test_buffers(callee, name):
    data = BUFFERS[name]
    holds(callee, data, memoryview(data).tobytes())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CTYPES)
def test_ctypes(callee, name):
    data = CTYPES[name]
    plain = ctypes.string_at(ctypes.addressof(data), ctypes.sizeof(data))
    holds(callee, data, plain)
    holds(callee, memoryview(data), plain)


@pytest.mark.parametrize("name", ALL_DTYPES)
def test_arrays_of_every_dtype(callee, name):
    dtype = ALL_DTYPES[name]
    plain = DATA[: 6 * dtype.itemsize]
    items = np.frombuffer(plain, dtype)
    holds(callee, items, plain)
    holds(callee, items.reshape(2, 3), plain)
    holds(callee, items[:1].reshape(()), plain[: dtype.itemsize])
    holds(callee, items[:0], b"")
    if dtype.names is None and dtype.kind != "U":  # scalars of U are strings
        holds(callee, items[0], items[0].tobytes())  # a scalar, of native byte order
    shifted = bytearray(b"x" + plain)
    holds(callee, np.frombuffer(shifted, np.uint8)[1:].view(dtype), plain)
    holds(callee, items.reshape(2, 3).T, in_c_order(items.reshape(2, 3).T))


@pytest.mark.parametrize("dtype", ["S0", "U0", "V0", [], [("b", "f8", (0,))]], ids=str)
def test_items_of_no_bytes(callee, dtype):
    for shape in (3, (), (2, 0), (4, 2)):
        items = np.zeros(shape, [("a", dtype), ("number", "i4")])["a"]
        assert items.nbytes == 0
        holds(callee, items, b"")
        holds(callee, items.T, b"")


def test_subclasses_of_ndarray(callee, tmp_path):
    numbers = np.arange(24, dtype=">u4").reshape(4, 6)
    mapped = np.memmap(tmp_path / "map", ">u4", "w+", shape=(4, 6))
    mapped[:] = numbers
    records = np.rec.array(np.frombuffer(RAW, [("a", "u2"), ("b", "f4")]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix(numbers)
    read_only = np.memmap(tmp_path / "map", ">u4", "r", shape=(4, 6))
    for data in (mapped, read_only, records, matrix, numbers.view(type("Own", (np.ndarray,), {}))):
        holds(callee, data, data.tobytes())
        holds(callee, data[::2], data[::2].tobytes())


MASKED = {
    "contiguous": np.ma.masked_array(np.arange(6), [0, 1, 0, 0, 0, 1]),
    "strided": np.ma.masked_array(np.arange(24).reshape(4, 6), False)[:, ::2],
    "without a mask": np.ma.masked_array(np.arange(6)),
    "records": np.ma.masked_array(np.zeros(3, "u1,f8")),
    "subclass": type("Own", (np.ma.MaskedArray,), {})(np.arange(6)),
}


@pytest.mark.parametrize("name", MASKED)
def test_masked_arrays_are_refused(callee, name):
    """The data under a mask have no meaning, and numcrc cannot know what is to count."""
    masked = MASKED[name]
    crc = callee.algorithm
    message = r"must not be a masked array: pass its \.filled\(\), or its \.data"
    for call in (
        lambda: callee.call(masked),
        lambda: callee.call(masked, np.uint8(1)),
        lambda: crc.new(masked),
        lambda: crc.rows(masked, axis=None),
        lambda: crc.segments(masked, [0]),
        lambda: crc.blocks(masked, 8),
        lambda: crc.prefixes(masked, [0]),
        lambda: crc.bits(masked, 8),
        lambda: crc.verify(masked, 0),
    ):
        with pytest.raises(TypeError, match=f"^data {message}"):
            call()
    with pytest.raises(TypeError, match=f"^buffer 1: data {message}"):
        crc.batch([b"abc", masked])
    with pytest.raises(TypeError, match=f"^buffers {message}"):
        crc.batch(np.ma.masked_array([b"abc", b"d"], dtype=object))
    holds(callee, masked.filled(), masked.filled().tobytes())
    holds(callee, masked.data, masked.data.tobytes())


@pytest.mark.parametrize("value", [np.ma.masked_array(1, True), np.ma.array(1), np.ma.masked])
def test_a_masked_value_is_refused(callee, value):
    for data in (b"abc", np.arange(6)[::2]):
        with pytest.raises(
            TypeError, match=r"^value must not be a masked array: pass its \.filled"
        ):
            callee.call(data, value)


def test_masked_arguments_are_refused():
    crc = numcrc.algorithms["CRC-32/ISO-HDLC"]
    one, two = np.ma.masked_array([1], [True]), np.ma.masked_array([0, 1])
    for name, call in {
        "value": lambda: crc.rows(np.zeros((1, 3), "u1"), value=one),
        "offsets": lambda: crc.segments(b"abc", two),
        "lengths": lambda: crc.segments(b"abc", [0], one),
        "n": lambda: crc.zeros(1, np.ma.masked_array(1, True)),
        "nbits": lambda: crc.bits(b"abc", np.ma.masked_array(1, True)),
        "size": lambda: crc.blocks(b"abc", np.ma.masked_array(1, True)),
        "expected": lambda: crc.verify(b"abc", np.ma.masked_array(1, True)),
        "crc1": lambda: crc.combine(one, 1, 1),
        "len2": lambda: crc.combine(1, 1, one),
        "crcs": lambda: crc.join(two, [1, 1]),
        "out": lambda: crc.rows(np.zeros((1, 3), "u1"), out=one.astype("u4")),
    }.items():
        with pytest.raises(TypeError, match=f"^{name} must not be a masked array"):
            call()


# Suboffsets, as of images whose rows lie anywhere


def image(shape: list[int], flags: str = "ND_PIL") -> Any:
    """Return a buffer of CPython's own tests, its items numbers from 0 on."""
    testbuffer = pytest.importorskip("_testbuffer")
    items = list(range(int(np.prod(shape))))
    return testbuffer.ndarray(items, shape=shape, format="B", flags=getattr(testbuffer, flags))


def test_buffers_with_suboffsets(callee):
    rows = image([3, 4])
    assert memoryview(rows).suboffsets == (0, -1)
    for data in (rows, memoryview(rows), memoryview(rows)[::2], memoryview(rows)[1:]):
        holds(callee, data, memoryview(data).tobytes())
    crc, plain = callee.algorithm, bytes(range(12))
    assert np.ravel(crc.rows(rows)).tolist() == [crc(plain[i : i + 4]) for i in (0, 4, 8)]
    assert np.ravel(crc.rows(rows, axis=0)).tolist() == [crc(plain[i::4]) for i in range(4)]
    assert crc.batch([b"a", rows]).tolist() == [crc(b"a"), crc(plain)]
    assert crc.segments(rows, [0, 5, 12]).tolist() == [crc(plain[:5]), crc(plain[5:])]
    assert crc.bits(rows, 90) == crc.bits(plain, 90)


def test_rows_of_strided_buffers_that_numpy_has_no_type_for():
    crc = numcrc.algorithms["CRC-16/ARC"]
    pairs = (_Pointers * 6)()
    view = memoryview(pairs)[::2]
    size = ctypes.sizeof(_Pointers)
    assert crc.rows(view).shape == ()
    assert crc.rows(view, axis=()).tolist() == [crc(bytes(size))] * 3


# Objects that are like arrays


def test_errors_name_the_conversion_to_an_array(callee):
    class Series:
        def to_numpy(self):
            """Return an array."""

    class Dask:
        def compute(self):
            """Return the result."""

        def __array__(self):
            raise AssertionError

    class Tensor:
        def __array__(self):
            raise AssertionError

    for data, conversion in (
        (Series(), r"pass its \.to_numpy\(\)"),
        (Dask(), "compute it first"),
        (Tensor(), r"pass np\.asarray\(\) of it"),
        ([1, 2], r"pass np\.asarray\(\) of it"),
        ([[1], [2]], r"pass np\.asarray\(\) of it"),
    ):
        kind = type(data).__name__
        message = f"^data must be bytes-like or an array, not {kind}: {conversion}$"
        for call in (callee.call, callee.algorithm.rows):
            with pytest.raises(TypeError, match=message):
                call(data)
    with pytest.raises(TypeError, match=r"^data must be bytes-like or an array, not int$"):
        callee.call(5)


def test_read_only_array(callee):
    numbers = np.arange(10.0)
    numbers.flags.writeable = False
    holds(callee, numbers, numbers.tobytes())
    holds(callee, numbers[::-1], numbers[::-1].tobytes())


# Arrays that are not contiguous


@few
@given(views())
def test_views_count_as_their_bytes_in_c_order(view):
    plain = in_c_order(view)
    assert numcrc.crc32(view) == zlib.crc32(plain)
    assert numcrc.crc32(view, 123) == zlib.crc32(plain, 123)
    wide = numcrc.algorithms["CRC-82/DARC"]
    assert wide(view) == wide(plain)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_byte_of_strided_structures_counts(name):
    dtype = STRUCTURES[name]
    plain = DATA[: 40 * dtype.itemsize]
    items = [
        plain[start : start + dtype.itemsize] for start in range(0, len(plain), dtype.itemsize)
    ]
    for step in (3, -1):
        view = np.frombuffer(plain, dtype)[::step]
        assert numcrc.crc32(view) == zlib.crc32(b"".join(items[::step]))


def test_selected_fields():
    items = np.frombuffer(DATA[:480], [("a", "u1"), ("b", "f8"), ("c", "u1", (3,))])
    for view in (items["b"], items["c"][::-2], items[["a", "c"]], items[["b"]][::2]):
        assert numcrc.crc32(view) == zlib.crc32(in_c_order(view))


def test_views_larger_than_scratch():
    numbers = np.frombuffer(random.Random(3).randbytes(3 << 20), "u1")
    for view in (
        numbers[::-1],
        numbers.reshape(1024, 3, 1024).T,
        numbers.view("V12")[::-2],
        numbers.view(f"V{1 << 20}")[::-1],
        np.broadcast_to(numbers[:1000], (1500, 1000)),
        np.lib.stride_tricks.sliding_window_view(numbers[:2000], 1000),
    ):
        assert numcrc.crc32(view) == zlib.crc32(view.tobytes())


def test_views_are_not_copied_as_a_whole():
    view = np.zeros((4096, 4096), np.uint8).T
    numcrc.crc32(view[:2, :2])  # imports and compiles
    tracemalloc.start()
    try:
        numcrc.crc32(view)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < view.nbytes / 8
