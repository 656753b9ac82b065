"""Test the CRCs of a sequence of buffers, or of a pyarrow array."""

from __future__ import annotations

import array
import random
import threading
import zlib
from typing import Any

import numpy as np
import pytest
from support import run_python

import numcrc

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
WIDE = numcrc.algorithms["CRC-82/DARC"]
DATA = random.Random(6).randbytes(5000)

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


def test_an_array_must_be_a_list_of_rows():
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


def test_error_in_an_iterator_is_raised():
    def broken():
        yield b"a"
        raise ZeroDivisionError

    out = np.arange(1, dtype="u4")
    with pytest.raises(ZeroDivisionError):
        CRC.batch(broken(), out=out)
    assert out.tolist() == [0]


def test_list_changed_by_another_thread():
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


def test_arrow_arrays_whose_offsets_decrease():
    pa = pytest.importorskip("pyarrow")
    buffers = [None, pa.py_buffer(np.array([0, 4, 2, 8], np.int32)), pa.py_buffer(b"abcdefgh")]
    with pytest.raises(ValueError, match="record 1 has invalid offsets: 4, 2"):
        CRC.batch(pa.Array.from_buffers(pa.binary(), 3, buffers))


CHANGED = """
import numpy as np, pyarrow as pa, numcrc
crc = numcrc.algorithms["CRC-32/ISO-HDLC"]
offsets = np.array([0, 4, 8])

class Number:
    def __index__(self):
        offsets.fill(1 << 44)
        return 1

buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"abcdefgh")]
items = pa.Array.from_buffers(pa.large_binary(), 2, buffers)
try:
    print(crc.batch(items, value=[Number(), 1]))
except ValueError as error:
    assert "outside the buffer" in str(error)
"""


def test_arrow_offsets_changed_by_a_conversion():
    """In a process of its own, which would read at wrong addresses."""
    pytest.importorskip("pyarrow")
    process = run_python(CHANGED)
    assert (process.returncode, process.stdout) == (0, ""), process.stderr


def test_arrow_buffers_and_scalars_in_a_list():
    pa = pytest.importorskip("pyarrow")
    assert CRC.batch([pa.py_buffer(b"abc"), b"abc"]).tolist() == [zlib.crc32(b"abc")] * 2


def test_other_types_of_arrow():
    pa = pytest.importorskip("pyarrow")
    wrong = (
        pa.array([1, 2]),
        pa.nulls(3),
        pa.array([[b"ab"]]),
        pa.py_buffer(b"abc"),
        pa.table({"a": [b"abc"]}),
        pa.scalar(b"abc"),
    )
    for thing in wrong:
        with pytest.raises(TypeError, match=r"binary or string|buffers"):
            CRC.batch(thing)
