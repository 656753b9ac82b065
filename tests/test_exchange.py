"""Test data of other libraries: Arrow's C data interface, DLPack, NumPy's array interface."""

from __future__ import annotations

import ctypes
import gc
import random
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support import run_python

import numcrc
from numcrc import exchange

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
WIDE = numcrc.algorithms["CRC-82/DARC"]
both = pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])

# 12 bytes are in a view itself, 13 are in another buffer.
TEXTS = ["", "a", "żółw", "x" * 11, "x" * 12, "y" * 13, "", "z" * 1000, "last"]
TYPES = ["binary", "large_binary", "string", "large_string", "binary_view", "string_view"]


def with_nulls(items: list[Any]) -> list[Any]:
    return [None if i % 3 == 1 else item for i, item in enumerate(items)]


def crcs(crc: numcrc.Algorithm, items: list[Any]) -> list[Any]:
    """Return the CRC of each item, None for None."""
    plain = [item.encode() if isinstance(item, str) else item for item in items]
    return [None if item is None else crc(item) for item in plain]


# Arrow arrays of values, in batch


def arrow(kind: str, items: list[Any]) -> Any:
    pa = pytest.importorskip("pyarrow")
    plain = [None if item is None else item.encode() for item in items]
    if kind == "dictionary":
        return pa.array(plain, pa.binary()).dictionary_encode()
    return pa.array(plain, pa.binary()).cast(getattr(pa, kind)())


@both
@pytest.mark.parametrize("kind", [*TYPES, "dictionary"])
@pytest.mark.parametrize("nulls", [False, True])
def test_slices_and_chunks_of_every_type(crc, kind, nulls):
    pa = pytest.importorskip("pyarrow")
    items = with_nulls(TEXTS) if nulls else TEXTS
    array, expected = arrow(kind, items), crcs(crc, items)
    for start in range(len(items) + 1):
        for stop in range(start, len(items) + 1):
            found = crc.batch(array[start:stop])
            assert found.tolist() == expected[start:stop]
            assert isinstance(found, np.ma.MaskedArray) == (None in expected[start:stop])
    chunked = pa.chunked_array([array[:4], array[2:2], array[4:]])
    assert crc.batch(chunked).tolist() == expected
    assert crc.batch(pa.chunked_array([], array.type)).tolist() == []


@pytest.mark.parametrize("kind", [*TYPES, "dictionary"])
def test_many_values_in_turns(kind, monkeypatch):
    monkeypatch.setattr("numcrc.records.batches._PIECE", 100)
    numbers = random.Random(1)
    items = with_nulls([numbers.randbytes(numbers.randrange(30)).hex() for _ in range(1050)])
    values = [numbers.getrandbits(32) for _ in items]
    found = CRC.batch(arrow(kind, items)[7:], values[7:], threads=2)
    expected = [
        None if item is None else CRC(item.encode(), value)
        for item, value in zip(items, values, strict=True)
    ]
    assert found.tolist() == expected[7:]


def test_values_of_one_size():
    pa = pytest.importorskip("pyarrow")
    array = pa.array([b"abc", None, b"ghi", b"jkl"], pa.binary(3))
    assert CRC.batch(array).tolist() == crcs(CRC, [b"abc", None, b"ghi", b"jkl"])
    assert CRC.batch(array[2:]).tolist() == crcs(CRC, [b"ghi", b"jkl"])
    assert CRC(array[2:]) == zlib.crc32(b"ghijkl")
    assert CRC.batch(pa.array([b"", b""], pa.binary(0))).tolist() == [0, 0]


def test_nulls_among_indices_and_in_the_dictionary():
    pa = pytest.importorskip("pyarrow")
    words = pa.array([b"a", None, b"ccc"])
    indices = pa.array([2, None, 1, 0, 2], pa.int8())
    array = pa.DictionaryArray.from_arrays(indices, words)
    assert CRC.batch(array).tolist() == crcs(CRC, [b"ccc", None, None, b"a", b"ccc"])
    assert CRC.batch(array[3:]).tolist() == crcs(CRC, [b"a", b"ccc"])
    none = pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int8()), words[:0])
    assert CRC.batch(none).tolist() == [None, None]


