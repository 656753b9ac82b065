"""Manifests that are damaged or hostile: each is one error, with its line."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
import subprocess
import sys
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numcrc.store.manifests import ManifestError, read_manifest, write_manifest
from numcrc.store.manifests.errors import CutError
from numcrc.store.objects import Entry
from store.manifest_support import CRC32C, read


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "list: the file is empty"),
        ("e3069283  a\n\nnonsense\n", "list: line 3: not a line of checksums"),
        ("e3069283  ../a", "list: line 1: '../a' leads out of the folder"),
        ("e3069283  a/../b", "list: line 1: 'a/../b' leads out of the folder"),
        ("e3069283  /etc/passwd", "list: line 1: '/etc/passwd' leads out of the folder"),
        ("e3069283  C:\\a", "list: line 1: 'C:\\\\a' leads out of the folder"),
        ("e3069283  a/", "list: line 1: 'a/' is a folder"),
        ("e3069283  a\0b", "list: line 1: lines must end with a newline, not a null character"),
        (
            "e3069283  a\ne3069283  a\0b",
            r"list: line 2: invalid path 'a\x00b': it contains a null character",
        ),
        ("MD5 (a) = 123456", "list: line 1: '123456' is not a value of md5"),
        ("XYZ (a) = 0g", "list: line 1: '0g' is not a value in hexadecimal"),
        (
            "e3069283  a\ne3069284  a\n",
            "list: line 2: duplicate key 'a' with different values of crc32c: e3069283, e3069284",
        ),
        ("#" + (9 << 20) * "x", "list: line 1: longer than 8 MiB"),
        (gzip.compress(bytes(20 << 20), 1), "list: line 1: longer than 8 MiB"),
        (
            gzip.compress(9999 * b"e3069283  a\n")[:-9],
            "list: invalid gzip or zstd file: Compressed file ended before the "
            "end-of-stream marker was reached",
        ),
        ('{"numcrc": "2"}', "list: line 1: expected the mark 'numcrc manifest 2', got '2'"),
        ('{"key": "a"}\n{"key": "b"', "list: line 2: invalid JSON: Expecting ',' delimiter"),
        ('{"key": "a"}\n[]', "list: line 2: not a JSON object"),
        ('{"key": "a"}\nnull', "list: line 2: not a JSON object"),
        ('{"key": "a", "key": "b"}', "list: line 1: duplicate name 'key'"),
        ('{"key": ' + 100_000 * "[", "list: line 1: invalid JSON: nested too deep"),
        (b'{"key": "\xff"}', "list: line 1: not UTF-8"),
        (
            '{"key": "\\udcff"}',
            "list: line 1: invalid 'key': not valid Unicode; such keys belong in 'key_base64'",
        ),
        ('{"key": "a\\u0000"}', r"list: line 1: invalid key 'a\x00': it contains a null character"),
        ('{"key": ""}', "list: line 1: invalid key: it is empty"),
        ('{"key": 1}', "list: line 1: invalid 'key': expected str, got 1"),
        ('{"key": "a", "key_base64": "%%%"}', "list: line 1: invalid base64: '%%%'"),
        ('{"key": "a", "size": -1}', "list: line 1: invalid size: -1"),
        ('{"key": "a", "size": true}', "list: line 1: invalid 'size': expected int, got True"),
        (f'{{"key": "a", "size": {1 << 63}}}', f"list: line 1: invalid size: {1 << 63}"),
        ('{"key": "a", "cr32c": "e3069283"}', "list: line 1: unknown column 'cr32c'"),
        ('{"key": "a", "crc32c": "e306928"}', "list: line 1: 'e306928' is not a value of 'crc32c'"),
        ('{"key": "a", "md5": "00 00"}', "list: line 1: '00 00' is not a value of 'md5'"),
        (
            '{"key": "a", "checksums": {"md5": {"valu": ""}}}',
            "list: line 1: invalid 'md5': it has no value",
        ),
        (
            '{"key": "a", "checksums": {"crc32c": {"value": "e3069283", "composite": 3, '
            '"part_sizes": [1]}}}',
            "list: line 1: invalid 'crc32c': 3 parts, 1 sizes and 1 values",
        ),
        (
            '{"key": "a", "checksums": {"crc32c": {"value": "e3069283", "composite": -1}}}',
            "list: line 1: invalid 'crc32c': a number or size of parts is out of range",
        ),
        (
            '{"key": "a", "size": 1}\n{"key": "a", "size": 2}',
            "list: line 2: duplicate key 'a' with different sizes: 1, 2",
        ),
        ("key,size\na,1\nb\n", "list: line 3: expected 2 cells, got 1"),
        ('key,size\n"a\nb",1\nc,x\n', "list: line 4: invalid JSON: Expecting value"),
        ('key,size\n"a,1\n', "list: line 2: invalid CSV: unexpected end of data"),
        ("key,key\na,b\n", "list: line 1: duplicate name 'key'"),
        (
            "key,numcrc manifest 3\na,\n",
            "list: line 1: expected the mark 'numcrc manifest 2', got 'numcrc manifest 3'",
        ),
        (b"key\n\xff\n", "list: line 2: not UTF-8"),
        (
            'key\n"' + 9500 * (999 * "x" + "\n"),
            "list: line 2: longer than 8 MiB",
        ),
        (
            '{"fileSchema": "Key", "files": [], "fileFormat": ["CSV"]}',
            "list: not the manifest of an S3 Inventory in CSV, Parquet or ORC",
        ),
        (
            '{"fileSchema": 1, "files": 2}',
            "list: not the manifest of an S3 Inventory in CSV, Parquet or ORC",
        ),
        ('{"Results": 1}', "list: not the manifest of an S3 Batch Operations report"),
        (
            "bucket,a,,succeeded,,200,{}",
            "list: line 1: invalid ResultMessage: no checksumAlgorithm, or no checksum",
        ),
    ],
)
def test_hostile_manifests(data, problem):
    with pytest.raises(ManifestError) as caught:
        read(data)
    assert str(caught.value) == problem
    assert str(pickle.loads(pickle.dumps(caught.value))) == problem


MANY = [Entry(f"{k:04}", k, (CRC32C,)) for k in range(500)]


def manifest_of(entries, suffix, folder):
    """Return the bytes of a manifest."""
    path = folder / f"made.{suffix}"
    write_manifest(path, entries)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "jsonl.gz", "csv.gz"])
def test_a_manifest_that_was_cut_anywhere_is_an_error(suffix, tmp_path):
    data = manifest_of(MANY, suffix, tmp_path)
    text = suffix in ("jsonl", "csv")
    whole = len(data.rstrip()) if text else len(data)  # the last line may lack its end
    starts, ends = range(2, 130), range(whole - 30, whole)
    lines = [match.end() for match in re.finditer(b"\n", data[:whole])] if text else []
    for size in {*starts, *range(2, whole, whole // 50), *ends, *lines}:
        with pytest.raises(ManifestError):
            read(data[:size], f"x.{suffix}")
    assert read(data, f"x.{suffix}") == MANY


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_manifest_that_lacks_lines_is_an_error(suffix, tmp_path):
    lines = manifest_of(MANY, suffix, tmp_path).splitlines(keepends=True)
    for start, stop, problem in (
        (501, None, "list: incomplete: no end mark after 500 rows"),
        (100, None, "list: incomplete: no end mark after 99 rows"),
        (1, None, "list: incomplete: no end mark after 0 rows"),
        (7, 8, "list: line 501: the end mark has the row count 500, but there are 499"),
    ):
        with pytest.raises(ManifestError) as caught:
            read(b"".join(lines[:start] + (lines[stop:] if stop else [])))
        assert str(caught.value) == problem
        assert isinstance(caught.value, CutError) == (stop is None)
        assert str(pickle.loads(pickle.dumps(caught.value))) == problem
    with pytest.raises(ManifestError, match="line 503: a row after the end mark"):
        read(b"".join([*lines, lines[5]]))


def test_compressed_files_are_whole_members():
    line = 999 * b"e3069283  a\n"
    for compress in (gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)):
        assert read(compress(line) + compress(line)) == [Entry("a", None, (CRC32C,))]
        for damaged in (
            compress(line)[:-5],
            (compress(line) + compress(line))[:-5],
            compress(line) + b"garbage",
            compress(line)[:30] + b"xx" + compress(line)[32:],
        ):
            with pytest.raises(ManifestError, match="list: invalid gzip or zstd file: "):
                read(damaged)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "jsonl.gz", "csv.gz"])
def test_whole_manifests_may_be_concatenated(suffix, tmp_path):
    one, other = (manifest_of(part, suffix, tmp_path) for part in (MANY[:200], MANY[200:]))
    assert read(one + other, f"x.{suffix}") == MANY
    assert read(one + other + manifest_of([], suffix, tmp_path), f"x.{suffix}") == MANY
    with pytest.raises(ManifestError):
        read(one + other[:-20], f"x.{suffix}")
    if suffix in ("jsonl", "csv"):
        cut = one[: one.rstrip().rindex(b"\n") + 1]
        problem = "another table begins|expected an empty last cell"
        with pytest.raises(ManifestError, match=problem):
            read(cut + other, f"x.{suffix}")


def test_concatenated_parquet_is_an_error(tmp_path):
    one, other = (manifest_of(part, "parquet", tmp_path) for part in (MANY[:250], MANY[250:]))
    for data in (one + other, other + other, b"PAR1" + one):
        with pytest.raises(ManifestError, match=r"not one whole Parquet file|invalid Parquet"):
            read(data)


def test_rows_of_other_programs_may_end_anywhere():
    older = '{"numcrc": "numcrc manifest 1"}\n'
    for data in ('{"key": "a"}', older + '{"key": "a"}', "key\na", "key,numcrc manifest 1\na,"):
        assert read(data) == [Entry("a")]
    with pytest.raises(ManifestError, match="line 2: another table begins"):
        read('{"key": "a"}\n{"numcrc": "numcrc manifest 2"}')
    with pytest.raises(ManifestError, match="line 2: an end mark without a table before it"):
        read('{"key": "a"}\n{"numcrc": "end", "rows": 1}')


def test_hostile_parquet(tmp_path):
    def problem(data: bytes) -> str:
        with pytest.raises(ManifestError) as caught:
            read(data)
        return str(caught.value)

    good = io.BytesIO()
    pq.write_table(pa.table({"key": ["a", "b"], "size": [1, -1]}), good)
    assert problem(good.getvalue()) == "list: row 2: invalid size: -1"
    assert problem(good.getvalue()[:-20]).startswith("list: invalid Parquet file: ")
    file = io.BytesIO()
    pq.write_table(pa.table({"key": pa.array([b"\xff"])}), file)
    assert "got b'\\xff'" in problem(file.getvalue())
    file = io.BytesIO()
    pq.write_table(pa.table({"key": pa.array([b"12"], pa.binary(2))}), file)
    assert problem(file.getvalue()) == "list: column 'key' has an unsupported type"
    file = io.BytesIO()
    pq.write_table(pa.table({"key": ["a"], "checksums": ["x"]}), file)
    assert problem(file.getvalue()) == "list: row 1: a checksum without an algorithm"
    file = io.BytesIO()
    pq.write_table(pa.table({"key": ["a"]}).replace_schema_metadata({"numcrc": "x"}), file)
    assert problem(file.getvalue()) == "list: expected the mark 'numcrc manifest 2', got 'x'"
    reading, writing = os.pipe()
    os.write(writing, good.getvalue())
    os.close(writing)
    with open(reading, "rb") as pipe, pytest.raises(ManifestError, match="from a pipe"):
        list(read_manifest(pipe))


def dictionary_bomb():
    """Rows with the same text of 1 MiB, which is stored once."""
    return pa.table({"key": ["x" * (1 << 20)] * 400}), {"dictionary_pagesize_limit": 1 << 30}


def page_bomb():
    """One text of 100 MiB."""
    return pa.table({"key": ["x" * (100 << 20)]}), {"use_dictionary": False}


def group_bomb():
    """Pages that are each small enough."""
    options = {"use_dictionary": False, "write_batch_size": 1}
    return pa.table({"key": ["x" * (40 << 20)] * 4}), options


def prefix_bomb():
    """Different texts of 4 MiB with the same beginning, which is stored once."""
    start = "x" * (4 << 20)
    options = {"use_dictionary": False, "column_encoding": {"key": "DELTA_BYTE_ARRAY"}}
    return pa.table({"key": [f"{start}{k:03}" for k in range(100)]}), options


def list_bomb():
    """One row with ten million equal numbers."""
    parts = pa.list_(pa.struct([("algorithm", pa.string()), ("part_sizes", pa.list_(pa.int64()))]))
    checksum = {"algorithm": "crc32c", "part_sizes": [7] * 10_000_000}
    return pa.table({"key": ["a"], "checksums": pa.array([[checksum]], parts)}), {}


READ = """
import sys
from numcrc.store import read_manifest

