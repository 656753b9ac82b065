"""Read and write Parquet, and read ORC, with pyarrow.

A few bytes of Parquet can stand for any number of values, and a dictionary for many copies of a
long one. So pages are bounded before they are decoded, texts stay in their dictionary, and rows
are measured before they become Python objects.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np

from numcrc._light import NamedTuple
from numcrc.checkfiles.reader import LONGEST_LINE
from numcrc.checkfiles.strict_json import check_unique, loads
from numcrc.store.keys import EVERY_KEY, KeyRange
from numcrc.store.manifests.ends import check_count, cut
from numcrc.store.manifests.errors import ManifestError, blaming
from numcrc.store.manifests.parquet_pages import Chunk, Group, footer, groups, pages
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import FileStream

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError as error:
    raise ImportError("Parquet and ORC need pyarrow: pip install 'numcrc[store]'") from error

# A row group is written once it has so many rows, parts of objects, or characters of text.
_GROUP = 1 << 14
_PARTS = 1 << 18
_CHARACTERS = 1 << 23
# Rows that are read at a time.
_BATCH = 1 << 12
# Those whose keys are compared at a time.
_FEW = 1 << 8
# Bytes of a page. Writers aim at 1 MiB.
_LARGEST_PAGE = 64 << 20
# Bytes of a row group, and how often as long as its compressed form it may be if it is longer than
# a page.
_LARGEST_GROUP = 1 << 30
_LARGEST_RATIO = 256
# An encoding whose values repeat the beginnings of those before.
_DELTA_BYTE_ARRAY = 7
# Values of a column within lists, in a row group: one row may have them all.
_MOST_VALUES = 1 << 22
# Assumed bytes of a Python object beside its content.
_OBJECT = 32
# Compressed bytes of a column that are read at a time.
_READ = 1 << 18
_TEXTS = (pa.string(), pa.binary(), pa.large_string(), pa.large_binary())
_MARK, _ROWS, _ABOUT = b"numcrc", b"numcrc rows", b"numcrc about"


def _types() -> dict[str, Any]:
    checksum = {
        "algorithm": pa.string(),
        "value": pa.string(),
        "composite": pa.int64(),
        "part_sizes": pa.list_(pa.int64()),
        "part_values": pa.list_(pa.string()),
    }
    return {
        "text": pa.string(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "ints": pa.list_(pa.int64()),
        "checksums": pa.list_(pa.struct(checksum)),
    }


class ParquetWriter:
    """Writes rows as Parquet."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        types = _types()
        about = {_ABOUT: json.dumps(table.about).encode()} if table.about else {}
        self._schema = pa.schema(
            [(name, types[kind]) for name, kind in table.columns.items()],
            metadata={_MARK: table.mark.encode()} | about,
        )
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Row] = []
        self._parts = self._characters = 0

    def write(self, row: Row) -> None:
        """Add a row."""
        if "checksums" in row:
            flat = _flat(row["checksums"])
            self._parts += sum(len(checksum.get("part_sizes", ())) for checksum in flat)
            row = {**row, "checksums": flat}
        self._characters += sum(len(value) for value in row.values() if type(value) is str)
        self._rows.append(row)
        if len(self._rows) >= _GROUP or self._parts >= _PARTS or self._characters >= _CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        self._parts = self._characters = 0
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))

    def finish(self, rows: int | None) -> None:
        """Write buffered rows, and the end of the file."""
        try:
            if self._rows:
                self._flush()
            if rows is not None:
                self._writer.add_key_value_metadata({_ROWS: str(rows).encode()})
        finally:
            self._writer.close()


def table_rows(stream: FileStream, table: Table, keys: KeyRange) -> Iterator[tuple[int, Row]]:
    """Yield (row number, row) of a table, without null values.

    Rows whose keys are outside of the range *keys* may be left out.
    """
    file = open_file(stream, "Parquet")
    column_names(stream, file)  # an error if one is there twice
    marks = file.metadata.metadata or {}
    counted = False
    try:
        if _MARK in marks:
            counted = table.is_counted(marks[_MARK].decode(errors="replace"))
        if counted:
            _check_extent(stream, file.metadata)
        if _ROWS in marks:
            check_count(int(marks[_ROWS]), file.metadata.num_rows)
    except ValueError as error:
        raise ManifestError(stream.name, str(error)) from None
    for number, row in file_rows(stream, file, keys=keys):
        found = {name: value for name, value in row.items() if value is not None}
        if "checksums" in found:
            try:
                found["checksums"] = _nested(found["checksums"])
            except ValueError as error:
                raise ManifestError(stream.name, str(error), number, "row") from None
        yield number, found
    if counted and _ROWS not in marks:
        raise cut(stream.name, file.metadata.num_rows)


