"""Read and write Parquet, and read ORC, with pyarrow: one row group after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from numcrc.store.manifests.errors import ManifestError, blaming
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import Stream

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise ImportError("Parquet and ORC need pyarrow: pip install 'numcrc[store]'") from error

# A row group is written once it has so many rows, or parts of objects.
_GROUP = 1 << 14
_PARTS = 1 << 18
# Rows that are converted to Python objects at a time.
_BATCH = 1 << 12
# Bytes of a row group, which has to fit in memory.
_LARGEST_GROUP = 1 << 30
_MARK = b"numcrc"


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
        """Add a row."""
        if "checksums" in row:
            flat = _flat(row["checksums"])
            self._parts += sum(len(checksum.get("part_sizes", ())) for checksum in flat)
            row = {**row, "checksums": flat}
        self._rows.append(row)
        if len(self._rows) >= _GROUP or self._parts >= _PARTS:
            self._flush()
        return None

    def _flush(self) -> None:
        rows, self._rows, self._parts = self._rows, [], 0
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))

    def finish(self) -> None:
        """Write buffered rows, and the end of the file."""
        try:
            if self._rows:
                self._flush()
        finally:
            self._writer.close()


def table_rows(stream: Stream, table: Table) -> Iterator[tuple[int, Row]]:
    """Yield (row number, row) of a table, without null values."""
    file = open_parquet(stream)
    mark = (file.schema_arrow.metadata or {}).get(_MARK)
    if mark is not None:
        try:
            table.check_mark(mark.decode(errors="replace"))
        except ValueError as error:
            raise ManifestError(stream.name, str(error)) from None
    for number, row in parquet_rows(stream, file):
        found = {name: value for name, value in row.items() if value is not None}
        if "checksums" in found:
            try:
                found["checksums"] = _nested(found["checksums"])
            except ValueError as error:
                raise ManifestError(stream.name, str(error), number, "row") from None
        yield number, found


def open_parquet(stream: Stream) -> Any:
    """Return pyarrow's ParquetFile, whose row groups fit in memory."""
    if not stream.file.seekable():
        raise ManifestError(stream.name, "cannot read Parquet from a pipe")
    with blaming(stream.name, "Parquet", pa.ArrowException, OSError):
        file = pq.ParquetFile(stream.file)
    for k in range(file.metadata.num_row_groups):
        if file.metadata.row_group(k).total_byte_size > _LARGEST_GROUP:
            raise ManifestError(stream.name, f"row group {k} is larger than 1 GiB")
    return file


def parquet_rows(
    stream: Stream, file: Any, columns: list[str] | None = None
) -> Iterator[tuple[int, Row]]:
    """Yield (row number, row) of some columns of a Parquet file."""
    return _rows(stream, file.iter_batches(_BATCH, columns=columns), "Parquet")


def open_orc(stream: Stream) -> Any:
    """Return pyarrow's ORCFile."""
    from pyarrow import orc

    with blaming(stream.name, "ORC", pa.ArrowException, OSError):
        return orc.ORCFile(stream.file)


def orc_rows(stream: Stream, file: Any, columns: list[str]) -> Iterator[tuple[int, Row]]:
    """Yield (row number, row) of some columns of an ORC file."""
    stripes = (file.read_stripe(k, columns) for k in range(file.nstripes))
    batches = (
        stripe.slice(at, _BATCH) for stripe in stripes for at in range(0, len(stripe), _BATCH)
    )
    return _rows(stream, batches, "ORC")


def _rows(stream: Stream, batches: Iterator[Any], kind: str) -> Iterator[tuple[int, Row]]:
    number = 0
    while True:
        with blaming(stream.name, kind, pa.ArrowException, OSError):
            batch = next(batches, None)
            if batch is None:
                return
            found = batch.to_pylist()
        for row in found:
            number += 1
            yield number, row


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
        found.setdefault(value.pop("algorithm"), []).append(value)
    return found
