"""Implement `numcrc.store.merge_reports`: make one report of those of shards or ranges of keys."""

from __future__ import annotations

import os
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from heapq import heapify, heappop, heappush

from numcrc.store.keys import KeyRange, key_bytes, key_text
from numcrc.store.manifests.errors import CutError, ManifestError
from numcrc.store.manifests.output import partial_path
from numcrc.store.manifests.reports import read_results, report_part, report_writer
from numcrc.store.merge import Spool
from numcrc.store.objects import Result
from numcrc.store.report import Report
from numcrc.store.report_folder import report_files
from numcrc.store.retries import StoppedError
from numcrc.store.sources import StrPath

# Parts that are read at once; others go through a temporary file, which needs less memory.
MOST_OPEN = 16


def merge_reports(
    parts: Sequence[StrPath],
    path: StrPath | None = None,
    *,
    on_result: Callable[[Result], object] | None = None,
) -> Report:
    """Merge reports of parts of a job, in the order of their keys and in bounded memory.

    Parameters
    ----------
    parts
        Files with reports by `verify`, in any format, and folders of reports by
        `numcrc.dask.verify`.
    path
        The file for all results, as for *report* of `verify`.
    on_result
        Called with each result, in order.

    Returns
    -------
    Report
        The results and their counts. It says that the run was stopped if a part is incomplete, or
        if a shard or the keys between two parts are missing; *path* then stays as it was.

    Raises
    ------
    ValueError
        Two parts have the same key, a part is damaged, or *path* is one of them.
    OSError
        A file cannot be read or written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from numcrc.store import Selection, verify
    >>> with TemporaryDirectory() as folder:
    ...     data, parts = Path(folder, "data"), [Path(folder, f"{k}.csv") for k in (1, 2)]
    ...     data.mkdir()
    ...     for name in ("a", "b"):
    ...         size = data.joinpath(name).write_bytes(b"123456789")
    ...     for keys, part in zip(((None, "b"), ("b", None)), parts):
    ...         _ = verify(data, against=data, report=part, selection=Selection(keys=keys))
    ...     report = merge_reports(parts, Path(folder, "all.csv"))
    ...     [result.key for result in report]
    ['a', 'b']
    """
    start = time.monotonic()
    files: list[str] = []
    problems: list[str] = []
    for given in parts:
        part = os.fspath(given)
        if os.path.isdir(part):
            found, missing = report_files(part)
            files += found
            if missing:
                count = f"{missing} part{'' if missing == 1 else 's'}"
                problems.append(f"{count} of {part} {'is' if missing == 1 else 'are'} missing")
        else:
            files.append(part)
    _check_files(files, path)
    problems += _missing(files)
    file = "" if path in (None, "-") else partial_path(path or "")

    def kept() -> Iterable[Result]:
        if path is None or not file:
            return _merged(files, [])
        return read_results(file, partial=True) if report.stopped else read_results(path)

    report = Report(kept)
    try:
        with nullcontext() if path is None else report_writer(path) as write:
            for result in _merged(files, problems):
                report.count(result)
                if write is not None:
                    write(result)
                if on_result is not None:
                    on_result(result)
            if problems:
                raise StoppedError
    except StoppedError:
        report.stopped = "; ".join(problems)
        if file and report.objects:
            report.stopped += f"; the results so far are in {file}"
    report.seconds = time.monotonic() - start
    return report


def _check_files(files: Sequence[str], path: StrPath | None) -> None:
    """Raise ValueError unless parts and output are different files."""
    known: dict[str, str] = {}
    for file in files:
        # Their first keys are read before the others.
        if file == "-" or not stat.S_ISREG(os.stat(file).st_mode):
            raise ValueError(f"cannot merge {file}: expected a file that can be read twice")
        real = os.path.realpath(file)
        if real in known:
            raise ValueError(f"{known[real]} and {file} are the same part")
        known[real] = file
    if path not in (None, "-"):
        assert path is not None
        for real in (os.path.realpath(path), partial_path(path)):
            if real in known:
                raise ValueError(f"{known[real]} is a part, and cannot be the output")