def test_values_of_an_extension_type():
    pa = pytest.importorskip("pyarrow")

    class Label(pa.ExtensionType):
        def __init__(self) -> None:
            super().__init__(pa.binary(), "numcrc.label")

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

    array = pa.ExtensionArray.from_storage(Label(), pa.array([b"abc", b""]))
    assert CRC.batch(array).tolist() == crcs(CRC, [b"abc", b""])


@both
@pytest.mark.parametrize("nulls", [False, True])
def test_series_of_polars(crc, nulls):
    pl = pytest.importorskip("polars")
    items = with_nulls(TEXTS) if nulls else TEXTS
    plain = [None if item is None else item.encode() for item in items]
    for series in (
        pl.Series(items),
        pl.Series(plain),
        pl.Series(items, dtype=pl.Categorical),
        pl.concat([pl.Series(items[:4]), pl.Series(items[4:])], rechunk=False),
    ):
        assert crc.batch(series).tolist() == crcs(crc, items)
        assert crc.batch(series[2:7]).tolist() == crcs(crc, items[2:7])
        assert crc.batch(series[3:4]).tolist() == crcs(crc, items[3:4])


@both
@pytest.mark.parametrize("nulls", [False, True])
def test_series_of_pandas(crc, nulls):
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    items = with_nulls(TEXTS) if nulls else TEXTS
    plain = [None if item is None else item.encode() for item in items]
    found = [pd.Series(plain, dtype=object), pd.Series(items, dtype=object)]
    if hasattr(pd.Series, "__arrow_c_stream__"):  # since pandas 3
        found += [pd.Series(items, dtype=kind) for kind in ("str", "category")]
        found.append(pd.Series(plain, dtype=pd.ArrowDtype(pa.binary())))
    for series in found:
        assert crc.batch(series).tolist() == crcs(crc, items)
        assert crc.batch(series[2:7]).tolist() == crcs(crc, items[2:7])
    with pytest.raises(TypeError, match="buffer 1: data must be bytes-like or an array, not float"):
        crc.batch(pd.Series([b"a", 1.5], dtype=object))
    with pytest.raises(TypeError, match="buffer 2: data must be bytes-like or an array, not float"):
        crc.batch(pd.Series(["a", None, 1.5], dtype=object))
    out = np.zeros(2, crc.batch([]).dtype)
    assert crc.batch(pd.Series(["a", b"b"], dtype=object), out=out) is out
    assert out.tolist() == [crc(b"a"), crc(b"b")]
    assert crc.batch(pd.Index(plain, dtype=object)).tolist() == crcs(crc, items)
    if nulls:
        with pytest.raises(ValueError, match="cannot use out with nulls in a Series"):
            crc.batch(found[0], out=np.zeros(len(items), crc.batch([]).dtype))


