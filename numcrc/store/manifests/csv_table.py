"""Read and write tables as CSV (RFC 4180), with a line of titles."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import TableFormat, has_suffix
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import LONGEST_LINE, Stream
from numcrc.store.manifests.strict_json import check_unique, loads

_SUFFIXES = (".csv",)
# Lines of check files have spaces.
_TITLES = re.compile(r"(?:[^, ]+,)*key(?:_base64)?(?:,[^, ]+)*(?:,numcrc .*)?")
# Characters that begin a formula in a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def _recognises(stream: Stream) -> bool:
    return has_suffix(stream.name, _SUFFIXES) or bool(_TITLES.fullmatch(stream.first_line()))


def _rows(stream: Stream, table: Table) -> Iterator[tuple[int, Row]]:
    records = csv_records(stream)
    number, titles = next(records, (1, []))
    own = bool(titles) and titles[-1].startswith("numcrc ")
    try:
        if own:
            table.check_mark(titles.pop())
        check_unique(titles)
    except ValueError as error:
        raise ManifestError(stream.name, str(error), number) from None
    kinds = [(title, table.columns.get(title, "text")) for title in titles]
    width = len(titles) + own
    for number, cells in records:
        try:
            check_width(cells, width)
            row = {
                title: _value(kind, cell, own)
                for (title, kind), cell in zip(kinds, cells, strict=False)
                if cell
            }
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number) from None
        yield number, row


def csv_records(
    stream: Stream, repair: Callable[[str], str] = str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, cells) of each record of a CSV file, but for empty lines.

    Each line passes through *repair* first.
    """
    # The limit holds for the whole process; its default is too low for ten thousand parts.
    if csv.field_size_limit() < LONGEST_LINE:
        csv.field_size_limit(LONGEST_LINE)
    records = csv.reader((repair(line) for _, line in stream.text()), strict=True)
    while True:
        number = records.line_num + 1
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
    """Writes rows as CSV; the last column is empty, and its title is the table's mark."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._text = io.TextIOWrapper(file, "utf-8", newline="")
        # With this line terminator, every version of csv quotes both of its characters.
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._columns = table.columns
        self._csv.writerow([*table.columns, table.mark])

    def write(self, row: Row) -> object:
        """Add a line."""
        cells = [_cell(kind, row.get(name)) for name, kind in self._columns.items()]
        return self._csv.writerow([*cells, ""])

    def finish(self) -> None:
        """Flush the text, and leave the file open."""
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
