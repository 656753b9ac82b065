"""Manifests that are damaged or hostile: each is one error, with its line."""

from __future__ import annotations

import gzip
import io
import os
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numcrc.store.manifests import ManifestError, read_manifest
from store.manifest_support import read


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
        ("e3069283  a\0b", r"list: line 1: invalid path 'a\x00b': it contains a null character"),
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
        ('{"numcrc": "2"}', "list: line 1: expected the mark 'numcrc manifest 1', got '2'"),
        ('{"key": "a"}\n{"key": "b"', "list: line 2: invalid JSON: Expecting ',' delimiter"),
        ('{"key": "a"}\n[]', "list: line 2: not a JSON object"),
        ('{"key": "a"}\nnull', "list: line 2: not a JSON object"),
        ('{"key": "a", "key": "b"}', "list: line 1: duplicate name 'key'"),
        ('{"key": ' + 100_000 * "[", "list: line 1: invalid JSON: nested too deep"),
        (b'{"key": "\xff"}', "list: line 1: not UTF-8"),
        (
            '{"key": "\\udcff"}',
            "list: line 1: 'key' is not valid Unicode; such keys belong in 'key_base64'",
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
            "key,numcrc manifest 2\na,\n",
            "list: line 1: expected the mark 'numcrc manifest 1', got 'numcrc manifest 2'",
        ),
        (b"key\n\xff\n", "list: line 2: not UTF-8"),
        (
            'key\n"' + 9500 * (999 * "x" + "\n"),
            "list: line 2: invalid CSV: field larger than field limit (8388608)",
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
    pq.write_table(pa.table({"key": ["a"], "checksums": ["x"]}), file)
    assert problem(file.getvalue()) == "list: row 1: a checksum without an algorithm"
    file = io.BytesIO()
    pq.write_table(pa.table({"key": ["a"]}).replace_schema_metadata({"numcrc": "x"}), file)
    assert problem(file.getvalue()) == "list: expected the mark 'numcrc manifest 1', got 'x'"
    reading, writing = os.pipe()
    os.write(writing, good.getvalue())
    os.close(writing)
    with open(reading, "rb") as pipe, pytest.raises(ManifestError, match="from a pipe"):
        list(read_manifest(pipe))
