"""Read and write tables in any of their formats, with a bounded number of rows in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from numcrc.store.keys import EVERY_KEY, KeyRange
from numcrc.store.manifests import csv_table, jsonl, parquet
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import Format, NumberedEntry, Options, TableFormat
from numcrc.store.manifests.output import written
from numcrc.store.manifests.rows import ENTRIES, Row, Table, entry_to_row, may_be_in, row_to_entry
from numcrc.store.manifests.streams import FileStream
from numcrc.store.objects import Entry
from numcrc.store.sources import StrPath

T = TypeVar("T")

TABLES = (jsonl.FORMAT, parquet.FORMAT, csv_table.FORMAT)


def parsed(
    stream: FileStream,
    table: Table,
    table_format: TableFormat,
    parse: Callable[[Row], T],
    keys: KeyRange = EVERY_KEY,
) -> Iterator[tuple[int, T]]:
    """Yield (line or row number, result of *parse*) for each row.

    Rows whose keys are outside of the range *keys* may be left out.
    """
    everything = keys == EVERY_KEY
    for number, row in table_format.rows(stream, table, keys):
        if not (everything or may_be_in(row, keys)):
            continue
        try:
            yield number, parse(row)
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number, table_format.unit) from None


@contextmanager
def row_writer(
    path: StrPath | None,
    table: Table,
    table_format: TableFormat,
    *,
    keep: tuple[type[BaseException], ...] = (),
    at_once: bool = False,
) -> Iterator[Callable[[Row], object]]:
    """Yield a function that adds a row to a file, which replaces *path* as `written` says.

    Parameters
    ----------
    path : path
        The file.
    table : Table
        Its columns.
    table_format : TableFormat
        Its format.
    keep : tuple of exception types
        If the block raises one of these after a row, the file stays at `partial_path`, without an
        end mark.
    at_once : bool
        Whether each row is written to the file at once.
    """
    if table_format.seekable and path is not None and os.fspath(path).endswith(".gz"):
        raise ValueError(f"{table_format.name} cannot be compressed as a whole: {path}")
    rows = 0

    def kept(error: BaseException) -> bool:
        return rows > 0 and isinstance(error, keep)

    with written(path, seekable=table_format.seekable, keep=kept) as file:
        writer = table_format.writer(file, table)

        def add(row: Row) -> None:
            nonlocal rows
            writer.write(row)
            rows += 1
            if at_once:
                file.flush()

        try:
            yield add
        except BaseException:
            writer.finish(None)
            raise
        writer.finish(rows)


def manifest_format(table: TableFormat) -> Format:
    """Return the format of manifests that are tables in the format *table*."""

    def read(stream: FileStream, options: Options) -> Iterator[NumberedEntry]:
        for number, entry in parsed(stream, ENTRIES, table, row_to_entry, options.keys):
            yield NumberedEntry._make((number, entry, stream.name))

    def write(path: StrPath | None, entries: Iterable[Entry]) -> int:
        count = 0
        with row_writer(path, ENTRIES, table) as add:
            for entry in entries:
                add(entry_to_row(entry))
                count += 1
        return count

    return Format(
        table.name, table.summary, table.recognises, read, write, table.suffixes, table.unit
    )
