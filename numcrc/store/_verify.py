"""Implement `numcrc.store.verify`: check which objects of a store are as expected."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from threading import Event

from numcrc.store.background import Flag, call_in_thread
from numcrc.store.keys import KeyRange, key_bytes
from numcrc.store.manifests import read_manifest
from numcrc.store.merge import full_join, pair_folders, sorted_entries
from numcrc.store.named_files import NamedFiles
from numcrc.store.objects import Entry, Result
from numcrc.store.pipeline import DEFAULT_LIMITS, MODES, Limits, check_pairs
from numcrc.store.progress import Progress
from numcrc.store.recording import Recording
from numcrc.store.report import Report
from numcrc.store.retries import Retries, StoppedError
from numcrc.store.selection import EVERYTHING, Selection
from numcrc.store.source import Source, StoreError
from numcrc.store.sources import StrPath, folder_finder, opened, without_login
from numcrc.store.sources.local import path_of
from numcrc.store.state import StateFile


def verify(
    source: StrPath | Source,
    *,
    manifest: StrPath | None = None,
    against: StrPath | Source | None = None,
    mode: str = "full",
    algorithm: str | None = None,
    report: StrPath | None = None,
    state: StrPath | None = None,
    selection: Selection = EVERYTHING,
    limits: Limits = DEFAULT_LIMITS,
    max_errors: int | None = None,
    one_way: bool = False,
    allow_outside: bool = False,
    progress: Progress | None = None,
    on_result: Callable[[Result], object] | None = None,
    keep: bool = True,
    stop: Event | None = None,
) -> Report:
    r"""Check which objects of a store are as expected.

    The files that arguments name are not objects, wherever they are. Neither are those to which
    standard output and standard error go.

    Parameters
    ----------
    source
        A path or URL, as for `open_source`; or a `Source`.
    manifest
        A file that lists the expected objects: a manifest of `numcrc.store.manifest`, a check
        file, a list of an S3 Inventory, or a report of checksums by S3 Batch Operations.
    against
        Another source, with the expected objects. Without *manifest* and *against*, the expected
        checksums are those that *source* itself keeps.
    mode
        ``"full"`` reads bodies. ``"stored"`` compares the checksums that the source keeps with the
        expected ones, and ``"parts"`` also those that follow from the checksums of parts; neither
        reads a body.
    algorithm
        The algorithm of checksums in a manifest that does not name it.
    report
        A file for all results: .jsonl, .csv or .parquet. It is written beside this path, with
        ``.numcrc-part`` after its name, and replaces the file at this path once it is whole. If
        the run ends early, it stays there with the results so far; see `read_results`.
    state
        A file that records results as they arrive. If it exists and belongs to the same job, the
        run resumes from it; objects that could not be checked are tried again.
    selection
        The keys to check, on both sides.
    limits
        Threads, memory, bandwidth and attempts.
    max_errors
        Stop after this number of results other than a match.
    one_way
        Do not look for objects that are not expected. This is implied if the source cannot be
        listed.
    allow_outside
        Whether paths of a check file may lead out of the source's folder, by ``..`` or as absolute
        paths. This implies *one_way*.
    progress
        Counts what is done.
    on_result
        Called with each result, in order.
    keep
        Whether the report keeps the results: in the *report* file, or else in a temporary one.
    stop
        An event that, once set, ends the run early.

    Returns
    -------
    Report
        The results, in the order of their keys, and their counts.

    Raises
    ------
    StoreError
        The source cannot be listed, or the connection to it fails.
    ValueError
        An argument is invalid, a manifest is damaged or incomplete, a state file belongs to
        another job, or the manifest, the report and the state are not different files.
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
        raise ValueError("expected one of manifest and against, got both")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    stop = stop or Event()
    recording = Recording(report, selection, max_errors, on_result, keep)
    found = recording.found
    named = NamedFiles(manifest=manifest, state=state, report=report)
    whole = False
    ended = Flag()

    def stopped() -> bool:
        return stop.is_set() or ended.is_set()

    def selected(entries: Iterable[Entry]) -> Iterator[Entry]:
        # A stop also ends the run, within `POLL` seconds.
        return selection.of(entries, ended.is_set)

    try:
        # Not an ExitStack: an interrupt of its Python code can leave files open.
        with (
            recording.file() as write,
            ended,
            call_in_thread(partial(opened, source, allow_outside=allow_outside), stopped) as here,
            nullcontext()
            if against is None
            else call_in_thread(partial(opened, against), stopped) as there,
        ):
            recording.write_to(write)
            named.check_sources(here, there)
            own = manifest is None and there is None
            listed = here.listable and (own or not (one_way or allow_outside))
            if own and not listed:
                raise StoreError(f"{here.url} cannot be listed: pass a manifest")

            expected: Iterable[Entry] = ()
            if manifest is not None:
                rows = read_manifest(
                    manifest,
                    algorithm=algorithm,
                    allow_outside=allow_outside,
                    prefix=here.inventory_prefix,
                    on_malformed=found.malformed.add,
                    on_unmarked=None if listed else found.set_unmarked,
                    exists=partial(exists, here, Retries(limits.attempts, ended.wait)),
                    keys=selection.range,
                )
                entries = selected(named.expected(here, rows))
                if progress is not None:
                    entries = progress.counted(entries)
                expected = call_in_thread(partial(sorted_entries, entries), stopped)
            elif there is not None:
                expected = selected(named.expected(here, named.entries(there, selection.range)))
            counting: AbstractContextManager[None] = nullcontext()
            if progress is not None and manifest is None:
                counted = there if there is not None and not listed else here
                counting = progress.counting(
                    lambda: selected(named.entries(counted, selection.range)),
                    expected=counted is there,
                )
            job = {
                "source": here.url,
                "manifest": None if manifest is None else manifest_identity(manifest),
                "other source": None if there is None else there.url,
                "mode": mode,
                "algorithm": algorithm,
                **selection.identity,
                "one_way": not listed,
            }
            with (
                counting,
                nullcontext() if state is None else StateFile(state, job) as known,
                closing(
                    check_pairs(
                        here,
                        pair_folders(
                            full_join(
                                selected(named.entries(here, selection.range)) if listed else (),
                                expected,
                            ),
                            folder_finder(here, listed and selection.everything),
                            folder_finder(there, selection.everything)
                            if manifest is None
                            else _folders_beyond(manifest, selection, here.inventory_prefix),
                        ),
                        mode=mode,
                        own=own,
                        listed=listed,
                        against=there,
                        limits=limits,
                        progress=progress,
                        state=known,
                        stop=stop.is_set,
                    )
                ) as results,
                ended,  # first, so that threads in the way of closing the others end
            ):
                recording.count_state(known)
                recording.take(results)
            if stop.is_set():
                raise StoppedError
        whole = True
    except StoppedError:
        pass
    return recording.end(whole)


