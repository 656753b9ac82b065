"""Read and write reports: the results of a verification as JSON Lines, CSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeAlias, cast

from numcrc.store.manifests.format import by_name, for_writing
from numcrc.store.manifests.jsonl import JsonLinesWriter
from numcrc.store.manifests.rows import RESULTS, Row, result_to_row, row_to_result
from numcrc.store.manifests.streams import LONGEST_LINE, opened
from numcrc.store.manifests.tables import TABLES, parsed, recognised, row_writer
from numcrc.store.objects import Result
from numcrc.store.sources import StrPath

_AddRow: TypeAlias = Callable[[Row], object]


class ReportWriter:
    """Writes results to a report."""

    def __init__(self, add: _AddRow) -> None:
        self._add = add

    def write(self, result: Result) -> None:
        """Add a result."""
        self._add(result_to_row(result))


@contextmanager
def report_writer(
    path: StrPath | None,
    format: str | None = None,  # noqa: A002
    *,
    append: bool = False,
) -> Iterator[ReportWriter]:
    """Return a context manager for a report to write.

    In a JSON Lines file, each result is there as soon as it is written. Other files appear when
    the ``with`` block ends, also by `KeyboardInterrupt`; on other exceptions, *path* stays as it
    was.

    Parameters
    ----------
    path : path
        The file to write; ``-`` or None: standard output.
    format : str, optional
        "jsonl", "csv" or "parquet"; by default as the suffix of *path* says.
    append : bool
        Whether to append to an existing JSON Lines file. An incomplete last line is removed.

    Raises
    ------
    ValueError
        The format is unknown.

    Examples
    --------
    >>> from numcrc.store.objects import State
    >>> with report_writer(os.devnull, "csv") as report:
    ...     report.write(Result("a", State.MATCH, 9, "crc32c", "e3069283", "e3069283"))
    """
    table = for_writing(TABLES, path, format)
    plain = path is not None and path != "-" and not os.fspath(path).endswith(".gz")
    if table.name == "jsonl" and plain and path is not None:
        rows = _unbuffered(path, append)
    else:
        rows = row_writer(path, RESULTS, table, keep=KeyboardInterrupt)
    with rows as add:
        yield ReportWriter(add)


def read_results(path: Any, format: str | None = None) -> Iterator[Result]:  # noqa: A002
    r"""Yield the results of a report.

    Parameters
    ----------
    path : path or binary file
        The report; ``-``: standard input.
    format : str, optional
        "jsonl", "csv" or "parquet"; by default recognised from the content.

    Raises
    ------
    ManifestError
        The file is damaged, or not a report; the message has the line.
    ValueError
        The format is unknown.

    Examples
    --------
    >>> import io
    >>> [result] = read_results(io.BytesIO(b"state,key\nmatch,a\n"))
    >>> result.key, result.state.value
    ('a', 'match')
    """
    table = None if format is None else by_name(TABLES, format)
    with opened(path) as stream:
        for _, result in parsed(stream, RESULTS, table or recognised(stream), row_to_result):
            yield result


@contextmanager
def _unbuffered(path: StrPath, append: bool) -> Iterator[_AddRow]:
    append = append and os.path.exists(path)
    with open(path, "r+b" if append else "wb", buffering=0) as raw:
        file = cast(BinaryIO, raw)
        yield JsonLinesWriter(file, RESULTS, append=append and _seek_end(file)).write


def _seek_end(file: BinaryIO) -> bool:
    """Go to the end of the last whole line and cut the file there; return whether there is one."""
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - LONGEST_LINE))
    end = start + file.read().rfind(b"\n") + 1
    file.truncate(end)
    file.seek(end)
    return end > 0