def about(stream: FileStream) -> object:
    """Return what a table says of itself, or None."""
    marks = open_file(stream, "Parquet").metadata.metadata or {}
    return loads(marks[_ABOUT].decode()) if _ABOUT in marks else None


def _check_extent(stream: FileStream, metadata: Any) -> None:
    """Raise ValueError unless row groups and footer are the whole file.

    In concatenated files, the last footer would be applied to the first rows.
    """
    found = _groups(_footer(stream.file))
    end = max((chunk.start + chunk.size for group in found for chunk in group.chunks), default=4)
    size = end + metadata.serialized_size + len(b"size") + len(b"PAR1")
    if stream.file.seek(0, os.SEEK_END) != size:
        raise ValueError("not one whole Parquet file")


def open_file(stream: FileStream, kind: str) -> Any:
    """Return pyarrow's ParquetFile or ORCFile, as *kind* says: "Parquet" or "ORC"."""
    if kind == "ORC":
        from pyarrow import orc  # some builds of pyarrow lack it

        with _blaming(stream, kind):
            return orc.ORCFile(stream.file)
    if not stream.file.seekable():
        raise ManifestError(stream.name, "cannot read Parquet from a pipe")
    with _blaming(stream, kind):
        return pq.ParquetFile(stream.file, metadata=_metadata(_footer(stream.file)))


def _footer(file: Any) -> bytes:
    if (found := footer(file)) is None:
        raise ValueError("not a Parquet file, or cut")
    return found


# For tasks that read ranges of the same manifest one after another.
@lru_cache(maxsize=2)
def _metadata(data: bytes) -> Any:
    """Return pyarrow's metadata of the footer *data*."""
    size = len(data).to_bytes(4, "little")
    return pq.read_metadata(pa.BufferReader(b"".join((b"PAR1", data, size, b"PAR1"))))


@lru_cache(maxsize=2)
def _groups(data: bytes) -> list[Group]:
    return groups(data)


def column_names(stream: FileStream, file: Any) -> list[str]:
    """Return the names of the columns of a file from `open_file`."""
    with _blaming(stream, "Parquet or ORC"):
        schema = file.schema_arrow if isinstance(file, pq.ParquetFile) else file.schema
        names: list[str] = schema.names
        check_unique(names)
    return names


def file_rows(
    stream: FileStream,
    file: Any,
    columns: list[str] | None = None,
    keys: KeyRange = EVERY_KEY,
) -> Iterator[tuple[int, Row]]:
    """Yield (row number, row) of a file from `open_file`, of all or some *columns*.

    Rows whose ``key`` is outside of the range *keys* may be left out.
    """
    if isinstance(file, pq.ParquetFile):
        return _rows(stream, _parquet_batches(stream, file, columns, keys), "Parquet", keys)
    return _rows(stream, _orc_batches(file, columns), "ORC", keys)


class _Batch(NamedTuple):
    rows: Any
    """A RecordBatch."""
    before: int
    """The number of rows of the file before it."""
    bounds: tuple[bytes, bytes] | None = None
    """Bounds of its keys according to the footer."""


def key_bounds(stream: FileStream, file: Any) -> list[tuple[int, tuple[bytes, bytes]]] | None:
    """Return the number of rows and the bounds of the keys of each row group of a Parquet file.

    None: some are unknown, or row groups overlap or are not in the order of their keys.
    """
    with _blaming(stream, "Parquet"):
        found = [(group.rows, group.keys) for group in _groups(_footer(stream.file))]
        if not _has_key_bounds(file):
            return None
    last = b""
    bounds = []
    for rows, keys in found:
        if keys is None or keys[0] < last:
            return None
        bounds.append((rows, keys))
        last = keys[1]
    return bounds


def keys_of_group(stream: FileStream, file: Any, k: int) -> list[bytes]:
    """Return the keys of a row group, which `key_bounds` has, in order.

    Raises
    ------
    ManifestError
        One is missing, or not within their bounds.
    """
    found: list[bytes] = []
    with _blaming(stream, "Parquet"):
        group = _groups(_footer(stream.file))[k]
        assert group.keys is not None
        for batch in _group_batches(stream, file, ["key"], k, group):
            for at in range(0, len(batch), _FEW):
                rows = batch.slice(at, _FEW)
                if _size(rows) > LONGEST_LINE:
                    raise ManifestError(stream.name, f"longer than {LONGEST_LINE >> 20} MiB")
                for key in key_column(rows).to_pylist():
                    if key is None or not group.keys[0] <= key <= group.keys[1]:
                        problem = f"the footer has wrong bounds of the keys in row group {k}"
                        raise ManifestError(stream.name, problem)
                    found.append(key)
        if len(found) != group.rows:
            problem = f"row group {k} has {len(found)} rows, and {group.rows} in the footer"
            raise ManifestError(stream.name, problem)
    found.sort()
    return found


