"""Tables as Parquet: one row group after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, TypeAlias

from numcrc.store.manifests.errors import ManifestError, blamed
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import Stream

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise ImportError("Parquet and ORC need pyarrow: pip install 'numcrc[store]'") from error

# Rows, or parts of objects, that are held until they are written.
_GROUP = 1 << 14
_PARTS = 1 << 18
# Rows that are looked at together, and the bytes that a row group of another maker may have.
BATCH = 1 << 12
_LARGEST_GROUP = 1 << 30
_MARK = b"numcrc"

Numbered: TypeAlias = tuple[int, Row]


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
        self._schema = pa.schema(
            [(name, types[kind]) for name, kind in table.columns.items()],
            metadata={_MARK: table.mark.encode()},
        )
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Row] = []
        self._parts = 0

    def write(self, row: Row) -> object:
        """Add one."""
        if "checksums" in row:
            flat = _flat(row["checksums"])
            self._parts += sum(len(checksum.get("part_sizes", ())) for checksum in flat)
            row = {**row, "checksums": flat}
        self._rows.append(row)
        if len(self._rows) >= _GROUP or self._parts >= _PARTS:
            self._flush()
        return None

    def _flush(self) -> None:
        held, self._rows, self._parts = self._rows, [], 0
        self._writer.write_table(pa.Table.from_pylist(held, schema=self._schema))

    def finish(self) -> None:
        """Write what is held, and the end of the file."""
        try:
            if self._rows:
                self._flush()
        finally:
            self._writer.close()


def rows(stream: Stream, table: Table) -> Iterator[tuple[int, Row]]:
    """Yield (row number, row), without what is null."""
    file = reader(stream)
    mark = (file.schema_arrow.metadata or {}).get(_MARK)
    if mark is not None:
        try:
            table.checked_mark(mark.decode(errors="replace"))
        except ValueError as error:
            raise ManifestError(stream.name, str(error)) from None
    for number, row in records(stream, file):
        found = {name: value for name, value in row.items() if value is not None}
        if "checksums" in found:
            try:
                found["checksums"] = _nested(found["checksums"])
            except ValueError as error:
                raise ManifestError(stream.name, str(error), number, "row") from None
        yield number, found


def reader(stream: Stream) -> Any:
    """Open a Parquet file, whose row groups may not be huge."""
    if not stream.file.seekable():
        raise ManifestError(stream.name, "Parquet cannot be read from a pipe")
    with blamed(stream.name, "Parquet file", pa.ArrowException, OSError):
        file = pq.ParquetFile(stream.file)
    for k in range(file.metadata.num_row_groups):
        if file.metadata.row_group(k).total_byte_size > _LARGEST_GROUP:
            raise ManifestError(stream.name, f"row group {k} is larger than 1 GiB")
    return file


def records(stream: Stream, file: Any, columns: list[str] | None = None) -> Iterator[Numbered]:
    """Yield (row number, row) of a Parquet file."""
    return _batches(stream, file.iter_batches(BATCH, columns=columns), "Parquet file")


def orc_reader(stream: Stream) -> Any:
    """Open an ORC file."""
    from pyarrow import orc

    with blamed(stream.name, "ORC file", pa.ArrowException, OSError):
        return orc.ORCFile(stream.file)


def orc_records(stream: Stream, file: Any, columns: list[str]) -> Iterator[Numbered]:
    """Yield (row number, row) of an ORC file."""
    stripes = (file.read_stripe(k, columns) for k in range(file.nstripes))
    cut = (stripe.slice(at, BATCH) for stripe in stripes for at in range(0, len(stripe), BATCH))
    return _batches(stream, cut, "ORC file")


def _batches(stream: Stream, batches: Iterator[Any], what: str) -> Iterator[Numbered]:
    number = 0
    while True:
        with blamed(stream.name, what, pa.ArrowException, OSError):
            batch = next(batches, None)
            if batch is None:
                return
            found = batch.to_pylist()
        for row in found:
            number += 1
            yield number, row


def _flat(checksums: Row) -> list[Row]:
    """Return the ``checksums`` of a row as Parquet has them, where names are values."""
    return [
        {"algorithm": algorithm, **(value if isinstance(value, dict) else {"value": value})}
        for algorithm, values in checksums.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _nested(checksums: Any) -> Row:
    found: dict[str, list[Any]] = {}
    for checksum in checksums if isinstance(checksums, list) else [checksums]:
        if not isinstance(checksum, dict) or not isinstance(checksum.get("algorithm"), str):
            raise ValueError("a checksum without its algorithm")
        value = {name: item for name, item in checksum.items() if item is not None}
        found.setdefault(value.pop("algorithm"), []).append(value)
    return found
