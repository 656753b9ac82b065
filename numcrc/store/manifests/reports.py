"""Read and write reports: the results of a verification as JSON Lines, CSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numcrc._light import NamedTuple
from numcrc.store.manifests.errors import CutError, ManifestError
from numcrc.store.manifests.format import by_name, for_writing, recognised
from numcrc.store.manifests.rows import RESULTS, result_to_row, row_to_result
from numcrc.store.manifests.streams import open_stream
from numcrc.store.manifests.tables import TABLES, parsed, row_writer
from numcrc.store.objects import Result
from numcrc.store.retries import StoppedError
from numcrc.store.source import StoreError
from numcrc.store.sources import StrPath

# A report with the results so far is kept after these.
_EARLY_ENDS = (KeyboardInterrupt, StoppedError, StoreError)


class ReportPart(NamedTuple):
    """The part of a job that a report has."""

    shard: tuple[int, int] | None = None
    """The number of a shard, from 1, and the number of shards."""
    keys: tuple[str | None, str | None] | None = None
    """The range of keys, as for `Selection`."""


@contextmanager
def report_writer(
    path: StrPath | None,
    format: str | None = None,  # noqa: A002
    part: ReportPart = ReportPart(),  # noqa: B008
) -> Iterator[Callable[[Result], object]]:
    """Yield a function that adds a result to a report.

    The report is written to a file beside *path*, whose name ends with ``.numcrc-part``. When the
    ``with`` block ends, that file replaces *path*. If the block raises `KeyboardInterrupt`,
    `StoppedError` or `StoreError`, it stays there with the results so far, and *path* stays as it
    was; on other exceptions it is removed. In JSON Lines, each result is there as soon as it is
    written.

    Parameters
    ----------
    path : path
        The file to write; ``-`` or None: standard output.
    format : str, optional
        "jsonl", "csv" or "parquet"; by default as the suffix of *path* says.
    part : ReportPart
        What JSON Lines and Parquet record for `report_part`.

    Raises
    ------
    ValueError
        The format is unknown.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> from numcrc.store.objects import State
    >>> with report_writer(os.devnull, "csv") as add:
    ...     add(Result("a", State.MATCH, 9, "crc32c", "e3069283", "e3069283"))
    """
    table = for_writing(TABLES, path, format)
    compressed = path is not None and os.fspath(path).endswith(".gz")
    at_once = table.name == "jsonl" and not compressed
    about = {name: list(value) for name, value in part._asdict().items() if value is not None}
    results = RESULTS._replace(about=about)
    with row_writer(path, results, table, keep=_EARLY_ENDS, at_once=at_once) as add:
        yield lambda result: add(result_to_row(result))


def report_part(path: StrPath) -> ReportPart:
    """Return which part of a job a report has, as far as it says so.

    Raises
    ------
    ManifestError
        The file is damaged.
    """
    with open_stream(path) as stream:
        try:
            about = recognised(TABLES, stream).about(stream)
        except ManifestError:
            raise
        except (ValueError, AttributeError):
            about = None
    found: dict[str, Any] = about if isinstance(about, dict) else {}
    shard = keys = None
    match found.get("shard"):
        case [int(number), int(count)] if 1 <= number <= count:
            shard = number, count
    match found.get("keys"):
        case [str() | None as first, str() | None as end]:
            keys = first, end
    return ReportPart(shard, keys)


def read_results(
    path: Any,
    format: str | None = None,  # noqa: A002
    *,
    partial: bool = False,
) -> Iterator[Result]:
    r"""Yield the results of a report.

    Parameters
    ----------
    path : path or binary file
        The report; ``-``: standard input.
    format : str, optional
        "jsonl", "csv" or "parquet"; by default recognised from the content.
    partial : bool
        Whether the report may end early, as a file ``.numcrc-part`` that an interrupted run left.

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
    with open_stream(path) as stream:
        table = table or recognised(TABLES, stream)
        try:
            for _, result in parsed(stream, RESULTS, table, row_to_result):
                yield result
        except CutError:
            if not partial:
                raise
