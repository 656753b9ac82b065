"""Test the CRCs of Dask arrays and of their chunks."""

from __future__ import annotations

import asyncio
import pickle
import random
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from support import run_python

import numcrc

dask = pytest.importorskip("dask")
pytest.importorskip("dask.array")

import dask.array as da  # noqa: E402

from numcrc import dask as numcrc_dask  # noqa: E402

DATA = random.Random(5).randbytes(1 << 16)
DTYPES = ["u1", "<i2", ">u4", "f8", "c16", "M8[s]", "S3", "U2", "V5", "?", "u1,>f8"]
WIDTHS = [*range(3, 65), 65, 82, 100, 127, 128]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with dask.config.set(scheduler="sync"):
        yield


def some_algorithm(numbers: random.Random) -> numcrc.Algorithm:
    """Return an algorithm of any width; some are of the catalogue."""
    if numbers.random() < 0.3:
        return numcrc.algorithms[numbers.choice(["CRC-32/ISO-HDLC", "CRC-64/NVME", "CRC-16/ARC"])]
    width = numbers.choice(WIDTHS)
    poly, init, xorout = (numbers.getrandbits(width) for _ in range(3))
    refin, refout = numbers.random() < 0.5, numbers.random() < 0.5
    return numcrc.Algorithm(width, poly | 1, init, refin, refout, xorout)


def some_array(numbers: random.Random) -> np.ndarray:
    """Return an array of 0 to 5 dimensions, of any dtype and layout."""
    dtype = np.dtype(numbers.choice(DTYPES))
    shape = tuple(numbers.choice([0, 1, 2, 3, 5, 8, 13]) for _ in range(numbers.randrange(6)))
    while np.prod(shape) * dtype.itemsize > len(DATA):
        shape = shape[1:]
    size = int(np.prod(shape)) * dtype.itemsize
    a = np.frombuffer(bytearray(DATA[:size]), np.uint8).view(dtype).reshape(shape)
    if not a.ndim:
        return a
    layout = numbers.randrange(4)
    axes = list(range(a.ndim))
    numbers.shuffle(axes)
    return [a, np.asfortranarray(a), a.transpose(axes), a[::-1]][layout]


def some_chunks(shape: tuple[int, ...], numbers: random.Random) -> tuple[tuple[int, ...], ...]:
    """Return chunks of any sizes, 0 among them; at most six, for their graphs take time."""
    found, left = [()] * len(shape), 6
    for axis in numbers.sample(range(len(shape)), len(shape)):
        count = numbers.randint(1, min(left, 4))
        cuts = sorted(numbers.randint(0, shape[axis]) for _ in range(count - 1))
        found[axis] = tuple(np.diff([0, *cuts, shape[axis]]).tolist())
        left //= count
    return tuple(found)


def in_c_order(a: np.ndarray) -> bytes:
    return a.tobytes() if a.size else b""


@pytest.mark.parametrize("seed", range(50))
def test_the_crc_is_that_of_the_bytes_for_any_chunks(seed):
    numbers, cases = random.Random(seed), []
    for _ in range(60):
        a, crc = some_array(numbers), some_algorithm(numbers)
        x = da.from_array(a, chunks=some_chunks(a.shape, numbers))
        cases.append((numcrc_dask.crc(x, crc), crc, a))
    computed = dask.compute(*(lazy for lazy, _, _ in cases), optimize_graph=seed % 2)
    for found, (lazy, crc, a) in zip(computed, cases, strict=True):
        assert found == crc(in_c_order(a)), (a.dtype, a.shape, a.strides, crc)
        assert (lazy.shape, lazy.dtype) == ((), crc.batch([]).dtype)
        assert np.array(found, lazy.dtype).dtype == getattr(found, "dtype", object)


