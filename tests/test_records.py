"""Test that calls on many records release their buffers, and wrong calls change nothing."""

from __future__ import annotations

import gc
import random
import sys
from typing import Any

import numpy as np
import pytest

import numcrc

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
WIDE = numcrc.algorithms["CRC-82/DARC"]
DATA = random.Random(6).randbytes(5000)


def test_buffers_are_released():
    """A bytearray raises BufferError on append while its buffer is held."""
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


# Wrong calls

READ_ONLY = np.zeros(3, "u4")
READ_ONLY.flags.writeable = False
GRID = np.zeros((3, 4), "u1")
METHODS = {
    "rows": (GRID,),
    "strided rows": (np.zeros((4, 3), "u1").T,),
    "batch": ([b"a", bytearray(b"b"), np.zeros(5)[::2]],),
    "segments": (b"abcd", [0, 1, 2, 4]),
    "blocks": (b"abcdef", 2),
    "prefixes": (b"abcd", [1, 2, 3]),
}
"""A call of each method that returns three CRCs."""


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
        ("batch", (5,), TypeError, "sequence of buffers, not int$"),
        ("batch", (None,), TypeError, "sequence of buffers, not NoneType$"),
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
        ("blocks", (b"abcdef", 2.0), TypeError, "size must be an integer, not float"),
        ("blocks", (b"", "2"), TypeError, "size must be an integer, not str"),
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
        pytest.skip("prefixes has no parameter threads")
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
