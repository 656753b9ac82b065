"""Test the CRCs of the variables of xarray datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numcrc

xr = pytest.importorskip("xarray")
dask = pytest.importorskip("dask")
pytest.importorskip("dask.array")
pd = pytest.importorskip("pandas")

from numcrc import xarray as numcrc_xarray  # noqa: E402


@pytest.fixture
def dataset() -> Any:
    """Return variables of several kinds, coordinates among them."""
    values = np.random.default_rng(0).random((6, 5))
    times = np.arange("2020-01-01", "2020-01-07", dtype="M8[D]").astype("M8[ns]")
    return xr.Dataset(
        {
            "t": (("time", "x"), values),
            "f": (("x", "time"), np.asfortranarray(values.T)),
            "big": ("x", np.arange(5, dtype=">i2")),
            "text": ("x", np.array(["a", "bb", "", "d", "ee"])),
            "flag": ((), True),
            "empty": ("none", np.zeros(0)),
        },
        coords={
            "time": times,
            "x": list("pqrst"),
            "far": (("x", "time"), values.T + 1),
            "when": times[0],
        },
    )


def expected(dataset: Any, crc: numcrc.Algorithm) -> dict[Any, int]:
    return {name: crc(dataset[name].values.tobytes()) for name in dataset.variables}


@pytest.mark.parametrize("name", ["CRC-32/ISCSI", "CRC-64/NVME", "CRC-82/DARC"])
def test_every_variable_and_coordinate_has_its_crc(dataset, name):
    crc = numcrc.algorithms[name]
    found = numcrc_xarray.crcs(dataset, name)
    assert found == expected(dataset, crc)
    assert {type(value) for value in found.values()} == {int}
    assert numcrc_xarray.crcs(dataset, crc) == found
    assert numcrc.xarray is numcrc_xarray


def test_chunks_do_not_matter(dataset):
    found = numcrc_xarray.crcs(dataset, "crc32c")
    for chunks in ({"time": 1}, {"time": 4, "x": 2}, {}):
        chunked = dataset.chunk(chunks)
        assert numcrc_xarray.crcs(chunked, "crc32c") == found
        lazy = numcrc_xarray.crcs(chunked, "crc32c", compute=False)
        assert isinstance(lazy["t"], dask.array.Array)
        assert isinstance(lazy["x"], int)  # indexes are in memory
        assert dask.compute(lazy)[0] == found


def test_arrays(dataset):
    found = numcrc_xarray.crcs(dataset, "crc32c")
    names = {"t", "time", "x", "far", "when"}
    assert numcrc_xarray.crcs(dataset["t"], "crc32c") == {name: found[name] for name in names}
    assert numcrc_xarray.crcs(dataset["big"], "crc32c").keys() == {"big", "x", "when"}
    alone = xr.DataArray(np.arange(3))
    assert numcrc_xarray.crcs(alone, "crc32c") == {None: numcrc.crc32c(np.arange(3))}


def test_variables_in_files_are_read_in_pieces_and_not_kept(dataset, tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    dataset = dataset[["t", "f", "flag", "empty"]].drop_vars(["x", "when"])
    dataset.to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=False)
    options = {"chunks": None, "consolidated": False}
    stored = xr.open_zarr(tmp_path / "a.zarr", **options)
    for piece in (8, 17, 80, 1 << 26):
        monkeypatch.setattr(numcrc_xarray, "_PIECE", piece)
        assert numcrc_xarray.crcs(stored, "crc32c") == expected(stored.load(), CRC)
        stored = xr.open_zarr(tmp_path / "a.zarr", **options)
    numcrc_xarray.crcs(stored, "crc32c")
    assert not stored.variables["t"]._in_memory


CRC = numcrc.algorithms["CRC-32/ISCSI"]


@pytest.mark.parametrize("piece", [1, 30, 100, 1000])
@pytest.mark.parametrize("chunks", [None, (1, 2, 1), (2, 1, 4), (5, 5, 5), ((1, 1), 2, (2, 2))])
def test_blocks_cover_each_item_once_and_have_whole_chunks(piece, chunks, monkeypatch):
    monkeypatch.setattr(numcrc_xarray, "_PIECE", piece)
    for shape in [(2, 3, 4), (4, 1, 0), (1, 7, 2)]:
        variable = xr.Variable(tuple("zyx"), np.zeros(shape, "i8"))
        if chunks is not None:
            variable.encoding["preferred_chunks"] = dict(zip("zyx", chunks, strict=True))
        lengths = [np.max(one) for one in chunks or (1, 1, 1)]
        for block in numcrc_xarray._blocks(variable):
            variable[block] += 1
            assert all(axis.start % one == 0 for axis, one in zip(block, lengths, strict=True))
            assert variable[block].nbytes <= max(piece, 8 * np.prod(lengths))
        assert (variable.values == 1).all()


def test_each_chunk_of_a_file_is_read_once(tmp_path, monkeypatch):
    """Chunks may be long on the first axis, as those of time series are."""
    pytest.importorskip("zarr")
    from zarr.storage import LocalStore, WrapperStore

    class Counting(WrapperStore[Any]):
        async def get(self, key: str, *arguments: Any, **keywords: Any) -> Any:
            if "/c/" in key:
                keys.append(key)
            return await super().get(key, *arguments, **keywords)

    keys: list[str] = []
    a = np.random.default_rng(1).random((50, 6, 7))
    own = xr.Dataset({"a": (("time", "y", "x"), a)}, {"time": np.arange(50)})
    own.to_zarr(tmp_path, zarr_format=3, consolidated=False, encoding={"a": {"chunks": (50, 2, 3)}})
    monkeypatch.setattr(numcrc_xarray, "_PIECE", 1000)
    stored = xr.open_zarr(Counting(LocalStore(tmp_path)), chunks=None, consolidated=False)
    keys.clear()
    assert numcrc_xarray.crcs(stored, "crc32c") == expected(own, CRC)
    assert len(keys) == len(set(keys)) == 9


def test_what_is_refused(dataset):
    dataset["names"] = "x", np.array(["a", "b", "c", "d", "e"], object)
    with pytest.raises(TypeError, match=r"^variable 'names': it holds Python objects .*drop_vars"):
        numcrc_xarray.crcs(dataset, "crc32c")
    for other in (dataset["t"].values, dataset["t"].variable, {}, "a.nc", Path("a.nc")):
        with pytest.raises(TypeError, match="dataset must be an xarray Dataset or DataArray, not"):
            numcrc_xarray.crcs(other, "crc32c")
    with pytest.raises(numcrc.UnknownAlgorithmError):
        numcrc_xarray.crcs(dataset, "crc-33")


@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical(["a", "b"]),
        pd.array([1, None], dtype="Int64"),
        pd.date_range("2020", periods=2, tz="UTC"),
        pd.interval_range(0, 2),
    ],
    ids=lambda values: str(values.dtype),
)
def test_arrays_of_pandas_are_refused(values):
    message = r"^variable 'a': it is an array of pandas \(dtype .*drop_vars"
    for dataset in (xr.Dataset({"a": ("x", values)}), xr.Dataset(coords={"a": ("a", values)})):
        with pytest.raises(TypeError, match=message):
            numcrc_xarray.crcs(dataset, "crc32c")


def test_an_array_with_the_name_of_a_coordinate(dataset):
    """As results of coordinates have."""
    for name in ("x", "far", "when"):
        array = dataset[name]
        assert numcrc_xarray.crcs(array.copy(), "crc32c") == numcrc_xarray.crcs(array, "crc32c")
        assert name in numcrc_xarray.crcs(array, "crc32c")
    later = (dataset["far"] + 1).assign_coords(far=dataset["far"])
    with pytest.raises(ValueError, match="DataArray 'far' has a coordinate of the same name: pass"):
        numcrc_xarray.crcs(later, "crc32c")
    assert {"far", "more"} <= numcrc_xarray.crcs(later.rename("more"), "crc32c").keys()


def test_unknown_chunks_are_refused():
    x = dask.array.arange(10, chunks=5)
    with pytest.raises(ValueError, match=r"^variable 'a': the sizes of x's chunks are unknown"):
        numcrc_xarray.crcs(xr.Dataset({"a": ("x", x[x > 3])}), "crc32c")
