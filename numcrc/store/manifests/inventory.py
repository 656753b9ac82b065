"""Read an S3 Inventory: its manifest.json, and the CSV, Parquet and ORC files that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial

from numcrc.checkfiles.strict_json import check_unique
from numcrc.store.keys import KeyRange, check_key, key_text, unquoted
from numcrc.store.manifests.csv_table import check_width, csv_records
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import Format, NumberedEntry, Options
from numcrc.store.manifests.referenced import document, find, may_be_document, verified
from numcrc.store.manifests.rows import Row, check_size
from numcrc.store.manifests.streams import FileStream
from numcrc.store.objects import Entry

_DOCUMENT = re.compile(rb'"(?:fileSchema|sourceBucket)"\s*:')
_ARCHIVES = {"GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"}
_COLUMNS = ("key", "versionid", "islatest", "isdeletemarker", "size", "etag", "storageclass")
_TIER = "intelligenttieringaccesstier"


def _recognises(stream: FileStream) -> bool:
    return may_be_document(stream) and _DOCUMENT.search(stream.start()) is not None


def _read(stream: FileStream, options: Options) -> Iterator[NumberedEntry]:
    """Yield the latest versions of objects."""
    name = stream.name
    if not stream.is_object():
        raise ManifestError(name, "not the manifest.json of an S3 Inventory")
    manifest = document(stream)
    file_format = manifest.get("fileFormat")
    bucket = str(manifest.get("destinationBucket", "")).removeprefix("arn:aws:s3:::")
    schema = manifest.get("fileSchema")
    files = manifest.get("files")
    rows = _ROWS.get(file_format) if isinstance(file_format, str) else None
    if rows is None or not isinstance(schema, str) or not isinstance(files, list):
        raise ManifestError(name, "not the manifest of an S3 Inventory in CSV, Parquet or ORC")
    for file in files:
        if not isinstance(file, dict) or not isinstance(file.get("key"), str):
            raise ManifestError(name, "a file without a key")
        found = find(name, options.files, bucket, file["key"])
        with verified(found, file.get("MD5checksum")) as part:
            for number, row in rows(part, schema, options.keys):
                try:
                    entry = _entry(row)
                except (ValueError, TypeError) as error:
                    unit = "line" if file_format == "CSV" else "row"
                    raise ManifestError(part.name, str(error), number, unit) from None
                if entry is not None:
                    yield NumberedEntry(number, entry, part.name)


def _entry(row: Row) -> Entry | None:
    """Return the entry of a row; None for delete markers and older versions."""
    if _flag(row, "isdeletemarker", False) or not _flag(row, "islatest", True):
        return None
    key, size = check_key(row["key"] or ""), row.get("size")
    if isinstance(size, str) and re.fullmatch("[0-9]{1,19}", size):
        size = int(size)
    if size not in (None, "") and type(size) is not int:
        raise ValueError(f"invalid size: {size!r}")
    count = None if size in (None, "") else check_size(size)
    archived = row.get("storageclass") in _ARCHIVES or row.get(_TIER) in _ARCHIVES
    return Entry(key, count, (), version_of_etag(row.get("etag")), archived)


def version_of_etag(etag: object) -> str:
    """Return the version of an object with this ETag, in quotes as sources return it."""
    return f'"{etag}"' if etag and isinstance(etag, str) else ""


def _flag(row: Row, name: str, default: bool) -> bool:
    value = row.get(name)
    if value in (None, ""):
        return default
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise ValueError(f"invalid {name}: {value!r}")


def _csv_rows(stream: FileStream, schema: str, _keys: KeyRange) -> Iterator[tuple[int, Row]]:
    names = [_column(name) for name in schema.split(",")]
    _check_columns(stream, names)
    for number, cells in csv_records(stream):
        try:
            check_width(cells, len(names))
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number) from None
        row = dict(zip(names, cells, strict=True))
        row["key"] = unquoted(row["key"], plus=True)
        yield number, row


def _arrow_rows(
    kind: str, stream: FileStream, _schema: str, keys: KeyRange
) -> Iterator[tuple[int, Row]]:
    from numcrc.store.manifests import arrow

    file = arrow.open_file(stream, kind)
    names = _columns(stream, arrow.column_names(stream, file))
    for number, row in arrow.file_rows(stream, file, list(names), keys):
        yield number, _renamed(stream, row, names)


def _columns(stream: FileStream, names: list[str]) -> dict[str, str]:
    """Return the columns of a file that are used, and the name of each in CSV files."""
    found = {name: _column(name) for name in names if _column(name) in (*_COLUMNS, _TIER)}
    _check_columns(stream, found.values())
    return found


def _check_columns(stream: FileStream, names: Collection[str]) -> None:
    try:
        check_unique(names)
    except ValueError as error:
        raise ManifestError(stream.name, f"invalid columns: {error}") from None
    if "key" not in names:
        raise ManifestError(stream.name, "no column 'key'")


def _renamed(stream: FileStream, row: Row, names: dict[str, str]) -> Row:
    found = {names[name]: value for name, value in row.items()}
    if isinstance(found["key"], bytes):
        found["key"] = key_text(found["key"])
    if not isinstance(found["key"], (str, type(None))):
        raise ManifestError(stream.name, "the column 'key' is not text")
    return found


def _column(name: str) -> str:
    """Return one name for all spellings of a column: CSV has VersionId, others version_id."""
    return re.sub(r"[\s_]", "", name).lower()


_ROWS: dict[str, Callable[[FileStream, str, KeyRange], Iterator[tuple[int, Row]]]] = {
    "CSV": _csv_rows,
    "Parquet": partial(_arrow_rows, "Parquet"),
    "ORC": partial(_arrow_rows, "ORC"),
}
FORMAT = Format("inventory", "S3 Inventory", _recognises, _read, whole_bucket=True)