def test_objects_of_polars_are_refused():
    """Its Arrow array has their addresses."""
    pl = pytest.importorskip("polars")
    series = pl.Series([b"a", b"b"], dtype=pl.Object)
    for call in (CRC, CRC.rows, CRC.batch):
        with pytest.raises(TypeError, match=r"Series holds Python objects.*pass its \.to_list\(\)"):
            call(series)
    assert CRC.batch(series.to_list()).tolist() == crcs(CRC, [b"a", b"b"])


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None
import numcrc, polars as pl
crc = numcrc.algorithms["CRC-32/ISO-HDLC"]
print(crc.batch(pl.Series(["a", None, "x" * 20])).tolist(), crc(pl.Series([1, 2])))
"""


def test_polars_without_pyarrow():
    pytest.importorskip("polars")
    process = run_python(WITHOUT_PYARROW)
    expected = [zlib.crc32(b"a"), None, zlib.crc32(b"x" * 20)]
    numbers = zlib.crc32(np.array([1, 2]).tobytes())
    assert (process.returncode, process.stdout) == (0, f"{expected} {numbers}\n"), process.stderr


# Arrow arrays as buffers


@both
def test_numbers(crc):
    pa = pytest.importorskip("pyarrow")
    for dtype in ("i1", "u2", "f2", "i4", "f8", "M8[ms]", "m8[ns]"):
        numbers = np.arange(20).astype(dtype)
        array = pa.array(numbers)
        chunked = pa.chunked_array([array[:7], array[7:7], array[7:]])
        for data in (array, chunked):
            assert crc(data) == crc(numbers)
            assert crc(data, 5) == crc(numbers, 5)
            assert crc(data[3:]) == crc(numbers[3:])
            size = numbers.itemsize
            offsets = [0, 3 * size, 20 * size]
            expected = [crc(numbers[:3]), crc(numbers[3:])]
            assert crc.segments(data, offsets).tolist() == expected
        assert crc.new(array).value == crc(numbers)
        assert crc.batch([array, chunked, b"a"]).tolist() == [crc(numbers)] * 2 + [crc(b"a")]
    assert crc(pa.chunked_array([], pa.int32())) == crc(b"")
    decimals = pa.array([1, 2], pa.decimal128(20))
    assert crc(decimals) == crc(memoryview(decimals.buffers()[1])[:32])
    if crc is CRC:
        assert numcrc.crc32(pa.array([1, 2])) == zlib.crc32(np.array([1, 2]).tobytes())


def test_rows_of_lists_of_one_size():
    pa = pytest.importorskip("pyarrow")
    numbers = np.arange(24, dtype="f4").reshape(6, 4)
    array = pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), 4)
    expected = CRC.rows(numbers).tolist()
    assert CRC.rows(array).tolist() == expected
    assert CRC.rows(array[2:5]).tolist() == expected[2:5]
    assert CRC.rows(pa.chunked_array([array[:1], array[1:]])).tolist() == expected
    assert CRC(array) == CRC(numbers)
    assert CRC.rows(pa.chunked_array([], array.type)).shape == (0,)


def test_rows_of_lists_of_lists():
    pa = pytest.importorskip("pyarrow")
    numbers = np.arange(24, dtype="f4").reshape(4, 2, 3)
    array = pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), 3)
    array = pa.FixedSizeListArray.from_arrays(array, 2)
    for data, expected in ((array, numbers), (array[1:3], numbers[1:3])):
        assert CRC(data) == CRC(expected)
        for axis in (-1, 0, (1, 2)):
            assert CRC.rows(data, axis).tolist() == CRC.rows(expected, axis).tolist()


def test_nulls_beside_a_slice_of_lists_do_not_count():
    pa = pytest.importorskip("pyarrow")
    kind = pa.list_(pa.int32(), 2)
    array = pa.array([[1, None], None, [3, 4], [5, 6], None], kind)
    assert CRC(array[2:4]) == CRC(np.array([3, 4, 5, 6], "i4"))
    for wrong in (array[:1], array[1:3], array[3:]):
        with pytest.raises(TypeError, match="the Arrow array has nulls"):
            CRC(wrong)


def test_numbers_of_polars():
    pl = pytest.importorskip("polars")
    numbers = np.arange(10.0)
    assert CRC(pl.Series(numbers)) == CRC(numbers)
    assert CRC(pl.Series(numbers)[2:5]) == CRC(numbers[2:5])
    rows = pl.Series(numbers.reshape(5, 2).tolist(), dtype=pl.Array(pl.Float64, 2))
    assert CRC.rows(rows).tolist() == CRC.rows(numbers.reshape(5, 2)).tolist()


def wrong_arrow() -> dict[str, tuple[Any, str, str]]:
    """Return data, and what the errors of crc and of batch match."""
    pa = pytest.importorskip("pyarrow")
    one = "must be binary or string, not "
    table = pa.table({"a": [1]})
    return {
        "nulls": (pa.array([1, None]), "the Arrow array has nulls", one + "int64"),
        "bools": (pa.array([True]), "has bits, not bytes: cast it to uint8", one + "bool"),
        "no type": (pa.nulls(2), "values of one size, not of the format 'n'", one + "null"),
        "lists": (pa.array([[1]]), r"values of one size, not of the format '\+l'", one + "list"),
        "table": (table, "a table or struct: pass its columns", one + "Table"),
        "batch": (table.to_batches()[0], "a table or struct: pass its columns", one + "RecordB"),
        "indices": (pa.array([5]).dictionary_encode(), "values of any length", one + "dictionary"),
        "nulls of lists": (pa.array([[1], None], pa.list_(pa.int8(), 1)), "has nulls", one + "fix"),
    }


@both
@pytest.mark.parametrize(
    "name", ["nulls", "bools", "no type", "lists", "table", "batch", "indices", "nulls of lists"]
)
def test_arrow_data_that_are_refused(crc, name):
    data, alone, each = wrong_arrow()[name]
    for call in (crc, crc.rows, lambda data: crc.segments(data, [0, 0])):
        with pytest.raises(TypeError, match=alone):
            call(data)
    with pytest.raises(TypeError, match=each):
        crc.batch(data)


@both
def test_values_of_any_length_have_no_crc_as_a_whole(crc):
    pa = pytest.importorskip("pyarrow")
    for data in (pa.array([b"a"]), pa.array(["a"]), pa.array(["a"]).cast(pa.string_view())):
        with pytest.raises(TypeError, match="values of any length has one CRC for each: use batch"):
            crc(data)


def test_frames_are_refused():
    """Their columns have CRCs."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"pass its columns, each as \.to_numpy\(\)"):
        CRC(pd.DataFrame({"a": [1]}))
    with pytest.raises(TypeError, match="a table or struct: pass its columns"):
        CRC(pl.DataFrame({"a": [1]}))
    with pytest.raises(TypeError, match=r"not Series: pass its \.to_numpy\(\)"):
        CRC(pd.Series([1.0, np.nan]))  # which is a null to Arrow


