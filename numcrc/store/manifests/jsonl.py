"""Read and write tables as JSON Lines: a mark, a line for each row, and the number of rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from numcrc.checkfiles.strict_json import loads
from numcrc.store.keys import KeyRange
from numcrc.store.manifests.ends import Ends
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import TableFormat
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import FileStream

_END = "end"


def _recognises(stream: FileStream) -> bool:
    # Check files in JSON begin with a path.
    return stream.start().startswith(b"{") and not stream.start().startswith(b'{"path"')


def _rows(stream: FileStream, table: Table, _keys: KeyRange) -> Iterator[tuple[int, Row]]:
    ends = Ends(stream, table)
    with ends.expected():
        for number, line in stream.text():
            if line.isspace():
                continue
            try:
                row = loads(line)
                if not isinstance(row, dict):
                    raise ValueError("not a JSON object")
                mark = row.get("numcrc")
                if mark is None:
                    ends.row()
                elif mark == _END:
                    ends.end(row.get("rows"))
                else:
                    ends.begin(mark)
            except ValueError as error:
                raise ManifestError(stream.name, str(error), number) from None
            if mark is None:
                yield number, row


def _about(stream: FileStream) -> object:
    for _, line in stream.text():
        return loads(line).get("about")
    return None


class _JsonLinesWriter:
    """Writes rows as JSON Lines."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._file = file
        self._write({"numcrc": table.mark, **({"about": table.about} if table.about else {})})

    def write(self, row: Row) -> None:
        """Add a line."""
        self._write(row)

    def finish(self, rows: int | None) -> None:
        """Add the line that ends the table."""
        if rows is not None:
            self._write({"numcrc": _END, "rows": rows})

    def _write(self, row: Row) -> None:
        self._file.write(json.dumps(row).encode() + b"\n")


FORMAT = TableFormat(
    "jsonl", "JSON Lines", (".jsonl", ".ndjson"), _recognises, _rows, _JsonLinesWriter, _about
)
