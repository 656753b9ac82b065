"""`numcrc.store.verify`: which objects of a store are good."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from threading import Event
from typing import cast

from numcrc.store import pipeline as checking
from numcrc.store.manifests import read_manifest
from numcrc.store.manifests.reports import read_results, report_writer
from numcrc.store.merge import Spool, joined, ordered
from numcrc.store.objects import Entry, Result, State
from numcrc.store.pipeline import MAX_IN_FLIGHT, MODES
from numcrc.store.progress import Progress
from numcrc.store.report import Report
from numcrc.store.retries import StoppedError
from numcrc.store.selection import Selection
from numcrc.store.source import Source, StoreError
from numcrc.store.sources import StrPath, opened
from numcrc.store.state import Journal, resumed


def verify(
    source: StrPath | Source,
    *,
    manifest: StrPath | None = None,
    against: StrPath | Source | None = None,
    mode: str = "full",
    algorithm: str | None = None,
    report: StrPath | None = None,
    state: StrPath | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    shard: tuple[int, int] | None = None,
    sample: float | None = None,
    threads: int | None = None,
    max_in_flight: int = MAX_IN_FLIGHT,
    bandwidth: float | None = None,
    attempts: int = 5,
    max_errors: int | None = None,
    one_way: bool = False,
    allow_outside: bool = False,
    progress: Progress | None = None,
    each: Callable[[Result], object] | None = None,
    keep: bool = True,
    stop: Event | None = None,
) -> Report:
    r"""Find out which objects of a store are good.

    Parameters
    ----------
    source
        A path, or a URL: file://, s3://, gs://, az://, http:// or https://; or a `Source`.
    manifest
        What is expected: a manifest of `numcrc.store.manifest`, a check file, a list of an S3
        Inventory, or a report of checksums by S3 Batch Operations.
    against
        Another source, whose objects should be the same. Without either, the checksums that the
        source itself keeps are expected.
    mode
        ``"full"`` reads all that is to be checked. ``"stored"`` compares the checksums that the
        source keeps with what is expected, ``"parts"`` also computes a whole object's from its
        parts'; neither reads a body.
    algorithm
        That of checksums in a manifest that names none.
    report
        A file for all results: .jsonl, .csv or .parquet.
    state
        A file of the results so far. When it exists and is of the same job, that is taken up;
        what could not be checked is tried again.
    include, exclude, shard, sample
        Which keys are meant, on both sides; see `Selection`.
    threads
        How many objects, or parts of one, to read at a time.
    max_in_flight
        Bytes of bodies in memory.
    bandwidth
        Bytes a second to read at most.
    attempts
        How often to try what may work next time.
    max_errors
        Stop after so many results that are no match.
    one_way
        Do not look for what is not expected. So it is where a source cannot be listed.
    allow_outside
        Whether the paths of a check file may lead out of the source's folder, by ``..`` or from
        the root on. Then it is *one_way*, too: nobody lists all that is outside.
    progress
        Where to count what is done, for another thread to look at.
    each
        Called with each result.
    keep
        Whether the results can be had from the report. A temporary file holds them where there
        is no report file.
    stop
        Set by anyone to end early, with what there is.

    Returns
    -------
    Report
        Every result, in the order of the keys' bytes, and the counts.

    Raises
    ------
    StoreError
        The source cannot be listed, or the connection does not work.
    ValueError
        An argument makes no sense, a manifest is damaged, or a state file is of another job.
    OSError
        A manifest, report or state file cannot be read or written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     data, sums = Path(folder, "data"), Path(folder, "sums")
    ...     data.mkdir()
    ...     size = data.joinpath("file").write_bytes(b"123456789")
    ...     sums.write_text("e3069283  file\n") and None
    ...     report = verify(data, manifest=sums)
    >>> [(result.key, result.state.value) for result in report]
    [('file', 'match')]
    """
    if manifest is not None and against is not None:
        raise ValueError("either a manifest or another source says what is expected, not both")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    if max_errors is not None and max_errors < 1:
        raise ValueError(f"max_errors must be at least 1, not {max_errors}")
    begun = time.monotonic()
    selection = Selection(include, exclude, shard, sample)
    stop = stop or Event()
    with ExitStack() as stack:
        here = stack.enter_context(opened(source, allow_outside=allow_outside))
        there = None if against is None else stack.enter_context(opened(against))
        own = manifest is None and there is None
        listed = here.listable and (own or not (one_way or allow_outside))
        if own and not listed:
            raise StoreError(f"{here.url} cannot be listed: a manifest must tell what is in it")

        def meant(entries: Iterable[Entry]) -> Iterator[Entry]:
            return selection.of(entries, stop)

        expected: Iterable[Entry] = ()
        if manifest is not None:
            rows = read_manifest(
                manifest,
                algorithm=algorithm,
                allow_outside=allow_outside,
                prefix=_prefix(here.url),
            )
            entries = meant(rows)
            expected = ordered(progress.counted(entries) if progress else entries)
        elif there is not None:
            expected = meant(there.entries())
        if progress and manifest is None:
            counted = there if there is not None and not listed else here
            stack.enter_context(progress.counting(lambda: meant(counted.entries())))
        pairs = joined(meant(here.entries()) if listed else (), expected)
        check = partial(
            checking.results,
            here,
            mode=mode,
            own=own,
            listed=listed,
            against=there,
            threads=threads,
            max_in_flight=max_in_flight,
            bandwidth=bandwidth,
            attempts=attempts,
            meter=progress,
            stop=stop.is_set,
        )
        if state is None:
            results = cast("Generator[Result, None, None]", check(pairs))
        else:
            job = {
                "source": here.url,
                "manifest": None if manifest is None else _identity(manifest),
                "other source": None if there is None else there.url,
                "mode": mode,
                "algorithm": algorithm,
                "patterns": [list(include), list(exclude)],
                "shard": shard and list(shard),
                "sample": sample,
                "one_way": not listed,
            }
            journal = stack.enter_context(Journal(state, job))
            results = resumed(pairs, check, journal, stop, progress)
        stack.enter_context(closing(results))
        found = _recorded(results, report, keep, each, max_errors, partial=not selection.everything)
    if stop.is_set() and not found.stopped:
        found.stopped = "it was stopped"
    found.seconds = time.monotonic() - begun
    return found


def _recorded(
    results: Iterable[Result],
    path: StrPath | None,
    keep: bool,
    each: Callable[[Result], object] | None,
    max_errors: int | None,
    *,
    partial: bool,
) -> Report:
    """Return the report of *results*, once they are written wherever they are wanted."""
    spool: Spool[Result] = Spool()
    report = Report(
        (lambda: spool if path is None else read_results(path)) if keep else None, partial
    )
    sinks: list[Callable[[Result], object]] = [report.count]
    failure: StoreError | None = None
    with nullcontext() if path is None else report_writer(path) as writer:
        if writer is not None:
            sinks.append(writer.write)
        elif keep:
            sinks.append(spool.append)
        if each is not None:
            sinks.append(each)
        left = max_errors
        try:
            for result in results:
                for sink in sinks:
                    sink(result)
                if left is not None and result.state is not State.MATCH:
                    left -= 1
                    if not left:
                        report.stopped = f"stopped after {max_errors} that are no match"
                        break
        except StoppedError:
            pass
        except StoreError as error:  # of the listing: the report is of what came before
            failure = error
    if failure is not None:
        raise failure
    return report


def _prefix(url: str) -> str:
    """Return what keys of the source at *url* begin with in lists of the whole bucket."""
    prefix = url.partition("://")[2].partition("/")[2] if url.startswith("s3://") else ""
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _identity(manifest: StrPath) -> list[str | int]:
    """Return what changes when a manifest does, without reading it."""
    try:
        status = os.stat(manifest)
    except OSError:  # an object, or standard input
        return [os.fspath(manifest)]
    return [os.path.abspath(manifest), status.st_size, status.st_mtime_ns]