def exists(source: Source, retries: Retries, key: str) -> bool:
    """Return whether an object is known to exist."""
    try:
        retries(source.stat, key)
    except StoreError:
        return False
    return True


def _folders_beyond(
    manifest: StrPath, selection: Selection, prefix: str
) -> Callable[[str], bool] | None:
    """Return a function that says whether keys of a folder follow the range of *selection*.

    Those in the range need not be looked for. A manifest that is a pipe cannot be read twice.
    """
    end = selection.range.end
    name = os.fspath(manifest)
    path = path_of(name) if name.startswith("file://") else name
    if end is None or not ("://" in path or os.path.isfile(path)):
        return None

    def is_beyond(folder: str) -> bool:
        start = key_bytes(folder)
        if not end.startswith(start):
            return False
        keys = KeyRange(end, start[:-1] + b"0")  # follows "/"
        found = read_manifest(manifest, prefix=prefix, on_malformed=lambda _: None, keys=keys)
        return any(keys.has(key_bytes(e.key)) and selection.matches(e.key) for e in found)

    return is_beyond


def manifest_identity(manifest: StrPath) -> list[str | int]:
    """Return the path, size and time of a manifest, which change when it does."""
    try:
        status = os.stat(manifest)
    except OSError:  # an object, or standard input
        return [without_login(os.fspath(manifest))]
    return [os.path.abspath(manifest), status.st_size, status.st_mtime_ns]