# Arrow arrays whose places are wrong


def of_buffers(kind: str, count: int, valid: bytes | None, places: bytes, *more: bytes) -> Any:
    """Return an array with these buffers; pyarrow validates others, which are then changed."""
    pa = pytest.importorskip("pyarrow")
    own = np.zeros(len(places), np.uint8)
    held = [None if valid is None else pa.py_buffer(valid), pa.py_buffer(own)]
    held += [pa.py_buffer(buffer) for buffer in more]
    array = pa.Array.from_buffers(getattr(pa, kind)(), count, held)
    own[:] = np.frombuffer(places, np.uint8)
    return array


def words(*numbers: int) -> bytes:
    return np.array(numbers, np.int32).tobytes()


@pytest.mark.parametrize(
    ("kind", "count", "buffers", "message"),
    [
        ("binary", 2, [words(0, 4, 9), b"abcdefgh"], "1, 5 bytes at 4, is outside the buffer of 8"),
        ("binary", 2, [words(-1, 4, 8), b"abcdefgh"], "record 0 has invalid offsets: -1, 4"),
        ("binary_view", 1, [words(13, 0, 1, 0), b"a" * 20], "record 0 is outside its buffers"),
        ("binary_view", 1, [words(13, 0, -1, 0), b"a" * 20], "record 0 is outside its buffers"),
        ("binary_view", 1, [words(13, 0, 0, 8), b"a" * 20], "record 0 is outside its buffers"),
        ("binary_view", 1, [words(13, 0, 0, -1), b"a" * 20], "record 0 is outside its buffers"),
        ("binary_view", 1, [words(13, 0, 0, 0)], "record 0 is outside its buffers"),
        ("binary_view", 2, [words(0, 0, 0, 0, 13, 0, 0, 0)], "record 1 is outside its buffers"),
        ("binary_view", 1, [words(-1, 0, 0, 0), b"a" * 20], "record 0 has a negative length"),
    ],
)
def test_places_outside_the_buffers(kind, count, buffers, message):
    with pytest.raises(ValueError, match=message):
        CRC.batch(of_buffers(kind, count, None, *buffers))


