"""Many records in one call: segments, blocks, prefixes and batches; wrong calls change nothing."""

from __future__ import annotations

import array
import gc
import random
import sys
import threading
import zlib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few
from support import run_python

import numcrc

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
WIDE = numcrc.algorithms["CRC-82/DARC"]
DATA = random.Random(6).randbytes(5000)
INTEGERS = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]


# segments


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_segments_with_every_integer_dtype(dtype, crc):
    ends = np.array([0, 0, 5, 5, 70, 71, 127], dtype)
    expected = [crc(DATA[a:b]) for a, b in zip(ends.tolist(), ends.tolist()[1:], strict=False)]
    assert crc.segments(DATA, ends).tolist() == expected
    starts, sizes = np.array([100, 3, 3, 50, 127], dtype), np.array([27, 9, 0, 100, 1], dtype)
    expected = [crc(DATA[a : a + n]) for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]
    assert crc.segments(DATA, starts, sizes).tolist() == expected
    assert crc.segments(DATA, starts[::-1], sizes[::-1]).tolist() == expected[::-1]
    assert crc.segments(DATA, np.repeat(starts, 2)[::2], sizes).tolist() == expected


@few
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0), st.integers(0))), st.data())
def test_segments_overlap_in_any_order(data, pairs, draws):
    pairs = [(start % (len(data) + 1), size) for start, size in pairs]
    pairs = [(start, size % (len(data) - start + 1)) for start, size in pairs]
    starts, sizes = [start for start, _ in pairs], [size for _, size in pairs]
    values = [draws.draw(st.integers(0, 2**32 - 1)) for _ in pairs]
    expected = [
        zlib.crc32(data[start : start + size], value)
        for (start, size), value in zip(pairs, values, strict=True)
    ]
    threads = draws.draw(st.sampled_from([None, 1, 2]))
    found = CRC.segments(data, starts, sizes, values, threads=threads)
    assert found.tolist() == expected
    assert found.dtype == np.uint32
    ends = sorted(starts)
    expected = [zlib.crc32(data[a:b]) for a, b in pairwise(ends)]
    if ends:
        assert CRC.segments(data, ends, threads=threads).tolist() == expected


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_segments_broadcast(crc):
    starts = np.array([[0], [1000], [2000]])
    sizes = np.array([3, 0, 700, 16])
    expected = [[crc(DATA[a : a + n]) for n in sizes.tolist()] for a in starts[:, 0].tolist()]
    assert crc.segments(DATA, starts, sizes).tolist() == expected
    assert crc.segments(DATA, starts.T, sizes[:, None]).tolist() == np.transpose(expected).tolist()
    assert crc.segments(DATA, [5, 9, 0], 4).tolist() == [crc(DATA[i : i + 4]) for i in (5, 9, 0)]
    assert crc.segments(DATA, 5, [4, 9]).tolist() == [crc(DATA[5:9]), crc(DATA[5:14])]
    assert crc.segments(DATA, 5, 4) == crc(DATA[5:9])
    value = np.array([[1], [2], [3]])
    expected = [
        [crc(DATA[a : a + n], v) for n in sizes.tolist()]
        for a, v in zip(starts[:, 0].tolist(), (1, 2, 3), strict=True)
    ]
    assert crc.segments(DATA, starts, sizes, value).tolist() == expected


def test_segments_of_none():
    for found in (CRC.segments(DATA, [3]), CRC.segments(DATA, [], []), CRC.segments(b"", [0])):
        assert (found.shape, found.dtype) == ((0,), np.uint32)
    assert CRC.segments(DATA, np.zeros((2, 0), int), 5).shape == (2, 0)
    assert CRC.segments(b"", [0, 0, 0]).tolist() == [0, 0]


def test_segments_are_in_bytes_whatever_the_items():
    numbers = np.frombuffer(DATA[:800], ">f8").reshape(10, 10)
    assert CRC.segments(numbers, [0, 3, 800]).tolist() == [
        zlib.crc32(DATA[:3]),
        zlib.crc32(DATA[3:800]),
    ]


