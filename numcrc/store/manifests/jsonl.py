"""Read and write tables as JSON Lines: a mark that names the table, then a line for each row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import TableFormat
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import Stream
from numcrc.store.manifests.strict_json import loads


def _recognises(stream: Stream) -> bool:
    # Check files in JSON begin with a path.
    return stream.start().startswith(b"{") and not stream.start().startswith(b'{"path"')


def _rows(stream: Stream, table: Table) -> Iterator[tuple[int, Row]]:
    for number, line in stream.text():
        if line.isspace():
            continue
        try:
            row = loads(line)
            if not isinstance(row, dict):
                raise ValueError("not a JSON object")
            if number == 1 and "numcrc" in row:
                table.check_mark(row["numcrc"])
                continue
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number) from None
        yield number, row


class JsonLinesWriter:
    """Writes rows as JSON Lines; with *append*, to a file that already has the mark."""

    def __init__(self, file: BinaryIO, table: Table, *, append: bool = False) -> None:
        self._file = file
        if not append:
            self.write({"numcrc": table.mark})

    def write(self, row: Row) -> object:
        """Add a line."""
        return self._file.write(json.dumps(row).encode() + b"\n")

    def finish(self) -> None:
        """Do nothing: no row is buffered here."""


FORMAT = TableFormat(
    "jsonl", "JSON Lines", (".jsonl", ".ndjson"), _recognises, _rows, JsonLinesWriter
)
