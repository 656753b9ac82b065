"""Read and write tables as CSV (RFC 4180), with a line of titles.

The title of the last column is a mark. Its cells are empty but for that in the last record, which
has the number of rows and is empty otherwise.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from numcrc.checkfiles.lines import is_csv_of_others
from numcrc.checkfiles.reader import LONGEST_LINE
from numcrc.checkfiles.strict_json import check_unique, loads
from numcrc.store.keys import KeyRange
from numcrc.store.manifests.ends import Ends
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import TableFormat, has_suffix
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import FileStream

_SUFFIXES = (".csv",)
_MARK = "numcrc "
# Other titles than the mark have no spaces, unlike lines of check files.
_TITLES = re.compile(rf"(?:[^, ]+,)*key(?:_base64)?(?:,[^, ]+)*(?:,{_MARK}.*)?")
# Characters that begin a formula in a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def _recognises(stream: FileStream) -> bool:
    line = stream.first_line()
    if has_suffix(stream.name, _SUFFIXES):
        return not is_csv_of_others(line)  # which are check files
    return bool(_TITLES.fullmatch(line))


def _rows(stream: FileStream, table: Table, _keys: KeyRange) -> Iterator[tuple[int, Row]]:
    records = csv_records(stream)
    ends = Ends(stream, table)
    with ends.expected():
        columns = None
        for number, cells in records:
            try:
                if columns is None:
                    marked = cells[-1].startswith(_MARK)
                    if marked:
                        ends.begin(cells[-1])
                    else:
                        ends.unmarked()
                    columns = _columns(cells[: len(cells) - marked], table)
                    width = len(cells)
                    continue
                check_width(cells, width)
                if ends.awaited and cells[-1]:
                    ends.end(_row_count(cells))
                    columns = None
                    continue
                ends.row()
                row = {
                    title: _value(kind, cell, marked)
                    for (title, kind), cell in zip(columns, cells, strict=False)
                    if cell
                }
            except ValueError as error:
                raise ManifestError(stream.name, str(error), number) from None
            yield number, row
        # Without its end, a line of titles may lack the mark.
        if columns is not None and not marked and b"\n" not in stream.start():
            raise ManifestError(stream.name, "incomplete: no end of line", 1)


def _columns(titles: list[str], table: Table) -> list[tuple[str, str]]:
    """Return the name and type of each column."""
    check_unique(titles)
    return [(title, table.columns.get(title, "text")) for title in titles]


def _row_count(cells: list[str]) -> int:
    """Return the row count in the last record."""
    if any(cells[:-1]) or not cells[-1].isdecimal():
        raise ValueError(f"expected an empty last cell, got {cells[-1][:80]!r}")
    return int(cells[-1])


def csv_records(
    stream: FileStream, repair: Callable[[str], str] = str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, cells) of each record of a CSV file, but for empty lines.

    Each line passes through *repair* first. The length of a record is bounded like that of a line.
    """
    # The limit holds for the whole process; its default is too low for ten thousand parts.
    if csv.field_size_limit() < LONGEST_LINE:
        csv.field_size_limit(LONGEST_LINE)
    size = 0

    def lines() -> Iterator[str]:
        nonlocal size
        for _, line in stream.text():
            size += len(line)
            if size > LONGEST_LINE:
                raise ManifestError(stream.name, f"longer than {LONGEST_LINE >> 20} MiB", number)
            yield repair(line)

    records = csv.reader(lines(), strict=True)
    while True:
        number, size = records.line_num + 1, 0
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            raise ManifestError(stream.name, f"invalid CSV: {error}", number) from None
        if cells:
            yield number, cells


def check_width(cells: list[str], width: int) -> None:
    """Raise ValueError unless there are *width* cells."""
    if len(cells) != width:
        raise ValueError(f"expected {width} cells, got {len(cells)}")


class _CsvWriter:
    """Writes rows as CSV."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._text = io.TextIOWrapper(file, "utf-8", newline="")
        # With this line terminator, every version of csv quotes both of its characters.
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._columns = table.columns
        self._csv.writerow([*table.columns, table.mark])

    def write(self, row: Row) -> None:
        """Add a line."""
        cells = [_cell(kind, row.get(name)) for name, kind in self._columns.items()]
        try:
            self._csv.writerow([*cells, ""])
        except csv.Error:
            raise ValueError("CSV cannot hold NUL characters in Python 3.10") from None

    def finish(self, rows: int | None) -> None:
        """Add the record that ends the table, and flush the text."""
        if rows is not None:
            self._csv.writerow([*[""] * len(self._columns), str(rows)])
        self._text.flush()
        self._text.detach()


def _cell(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind == "text":
        # A formula in a key must not run in a spreadsheet; `_value` removes the quote.
        return f"'{value}" if value.startswith(_FORMULA) else value
    return json.dumps(value)


def _value(kind: str, cell: str, own: bool) -> Any:
    if kind == "text":
        return cell[1:] if own and cell.startswith("'") else cell
    return loads(cell)


FORMAT = TableFormat("csv", "CSV with a line of titles", _SUFFIXES, _recognises, _rows, _CsvWriter)