OUTSIDE = [
    ([0, 5001], None),
    ([-1, 5], None),
    ([4, 3], None),
    ([0, 5, 4, 6], None),
    ([0, 2**63 - 1, -(2**63)], None),
    ([0, 2**63 - 1], None),
    ([0, 2**63 - 1, -(2**63), 0], None),
    ([1, -(2**63)], None),
    ([5000], [1]),
    ([5001], [0]),
    ([-1], [1]),
    ([-(2**63)], [2**63 - 1]),
    ([2**63 - 1], [2**63 - 1]),
    ([2**63 - 1], [1]),
    ([0], [2**63 - 1]),
    ([0], [-1]),
    ([10], [-5]),
    ([0], [-(2**63)]),
    ([[0, 1], [2, 3]], [[1, 1], [1, 4998]]),
]


@pytest.mark.parametrize(("offsets", "lengths"), OUTSIDE)
def test_nothing_is_read_outside_the_buffer(offsets, lengths):
    """In a process of its own: what is wrong here may end it."""
    code = (
        "import numcrc\n"
        "try:\n"
        f"    numcrc.algorithms['crc32'].segments(bytes(5000), {offsets}, {lengths})\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    process = run_python(code)
    assert process.returncode == 0, process.stderr
    assert "outside the buffer" in process.stdout or "negative length" in process.stdout


@pytest.mark.parametrize("offsets", ["[0, 2**63]", "[0, 2**64]", "[0, 2**200]", "[-2**70, 0]"])
def test_offsets_that_no_array_holds(offsets):
    with pytest.raises(ValueError, match="offsets"):
        CRC.segments(DATA, eval(offsets))
    with pytest.raises(ValueError, match="offsets"):
        CRC.prefixes(DATA, eval(offsets))


# blocks


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
@pytest.mark.parametrize("size", [1, 7, 512, 4999, 5000, 5001, 2**40, np.uint8(200)])
def test_blocks(crc, size):
    for data in (DATA, DATA[:1], b"", memoryview(DATA)[3:]):
        expected = [crc(data[i : i + int(size)]) for i in range(0, len(data), int(size))]
        assert crc.blocks(data, size).tolist() == expected
        assert crc.blocks(data, size, value=9, threads=2).tolist() == [
            crc(data[i : i + int(size)], 9) for i in range(0, len(data), int(size))
        ]


@pytest.mark.parametrize("size", [2**62, 2**63 - 1, 2**63, 2**64, 2**200])
def test_blocks_of_any_size(size):
    """In a process of its own: NumPy makes object arrays of such numbers."""
    code = f"import numcrc; print(numcrc.algorithms['crc32'].blocks(b'abc', {size}).tolist())"
    process = run_python(code)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == f"[{zlib.crc32(b'abc')}]"


# prefixes


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_prefixes(crc):
    ends = [5000, 0, 3, 3, 700, 1, 4999, 16]
    assert crc.prefixes(DATA, ends).tolist() == [crc(DATA[:end]) for end in ends]
    assert crc.prefixes(DATA, ends, value=5).tolist() == [crc(DATA[:end], 5) for end in ends]
    square = np.array(ends, ">u2").reshape(2, 4).T
    found = crc.prefixes(DATA, square)
    assert found.tolist() == [[crc(DATA[:end]) for end in row] for row in square.tolist()]
    out = np.zeros((4, 4), found.dtype)[:, ::2]
    assert crc.prefixes(DATA, square, out=out) is out
    assert out.tolist() == found.tolist()
    assert crc.prefixes(DATA, 700) == crc(DATA[:700])
    assert crc.prefixes(DATA, []).shape == (0,)
    assert crc.prefixes(b"", [0, 0], 7).tolist() == [crc(b"", 7)] * 2


@few
@given(st.binary(max_size=500), st.lists(st.integers(0)))
def test_prefixes_at_random(data, ends):
    ends = [end % (len(data) + 1) for end in ends]
    assert CRC.prefixes(data, ends).tolist() == [zlib.crc32(data[:end]) for end in ends]


# batch

MIXED: list[Any] = [
    DATA,
    b"",
    bytearray(DATA[:77]),
    memoryview(DATA)[5:600],
    memoryview(DATA)[::3],
    array.array("d", [1.5, 2.5]),
    np.arange(12.0).reshape(3, 4),
    np.arange(12.0).reshape(3, 4).T[::-1],
    np.array("2020-01-01", "M8[s]"),
    np.array([(1, 2.5)], np.dtype([("a", "u1"), ("b", "f8")], align=True)),
    np.float32(1.5),
    np.bytes_(b"abc\0"),
    np.zeros((0, 5)),
    DATA[:33],
]
MIXED_BYTES = [item.tobytes() if hasattr(item, "tobytes") else bytes(item) for item in MIXED]


def sequences(items: list[Any]) -> dict[str, Any]:
    objects = np.empty(len(items), object)
    objects[:] = items
    return {
        "list": items,
        "tuple": tuple(items),
        "iterator": iter(items),
        "generator": (item for item in items),
        "keys of a dict": dict(enumerate(items)).values(),
        "object array": objects,
        "object array, every other": np.repeat(objects, 2)[::2],
    }


@pytest.mark.parametrize("form", sequences([]))
@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_batch(form, crc, threads):
    dtype = np.uint32 if crc is CRC else object
    for items, plain in ((MIXED, MIXED_BYTES), ([DATA, b"a"], [DATA, b"a"]), ([], [])):
        found = crc.batch(sequences(items)[form], threads=threads)
        assert (found.tolist(), found.dtype) == ([crc(data) for data in plain], dtype)
        values = [9 * i for i in range(len(items))]
        expected = [crc(data, value) for data, value in zip(plain, values, strict=True)]
        assert crc.batch(sequences(items)[form], values, threads=threads).tolist() == expected
        out = np.zeros(2 * len(items), dtype)[::2]
        assert crc.batch(sequences(items)[form], values, out, threads) is out
        assert out.tolist() == expected
        expected = [crc(data, 5) for data in plain]
        for value in (5, np.uint8(5), np.array(5), [5]):
            found = crc.batch(sequences(items)[form], value, threads=threads)
            assert found.tolist() == expected


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_items_may_not_be_arrays_of_objects(crc):
    for bad in (np.array([None]), memoryview(np.array([None])), np.array([None, 1])[::2]):
        with pytest.raises(TypeError, match=r"buffer 1: .* holds Python objects"):
            crc.batch([b"a", bad, b"c"])


def test_array_of_rows_is_a_sequence_of_arrays_only_as_a_list():
    a = np.arange(12, dtype="u2").reshape(3, 4)
    with pytest.raises(ValueError, match="one dimension, not 2"):
        CRC.batch(a)
    assert CRC.batch(list(a)).tolist() == CRC.rows(a).tolist()


@pytest.mark.parametrize("threads", [1, 2])
def test_out_is_among_the_buffers(threads):
    out = np.arange(6, dtype="u4")
    items = [out[:2], out, out[::-1], bytes(out), out[3:], out]
    expected = [zlib.crc32(item if isinstance(item, bytes) else item.tobytes()) for item in items]
    CRC.batch(items, out=out, threads=threads)
    assert out.tolist() == expected


@pytest.mark.parametrize("method", ["segments", "blocks", "prefixes"])
def test_out_is_part_of_the_buffer(method):
    data = np.arange(64, dtype="u4")
    argument = 4 if method == "blocks" else np.arange(0, 64 * 4 + (method == "segments"), 4)
    if method == "segments":
        expected = CRC.segments(data.copy(), argument)
    else:
        expected = getattr(CRC, method)(data.copy(), argument)
    out = data[: len(expected)]
    getattr(CRC, method)(data, argument, out=out)
    assert out.tolist() == expected.tolist()


def test_buffers_are_released():
    """A bytearray can change its size only while nobody holds its buffer."""
    first, last = bytearray(DATA), bytearray(b"abc")
    released = memoryview(bytearray(b"x"))
    released.release()
    calls = [
        lambda: CRC.batch([first, last]),
        lambda: CRC.batch([first, last], threads=2),
        lambda: WIDE.batch([first, last]),
        lambda: CRC.batch([first, np.arange(5)[::-1], last]),
        lambda: CRC.segments(first, [0, 5]),
        lambda: CRC.blocks(first, 5),
        lambda: CRC.prefixes(first, [5]),
        lambda: CRC.rows(first),
    ]
    failures = [
        lambda: CRC.batch([first, "x", last]),
        lambda: WIDE.batch([first, "x", last]),
        lambda: CRC.batch([first, last, 5]),
        lambda: CRC.batch([first, released]),
        lambda: CRC.batch([first, last], value=-1),
        lambda: CRC.batch([first, last], threads=0),
        lambda: CRC.segments(first, [0, 10**6]),
        lambda: CRC.blocks(first, 0),
        lambda: CRC.rows(first, 5),
    ]
    for call in calls:
        call()
        first.append(1)
        last.append(1)
    for call in failures:
        with pytest.raises((TypeError, ValueError)):
            call()
        first.append(1)
        last.append(1)


def test_nothing_leaks():
    items = [bytearray(50), b"abc" * 20, np.arange(8)[::-1], memoryview(DATA)[:99]]
    bad = [bytearray(50), b"abc", object()]
    counts = []

    def many(times: int) -> int:
        for _ in range(times):
            CRC.batch(items)
            CRC.segments(DATA, [0, 5, 9])
            CRC.rows(items[2])
            with pytest.raises(TypeError):
                CRC.batch(bad)
        gc.collect()
        counts.append([sys.getrefcount(item) for item in (*items, *bad)])
        return sys.getallocatedblocks()

    before = many(200)
    assert many(2000) - before < 1000
    assert counts[0] == counts[1]


def test_error_in_an_iterator_comes_through():
    def broken():
        yield b"a"
        raise ZeroDivisionError

    out = np.arange(1, dtype="u4")
    with pytest.raises(ZeroDivisionError):
        CRC.batch(broken(), out=out)
    assert out.tolist() == [0]


def test_list_that_another_thread_changes():
    chunks = [bytearray(random.Random(i).randbytes(3000)) for i in range(50)]
    right = {zlib.crc32(chunk) for chunk in chunks}
    items = list(chunks)
    end = threading.Event()

    def change() -> None:
        numbers = random.Random(0)
        while not end.is_set():
            items[numbers.randrange(10)] = bytearray(chunks[numbers.randrange(50)])
            items.append(bytearray(chunks[numbers.randrange(50)]))
            del items[numbers.randrange(len(items))]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            assert set(CRC.batch(items, threads=2).tolist()) <= right
    finally:
        end.set()
        thread.join()


# pyarrow

TEXTS = ["", "a", "żółw", "x" * 1000, "", "last"]
TYPES = ["binary", "large_binary", "string", "large_string"]


def arrow(kind: str, nulls: bool = False) -> tuple[Any, Any, list[Any]]:
    pa = pytest.importorskip("pyarrow")
    texts = [None if nulls and i % 3 == 1 else text for i, text in enumerate(TEXTS)]
    plain = [None if text is None else text.encode() for text in texts]
    return pa, pa.array(plain, pa.binary()).cast(getattr(pa, kind)()), plain


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_arrow(kind, crc):
    pa, items, plain = arrow(kind)
    expected = [crc(data) for data in plain]
    assert crc.batch(items).tolist() == expected
    assert not isinstance(crc.batch(items), np.ma.MaskedArray)
    for start in range(len(plain) + 1):
        for stop in range(start, len(plain) + 1):
            assert crc.batch(items[start:stop]).tolist() == expected[start:stop]
    chunked = pa.chunked_array([items[:2], items[2:2], items[3:]])
    assert crc.batch(chunked).tolist() == expected[:2] + expected[3:]
    assert crc.batch(pa.chunked_array([], items.type)).tolist() == []
    assert crc.batch(pa.array([], items.type)).tolist() == []
    assert crc.batch(items, 5).tolist() == [crc(data, 5) for data in plain]
    out = np.zeros(len(plain), crc.batch(items).dtype)
    assert crc.batch(items, range(len(plain)), out, 2) is out
    assert out.tolist() == [crc(data, i) for i, data in enumerate(plain)]


@pytest.mark.parametrize("kind", TYPES)
def test_arrow_with_nulls(kind):
    pa, items, plain = arrow(kind, nulls=True)
    expected = [None if data is None else zlib.crc32(data) for data in plain]
    for found in (CRC.batch(items), CRC.batch(pa.chunked_array([items[:3], items[3:]]))):
        assert isinstance(found, np.ma.MaskedArray)
        assert found.dtype == np.uint32
        assert found.tolist() == expected
    assert CRC.batch(items[1:4]).tolist() == expected[1:4]
    assert CRC.batch(items[2:4]).tolist() == expected[2:4]
    with pytest.raises(ValueError, match="nulls"):
        CRC.batch(items, out=np.zeros(len(plain), "u4"))


def test_arrow_buffers_and_scalars_in_a_list():
    pa = pytest.importorskip("pyarrow")
    assert CRC.batch([pa.py_buffer(b"abc"), b"abc"]).tolist() == [zlib.crc32(b"abc")] * 2


def test_other_things_of_arrow():
    pa = pytest.importorskip("pyarrow")
    things = (
        pa.array([1, 2]),
        pa.nulls(3),
        pa.array([b"ab"], pa.binary(2)),
        pa.py_buffer(b"abc"),
        pa.table({"a": [b"abc"]}),
        pa.scalar(b"abc"),
    )
    for thing in things:
        with pytest.raises(TypeError, match=r"binary or string|buffers"):
            CRC.batch(thing)


# Wrong calls

READ_ONLY = np.zeros(3, "u4")
READ_ONLY.flags.writeable = False
GRID = np.zeros((3, 4), "u1")
METHODS = {
    "rows": (GRID,),
    "strided rows": (np.zeros((4, 3), "u1").T,),
    "batch": ([b"a", bytearray(b"b"), np.zeros(5)[::2]],),
    "segments": (b"abcd", [0, 1, 2, 4]),
    "blocks": (b"abcd", 2),
    "prefixes": (b"abcd", [1, 2, 3]),
}
METHODS["blocks"] = (b"abcdef", 2)


def wrong(*cases: tuple[Any, ...]) -> list[Any]:
    return [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(cases)]


@pytest.mark.parametrize(
    ("method", "arguments", "kind", "message"),
    wrong(
        ("rows", ("abc",), TypeError, "not str: encode it first"),
        ("rows", (np.array([None] * 3),), TypeError, "holds Python objects"),
        ("rows", (np.zeros((3, 2), "u1,O"),), TypeError, "holds Python objects"),
        ("rows", ([1, 2],), TypeError, "bytes-like or an array, not list"),
        ("rows", (5,), TypeError, "bytes-like or an array, not int"),
        ("rows", (None,), TypeError, "bytes-like or an array, not NoneType"),
        ("rows", (GRID, 2), np.exceptions.AxisError, "axis 2 is out of bounds"),
        ("rows", (GRID, -3), np.exceptions.AxisError, "axis -3 is out of bounds"),
        ("rows", (GRID, (0, 5)), np.exceptions.AxisError, "axis 5 is out of bounds"),
        ("rows", (GRID, 2**70), np.exceptions.AxisError, "out of bounds"),
        ("rows", (GRID, (0, 0)), ValueError, "duplicate value in 'axis'"),
        ("rows", (GRID, (1, -1)), ValueError, "duplicate value in 'axis'"),
        ("rows", (GRID, "x"), TypeError, "integer"),
        ("rows", (GRID, 1.0), TypeError, "integer"),
        ("rows", (np.array(5),), np.exceptions.AxisError, "out of bounds"),
        ("batch", (["abc", b"", b""],), TypeError, "buffer 0: .* not str: encode it first"),
        ("batch", ([b"", b"", 5],), TypeError, "buffer 2: .* not int"),
        ("batch", ([b"", None, "x"],), TypeError, "buffer 1: .* not NoneType"),
        ("batch", ([b"", np.str_("abc"), b""],), TypeError, "buffer 1: .*str"),
        ("batch", ([b"", [b""], b""],), TypeError, "buffer 1: .* not list"),
        ("batch", ([b"", np.array([None]), b""],), TypeError, "buffer 1: .* Python objects"),
        ("batch", ("abc",), TypeError, "sequence of buffers, not one str"),
        ("batch", (b"abc",), TypeError, "sequence of buffers, not one bytes"),
        ("batch", (bytearray(3),), TypeError, "sequence of buffers, not one bytearray"),
        ("batch", (memoryview(b"abc"),), TypeError, "sequence of buffers, not one memoryview"),
        ("batch", (GRID,), ValueError, "one dimension, not 2"),
        ("batch", (np.array(5),), ValueError, "one dimension, not 0"),
        ("batch", (5,), TypeError, "int"),
        ("batch", (None,), TypeError, "None"),
        ("segments", ("abc", [0, 1, 2, 3]), TypeError, "not str: encode it first"),
        ("segments", (np.array([None]), [0, 1, 2, 3]), TypeError, "Python objects"),
        ("segments", (GRID.T, [0, 1, 2, 3]), ValueError, "C-contiguous"),
        ("segments", (b"abc", [0, 1, 2, 4]), ValueError, "record 2, 2 bytes at 2, is outside"),
        ("segments", (b"abc", [-1, 1, 2, 3]), ValueError, "record 0, 2 bytes at -1, is outside"),
        ("segments", (b"abc", [0, 2, 1, 3]), ValueError, "record 1 at 2 has the negative length"),
        ("segments", (b"abc", [0, 1.5, 2, 3]), TypeError, "offsets must be integers, not float64"),
        ("segments", (b"abc", "0123"), TypeError, "offsets must be integers"),
        ("segments", (b"abc", [True] * 4), TypeError, "offsets must be integers, not bool"),
        ("segments", (b"abc", None), TypeError, "offsets must be integers"),
        ("segments", (b"abc", []), ValueError, "offsets without lengths"),
        ("segments", (b"abc", 1), ValueError, "offsets without lengths"),
        ("segments", (b"abc", [[0, 1, 2, 3]]), ValueError, "offsets without lengths"),
        ("segments", (b"abc", [0, 1, 2], [1, -1, 1]), ValueError, "1 at 1 has the negative"),
        ("segments", (b"abc", [0, 1, 2], [1, 1, 2]), ValueError, "record 2, 2 bytes at 2"),
        ("segments", (b"abc", [0, 1, -1], 1), ValueError, "record 2, 1 bytes at -1"),
        ("segments", (b"abc", [0, 1, 2], 1.0), TypeError, "lengths must be integers"),
        ("segments", (b"abc", [0, 1, 2], [1, 1]), ValueError, "broadcast|shape"),
        ("segments", (b"abc", np.array([0, 1, 2**63], "u8"), 1), ValueError, "offsets"),
        ("segments", (b"abc", [0, 1, 2], np.array([1, 1, 2**64 - 1], "u8")), ValueError, "lengths"),
        ("blocks", ("abcdef", 2), TypeError, "not str: encode it first"),
        ("blocks", (np.zeros((2, 3), "u1").T, 2), ValueError, "C-contiguous"),
        ("blocks", (b"abcdef", 0), ValueError, "size must be at least 1, not 0"),
        ("blocks", (b"abcdef", -1), ValueError, "size must be at least 1, not -1"),
        ("blocks", (b"abcdef", -(2**70)), ValueError, "size must be at least 1"),
        ("blocks", (b"abcdef", 2.0), TypeError, "integer"),
        ("blocks", (b"abcdef", None), TypeError, "integer"),
        ("prefixes", ("abc", [1, 2, 3]), TypeError, "not str: encode it first"),
        ("prefixes", (b"abc", [1, 2, 4]), ValueError, "offsets must be 0 to 3"),
        ("prefixes", (b"abc", [1, -1, 2]), ValueError, "offsets must be 0 to 3"),
        ("prefixes", (b"abc", [1.0, 2.0, 3.0]), TypeError, "offsets must be integers"),
        ("prefixes", (b"abc", [1, 2, 3], [1, 2, 3]), ValueError, "value must be one CRC"),
    ),
)
@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_wrong_input(crc, method, arguments, kind, message):
    out = np.arange(3).astype("u4" if crc is CRC else object)
    for keywords in ({"out": out}, {}):
        with pytest.raises(kind, match=message) as caught:
            getattr(crc, method)(*arguments, **keywords)
        assert caught.type is kind
    assert out.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("keywords", "kind", "message"),
    wrong(
        ({"value": -1}, ValueError, r"value must be 0 <= value < 2\*\*{width}"),
        ({"value": 2**82}, ValueError, r"value must be 0 <= value < 2\*\*{width}"),
        ({"value": 2**200}, ValueError, r"value must be 0 <= value < 2\*\*{width}"),
        ({"value": np.int8(-1)}, ValueError, "value must be 0 <= value"),
        ({"value": 1.0}, TypeError, "value must be"),
        ({"value": "1"}, TypeError, "value must be an integer, not str"),
        ({"value": b"1"}, TypeError, "value must be an integer, not bytes"),
        ({"value": object()}, TypeError, "value must be an integer, not object"),
        ({"value": np.array(1.0)}, TypeError, "value must be integers, not float64"),
        ({"threads": 0}, ValueError, "threads must be at least 1, not 0"),
        ({"threads": -1}, ValueError, "threads must be at least 1, not -1"),
        ({"threads": -(2**70)}, ValueError, "threads must be at least 1"),
        ({"threads": "2"}, TypeError, "integer"),
        ({"threads": 1.0}, TypeError, "integer"),
        ({"value": [-1, 0, 0]}, ValueError, "value must be"),
        ({"value": [0, 0, 2**82]}, ValueError, "value must be"),
        ({"value": [0, 1.0, 0]}, TypeError, "value must be"),
        ({"value": [0, None, 0]}, TypeError, "value must be"),
        ({"value": ["0", "1", "2"]}, TypeError, "value must be"),
        ({"value": np.zeros(3)}, TypeError, "value must be integers, not float64"),
        ({"value": np.zeros(3, "M8[s]")}, TypeError, "value must be integers"),
        ({"value": [0, 1]}, ValueError, "value"),
        ({"value": np.zeros((2, 3), int)}, ValueError, "value"),
        ({"value": np.zeros((1, 3), int)}, ValueError, "value"),
        ({"value": np.zeros((3, 1), int)}, ValueError, "value"),
        ({"out": np.zeros(2, "u4")}, ValueError, "out must have shape"),
        ({"out": np.zeros((3, 1), "u4")}, ValueError, "out must have shape"),
        ({"out": np.zeros((), "u4")}, ValueError, "out must have shape"),
        ({"out": np.zeros(3, "u2")}, ValueError, "out must have shape"),
        ({"out": np.zeros(3, "i4")}, ValueError, "out must have shape"),
        ({"out": np.zeros(3, ">u4")}, ValueError, "out must have shape"),
        ({"out": np.zeros(3, "f8")}, ValueError, "out must have shape"),
        ({"out": READ_ONLY}, ValueError, "out is read-only|out must have shape"),
        ({"out": [0, 0, 0]}, TypeError, "out must be an array, not list"),
        ({"out": bytearray(12)}, TypeError, "out must be an array, not bytearray"),
    ),
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_wrong_value_out_and_threads(crc, method, keywords, kind, message):
    if method == "prefixes" and "threads" in keywords:
        pytest.skip("one pass, one thread")
    out = np.arange(3).astype("u4" if crc is CRC else object)
    with pytest.raises(kind, match=message.replace("{width}", str(crc.width))) as caught:
        getattr(crc, method.split()[-1])(*METHODS[method], **{"out": out, **keywords})
    assert caught.type is kind
    assert out.tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [2**32, 2**64 - 1, [0, 2**32, 0], np.array([0, 0, 2**40])])
def test_value_one_bit_too_wide(value):
    for method, arguments in METHODS.items():
        with pytest.raises(ValueError, match="value must be"):
            getattr(CRC, method.split()[-1])(*arguments, value=value)
