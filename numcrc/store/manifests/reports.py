"""Report files: what was found of every object."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeAlias, cast

from numcrc.store.manifests import tables
from numcrc.store.manifests.rows import RESULTS, Row, result_to_row, row_to_result
from numcrc.store.manifests.streams import LONGEST, Path, opened
from numcrc.store.objects import Result

__all__ = ["ReportWriter", "read_results", "report_writer", "result_to_row", "row_to_result"]

_Write: TypeAlias = Callable[[Row], object]


class ReportWriter:
    """Takes results, one after another."""

    def __init__(self, write: _Write) -> None:
        self._write = write

    def write(self, result: Result) -> None:
        """Add one."""
        self._write(result_to_row(result))


@contextmanager
def report_writer(
    path: Path | None, form: str | None = None, *, append: bool = False
) -> Iterator[ReportWriter]:
    """Write a report while the ``with`` block runs.

    A line of JSON Lines is in the file at once. Other files appear when the block ends, be it by
    Ctrl-C; when it fails, there is what was.

    Parameters
    ----------
    path
        Where to; ``-`` or None: standard output.
    form
        jsonl, csv or parquet; by default the path's suffix tells.
    append
        Whether a JSON Lines file that is there goes on; a last line that is not whole is lost.

    Raises
    ------
    ValueError
        There is no such *form*.

    Examples
    --------
    >>> from numcrc.store.objects import State
    >>> with report_writer(os.devnull, "csv") as report:
    ...     report.write(Result("a", State.MATCH, 9, "crc32c", "e3069283", "e3069283"))
    """
    form = form or tables.form_of(path)
    if form not in tables.FORMS:
        raise ValueError(f"{path}: in which form? There are {', '.join(tables.FORMS)}")
    plain = path is not None and path != "-" and not os.fspath(path).endswith(".gz")
    if form == "jsonl" and plain and path is not None:
        rows = _lines(path, append)
    else:
        rows = tables.row_writer(path, RESULTS, form, keep=KeyboardInterrupt)
    with rows as write:
        yield ReportWriter(write)


def read_results(path: Any, form: str | None = None) -> Iterator[Result]:
    """Yield the results of a report.

    Parameters
    ----------
    path
        A path, ``-`` for standard input, or a binary file.
    form
        jsonl, csv or parquet; by default the content tells.

    Raises
    ------
    ManifestError
        It is damaged, or no report; the text has the line.
    """
    with opened(path) as stream:
        for _, result in tables.parsed(
            stream, RESULTS, form or tables.recognised(stream), row_to_result
        ):
            yield result


@contextmanager
def _lines(path: Path, append: bool) -> Iterator[_Write]:
    mode = "r+b" if append and os.path.exists(path) else "wb"
    with open(path, mode, buffering=0) as file:
        begun = mode == "r+b" and _whole_lines(cast(BinaryIO, file))
        yield tables.JsonWriter(cast(BinaryIO, file), RESULTS, begun=begun).write


def _whole_lines(file: BinaryIO) -> bool:
    """Go to the end of the last whole line, and cut off what follows; return if there is one."""
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - LONGEST))
    end = start + file.read().rfind(b"\n") + 1
    file.truncate(end)
    file.seek(end)
    return end > 0
