"""S3 Inventory: its manifest.json, and the CSV, Parquet and ORC files that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from numcrc.store.manifests import tables
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.referenced import Named, verified
from numcrc.store.manifests.rows import Row
from numcrc.store.manifests.streams import Stream
from numcrc.store.objects import Entry

_ARCHIVES = {"GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"}
_NEEDED = ("key", "versionid", "islatest", "isdeletemarker", "size", "etag", "storageclass")
_TIER = "intelligenttieringaccesstier"


def read(
    name: str, manifest: Row, fetch: Callable[[str, str], Named]
) -> Iterator[tuple[int, Entry, str]]:
    """Yield (number, entry, file it is from) of the latest versions."""
    form = manifest.get("fileFormat")
    bucket = str(manifest.get("destinationBucket", "")).removeprefix("arn:aws:s3:::")
    schema = manifest.get("fileSchema")
    files = manifest.get("files")
    if form not in _READERS or not isinstance(schema, str) or not isinstance(files, list):
        raise ManifestError(name, "not the manifest of an S3 Inventory in CSV, Parquet or ORC")
    for file in files:
        if not isinstance(file, dict) or not isinstance(file.get("key"), str):
            raise ManifestError(name, "a file without its key")
        with verified(fetch(bucket, file["key"]), file.get("MD5checksum")) as stream:
            for number, row in _READERS[form](stream, schema):
                try:
                    entry = _entry(row)
                except (ValueError, TypeError) as error:
                    unit = "line" if form == "CSV" else "row"
                    raise ManifestError(stream.name, str(error), number, unit) from None
                if entry is not None:
                    yield number, entry, stream.name


def _entry(row: Row) -> Entry | None:
    key, size = row["key"], row.get("size")
    if _is(row, "isdeletemarker", False) or not _is(row, "islatest", True):
        return None
    if not key:
        raise ValueError("no key")
    if "\0" in key:
        raise ValueError("a key with a null character")
    count = None if size in (None, "") else int(size)
    if count is not None and count < 0:
        raise ValueError(f"{count} is no size")
    archived = row.get("storageclass") in _ARCHIVES or row.get(_TIER) in _ARCHIVES
    return Entry(key, count, (), version(row.get("etag")), archived)


def version(etag: object) -> str:
    """Return the version of an object with this ETag, as a source has it: in quotes."""
    return f'"{etag}"' if etag and isinstance(etag, str) else ""


def _is(row: Row, name: str, default: bool) -> bool:
    value = row.get(name)
    return default if value in (None, "") else value in (True, "true")


def decoded(key: str) -> str:
    """Return a key that a CSV file has in URL encoding.

    Examples
    --------
    >>> decoded("a+b%2Bc/%E2%9C%93")
    'a b+c/✓'
    """
    return unquote_to_bytes(key.replace("+", " ")).decode("utf-8", "surrogateescape")


def _csv(stream: Stream, schema: str) -> Iterator[tuple[int, Row]]:
    names = [_plain(name) for name in schema.split(",")]
    if "key" not in names:
        raise ManifestError(stream.name, "the fileSchema names no Key")
    for number, cells in tables.csv_records(stream):
        if len(cells) != len(names):
            why = f"{len(cells)} cells, and not {len(names)}"
            raise ManifestError(stream.name, why, number)
        row = dict(zip(names, cells, strict=True))
        row["key"] = decoded(row["key"])
        yield number, row


def _parquet(stream: Stream, _schema: str) -> Iterator[tuple[int, Row]]:
    from numcrc.store.manifests import parquet

    file = parquet.reader(stream)
    names = _columns(stream, file.schema_arrow.names)
    for number, row in parquet.records(stream, file, columns=list(names)):
        yield number, _renamed(row, names)


def _orc(stream: Stream, _schema: str) -> Iterator[tuple[int, Row]]:
    from numcrc.store.manifests import parquet

    file = parquet.orc_reader(stream)
    names = _columns(stream, file.schema.names)
    for number, row in parquet.orc_records(stream, file, list(names)):
        yield number, _renamed(row, names)


def _columns(stream: Stream, names: list[str]) -> dict[str, str]:
    """Return what is needed of a file's columns, and what each is in the schema of CSV files."""
    found = {name: _plain(name) for name in names if _plain(name) in (*_NEEDED, _TIER)}
    if "key" not in found.values():
        raise ManifestError(stream.name, "there is no column key")
    return found


def _renamed(row: Row, names: dict[str, str]) -> Row:
    found = {names[name]: value for name, value in row.items()}
    if isinstance(found["key"], bytes):
        found["key"] = found["key"].decode("utf-8", "surrogateescape")
    return found


def _plain(name: str) -> str:
    """Return a column's name in one of its spellings: CSV has VersionId, others version_id."""
    return re.sub(r"[\s_]", "", name).lower()


_READERS: dict[Any, Callable[[Stream, str], Iterator[tuple[int, Row]]]] = {
    "CSV": _csv,
    "Parquet": _parquet,
    "ORC": _orc,
}
