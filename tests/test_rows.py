"""Test the CRC of each slice of an array of any shape, strides and dtype, against zlib."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, views
from support import ALL_DTYPES, Machine, crc_on, in_c_order, run_python

import numcrc
import numcrc.records.run
import numcrc.records.slices
from numcrc.threads import share

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
WIDTHS = {
    "CRC-8/SMBUS": "u1",
    "CRC-12/UMTS": "u2",
    "CRC-16/ARC": "u2",
    "CRC-24/OPENPGP": "u4",
    "CRC-32/BZIP2": "u4",
    "CRC-40/GSM": "u8",
    "CRC-64/NVME": "u8",
    "CRC-82/DARC": "O",
}
DATA = np.frombuffer(random.Random(4).randbytes(1 << 16), np.uint8)


def slices(a: np.ndarray, axis: Any) -> tuple[tuple[int, ...], list[bytes]]:
    """Return the shape without *axis*, and the bytes of each slice."""
    given_axes = range(a.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    inner = sorted(one % a.ndim for one in given_axes)
    outer = [one for one in range(a.ndim) if one not in inner]
    view = a.transpose(outer + inner)
    shape = view.shape[: len(outer)]
    return shape, [in_c_order(view[(*place, ...)]) for place in np.ndindex(shape)]


def same(result: Any, expected: list[int], shape: tuple[int, ...], dtype: Any = "u4") -> None:
    """Assert that *result* is *expected* with that shape and dtype, a scalar if () is the shape."""
    if shape or dtype != "O":
        assert isinstance(result, np.ndarray if shape else np.generic)
        assert (result.shape, result.dtype) == (shape, np.dtype(dtype))
    assert np.ravel(result).tolist() == expected


def check(a: np.ndarray, axis: Any = -1, threads: int | None = None) -> None:
    shape, parts = slices(a, axis)
    same(CRC.rows(a, axis, threads=threads), [zlib.crc32(part) for part in parts], shape)


@st.composite
def axes(draw: st.DrawFn, ndim: int) -> Any:
    """Draw an axis, or axes in any order, counted from either end; or None."""
    some = draw(st.lists(st.integers(0, ndim - 1), unique=True)) if ndim else []
    signed = tuple(one - ndim * draw(st.booleans()) for one in some)
    choices: list[Any] = [None, signed]
    if signed:
        choices.append(signed[0])
    return draw(st.sampled_from(choices))


@few
@given(views(), st.data(), st.sampled_from([None, 1, 2, 3]))
def test_views_of_every_dtype(view, draws, threads):
    check(view, draws.draw(axes(view.ndim)), threads)


@few
@given(views(), st.data(), st.sampled_from([None, 1, 2]))
def test_values_and_out(view, draws, threads):
    axis = draws.draw(axes(view.ndim))
    shape, parts = slices(view, axis)
    kept = tuple(size if draws.draw(st.booleans()) else 1 for size in shape)
    kept = kept[draws.draw(st.integers(0, len(kept))) :]
    numbers = random.Random(draws.draw(st.integers(0, 99)))
    value = np.array([numbers.getrandbits(32) for _ in range(int(np.prod(kept)))], "u4")
    each = np.broadcast_to(value.reshape(kept), shape).ravel().tolist()
    expected = [zlib.crc32(part, one) for part, one in zip(parts, each, strict=True)]
    same(CRC.rows(view, axis, value.reshape(kept), threads=threads), expected, shape)
    whole = np.zeros((*shape, 2), "u4")
    for out in (np.zeros(shape, "u4"), np.zeros(shape, "u4", order="F"), whole[..., 1]):
        assert CRC.rows(view, axis, value.reshape(kept), out, threads) is out
        assert out.ravel().tolist() == expected
    assert not whole[..., 0].any()


@few
@given(views(), st.data(), st.sampled_from([1, 100, 1000]), st.sampled_from([1, 3]))
def test_small_scratch(view, draws, scratch, threads):
    """Blocks of several slices, of one, and slices larger than a block."""
    axis = draws.draw(axes(view.ndim))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numcrc.records.slices, "SCRATCH", scratch)
        check(view, axis, threads)
        shape, parts = slices(view, axis)
        value = np.arange(len(parts), dtype="i8").reshape(shape)
        expected = [zlib.crc32(part, one) for one, part in enumerate(parts)]
        same(CRC.rows(view, axis, value, threads=threads), expected, shape)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "value",
    [
        *(0, 7, 2**32 - 1, True, np.uint8(7), np.int64(7), np.uint64(2**32 - 1), np.array(7)),
        *(
            [7] * 40,
            tuple(range(40)),
            [np.uint8(9)] * 40,
            np.arange(40),
            np.arange(40.0).astype("u1"),
        ),
        *(
            np.arange(40, dtype=">i2"),
            np.arange(80)[::2],
            np.arange(40)[::-1],
            np.full(40, 7, object),
        ),
        *([5], np.array([[5]]).reshape(1), np.broadcast_to(np.uint32(3), 40)),
    ],
    ids=lambda value: f"{type(value).__name__}-{str(value)[:12]}",
)
def test_every_form_of_value(value, threads, monkeypatch):
    monkeypatch.setattr(numcrc.records.run, "CHUNK", 1000)
    a = DATA[: 40 * 100].reshape(40, 100)
    each = np.broadcast_to(np.asarray(value, object), 40).tolist()
    expected = [zlib.crc32(row, int(one)) for row, one in zip(a, each, strict=True)]
    for view in (a, np.asfortranarray(a)):
        same(CRC.rows(view, value=value, threads=threads), expected, (40,))
    buffers = list(a)
    same(CRC.batch(buffers, value, threads=threads), expected, (40,))
    same(CRC.blocks(a, 100, value, threads=threads), expected, (40,))
    same(CRC.segments(a, np.arange(41) * 100, None, value, None, threads), expected, (40,))


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_width(name, threads):
    crc, dtype = numcrc.algorithms[name], WIDTHS[name]
    cube = DATA[: 6 * 5 * 40].reshape(6, 5, 40)
    top = crc.model.mask
    for a in (cube, cube[::-1, :, ::3], cube[:, :0], cube[..., :0]):
        for axis in (-1, 0, (0, 2), None, ()):
            shape, parts = slices(a, axis)
            same(crc.rows(a, axis, threads=threads), [crc(part) for part in parts], shape, dtype)
            expected = [crc(part, top) for part in parts]
            same(crc.rows(a, axis, top, threads=threads), expected, shape, dtype)
            out = np.zeros(shape, dtype)
            assert crc.rows(a, axis, np.full(shape, top, dtype), out, threads) is out
            assert out.ravel().tolist() == expected


@pytest.mark.parametrize("name", ["CRC-32/ISCSI", "CRC-32/BZIP2", "CRC-64/NVME", "CRC-12/UMTS"])
def test_every_kernel(name, machine: Machine):
    crc = crc_on(numcrc.algorithms[name], machine)
    for length in (0, 1, 3, 8, 15, 16, 17, 63, 64, 65, 100, 128, 255, 256, 1000, 1024, 5000):
        a = DATA[: 7 * length].reshape(7, length)
        for view in (a, a[:, ::-1]):
            expected = [crc(row.tobytes()) for row in view]
            assert crc.rows(view).tolist() == expected
            expected = [crc(row.tobytes(), i) for i, row in enumerate(view)]
            assert crc.rows(view, value=range(7)).tolist() == expected


@pytest.mark.parametrize("name", ALL_DTYPES)
def test_every_dtype(name):
    dtype = ALL_DTYPES[name]
    a = DATA[: 60 * dtype.itemsize].view(dtype).reshape(3, 4, 5)
    for view in (a, a.T, a[::2, ::-1], a[:, :, :1]):
        for axis in (0, -1, (0, 2), None):
            check(view, axis)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3), (0, 0), ()])
def test_empty(shape):
    for axis in (None, (), *range(len(shape)), tuple(range(len(shape)))):
        for a in (np.zeros(shape, "f8"), np.zeros(shape, "S0"), np.zeros(shape, "f8").T):
            left, parts = slices(a, axis)
            same(CRC.rows(a, axis), [zlib.crc32(part) for part in parts], left)
            same(CRC.rows(a, axis, 99), [zlib.crc32(part, 99) for part in parts], left)


@pytest.mark.parametrize("axis", [0, 1, -1, (), (0, 1), (1, 0), (0, -1), None])
def test_shape_is_that_of_a_reduction(axis):
    a = DATA[:240].reshape(4, 6, 10)
    assert np.shape(CRC.rows(a, axis)) == np.add.reduce(a, axis).shape


def test_the_order_of_axes_does_not_matter():
    a = DATA[:240].reshape(4, 6, 10)
    assert CRC.rows(a, (2, 0)).tolist() == CRC.rows(a, (0, 2)).tolist()


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"xaxbxc")[1::2]])
def test_buffers(data):
    same(CRC.rows(data), [zlib.crc32(b"abc")], ())
    same(CRC.rows(data, ()), [zlib.crc32(byte) for byte in (b"a", b"b", b"c")], (3,))
    assert CRC.rows(memoryview(b"abcdef").cast("B", (2, 3))).tolist() == [
        zlib.crc32(b"abc"),
        zlib.crc32(b"def"),
    ]


def test_memory_mapped_and_read_only(tmp_path):
    mapped = np.memmap(tmp_path / "map", ">u4", "w+", shape=(20, 30))
    mapped[:] = np.arange(600).reshape(20, 30)
    mapped.flush()
    for a in (mapped, np.memmap(tmp_path / "map", ">u4", "r", shape=(20, 30))):
        for view in (a, a.T, a[::-2, ::3]):
            check(view)
            check(view, 0)
            assert type(CRC.rows(view)) is np.ndarray


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("order", ["C", "F"])
def test_out_overlaps_the_input(threads, order):
    for offset in (0, 1, 50, 99):
        a = np.array(DATA[:40000].view("u4").reshape(100, 100), order=order)
        _, parts = slices(a, -1)
        expected = [zlib.crc32(part) for part in parts]
        out = a[:, offset] if order == "C" else a[offset]
        assert CRC.rows(a, out=out, threads=threads) is out
        assert out.tolist() == expected


def test_out_overlaps_the_values():
    a = DATA[:4000].reshape(40, 100)
    both = np.arange(40, dtype="u4")
    expected = [zlib.crc32(row, i) for i, row in zip(both[::-1].tolist(), a, strict=True)]
    CRC.rows(a, value=both[::-1], out=both)
    assert both.tolist() == expected


def test_slices_larger_than_scratch():
    size = numcrc.records.slices.SCRATCH + 1000
    a = np.frombuffer(random.Random(5).randbytes(2 * size), np.uint8).reshape(size, 2).T
    check(a)
    value = [5, 2**32 - 1]
    expected = [zlib.crc32(row.tobytes(), one) for row, one in zip(a, value, strict=True)]
    assert CRC.rows(a, value=value, threads=2).tolist() == expected


@pytest.fixture
def small_pieces(monkeypatch):
    """Cut and share small records as if they were large."""
    monkeypatch.setattr(numcrc.records.run, "SPLIT", 1000)
    monkeypatch.setattr(numcrc.records.run, "LONGEST", 2500)
    monkeypatch.setattr(numcrc.records.run, "CHUNK", 700)
    monkeypatch.setattr(numcrc.records.run, "THREAD_WORTH", 500)


@pytest.mark.parametrize("name", [name for name in WIDTHS if name != "CRC-82/DARC"])
@pytest.mark.parametrize("threads", [None, 1, 2, 5])
@pytest.mark.usefixtures("small_pieces")
def test_large_records_are_cut_and_joined(name, threads):
    crc = numcrc.algorithms[name]
    lengths = [0, 1, 999, 1000, 1001, 2000, 2001, 3, 30000, 7, 0]
    ends = np.concatenate(([0], np.cumsum(lengths)))
    parts = [DATA[a:b].tobytes() for a, b in pairwise(ends)]
    top = crc.model.mask
    values: list[Any] = [None, top, [top - i for i in range(len(parts))]]
    for value in values:
        each = value if isinstance(value, list) else [value] * len(parts)
        expected = [crc(part, one) for part, one in zip(parts, each, strict=True)]
        calls: list[Callable[[], Any]] = [
            lambda value=value: crc.batch(parts, value, threads=threads),
            lambda value=value: crc.segments(DATA, ends, None, value, None, threads),
        ]
        for call in calls:
            assert call().tolist() == expected
    for value in (None, top):
        expected = [crc(DATA[:end].tobytes(), value) for end in ends]
        assert crc.prefixes(DATA, ends, value).tolist() == expected
        assert crc.prefixes(DATA, ends[::-1], value).tolist() == expected[::-1]
    a = DATA[:60000].reshape(4, 15000)
    for view in (a, a[::-1], a[::3, 5:], np.broadcast_to(a[1], (3, 15000))):
        for value in (None, top):
            expected = [crc(row.tobytes(), value) for row in view]
            assert crc.rows(view, value=value, threads=threads).tolist() == expected
    assert crc.rows(a, None, threads=threads) == crc(a)
    assert crc.blocks(DATA, 5001, threads=threads).tolist() == [
        crc(DATA[i : i + 5001]) for i in range(0, len(DATA), 5001)
    ]


def test_no_more_threads_than_chunks(monkeypatch):
    """Further helpers would find no work."""
    shared = []

    def recording(work: Any, stop: Any, threads: int) -> None:
        shared.append(threads)
        share(work, stop, threads)

    for module in (numcrc.records.run, numcrc.records.slices):
        monkeypatch.setattr(module, "share", recording)
    monkeypatch.setattr(numcrc.records.run, "CHUNK", 100)
    monkeypatch.setattr(numcrc.records.slices, "SCRATCH", 100)
    a = DATA[:4000].reshape(40, 100)
    for view in (a, a.T):
        check(view, -1, 1000)
    assert set(shared) == {40, 50, 1}  # rows, pairs of columns, each pair by itself


MEMORY = """
import resource
import numpy as np
import numcrc

crc = numcrc.algorithms["crc32c"]
a = np.ones({shape}, "u1")
view = a.transpose({order})
crc.rows(view[:3, :3], threads=2)
out = np.ones(view.shape[:-1], "u4")

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = peak()
crc.rows(view, out=out, threads=2)
print(peak() - before)
"""


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((1 << 13, 1 << 14), (1, 0)),
        ((1 << 10, 1 << 11, 64), (1, 0, 2)),
        ((1 << 11, 1 << 11, 32), (1, 0, 2)),
        ((1 << 6, 1 << 10, 1 << 11), (1, 2, 0)),
    ],
)
def test_transposed_arrays_are_not_copied_as_a_whole(shape, order):
    """All of 128 MiB; ru_maxrss is in KiB on Linux."""
    pytest.importorskip("resource")
    process = run_python(MEMORY.format(shape=shape, order=order))
    assert process.returncode == 0, process.stderr
    assert int(process.stdout) <= 64 * 1024
