"""Test the CRCs of the variables of xarray datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numcrc

xr = pytest.importorskip("xarray")
dask = pytest.importorskip("dask")

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


@pytest.mark.parametrize("piece", [1, 3, 8, 30, 100, 1000])
@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (2, 3, 4), (4, 1, 0), (1, 7, 2)])
def test_pieces_are_the_whole_in_c_order(piece, shape, monkeypatch):
    monkeypatch.setattr(numcrc_xarray, "_PIECE", piece)
    a = np.arange(np.prod(shape), dtype="i8").reshape(shape)
    parts = [a[place].reshape(-1) for place in numcrc_xarray._pieces(shape, 8)]
    assert np.concatenate([*parts, []]).tolist() == a.reshape(-1).tolist()
    assert all(part.nbytes <= max(piece, 8) for part in parts)


def test_what_is_refused(dataset):
    dataset["names"] = "x", np.array(["a", "b", "c", "d", "e"], object)
    with pytest.raises(TypeError, match=r"^variable 'names': it holds Python objects .*drop_vars"):
        numcrc_xarray.crcs(dataset, "crc32c")
    for other in (dataset["t"].values, dataset["t"].variable, {}, "a.nc", Path("a.nc")):
        with pytest.raises(TypeError, match="dataset must be an xarray Dataset or DataArray, not"):
            numcrc_xarray.crcs(other, "crc32c")
    with pytest.raises(numcrc.UnknownAlgorithmError):
        numcrc_xarray.crcs(dataset, "crc-33")