def test_chunk_crcs_and_their_verification():
    numbers = random.Random(1)
    for _ in range(40):
        a, crc = some_array(numbers), some_algorithm(numbers)
        x = da.from_array(a, chunks=some_chunks(a.shape, numbers))
        lazy = numcrc_dask.chunk_crcs(x, crc)
        table = lazy.compute()
        assert (lazy.shape, lazy.chunks) == (x.numblocks, tuple((1,) * n for n in x.numblocks))
        for place in np.ndindex(x.numblocks):
            block = x.blocks[place].compute() if x.ndim else a
            assert table[place] == crc(in_c_order(block))
        checked = numcrc_dask.verify_chunks(x, table, crc)
        assert (checked.dtype, checked.chunks) == (x.dtype, x.chunks)
        assert in_c_order(np.asarray(checked.compute())) == in_c_order(a)


def test_a_damaged_chunk_is_named():
    a = np.arange(35.0).reshape(5, 7)
    x = da.from_array(a, chunks=(2, 3))
    table = numcrc_dask.chunk_crcs(x, "crc32c").compute()
    damaged = a.copy()
    damaged[3, 4] = np.nextafter(damaged[3, 4], 1)
    y = numcrc_dask.verify_chunks(da.from_array(damaged, chunks=(2, 3)), table, "crc32c")
    found = numcrc.crc32c(damaged[2:4, 3:6])
    message = rf"chunk \(1, 1\) has CRC-32/ISCSI {found:08x}, expected {table[1, 1]:08x}"
    with pytest.raises(numcrc_dask.ChecksumError, match=f"^{message}$") as caught:
        y.compute()
    assert caught.value.chunk == (1, 1)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.chunk, str(copy)) == ((1, 1), str(caught.value))
    assert (y[:2].compute() == a[:2]).all()  # other chunks are good


def test_algorithms_by_name_and_names_of_tasks():
    x = da.arange(1000, chunks=100)
    by_name, by_object = (
        numcrc_dask.crc(x, one) for one in ("crc32c", numcrc.algorithms["crc32c"])
    )
    assert by_name.name == by_object.name
    assert by_name.name != numcrc_dask.crc(x, "crc32").name != numcrc_dask.crc(x + 1, "crc32").name
    assert int(by_name) == numcrc.crc32c(np.arange(1000))
    assert numcrc.dask is numcrc_dask
    with pytest.raises(numcrc.UnknownAlgorithmError):
        numcrc_dask.crc(x, "crc-33")
    with pytest.raises(TypeError, match="algorithm must be an Algorithm or a name, not int"):
        numcrc_dask.crc(x, 32)


class _Sparse:
    """An array of another kind."""

    __array_ufunc__ = None
    shape, ndim, dtype, size = (4,), 1, np.dtype("f8"), 4

    def __array_function__(self, *arguments: Any) -> Any:
        return NotImplemented

    def __getitem__(self, key: Any) -> _Sparse:
        return self


def wrong_arrays() -> dict[str, tuple[Any, type[Exception], str]]:
    numbers = da.arange(10, chunks=5)
    return {
        "NumPy": (np.arange(3), TypeError, "not ndarray: pass it to the algorithm itself"),
        "bytes": (b"abc", TypeError, "x must be a Dask array, not bytes"),
        "objects": (numbers.astype(object), TypeError, "x holds Python objects"),
        "masked": (da.ma.masked_equal(numbers, 3), TypeError, r"pass dask.array.ma.filled\(x\)"),
        "unknown": (numbers[numbers > 3], ValueError, r"call x.compute_chunk_sizes\(\) first"),
        "another kind": (
            da.from_array(_Sparse(), asarray=False, meta=_Sparse()),
            TypeError,
            r"chunks of x must be NumPy arrays, not test_dask_arrays\._Sparse: convert",
        ),
    }