def _has_key_bounds(file: Any) -> bool:
    """Return whether bounds of the column ``key`` are in the order of its texts."""
    schema = file.schema_arrow
    return "key" in schema.names and schema.field("key").type in _TEXTS


def _parquet_batches(
    stream: FileStream, file: Any, columns: list[str] | None, keys: KeyRange
) -> Iterator[_Batch]:
    bounded = _has_key_bounds(file)
    before = 0
    for k, group in enumerate(_groups(_footer(stream.file))):
        bounds = group.keys if bounded else None
        if bounds is None or keys.has_some(*bounds):
            for rows in _group_batches(stream, file, columns, k, group):
                yield _Batch(rows, before, bounds)
                before += len(rows)
        else:
            before += group.rows


def _group_batches(
    stream: FileStream, file: Any, columns: list[str] | None, k: int, group: Group
) -> Iterator[Any]:
    rows, texts = _plan(stream, file.metadata.schema, k, group.chunks, columns)
    reader = pq.ParquetFile(
        stream.file,
        metadata=file.metadata,
        read_dictionary=texts,
        buffer_size=_READ,
        pre_buffer=False,
    )
    found: Iterator[Any] = reader.iter_batches(rows, row_groups=[k], columns=columns)
    return found


def _orc_batches(file: Any, columns: list[str] | None) -> Iterator[_Batch]:
    before = 0
    for k in range(file.nstripes):
        stripe = file.read_stripe(k, columns)
        for at in range(0, len(stripe), _BATCH):
            yield _Batch(stripe.slice(at, _BATCH), before + at)
        before += len(stripe)