def _missing(files: Sequence[str]) -> list[str]:
    """Return what is missing according to what the parts say of themselves."""
    shards: defaultdict[int, set[int]] = defaultdict(set)
    ranges: list[KeyRange] = []
    for file in files:
        part = report_part(file)
        if part.shard is not None:
            shards[part.shard[1]].add(part.shard[0])
        if part.keys is not None:
            ranges.append(_range(file, *part.keys))
        elif part.shard is None:
            return []  # of all keys, or of unknown ones
    found = []
    for count, numbers in shards.items():
        lost = sorted(set(range(1, count + 1)) - numbers)
        names = ", ".join(f"{number}/{count}" for number in lost[:8])
        if lost:
            more = f" and {len(lost) - 8} more" if len(lost) > 8 else ""
            found.append(f"shard {names}{more} missing")
    # Shards may be ranges. If all are there, gaps show that their manifests were different.
    return found or _gaps(ranges)


def _range(file: str, first: str | None, end: str | None) -> KeyRange:
    try:
        return KeyRange(key_bytes(first or ""), None if end is None else key_bytes(end))
    except UnicodeEncodeError as error:
        raise ManifestError(file, f"invalid key: {error}") from None


def _gaps(ranges: Iterable[KeyRange]) -> list[str]:
    """Return which keys between *ranges* are in none."""
    found = []
    end: bytes | None = None
    ordered = sorted(
        (keys for keys in ranges if not keys.ends_before(keys.first)), key=lambda keys: keys.first
    )
    for number, keys in enumerate(ordered):
        if number and end is None:
            break
        if end is not None and end < keys.first:
            gap = f"{key_text(end)!r} to {key_text(keys.first)!r}"
            found.append(f"no part has the keys from {gap}")
        end = None if keys.end is None else max(end or b"", keys.end)
    return found


def _results(file: str, problems: list[str]) -> Generator[tuple[bytes, Result], None, None]:
    """Yield the results of a part with the bytes of their keys."""
    last = b""
    try:
        for result in read_results(file):
            key = key_bytes(result.key)
            if key <= last:
                raise ValueError(f"{file}: the key {result.key!r} is out of order")
            yield key, result
            last = key
    except CutError:
        problems.append(f"{file} is incomplete")


def _merged(files: Sequence[str], problems: list[str]) -> Iterator[Result]:
    """Yield the results of all parts in the order of their keys."""
    # Parts that are ranges of keys are open one after another: each is opened at its first key.
    waiting: list[tuple[bytes, int, Result | None]] = []
    for number, file in enumerate(files):
        ignored: list[str] = []
        results = _results(file, ignored)
        first = next(results, None)
        results.close()
        if first is not None:
            waiting.append((first[0], number, None))
        problems += ignored  # an incomplete part without results
    heapify(waiting)
    opened: dict[int, Iterator[tuple[bytes, Result]]] = {}
    spool: Spool[tuple[bytes, Result]] = Spool()
    last, owner = b"", 0
    while waiting:
        key, number, result = heappop(waiting)
        if result is None:
            results = _results(files[number], problems)
            opened[number] = results if len(opened) < MOST_OPEN else _spooled(results, spool)
            key, result = next(opened[number])
        if key == last:
            raise ValueError(f"{files[owner]} and {files[number]} have the key {result.key!r}")
        yield result
        last, owner = key, number
        following = next(opened[number], None)
        if following is None:
            del opened[number]
        else:
            heappush(waiting, (following[0], number, following[1]))


def _spooled(
    results: Iterable[tuple[bytes, Result]], spool: Spool[tuple[bytes, Result]]
) -> Iterator[tuple[bytes, Result]]:
    start = spool.mark()
    for result in results:
        spool.append(result)
    return spool.between(start, spool.mark())
