"""Manifests that fuzzing has found: each was an exception without a file, or a silent loss."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from numcrc.store.manifests import ManifestError, read_manifest, write_manifest
from numcrc.store.manifests.reports import read_results
from numcrc.store.objects import Checksum, Entry
from store.fakes import FakeSource
from store.manifest_support import read


def problem(data: str | bytes) -> str:
    with pytest.raises(ManifestError) as caught:
        read(data)
    return str(caught.value)


def inventory(kind: str, table: pa.Table | bytes, schema: str = "Key") -> list[Entry]:
    """Read an S3 Inventory of one file."""
    file = io.BytesIO(table if isinstance(table, bytes) else b"")
    if isinstance(table, pa.Table):
        (orc if kind == "ORC" else pq).write_table(table, file)
    document = {"fileFormat": kind, "fileSchema": schema, "files": [{"key": "a"}]}
    source = FakeSource({"a": file.getvalue()})
    return list(read_manifest(io.BytesIO(json.dumps(document).encode()), files=source))


def test_texts_that_are_not_unicode_are_errors():
    assert problem('{"key": "a", "version": "\\ud800"}') == (
        "list: line 1: invalid 'version': not valid Unicode"
    )
    unknown = "list: line 1: invalid algorithm '\\ud800': not valid Unicode"
    assert problem('{"key": "a", "checksums": {"\\ud800": "00"}}') == unknown
    assert problem(b"X\xa6 (a) = 353633\n") == (
        "list: line 1: invalid algorithm 'X\\udca6': not valid Unicode"
    )
    with pytest.raises(ManifestError, match="line 1: invalid 'detail': not valid Unicode"):
        list(read_results(io.BytesIO(b'{"state": "match", "key": "a", "detail": "\\ud800"}')))


def test_a_size_of_a_part_that_fits_no_format_is_an_error():
    value = {"value": "e3069283", "part_sizes": [2**63]}
    data = json.dumps({"key": "a", "checksums": {"crc32c": value}})
    assert (
        problem(data) == "list: line 1: invalid 'crc32c': a number or size of parts is out of range"
    )


@pytest.mark.parametrize("part", [-1, 2**63])
def test_a_number_of_a_part_that_fits_no_format_is_an_error(part):
    data = json.dumps({"state": "match", "key": "a", "parts": [part]}).encode()
    with pytest.raises(ManifestError, match="line 1: invalid 'parts': expected numbers of parts"):
        list(read_results(io.BytesIO(data)))


def test_spellings_of_an_unknown_algorithm_have_values_of_one_length():
    assert problem("SRC32C (a) = 313334\nSrc32c (b) = 32\n") == (
        "list: line 2: '32' is not a value of src32c"
    )


@pytest.mark.parametrize(
    "name", ["", "a b", "a(b", "\0", "a\0b", ";a", "\u0131", "\ufeffa", "par1"]
)
def test_a_bsd_list_refuses_names_of_algorithms_that_it_cannot_hold(name, tmp_path):
    entry = Entry("a", None, (Checksum(name, b"12"),))
    with pytest.raises(ValueError, match="a BSD list cannot hold the algorithm"):
        write_manifest(tmp_path / "list", [entry], "bsd")
    assert not (tmp_path / "list").exists()


@pytest.mark.parametrize(
    "data",
    [b"bucket,a,,failed,,404,x\n", b'{"path": "a", "crc": {"CRC-32/ISCSI": "e3069283"}}\n'],
)
def test_a_format_is_recognised_however_few_bytes_a_read_returns(data):
    class Slow(io.RawIOBase):
        def __init__(self) -> None:
            self.file = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:
            return self.file.readinto(memoryview(buffer)[:3])

    assert list(read_manifest(Slow())) == read(data)


def test_columns_that_occur_twice_are_errors():
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["key", "key"])
    file = io.BytesIO()
    pq.write_table(twice, file)
    assert "duplicate name 'key'" in problem(file.getvalue())
    for names in (["key", "key"], ["key", "Key"]):
        with pytest.raises(ManifestError, match="duplicate name 'key'"):
            inventory("Parquet", twice.rename_columns(names))
    with pytest.raises(ManifestError, match="invalid columns: duplicate name 'key'"):
        inventory("CSV", b"a,b\n", "Key, Key")


@pytest.mark.parametrize("kind", ["Parquet", "ORC"])
def test_columns_of_an_inventory_have_their_types(kind):
    def wrong(**columns: list[object]) -> str:
        with pytest.raises(ManifestError) as caught:
            inventory(kind, pa.table({"key": ["a"], **columns}))
        return str(caught.value)

    assert wrong(key=[["a"]]) == "a: the column 'key' is not text"
    assert wrong(size=[float("inf")]) == "a: row 1: invalid size: inf"
    assert wrong(size=[1.5]) == "a: row 1: invalid size: 1.5"
    assert wrong(size=["1_0"]) == "a: row 1: invalid size: '1_0'"
    assert wrong(is_latest=["yes"]) == "a: row 1: invalid islatest: 'yes'"
    assert wrong(is_delete_marker=["TRUE"]) == "a: row 1: invalid isdeletemarker: 'TRUE'"
    assert inventory(kind, pa.table({"key": ["a"], "size": ["10"]})) == [Entry("a", 10)]


def test_dates_that_python_does_not_have_are_an_error():
    file = io.BytesIO()
    dates = pa.array([10_000_000], pa.int32()).view(pa.date32())
    pq.write_table(pa.table({"key": ["a"], "when": dates}), file)
    assert problem(file.getvalue()) == "list: invalid Parquet file: date value out of range"


def test_a_damaged_orc_file_is_an_error():
    file = io.BytesIO()
    orc.write_table(pa.table({"key": ["a"], "storage_class": ["b"]}), file)
    with pytest.raises(ManifestError, match="a: invalid Parquet or ORC file: 'utf-8' codec"):
        inventory("ORC", file.getvalue().replace(b"storage_class", b"storage\xffclass"))


def test_a_damaged_footer_does_not_end_the_process(tmp_path):
    """Pyarrow ends it if the histogram of a column in the footer has a wrong size."""
    checksums = (Checksum("crc32c", b"1234"),)
    path = tmp_path / "list.parquet"
    write_manifest(path, [Entry("a b/c", 9, checksums, '"v1"', True, True)])
    code = """
import io, sys
from numcrc.store.manifests import ManifestError, read_manifest
data = open(sys.argv[1], "rb").read()
for place in range(len(data) - 3200, len(data)):
    damaged = bytearray(data)
    damaged[place] ^= 2
    try:
        list(read_manifest(io.BytesIO(damaged)))
    except ManifestError:
        pass
"""
    subprocess.run([sys.executable, "-c", code, path], check=True)