def _plan(
    stream: FileStream, schemas: Any, k: int, group: list[Chunk], columns: Sequence[str] | None
) -> tuple[int, list[str]]:
    """Return how to read some columns of a row group in bounded memory.

    Returns
    -------
    int
        The number of rows to read at a time.
    list of str
        The columns whose texts are to be left in their dictionaries.

    Raises
    ------
    ManifestError
        The columns may take too much memory.
    """
    if len(group) != len(schemas):
        raise ValueError("invalid footer: a row group has other columns than the schema")
    rows, texts = _BATCH, []
    size = compressed = 0
    for c, chunk in enumerate(group):
        schema = schemas.column(c)
        name, nested = schema.path, schema.max_repetition_level > 0
        if columns is not None and name.partition(".")[0] not in columns:
            continue
        if schema.physical_type == "FIXED_LEN_BYTE_ARRAY":
            raise ManifestError(stream.name, f"column {name!r} has an unsupported type")
        compressed += chunk.size
        values = largest = 0
        dictionary = prefixes = False
        for page in pages(stream.file, chunk.start, chunk.size):
            size += page.size
            values += page.values
            largest = max(largest, page.size)
            dictionary |= page.dictionary
            prefixes |= page.encoding == _DELTA_BYTE_ARRAY
            if largest > _LARGEST_PAGE:
                raise ManifestError(stream.name, f"a page of {name!r} is larger than 64 MiB")
            if nested and values > _MOST_VALUES:
                problem = f"row group {k} has more than {_MOST_VALUES} values of {name!r}"
                raise ManifestError(stream.name, problem)
            if values >= chunk.values:  # pyarrow reads no further
                break
        if prefixes and nested:
            raise ManifestError(stream.name, f"column {name!r} has an unsupported encoding")
        if prefixes:  # pyarrow has no dictionary; each value may have all bytes of a page
            rows = min(rows, max(1, LONGEST_LINE // max(largest, 1)))
        elif dictionary and schema.physical_type == "BYTE_ARRAY":
            texts.append(name)
    if size > min(_LARGEST_GROUP, max(_LARGEST_PAGE, _LARGEST_RATIO * compressed)):
        problem = f"row group {k} has {size} bytes, compressed {compressed}; expected less"
        raise ManifestError(stream.name, problem)
    return rows, texts


def _rows(
    stream: FileStream, batches: Iterator[_Batch], kind: str, keys: KeyRange
) -> Iterator[tuple[int, Row]]:
    while True:
        with _blaming(stream, kind):
            batch = next(batches, None)
        if batch is None:
            return
        waiting = [batch]
        while waiting:
            rows, before, bounds = waiting.pop()
            middle = len(rows) // 2
            with _blaming(stream, kind):
                small = _size(rows) <= LONGEST_LINE
                found = _numbered(rows, before, keys, bounds) if small else []
            if not small and not middle:
                problem = f"longer than {LONGEST_LINE >> 20} MiB"
                raise ManifestError(stream.name, problem, before + 1, "row")
            if not small:
                waiting.append(_Batch(rows.slice(middle), before + middle, bounds))
                waiting.append(_Batch(rows.slice(0, middle), before, bounds))
            yield from found


def _numbered(
    rows: Any, before: int, keys: KeyRange, bounds: tuple[bytes, bytes] | None
) -> Iterable[tuple[int, Row]]:
    """Return (row number, row) of a batch, without some whose keys are outside of *keys*."""
    numbers: Iterable[int] = range(before + 1, before + 1 + len(rows))
    texts = None if keys == EVERY_KEY else key_column(rows)
    if texts is None and bounds is not None and keys != EVERY_KEY:
        raise ValueError("a row has a key that is not UTF-8, and the footer says that none has")
    if texts is not None:
        if bounds is not None:
            # A row outside of them may be missing in other ranges, which include it.
            found = pc.min_max(texts).as_py()
            if (
                found["min"] is not None
                and not bounds[0] <= found["min"] <= found["max"] <= bounds[1]
            ):
                raise ValueError("a key is outside of the bounds that the footer has for it")
        inside = pc.greater_equal(texts, keys.first)
        if keys.end is not None:
            inside = pc.and_(inside, pc.less(texts, keys.end))
        inside = pc.fill_null(inside, True)  # a row without a key is an error
        numbers = np.flatnonzero(inside.to_numpy(zero_copy_only=False)) + (before + 1)
        numbers = numbers.tolist()
        rows = rows.filter(inside)
    return zip(numbers, _pylist(rows), strict=True)


def key_column(rows: Any) -> Any:
    """Return the bytes of the keys in a batch; None if it has keys that are not UTF-8, or none."""
    names = rows.schema.names
    if "key" not in names:
        return None
    if "key_base64" in names and rows.column("key_base64").null_count != len(rows):
        return None
    texts = rows.column("key")
    texts = texts.cast(_plain(texts.type))
    return texts.cast(pa.large_binary()) if texts.type in _TEXTS else None


def _blaming(stream: FileStream, kind: str) -> AbstractContextManager[None]:
    # Texts that are not UTF-8 are a ValueError, unexpected types are a TypeError, and dates that
    # Python does not have are an OverflowError.
    errors = (OSError, ValueError, TypeError, OverflowError)
    return blaming(stream.name, kind, pa.ArrowException, *errors)


def _size(data: Any) -> int:
    """Return about how many bytes a batch or an array takes as Python objects."""
    if isinstance(data, (pa.RecordBatch, pa.Table)):
        return sum(map(_size, data.columns))
    if isinstance(data, pa.ChunkedArray):
        return sum(map(_size, data.chunks))
    size: int = _OBJECT * len(data)
    if isinstance(data, pa.DictionaryArray) and data.dictionary.type in _TEXTS:
        lengths = pc.binary_length(data.dictionary).take(data.indices)
        return size + (pc.sum(lengths).as_py() or 0)
    if isinstance(data, pa.StructArray):
        return size + sum(map(_size, data.flatten()))
    if hasattr(data, "flatten") and pa.types.is_nested(data.type):
        return size + _size(data.flatten())
    return size + int(data.nbytes)


def _pylist(batch: Any) -> list[Row]:
    """Return the rows of a batch, whose texts may be dictionaries."""
    columns = [column.cast(_plain(column.type)).to_pylist() for column in batch.columns]
    names = batch.schema.names
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(kind: Any) -> Any:
    """Return a type of Arrow with values in place of dictionaries."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind.fields])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    return kind


def _flat(checksums: Row) -> list[Row]:
    """Return the ``checksums`` of a row as Parquet has them, with the algorithm in a column."""
    return [
        {"algorithm": algorithm, **(value if isinstance(value, dict) else {"value": value})}
        for algorithm, values in checksums.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _nested(checksums: Any) -> Row:
    """Return the ``checksums`` of a row as `_flat` got them."""
    found: dict[str, list[Any]] = {}
    for checksum in checksums if isinstance(checksums, list) else [checksums]:
        if not isinstance(checksum, dict) or not isinstance(checksum.get("algorithm"), str):
            raise ValueError("a checksum without an algorithm")
        value = {name: item for name, item in checksum.items() if item is not None}
        values = found.setdefault(value.pop("algorithm"), [])
        values.append(value["value"] if value.keys() == {"value"} else value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}