try:
    keys = {entry.key[:10] for entry in read_manifest(sys.argv[1])}
    print("read", keys)
except ValueError as error:
    print(error)
with open("/proc/self/status") as file:
    print(next(line.split()[1] for line in file if line.startswith("VmHWM")))
"""


def outcome(path: str) -> tuple[str, int]:
    """Return what reading a manifest gives, and the most memory that it takes, in MiB."""
    command = [sys.executable, "-c", READ, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said, memory = done.stdout.splitlines()
    return said, int(memory) >> 10


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no VmHWM")
@pytest.mark.parametrize(
    ("bomb", "problem"),
    [
        (dictionary_bomb, "read {'xxxxxxxxxx'}"),
        (prefix_bomb, "read {'xxxxxxxxxx'}"),
        (page_bomb, "bomb: a page of 'key' is larger than 64 MiB"),
        (group_bomb, "bomb: row group 0 has 167"),
        (list_bomb, "bomb: row group 0 has more than 4194304 values of 'checksums.list"),
    ],
)
def test_little_parquet_takes_little_memory(bomb, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table, options = bomb()
    pq.write_table(table, "bomb", compression="brotli", data_page_size=1 << 10, **options)
    assert os.path.getsize("bomb") < 1 << 18  # old pyarrow writes more
    said, memory = outcome("bomb")
    assert said.startswith(problem)
    assert memory < 300


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no VmHWM")
@pytest.mark.parametrize(
    "data",
    [
        b"key,size\n" + 20_000_000 * b'"a\n",',
        b'key,size\n"' + 50_000_000 * b"a\n",
        b"key,size\n" + 20_000_000 * b"ab,",
        b'{"key": [' + 20_000_000 * b"[],",
    ],
    ids=["fields", "lines", "cells", "values"],
)
def test_an_endless_record_takes_little_memory(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bomb").write_bytes(gzip.compress(data, 1))
    said, memory = outcome("bomb")
    assert said in ("bomb: line 1: longer than 8 MiB", "bomb: line 2: longer than 8 MiB")
    assert memory < 300


def test_entries_of_one_key_are_bounded():
    lines = [f'{{"key": "a", "checksums": {{"new-{k}": "00"}}}}' for k in range(257)]
    assert len(read("\n".join(lines[:256]))[0].checksums) == 256
    problem = "list: line 257: key 'a' has more than 256 checksums"
    with pytest.raises(ManifestError, match=problem):
        read("\n".join(lines))


def test_a_row_of_parquet_is_bounded_like_a_line():
    for size, fits in ((8 << 20, False), (7 << 20, True)):
        file = io.BytesIO()
        pq.write_table(pa.table({"key": ["a", "x" * size]}), file)
        if fits:
            assert [len(entry.key) for entry in read(file.getvalue())] == [1, size]
        else:
            with pytest.raises(ManifestError, match=r"^list: row 2: longer than 8 MiB$"):
                read(file.getvalue())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False},
        {"data_page_version": "2.0"},
        {"use_dictionary": False, "column_encoding": {"key": "DELTA_BYTE_ARRAY"}},
        {"use_dictionary": False, "column_encoding": {"key": "DELTA_LENGTH_BYTE_ARRAY"}},
        {"write_page_index": True, "write_page_checksum": True, "store_schema": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
def test_parquet_of_any_writer_is_read(options, compression):
    keys = [f"{k:0100}" for k in range(20_000)]  # more than fit in a dictionary
    values = [None if k % 3 else f"{k % 7:08x}" for k in range(20_000)]
    file = io.BytesIO()
    table = pa.table({"key": keys, "size": range(20_000), "crc32c": values})
    pq.write_table(table, file, compression=compression, row_group_size=9_999, **options)
    found = read(file.getvalue())
    assert [entry.key for entry in found] == keys
    assert [e.checksums[0].value.hex() if e.checksums else None for e in found] == values


def test_long_keys_are_written_in_groups_that_can_be_read(tmp_path):
    """The keys take 120 MB, but are compressed to little."""
    path = tmp_path / "a.parquet"
    start = 500 * "folder/"
    write_manifest(path, (Entry(f"{start}{k:06}\udcff") for k in range(12_000)))
    assert sum(1 for _ in read_manifest(path)) == 12_000


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_parquet_is_an_error_or_read(data):
    file = io.BytesIO()
    pq.write_table(pa.table({"key": ["a", "b", "c"], "size": [1, 2, 3]}), file, compression="zstd")
    damaged = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ManifestError):
        read(bytes(damaged), "x.parquet", format="parquet")
