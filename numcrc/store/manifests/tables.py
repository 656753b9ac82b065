"""Tables as JSON Lines, CSV and Parquet: rows in, rows out, a bounded number at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol, TypeVar

from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import LONGEST, Path, Stream, written

T = TypeVar("T")
FORMS = ("jsonl", "csv", "parquet")
# What a spreadsheet program takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


class Writer(Protocol):
    """Writes rows to a file."""

    def write(self, row: Row) -> object:
        """Add one."""

    def finish(self) -> None:
        """Write what is still held."""


def form_of(path: Path | None) -> str | None:
    """Return the form that a file's name tells; standard output's is JSON Lines."""
    if path is None or path == "-":
        return "jsonl"
    name = str(path).lower().removesuffix(".gz")
    for suffix, form in _SUFFIXES.items():
        if name.endswith(suffix):
            return form
    return None


_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".sfv": "sfv",
}


def recognised(stream: Stream) -> str:
    """Return the form of a table, by its beginning."""
    start = stream.start().removeprefix(b"\xef\xbb\xbf")
    if not start:
        raise ManifestError(stream.name, "the file is empty")
    if start.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if start.startswith(b"{") else "csv"


def rows(stream: Stream, table: Table, form: str) -> Iterator[tuple[int, Row]]:
    """Yield (line or row number, row) of a file in one of `FORMS`."""
    if form == "parquet":
        from numcrc.store.manifests import parquet

        return parquet.rows(stream, table)
    return _json_rows(stream, table) if form == "jsonl" else _csv_rows(stream, table)


def parsed(
    stream: Stream, table: Table, form: str, parse: Callable[[Row], T]
) -> Iterator[tuple[int, T]]:
    """Yield (line or row number, what *parse* makes of the row)."""
    for number, row in rows(stream, table, form):
        try:
            yield number, parse(row)
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number, unit(form)) from None


def unit(form: str) -> str:
    """Return what the numbers of rows count."""
    return "row" if form == "parquet" else "line"


class JsonWriter:
    """Writes JSON Lines, the mark first."""

    def __init__(self, file: BinaryIO, table: Table, *, begun: bool = False) -> None:
        self._file = file
        if not begun:
            self.write({"numcrc": table.mark})

    def write(self, row: Row) -> object:
        """Add one line."""
        return self._file.write(json.dumps(row).encode() + b"\n")

    def finish(self) -> None:
        """Have nothing left to do."""


class _CsvWriter:
    """Writes CSV as RFC 4180 has it; the last column is empty and its title the mark."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._text = io.TextIOWrapper(file, "utf-8", newline="")
        # With this end of line, every version of csv quotes both of its characters.
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._columns = table.columns
        self._csv.writerow([*table.columns, table.mark])

    def write(self, row: Row) -> object:
        """Add one line."""
        cells = [_cell(kind, row.get(name)) for name, kind in self._columns.items()]
        return self._csv.writerow([*cells, ""])

    def finish(self) -> None:
        """Let go of the file, which stays open."""
        self._text.flush()
        self._text.detach()


def _cell(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind == "text":
        # A formula in a key must not run when a table is looked at; `_value` undoes it.
        return f"'{value}" if value.startswith(_FORMULA) else value
    return json.dumps(value)


def _value(kind: str, cell: str, own: bool) -> Any:
    if kind == "text":
        return cell[1:] if own and cell.startswith("'") else cell
    return loads(cell) if cell else None


def loads(text: str) -> Any:
    """Return the value of JSON text; ValueError for what is none, however deep it is."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("JSON that is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}") from None


def _once(pairs: list[tuple[str, Any]]) -> Row:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:80]!r} is there twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _json_rows(stream: Stream, table: Table) -> Iterator[tuple[int, Row]]:
    for number, line in stream.text():
        try:
            row = loads(line) if not line.isspace() else None
            if isinstance(row, dict) and number == 1 and "numcrc" in row:
                table.checked_mark(row["numcrc"])
                continue
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number) from None
        if isinstance(row, dict):
            yield number, row
        elif row is not None or not line.isspace():
            raise ManifestError(stream.name, "no JSON object", number)


def _csv_rows(stream: Stream, table: Table) -> Iterator[tuple[int, Row]]:
    records = csv_records(stream)
    number, titles = next(records, (1, []))
    own = bool(titles) and titles[-1].startswith("numcrc ")
    try:
        if own:
            table.checked_mark(titles.pop())
        if len(set(titles)) < len(titles):
            raise ValueError("two columns have the same title")
    except ValueError as error:
        raise ManifestError(stream.name, str(error), number) from None
    kinds = [(title, table.columns.get(title, "text")) for title in titles]
    width = len(titles) + own
    for number, cells in records:
        if len(cells) != width:
            why = f"{len(cells)} cells, and not {width}"
            raise ManifestError(stream.name, why, number)
        try:
            yield (
                number,
                {
                    title: _value(kind, cell, own)
                    for (title, kind), cell in zip(kinds, cells, strict=False)
                    if cell
                },
            )
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number) from None


def csv_records(
    stream: Stream, mended: Callable[[str], str] = str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, cells) of a CSV file, but for empty lines."""
    # The limit is the whole process's, and the default is less than ten thousand parts need.
    if csv.field_size_limit() < LONGEST:
        csv.field_size_limit(LONGEST)
    records = csv.reader((mended(line) for _, line in stream.text()), strict=True)
    while True:
        number = records.line_num + 1
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            raise ManifestError(stream.name, f"no CSV: {error}", number) from None
        if cells:
            yield number, cells


@contextmanager
def row_writer(
    path: Path | None, table: Table, form: str, keep: type[BaseException] | None = None
) -> Iterator[Callable[[Row], object]]:
    """Yield what writes rows to the file *path*, as `written` has it."""
    with written(path, seekable=form == "parquet", keep=keep) as file:
        rows_to: Writer
        if form == "parquet":
            from numcrc.store.manifests.parquet import ParquetWriter

            rows_to = ParquetWriter(file, table)
        else:
            rows_to = JsonWriter(file, table) if form == "jsonl" else _CsvWriter(file, table)
        try:
            yield rows_to.write
        finally:
            rows_to.finish()