def test_buffers_that_are_too_short():
    pa = pytest.importorskip("pyarrow")
    chunk = exchange.arrow_chunks(pa.array([1, 2, 3]))[0]
    chunk._sizes = [0, 23]
    with pytest.raises(ValueError, match="buffer 1 of the Arrow array has 23 bytes, not 24"):
        chunk.plain()
    for size, length, message in (
        (31, 8, "buffer 1 of the Arrow array has 31 bytes, not 32"),
        (32, 7, "the lists of the Arrow array have 7 items, not 8"),
    ):
        chunk = exchange.arrow_chunks(pa.array([[1, 2, 3, 4]] * 2, pa.list_(pa.int32(), 4)))[0]
        chunk._sizes = [0, 0, size]
        chunk._array.children[0][0].length = length
        with pytest.raises(ValueError, match=message):
            chunk.plain()


def test_indices_outside_the_dictionary():
    pa = pytest.importorskip("pyarrow")
    for index in (2, -1):
        wrong = pa.DictionaryArray.from_arrays(
            pa.array([0, index], pa.int8()), pa.array([b"a", b"b"]), safe=False
        )
        with pytest.raises(ValueError, match="an index of the Arrow array is outside its diction"):
            CRC.batch(wrong)


def test_views_of_nulls_may_be_anything():
    array = of_buffers("binary_view", 2, b"\1", words(1, 97, 0, 0, 99, 7, 7, -7), b"")
    assert CRC.batch(array).tolist() == [zlib.crc32(b"a"), None]


# Everything is released once

_new_capsule = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", ctypes.pythonapi))


class Producer:
    """A stream of chunks of texts, made by hand, that counts what is released."""

    def __init__(self, *chunks: list[bytes], fails: bool = False, absent: bool = False) -> None:
        self.chunks, self.released, self.kept = iter(chunks), {"schema": 0, "array": 0}, []
        self.absent, self.fails, self.message = (
            absent,
            fails,
            ctypes.create_string_buffer(b"the disk is full"),
        )

    def _release(self, what: str) -> Any:
        kind = exchange._Schema if what == "schema" else exchange._Array

        def release(pointer: Any) -> None:
            self.released[what] += 1
            pointer[0].release = dict(kind._fields_)["release"]()

        function = dict(kind._fields_)["release"](release)
        self.kept.append(function)
        return function

    def _get_schema(self, stream: Any, schema: Any) -> int:
        schema[0].format, schema[0].release = b"z", self._release("schema")
        return 0

    def _get_next(self, stream: Any, array: Any) -> int:
        chunk = next(self.chunks, None)
        if chunk is None:
            return 5 if self.fails else 0
        offsets = np.cumsum([0, *map(len, chunk)], dtype=np.int32)
        content = ctypes.create_string_buffer(b"".join(chunk))
        self.content = None if self.absent else ctypes.addressof(content)
        buffers = (ctypes.c_void_p * 3)(0, offsets.ctypes.data, self.content)
        self.kept += [offsets, content, buffers]
        array[0].length, array[0].n_buffers = len(chunk), 3
        array[0].buffers = ctypes.cast(buffers, ctypes.POINTER(ctypes.c_void_p))
        array[0].release = self._release("array")
        return 0

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        fields = dict(exchange._Stream._fields_)
        self.stream = exchange._Stream(
            get_schema=fields["get_schema"](self._get_schema),
            get_next=fields["get_next"](self._get_next),
            get_last_error=fields["get_last_error"](lambda stream: ctypes.addressof(self.message)),
            release=1,  # the capsule, which has no destructor, does not call it
        )
        return _new_capsule(ctypes.addressof(self.stream), b"arrow_array_stream", None)


@both
def test_what_a_stream_gives_is_released_once(crc):
    chunks = [[b"abc", b""], [], [b"defgh"]]
    producer = Producer(*chunks)
    assert crc.batch(producer).tolist() == [crc(b"abc"), crc(b""), crc(b"defgh")]
    gc.collect()
    assert producer.released == {"schema": 1, "array": 3}
    refused = Producer(*chunks)
    with pytest.raises(TypeError, match="use batch"):
        crc(refused)
    gc.collect()
    assert refused.released == {"schema": 1, "array": 3}


def test_a_stream_that_fails():
    producer = Producer([b"abc"], fails=True)
    with pytest.raises(OSError, match="cannot read an Arrow stream: the disk is full"):
        CRC.batch(producer)
    gc.collect()
    assert producer.released == {"schema": 1, "array": 1}


