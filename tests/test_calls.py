"""Calling a CRC: every way to pass a value, every kind of buffer, every wrong call."""

from __future__ import annotations

import array
import copy
import ctypes
import gc
import inspect
import mmap
import pickle
import random
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import algorithms, few

import numcrc
from numcrc import reference
from numcrc.jit.abi import GIL_FREE

DROP_IN = {"crc32": "CRC-32/ISO-HDLC", "crc32c": "CRC-32/ISCSI", "crc64nvme": "CRC-64/NVME"}
# The other bit order, refin != refout, and wider than a machine word.
OTHERS = ["CRC-24/OPENPGP", "CRC-12/UMTS", "CRC-82/DARC"]
DATA = random.Random(2).randbytes(GIL_FREE + 1000)


class Callee(NamedTuple):
    """A function or an algorithm to call, and the algorithm that it computes."""

    call: Callable[..., int]
    algorithm: numcrc.Algorithm

    def expected(self, data: bytes, value: int | None = None) -> int:
        """Return the right answer."""
        return reference.crc(self.algorithm._model, data, value)


@pytest.fixture(params=[*DROP_IN, *OTHERS])
def crc(request: pytest.FixtureRequest) -> Callee:
    """Every drop-in function and one algorithm of each kind."""
    name = request.param
    if name in DROP_IN:
        return Callee(getattr(numcrc, name), numcrc.algorithms[DROP_IN[name]])
    return Callee(numcrc.algorithms[name], numcrc.algorithms[name])


@pytest.fixture(params=DROP_IN)
def drop_in(request: pytest.FixtureRequest) -> Callable[..., int]:
    """Every drop-in function."""
    return getattr(numcrc, request.param)


# The value


def test_value_by_position_and_keyword(crc):
    for data in (b"", b"a", DATA[:300]):
        for value in (0, 1, 0x5A5 & crc.algorithm._model.mask, crc.algorithm._model.mask):
            expected = crc.expected(data, value)
            assert crc.call(data, value) == expected
            assert crc.call(data, value=value) == expected


def test_value_none_and_default_are_that_of_no_bytes(crc):
    expected = crc.expected(b"abc")
    assert crc.call(b"abc") == expected
    assert crc.call(b"abc", None) == expected
    assert crc.call(b"abc", value=None) == expected
    assert crc.call(b"abc", crc.call(b"")) == expected


@pytest.mark.parametrize(
    "value", [np.uint8(200), np.int64(77), np.uint64(4095), np.array(9), True, False]
)
def test_value_of_other_integer_types(crc, value):
    expected = crc.expected(b"abc", int(value))
    assert crc.call(b"abc", value) == crc.call(b"abc", value=value) == expected
    assert type(crc.call(b"abc", value)) is int


def test_value_with_index(crc):
    class Integer:
        def __index__(self):
            return 5

    assert crc.call(b"abc", Integer()) == crc.expected(b"abc", 5)


def test_keyword_made_at_run_time(crc):
    name = "".join(["val", "ue"])
    assert name is not sys.intern(name)
    assert crc.call(b"abc", **{name: 5}) == crc.expected(b"abc", 5)


@pytest.mark.parametrize("value", [-1, -(2**63), -(2**200), 2**128, 2**200])
def test_value_outside_the_register(crc, value):
    limit = f"value must be 0 <= value < 2**{crc.algorithm.width}, not {value:#x}"
    for call in (lambda: crc.call(b"abc", value), lambda: crc.call(b"abc", value=value)):
        with pytest.raises(ValueError, match="value must be") as caught:
            call()
        assert str(caught.value) == limit
    assert crc.call(b"abc") == crc.expected(b"abc")


def test_value_one_bit_too_wide(crc):
    top = 1 << crc.algorithm.width
    assert crc.call(b"abc", top - 1) == crc.expected(b"abc", top - 1)
    for value in (top, top | 1, 2 * top - 1, max(top, 2**64)):
        with pytest.raises(ValueError, match="value must be"):
            crc.call(b"abc", value)


@pytest.mark.parametrize("value", ["1", b"1", 1.0, np.float64(1), [1], (), object(), int])
def test_value_must_be_an_integer(crc, value):
    message = f"^value must be an integer, not {type(value).__name__}$"
    for call in (lambda: crc.call(b"abc", value), lambda: crc.call(b"abc", value=value)):
        with pytest.raises(TypeError, match=message):
            call()


