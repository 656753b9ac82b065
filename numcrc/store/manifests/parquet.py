"""Read and write tables as Apache Parquet, with pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from numcrc.store.keys import KeyRange
from numcrc.store.manifests.format import RowWriter, TableFormat
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import FileStream

# `arrow` is imported on demand: pyarrow is optional, and takes 0.3 s to import.


def _recognises(stream: FileStream) -> bool:
    return stream.start().startswith(b"PAR1")


def _rows(stream: FileStream, table: Table, keys: KeyRange) -> Iterator[tuple[int, Row]]:
    from numcrc.store.manifests import arrow

    return arrow.table_rows(stream, table, keys)


def _writer(file: BinaryIO, table: Table) -> RowWriter:
    from numcrc.store.manifests import arrow

    return arrow.ParquetWriter(file, table)


def _about(stream: FileStream) -> object:
    from numcrc.store.manifests import arrow

    return arrow.about(stream)


FORMAT = TableFormat(
    "parquet",
    "Apache Parquet",
    (".parquet", ".pq"),
    _recognises,
    _rows,
    _writer,
    _about,
    unit="row",
    seekable=True,
)
