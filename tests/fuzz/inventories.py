"""Fuzz the lists that S3 writes: inventories, and reports of Batch Operations."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from fuzz.kinds import ByteTarget, Choices, outcome
from fuzz.manifests import check_entry, check_pipe, check_round_trip, named
from fuzz.tables import column
from numcrc.store.manifests import read_manifest
from numcrc.store.objects import Entry

CUT = b"\n--file--\n"
"""Between the manifest.json of an input and the file that it refers to."""
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag, StorageClass"
NAMES = ("bucket", "key", "version_id", "is_latest", "is_delete_marker", "size", "e_tag")
NAMES += ("storage_class", "intelligent_tiering_access_tier", "Key", "other")
MESSAGE = (
    r'{"checksum_base64":"4waSgw\u003d\u003d","etag":"abc-2","checksumAlgorithm":"CRC32C",'
    r'"checksumType":"%s","checksum_hex":"E3069283"}'
)
TOKENS = (
    *(CUT, b"%2F", b"+", b'"fileFormat": "', b"Parquet", b"ORC", b"CSV", b'"fileSchema": "'),
    *(b'"files": [{"key": "', b'"MD5checksum": "', b'"Results": [{"Key": "', b'"Bucket": "'),
    *(b'"true"', b'"false"', b"DEEP_ARCHIVE", b"succeeded", b"failed", b"COMPOSITE", b"-2"),
    *(b'"checksumAlgorithm":"', b'"checksum_hex":"', b'"checksum_base64":"', b'"etag":"'),
)


class Files:
    """A source of which every object has the same bytes."""

    url, listable, local, inventory_prefix = "fuzz://bucket", False, False, ""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stat(self, key: str) -> Entry:
        """Return the object."""
        return Entry(key, len(self._data))

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return bytes of it."""
        return memoryview(self._data)[start : start + len(into)]


def run(data: bytes) -> None:
    """Read a manifest.json and its file, or a report alone, in two ways."""
    how = zlib.crc32(data)
    document, _, content = data.partition(CUT)
    prefix = ("", "", "a", "a b/")[how >> 8 & 3]
    options: dict[str, Any] = {"files": Files(content), "prefix": prefix}
    form = ("inventory", "batch", None)[how % 3]
    entries, problem = outcome(read_manifest(io.BytesIO(document), format=form, **options))
    read = partial(read_manifest, format=form, **options)
    check_pipe(read, document, None, (entries, problem))
    _check(entries)


def _check(entries: list[Entry]) -> None:
    for entry in entries:
        check_entry(entry)
    if entries:
        check_round_trip(entries, "jsonl")


def run_columns(data: bytes) -> None:
    """Read an inventory whose file has columns of any type."""
    choices = Choices(data)
    kind, rows = choices.pick(("Parquet", "ORC")), 1 + choices.below(3)
    names, columns = [], []
    if choices.below(2):
        names, columns = ["key"], [pa.array(["a"] * rows)]
    file = io.BytesIO()
    try:
        while choices and len(columns) < 8:
            names.append(choices.pick(NAMES))
            columns.append(column(choices, rows))
        table = pa.Table.from_arrays(columns, names)
        (pq if kind == "Parquet" else orc).write_table(table, file)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, OSError):
        return  # not a file
    document = named(io.BytesIO(_document(kind)), "manifest.json")
    entries, _ = outcome(read_manifest(document, files=Files(file.getvalue())))  # type: ignore
    _check(entries)


def _document(kind: str) -> bytes:
    document = {"fileFormat": kind, "fileSchema": SCHEMA, "files": [{"key": "a/b"}]}
    return json.dumps(document).encode()


def seeds() -> Iterator[bytes]:
    """Yield inventories of each format, and reports of both kinds."""
    rows = (
        b'"b","a+b%2Fc","v2","true","false","9","abc-2","STANDARD"\n'
        b'"b","d","","true","true","","",""\n"b","%FF","1","","","0","","DEEP_ARCHIVE"\n'
    )
    yield _document("CSV") + CUT + rows
    yield _document("CSV") + CUT + gzip.compress(rows, mtime=0)
    table = pa.table(
        {
            "key": ["a b", "c"],
            "size": [9, None],
            "is_latest": [True, False],
            "is_delete_marker": [False, None],
            "e_tag": ["abc", None],
            "storage_class": ["GLACIER", "STANDARD"],
        }
    )
    for kind, module in (("Parquet", pq), ("ORC", orc)):
        file = io.BytesIO()
        module.write_table(table, file)
        yield _document(kind) + CUT + file.getvalue()
    for kind in ("FULL_OBJECT", "COMPOSITE"):
        message = MESSAGE % kind
        quoted = message.replace('"', '""')
        report = f'b,a+b%2Fc,,succeeded,,200,{message}\nb,c,,failed,E,403,"no, ""you"""\n'
        yield report.encode()
        yield f'b,d,v,succeeded,,200,"{quoted}"\n'.encode()
        yield b'{"Results": [{"Bucket": "b", "Key": "c"}]}' + CUT + report.encode()


def column_seeds() -> Iterator[bytes]:
    """Yield choices."""
    for number in range(16):
        yield bytes((number * (3 + 2 * number) + place * 11) % 256 for place in range(60))


TARGETS = (
    ByteTarget("s3", "S3 Inventory and Batch Operations", run, seeds, TOKENS),
    ByteTarget("s3-columns", "inventories with columns of any type", run_columns, column_seeds),
)