def test_error_in_index_comes_through(crc):
    class Broken:
        def __index__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crc.call(b"abc", Broken())


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((), {}),
        ((), {"value": 1}),
        ((b"", 0, 0), {}),
        ((b"", 0), {"value": 0}),
        ((b"",), {"valu": 0}),
        ((b"",), {"value": 0, "other": 0}),
        ((b"", 0), {"other": 0}),
    ],
)
def test_wrong_arguments(crc, arguments, keywords):
    with pytest.raises(TypeError, match="argument"):
        crc.call(*arguments, **keywords)


def test_data_by_keyword(drop_in):
    with pytest.raises(TypeError, match="positional-only"):
        drop_in(data=b"abc")
    crc = numcrc.algorithms["crc32"]
    assert crc(data=b"abc", value=3) == crc(b"abc", 3)


# What is no data


@pytest.mark.parametrize(
    "data",
    [None, 5, 1.5, [1, 2], (b"a",), {}, object(), bytes, iter(b"abc")],
    ids=lambda data: type(data).__name__,
)
def test_no_buffer(crc, data):
    message = f"data must be bytes-like or an array, not {type(data).__name__}"
    for value in (None, 1, np.uint8(1)):
        with pytest.raises(TypeError) as caught:
            crc.call(data, value)
        assert str(caught.value) == message


def test_text(crc):
    for text in ("", "abc"):
        with pytest.raises(TypeError, match=r"not str: encode it first$"):
            crc.call(text)


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
def test_arrays_of_strings_on_the_heap(crc):
    strings = np.array(["a", "long enough to be on the heap"], np.dtypes.StringDType())
    for array_ in (strings, strings[::-1]):
        with pytest.raises(TypeError, match="holds Python objects"):
            crc.call(array_)


@pytest.mark.parametrize("name", OBJECTS)
def test_arrays_of_objects(crc, name):
    """What lies in memory there is addresses."""
    for value in (None, 1, np.uint8(1)):
        with pytest.raises(TypeError, match="holds Python objects"):
            crc.call(OBJECTS[name], value)


@pytest.mark.parametrize("name", OBJECTS)
def test_memoryviews_of_objects(crc, name):
    with pytest.raises(TypeError, match="holds Python objects"):
        crc.call(memoryview(OBJECTS[name]))


# Every kind of buffer


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
    """Has a __dict__, so it is laid out otherwise than bytes."""


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


def holds(crc: Callee, data: object, plain: bytes) -> None:
    """Assert that *data* counts as the bytes *plain*, for machine code and for Python."""
    value = 0x9D & crc.algorithm._model.mask
    assert crc.call(data) == crc.expected(plain)
    assert crc.call(data, value) == crc.expected(plain, value)
    # A value that is no int makes the machine code hand the call to Python.
    assert crc.call(data, np.uint64(value)) == crc.expected(plain, value)


@pytest.mark.parametrize("name", BUFFERS)
def test_buffers(crc, name):
    data = BUFFERS[name]
    holds(crc, data, memoryview(data).tobytes())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CTYPES)
def test_ctypes(crc, name):
    data = CTYPES[name]
    plain = ctypes.string_at(ctypes.addressof(data), ctypes.sizeof(data))
    holds(crc, data, plain)
    holds(crc, memoryview(data), plain)


DTYPES = [
    *("?", "i1", "u1", "<i2", ">i2", "<u4", ">u4", "<i8", ">u8", "<f2", ">f4", "f8", "g"),
    *("c8", ">c16", "<U3", ">U2", "S5", "V7", "M8[ns]", ">M8[D]", "m8[us]"),
]
STRUCTURES = {
    "packed": np.dtype([("a", "u1"), ("b", ">f8"), ("c", "S3")]),
    "padded": np.dtype([("a", "u1"), ("b", "f8")], align=True),
    "nested": np.dtype([("a", [("b", "u1"), ("c", "f8")]), ("d", "u2", (3,))], align=True),
    "overlapping": np.dtype(
        {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2], "itemsize": 12}
    ),
    "field named O": np.dtype([("O", "f8"), ("OO", "i4")]),
    "long titles": np.dtype([(("a long title with an O", "O"), "i8")]),
    "times": np.dtype([("when", "M8[s]"), ("what", "i4")]),
}
ALL_DTYPES = {name: np.dtype(name) for name in DTYPES} | STRUCTURES


def in_c_order(array: np.ndarray) -> bytes:
    """Return ``array.tobytes()``, whose padding is uninitialised memory if fields are copied."""
    return (array.view(f"V{array.itemsize}") if array.dtype.names else array).tobytes()