@pytest.mark.parametrize("name", ["NumPy", "bytes", "objects", "masked", "unknown", "another kind"])
def test_arrays_that_are_refused(name):
    x, kind, message = wrong_arrays()[name]
    for call in (
        numcrc_dask.crc,
        numcrc_dask.chunk_crcs,
        lambda x, name: numcrc_dask.verify_chunks(x, [1], name),
    ):
        with pytest.raises(kind, match=message):
            call(x, "crc32")


def test_unknown_chunks_once_they_are_known():
    x = da.arange(10, chunks=5)
    some = x[x % 3 == 0].compute_chunk_sizes()
    assert int(numcrc_dask.crc(some, "crc32")) == zlib.crc32(np.arange(0, 10, 3).tobytes())


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (
            lambda a: a.astype("f4"),
            TypeError,
            r"chunk \[\d+:\d+\] has dtype float32, but Dask expects",
        ),
        (
            lambda a: a.astype(">i8"),
            TypeError,
            r"chunk \[\d+:\d+\] has dtype >i8, but Dask expects",
        ),
        (
            lambda a: a[1:],
            ValueError,
            r"chunk \[\d+:\d+\] has shape \(4,\), but Dask expects \(5,\)",
        ),
        (lambda a: a.tolist(), TypeError, r"chunk \[\d+:\d+\] must be a NumPy array, not list"),
        (
            lambda a: np.ma.array(a),
            TypeError,
            r"chunk \[\d+:\d+\] must be a NumPy array, not Masked",
        ),
    ],
)
def test_chunks_that_are_not_what_dask_expects(function, kind, message):
    x = da.arange(10, chunks=5, dtype="i8")
    x = x.map_blocks(function, dtype=x.dtype, meta=x._meta)
    for lazy in (
        numcrc_dask.crc(x, "crc32"),
        numcrc_dask.chunk_crcs(x, "crc32"),
        numcrc_dask.verify_chunks(x, [0, 0], "crc32"),
    ):
        with pytest.raises(kind, match=message):
            lazy.compute()


def test_scalars_that_computations_give():
    x = da.from_array(np.arange(10.0), chunks=3).sum()
    assert int(numcrc_dask.crc(x, "crc32")) == zlib.crc32(np.array(45.0).tobytes())


@pytest.mark.parametrize(
    ("table", "kind", "message"),
    [
        ([1], ValueError, r"one CRC for each chunk, shape \(2,\), not \(1,\)"),
        (1, ValueError, r"shape \(2,\), not \(\)"),
        ([1.0, 2.0], TypeError, "table must be an integer, not float"),
        ([1, 2**32], ValueError, "table must be 0 <= table"),
        ([1, -1], ValueError, "table must be 0 <= table"),
    ],
)
def test_tables_that_are_refused(table, kind, message):
    with pytest.raises(kind, match=message):
        numcrc_dask.verify_chunks(da.arange(10, chunks=5), table, "crc32")


def test_a_table_must_be_computed():
    x = da.arange(10, chunks=5)
    with pytest.raises(TypeError, match=r"pass table.compute\(\)"):
        numcrc_dask.verify_chunks(x, numcrc_dask.chunk_crcs(x, "crc32"), "crc32")


def test_tasks_share_an_algorithm(monkeypatch):
    """Each task has a copy. To make its functions takes milliseconds if it is not a catalogue's."""
    own, made = numcrc.Algorithm(31, 0x04C11DB7, 6, True, False, 1), []

    def compiled(model):
        made.append(model)
        return numcrc.compiled.Compiled(model)

    monkeypatch.setattr(numcrc.algorithm, "Compiled", compiled)
    copies = [pickle.loads(pickle.dumps(own)) for _ in range(5)]
    for copy in copies:
        assert numcrc_dask.arrays._contribution(
            np.arange(4), (slice(0, 4),), copy, np.dtype("i8"), (4,)
        )[0] == own.linear(np.arange(4))
    assert made == [own.model] * 5 + [own.linear.model] * 2