def test_what_another_consumer_has_taken():
    pa = pytest.importorskip("pyarrow")

    class Once:
        """It returns the same capsules each time."""

        def __init__(self) -> None:
            self.capsules = pa.array([b"a"]).__arrow_c_array__()

        def __arrow_c_array__(self, requested_schema: object = None) -> Any:
            return self.capsules

    class OneStream:
        def __init__(self) -> None:
            self.capsule = pa.chunked_array([pa.array([b"a"])]).__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
            return self.capsule

    for data, take in ((Once(), pa.array), (OneStream(), pa.chunked_array)):
        take(data)
        with pytest.raises(ValueError, match="the Arrow data are released"):
            CRC.batch(data)


def test_memory_that_is_absent():
    assert CRC.batch(Producer([b"", b""], absent=True)).tolist() == [0, 0]
    with pytest.raises(ValueError, match="buffer 2 of the Arrow array is absent"):
        CRC.batch(Producer([b"", b"abc"], absent=True))
    tensor = Brain()
    tensor.managed.data = None
    with pytest.raises(ValueError, match=r"the memory of an array of shape \(2, 3\) is absent"):
        CRC(tensor)
    tensor.managed.shape = None
    with pytest.raises(ValueError, match="the shape of the Brain is absent"):
        CRC(tensor)


def test_memory_of_pyarrow_is_released():
    pa = pytest.importorskip("pyarrow")
    before = pa.total_allocated_bytes()
    for kind in ("string", "string_view"):
        array = pa.array([b"x" * 100] * 1000).cast(getattr(pa, kind)())
        for data in (array, pa.chunked_array([array, array])):
            CRC.batch(data)
        del array, data
    numbers = pa.array(np.arange(1000.0)).take(pa.array(range(1000)))
    CRC(numbers), CRC.rows(numbers, None)
    del numbers
    gc.collect()
    assert pa.total_allocated_bytes() == before


# DLPack


class Tensor:
    """An object whose memory is shared by DLPack only."""

    def __init__(self, array: np.ndarray, device: tuple[int, int] = (1, 0)) -> None:
        self.array, self.device = array, device

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


class OldTensor(Tensor):
    """One of before version 1."""

    def __dlpack__(self, stream: object = None) -> Any:
        return self.array.__dlpack__()


def some_arrays() -> Iterator[np.ndarray]:
    for dtype in ("u1", "i2", "f4", "f8", "c16", "?"):
        a = np.arange(24).astype(dtype).reshape(2, 3, 4)
        yield from (a, a.T, a[:, ::-2], a[:, :, 1:3], a[:0], a[0, 0, 0:1].reshape(()))


@both
@pytest.mark.parametrize("kind", [Tensor, OldTensor])
def test_tensors(crc, kind):
    for a in some_arrays():
        tensor, plain = kind(a), a.tobytes()
        assert crc(tensor) == crc(plain)
        assert crc.batch([b"a", tensor]).tolist() == [crc(b"a"), crc(plain)]
        if a.ndim:
            assert crc.rows(tensor).tolist() == crc.rows(a).tolist()
    assert crc.segments(kind(np.arange(4)), [0, 8, 32]).tolist() == [
        crc(np.arange(1)),
        crc(np.arange(1, 4)),
    ]


def test_a_tensor_is_released_once():
    array = np.arange(1000.0)
    before = sys.getrefcount(array)
    for kind in (Tensor, OldTensor):
        for _ in range(3):
            assert CRC(kind(array)) == CRC(array)
            assert CRC.rows(kind(array), None) == CRC(array)
    assert sys.getrefcount(array) == before


class Brain:
    """A tensor of bfloat16, which neither buffers nor NumPy have."""

    def __init__(self, bits: int = 16, lanes: int = 1, major: int | None = None) -> None:
        self.data = np.arange(6, dtype="u2")
        self.shape = (ctypes.c_int64 * 2)(2, 3)
        tensor = exchange._Tensor(self.data.ctypes.data, 1, 0, 2, 4, bits, lanes, self.shape, None)
        self.managed = tensor if major is None else exchange._Versioned(major, tensor=tensor)

    def __dlpack__(self, **options: Any) -> Any:
        name = b"dltensor_versioned"
        if isinstance(self.managed, exchange._Tensor):
            name = b"dltensor"
        return _new_capsule(ctypes.addressof(self.managed), name, None)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