@pytest.mark.parametrize("name", ALL_DTYPES)
def test_arrays_of_every_dtype(crc, name):
    dtype = ALL_DTYPES[name]
    plain = DATA[: 6 * dtype.itemsize]
    items = np.frombuffer(plain, dtype)
    holds(crc, items, plain)
    holds(crc, items.reshape(2, 3), plain)
    holds(crc, items[:1].reshape(()), plain[: dtype.itemsize])
    holds(crc, items[:0], b"")
    if dtype.names is None:
        holds(crc, items[0], items[0].tobytes())  # a scalar, of native byte order
    shifted = bytearray(b"x" + plain)
    holds(crc, np.frombuffer(shifted, np.uint8)[1:].view(dtype), plain)
    holds(crc, items.reshape(2, 3).T, in_c_order(items.reshape(2, 3).T))


@pytest.mark.parametrize("dtype", ["S0", "U0", "V0", [], [("b", "f8", (0,))]], ids=str)
def test_items_of_no_bytes(crc, dtype):
    for shape in (3, (), (2, 0), (4, 2)):
        items = np.zeros(shape, [("a", dtype), ("number", "i4")])["a"]
        assert items.nbytes == 0
        holds(crc, items, b"")
        holds(crc, items.T, b"")


def test_subclasses_of_ndarray(crc, tmp_path):
    numbers = np.arange(24, dtype=">u4").reshape(4, 6)
    mapped = np.memmap(tmp_path / "map", ">u4", "w+", shape=(4, 6))
    mapped[:] = numbers
    records = np.rec.array(np.frombuffer(RAW, [("a", "u2"), ("b", "f4")]))
    for data in (mapped, np.memmap(tmp_path / "map", ">u4", "r", shape=(4, 6)), records):
        holds(crc, data, data.tobytes())
        holds(crc, data[::2], data[::2].tobytes())
    masked = np.ma.masked_array(numbers, numbers == 7)
    holds(crc, masked[:, ::2], numbers[:, ::2].tobytes())


def test_read_only_array(crc):
    numbers = np.arange(10.0)
    numbers.flags.writeable = False
    holds(crc, numbers, numbers.tobytes())
    holds(crc, numbers[::-1], numbers[::-1].tobytes())


# Arrays out of order


@st.composite
def views(draw: st.DrawFn) -> np.ndarray:
    """Draw a view of an array by steps, a permutation of the axes and broadcasting."""
    dtype = ALL_DTYPES[draw(st.sampled_from(list(ALL_DTYPES)))]
    shape = draw(st.lists(st.integers(0, 7), max_size=4))
    size = dtype.itemsize * int(np.prod(shape))
    raw = random.Random(draw(st.integers(0, 2**32))).randbytes(size)
    whole = np.frombuffer(raw, dtype).reshape(shape) if size else np.zeros(shape, dtype)
    steps = st.sampled_from([1, 2, 3, -1, -2])
    view = whole[(*(slice(None, None, draw(steps)) for _ in shape), ...)]
    view = view.transpose(draw(st.permutations(range(view.ndim))))
    if draw(st.booleans()):
        axis = draw(st.integers(0, view.ndim))
        new = np.expand_dims(view, axis)
        view = np.broadcast_to(new, (*view.shape[:axis], 3, *view.shape[axis:]))
    return view


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


def test_views_larger_than_any_scratch():
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


# Continuing


@few
@given(algorithms(), st.binary(max_size=300), st.data())
def test_random_algorithms_by_reference_and_in_parts(crc, data, draws):
    whole = crc(data)
    assert whole == reference.crc(crc._model, data)
    cut = draws.draw(st.integers(0, len(data)))
    assert crc(data[cut:], crc(data[:cut])) == whole


@given(st.binary(max_size=2000), st.binary(max_size=2000), st.integers(0, 2**32 - 1))
def test_drop_in_for_zlib(a, b, value):
    assert numcrc.crc32(a, value) == zlib.crc32(a, value)
    assert numcrc.crc32(b, numcrc.crc32(a)) == zlib.crc32(a + b)


# What a call leaves behind

WRONG_CALLS = [
    lambda call, data: call(data, -1),
    lambda call, data: call(data, 2**200),
    lambda call, data: call(data, "1"),
    lambda call, data: call(data, 0, 0),
    lambda call, data: call(data, wrong=0),
]