@pytest.fixture
def client() -> Iterator[Any]:
    """Return a client of two processes."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": ":0"}
    with (
        dask.config.set(scheduler=None),
        distributed.LocalCluster(processes=True, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_other_processes_compute_it(client):
    a = np.random.default_rng(3).random((400, 300))
    x = da.from_array(a, chunks=(90, 110))
    own = numcrc.Algorithm(31, 0x04C11DB7, 5, True, False, 1)
    found = dask.compute(*(numcrc_dask.crc(x, one) for one in ("crc32", own, "CRC-82/DARC")))
    assert found == (zlib.crc32(a), own(a), numcrc.algorithms["CRC-82/DARC"](a))
    table = numcrc_dask.chunk_crcs(x, own).compute()
    table[2, 1] ^= 1
    with pytest.raises(numcrc_dask.ChecksumError, match=r"chunk \(2, 1\) has CRC-31 ") as caught:
        numcrc_dask.verify_chunks(x, table, own).sum().compute()
    assert caught.value.chunk == (2, 1)


# A use: silent damage by writes that are not aligned with Zarr's chunks.


def test_misaligned_writes_at_once_lose_data_and_the_crc_shows_it(tmp_path):
    """Zarr reads a chunk, changes a part and writes it: of two writers at once, one loses.

    See zarr-python#3682, dask#12583 and xarray#10831. The store lets both read first.
    """
    zarr = pytest.importorskip("zarr")
    from zarr.storage import LocalStore, WrapperStore

    class Meeting(WrapperStore[Any]):
        """A store whose first two readers of a chunk get it at the same time."""

        readers, both = 0, asyncio.Event()

        async def get(self, key: str, *arguments: Any, **keywords: Any) -> Any:
            found = await super().get(key, *arguments, **keywords)
            if key.startswith("c/"):
                Meeting.readers += 1
                if Meeting.readers == 2:
                    Meeting.both.set()
                await self.both.wait()
            return found

    a = np.arange(1, 13, dtype="i4")
    x = da.from_array(a, chunks=6)
    zarr.create_array(tmp_path, shape=12, chunks=12, dtype="i4", zarr_format=3)
    target = zarr.open_array(Meeting(LocalStore(tmp_path)), mode="r+")
    with dask.config.set(scheduler="threads", pool=ThreadPoolExecutor(2)):
        da.store(x, target, lock=False)  # without an error
    assert Meeting.readers == 2
    read = da.from_zarr(str(tmp_path), chunks=5)
    assert np.count_nonzero(read.compute() == 0) == 6
    assert int(numcrc_dask.crc(read, "crc32c")) != int(numcrc_dask.crc(x, "crc32c"))
    target[6:] = a[6:]
    target[:6] = a[:6]
    assert int(numcrc_dask.crc(read, "crc32c")) == int(numcrc_dask.crc(x, "crc32c"))


@pytest.mark.parametrize(
    ("module", "name", "needs", "extra"),
    [("dask", "crc", "Dask", "dask"), ("xarray", "crcs", "xarray", "xarray")],
)
def test_without_the_package_the_error_names_the_extra(module, name, needs, extra):
    code = f"import sys; sys.modules[{extra!r}] = None; import numcrc;"
    code += f"numcrc.{module}.{name}(0, 'crc32')"
    process = run_python(code)
    assert process.stderr.endswith(
        f"ImportError: numcrc.{module} needs {needs}: pip install 'numcrc[{extra}]'\n"
    )


def test_the_members_of_the_package_need_none_of_them():
    code = "import sys; sys.modules.update(dict.fromkeys(('dask', 'xarray', 'zarr')));"
    code += "import inspect, numcrc; print(*(name for name, _ in inspect.getmembers(numcrc)))"
    assert {"dask", "xarray", "zarr"} <= set(run_python(code).stdout.split())


def test_the_package_imports_neither():
    code = "import sys, numcrc; numcrc.crc32(b''); print({'dask', 'xarray'} & {*sys.modules})"
    assert run_python(code).stdout == "set()\n"