@both
def test_bfloat16_counts_as_its_bytes(crc):
    expected = np.arange(6, dtype="u2").reshape(2, 3)
    for tensor in (Brain(), Brain(major=1)):
        assert crc(tensor) == crc(expected)
        assert crc.rows(tensor).tolist() == crc.rows(expected).tolist()
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for array in (expected.view(ml_dtypes.bfloat16), expected.view(ml_dtypes.bfloat16)[:, ::2]):
        assert crc(array) == crc(array.tobytes())
        assert crc(array[1, 1]) == crc(array[1, 1].tobytes())


def test_tensors_that_are_refused():
    class Graph(Tensor):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("use tensor.detach()")

    a = np.arange(3)
    for tensor, message in (
        (Tensor(a, (2, 0)), r"but the Tensor is on device \(2, 0\): copy it to the CPU first"),
        (Graph(a), r"the Graph does not share its memory: use tensor\.detach\(\)"),
        (Brain(bits=4), "an item of the Brain has 4 bits, not bytes"),
        (Brain(major=2), "the Brain shares its memory by DLPack 2, not 1"),
    ):
        for call in (CRC, CRC.rows, numcrc.crc32):
            with pytest.raises(TypeError, match=message):
                call(tensor)
    assert CRC(Tensor(a, (3, 0))) == CRC(a)  # memory of the CPU that a GPU can reach


def test_torch():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    assert CRC(tensor) == CRC(tensor.numpy())
    assert CRC(tensor.T) == CRC(tensor.numpy().T)
    brain = tensor.to(torch.bfloat16)
    assert CRC(brain) == CRC(brain.view(torch.int16).numpy())
    with pytest.raises(TypeError, match="the Tensor does not share its memory"):
        CRC(torch.zeros(3, requires_grad=True))


# Other objects


class Interface:
    """An object with NumPy's array interface only."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.array.__array_interface__


@both
def test_the_array_interface(crc):
    for a in some_arrays():
        assert crc(Interface(a)) == crc(a.tobytes())
    with pytest.raises(TypeError, match="holds Python objects"):
        crc(Interface(np.array([None])))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python classes have no __buffer__")
def test_a_buffer_that_is_refused_is_shared_otherwise():
    """As of jax, for bfloat16."""

    class Jax(Tensor):
        def __buffer__(self, flags: int) -> memoryview:
            raise BufferError("BF16 is not supported by the buffer protocol")

    assert CRC(Jax(np.arange(3))) == CRC(np.arange(3))


def lazy_objects(tmp_path: Any) -> Iterator[tuple[Any, str]]:
    """Yield objects whose data are not in memory, and how to compute them."""
    dask, xarray = pytest.importorskip("dask.array"), pytest.importorskip("xarray")
    yield dask.arange(3), r"not Array: pass it to numcrc\.dask\.crc, or compute it first"
    array = xarray.DataArray([1, 2])
    yield array, r"not DataArray: pass its \.values, or pass it to numcrc\.xarray\.crcs"
    yield array.to_dataset(name="a"), r"not Dataset: .*numcrc\.xarray\.crcs"
    zarr = pytest.importorskip("zarr")
    yield zarr.create_array(tmp_path / "a", shape=3, dtype="i4"), r"read it first, as x\[\.\.\.\]"
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        yield file.create_dataset("a", data=[1, 2]), r"not Dataset: read it first, as x\[\(\)\]"


def test_lazy_objects_are_refused(tmp_path):
    for data, message in lazy_objects(tmp_path):
        for call in (CRC, CRC.rows, WIDE, numcrc.crc32):
            with pytest.raises(TypeError, match=message):
                call(data)


def test_memory_of_a_gpu_is_refused():
    class Device:
        __cuda_array_interface__ = None

        def __array__(self) -> Any:
            raise AssertionError

    with pytest.raises(TypeError, match="not Device: copy it from the GPU first"):
        CRC(Device())