def test_buffers_are_unlocked(crc):
    for size in (100, GIL_FREE + 100):  # with the GIL held and not
        data = bytearray(DATA[:size])
        crc.call(data)
        data.append(1)  # BufferError if still locked
        crc.call(memoryview(data)[::2])
        data.append(2)
        crc.call(data, np.uint8(1))
        data.append(3)
        assert crc.call(data) == crc.expected(DATA[:size] + b"\1\2\3")
        for wrong in WRONG_CALLS:
            with pytest.raises((TypeError, ValueError)):
                wrong(crc.call, data)
            data.append(4)


def test_buffers_of_objects_are_unlocked(crc):
    view = memoryview(OBJECTS["structure"])
    for _ in range(3):
        with pytest.raises(TypeError):
            crc.call(view)
    view.release()  # BufferError if still locked


def blocks_left_by(run: Callable[[], None]) -> int:
    """Return how many blocks of memory a thousand runs leave allocated."""
    for _ in range(10):
        run()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        run()
    gc.collect()
    return sys.getallocatedblocks() - before


def test_calls_leave_no_references(crc):
    data, value = bytearray(DATA[:100]), (1 << crc.algorithm.width) - 1
    name, small = "".join(["val", "ue"]), np.uint8(3)
    held = [data, DATA, value, name, small, crc.call]
    gc.collect()
    before = [sys.getrefcount(item) for item in held]

    def run():
        crc.call(data)
        crc.call(data, value)
        crc.call(DATA, value=value)
        crc.call(DATA, **{name: value})
        crc.call(data, small)

    left = blocks_left_by(run)
    assert [sys.getrefcount(item) for item in held] == before
    assert left < 500


def test_wrong_calls_leave_no_references(crc):
    data, objects = bytearray(DATA[:100]), OBJECTS["structure"]
    held = [data, objects, crc.call]
    gc.collect()
    before = [sys.getrefcount(item) for item in held]

    def run():
        for wrong in WRONG_CALLS:
            try:
                wrong(crc.call, data)
            except (TypeError, ValueError):
                continue
            raise AssertionError("a wrong call was taken")
        try:
            crc.call(objects)
        except TypeError:
            return
        raise AssertionError("objects were taken for data")

    left = blocks_left_by(run)
    assert [sys.getrefcount(item) for item in held] == before
    assert left < 500


# The drop-in functions as objects


def test_signature_and_documentation(drop_in):
    name = next(name for name in DROP_IN if getattr(numcrc, name) is drop_in)
    assert drop_in.__name__ == name
    assert drop_in.__module__ == "numcrc"
    assert inspect.isbuiltin(drop_in)
    assert str(inspect.signature(drop_in)) == "(data, /, value=0)"
    assert inspect.signature(numcrc.Algorithm.__call__).parameters["value"].default is None
    assert DROP_IN[name] in inspect.getdoc(drop_in).splitlines()[0]
    assert "Examples" in drop_in.__doc__


def test_pickle_and_copy_give_the_same_function(drop_in):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(drop_in, protocol)) is drop_in
    assert copy.copy(drop_in) is copy.deepcopy(drop_in) is drop_in


# Threads


def another_thread_ran_during(call: Callable[[], int], seconds: float) -> bool:
    """Return whether another thread ever runs while this one is in *call*.

    Nobody asks this thread for the GIL during the test, so it gives it up only by itself.
    """
    call()  # compiles, and reads files
    interval = sys.getswitchinterval()
    go, ran = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: (go.wait(), ran.set()))
    other.start()
    sys.setswitchinterval(1000)
    try:
        go.set()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            call()
            if ran.is_set():
                return True
        return False
    finally:
        sys.setswitchinterval(interval)
        other.join()


def test_large_buffers_release_the_gil(crc):
    large = bytes(8 << 20)
    assert another_thread_ran_during(lambda: crc.call(large), 10)
    small = bytes(GIL_FREE - 1)  # which shows that the test could fail
    assert not another_thread_ran_during(lambda: crc.call(small), 0.1)


def test_threads_calling_at_once(crc):
    messages = [DATA[start : start + GIL_FREE + start] for start in range(0, 800, 100)]
    expected = [crc.call(message) for message in messages]
    assert len(set(expected)) > 1
    assert expected[0] == crc.expected(messages[0])

    def work(_: int) -> list[int]:
        return [crc.call(bytearray(message)) for message in messages]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(32))) == [expected] * 32


def test_threads_touching_an_algorithm_for_the_first_time():
    model = numcrc.algorithms["CRC-40/GSM"]
    for _ in range(20):
        crc = copy.copy(model)
        start = threading.Barrier(4)

        def work(_: int, crc: numcrc.Algorithm = crc, start: threading.Barrier = start) -> int:
            start.wait()
            return crc(b"123456789")

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(work, range(4))) == {model.check}
