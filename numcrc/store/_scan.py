"""Implement `numcrc.store.scan`: check objects by the checksums that they contain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from threading import Event

from numcrc.store.background import Flag, call_in_thread
from numcrc.store.formats import Format
from numcrc.store.formats import formats as known_formats
from numcrc.store.named_files import NamedFiles
from numcrc.store.objects import Entry, Result
from numcrc.store.pipeline import DEFAULT_LIMITS, Limits
from numcrc.store.progress import Progress
from numcrc.store.recording import Recording
from numcrc.store.report import Report
from numcrc.store.retries import StoppedError
from numcrc.store.scanner import scan_entries
from numcrc.store.selection import EVERYTHING, Selection
from numcrc.store.source import Source, StoreError
from numcrc.store.sources import StrPath, opened
from numcrc.store.state import StateFile


def scan(
    source: StrPath | Source,
    *,
    formats: Sequence[str | Format] | None = None,
    report: StrPath | None = None,
    state: StrPath | None = None,
    selection: Selection = EVERYTHING,
    limits: Limits = DEFAULT_LIMITS,
    max_errors: int | None = None,
    progress: Progress | None = None,
    on_result: Callable[[Result], object] | None = None,
    keep: bool = True,
    stop: Event | None = None,
) -> Report:
    """Check the objects of a store by the checksums that they contain.

    Many file formats have checksums of their own: members of ZIP archives, pages of Parquet,
    records of TFRecord. No manifest is needed, and nothing is decoded that need not be.

    Parameters
    ----------
    source
        A path or URL, as for `open_source`; or a `Source`. It must be listable.
    formats
        Formats by name, or `numcrc.store.formats.Format` objects. An object of another format is
        skipped. By default all that are known; see `numcrc.store.formats.formats`.
    report, state, selection, limits, max_errors, progress, on_result, keep, stop
        As for `verify`. With *max_errors*, objects that are skipped do not count.

    Returns
    -------
    Report
        A result for each object, in the order of their keys:

        ``match``
            All of its records have the checksums that are stored for them.
        ``differ``
            Some have another one, or its structure is damaged. The detail names the first of them,
            and counts the others.
        ``no-checksum``
            Its format is known, but at least one of its records has no checksum.
        ``unsupported-algorithm``
            At least one of its records cannot be checked: it is encrypted, for instance.
        ``skipped``
            Its format is not known.
        ``archived``, ``changed-during-read``, ``error``
            It could not be read.

        Skipped objects are not failures, unless all are skipped.

    Raises
    ------
    StoreError
        The source cannot be listed, or the connection to it fails.
    ValueError
        An argument is invalid, a state file belongs to another job, or the report and the state
        are not different files.
    OSError
        A report or state file cannot be read or written.

    Examples
    --------
    >>> import zipfile
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(Path(folder, "a.zip"), "w") as archive:
    ...         archive.writestr("text", "123456789")
    ...     data = Path(folder, "a.zip").read_bytes()
    ...     size = Path(folder, "b.zip").write_bytes(data.replace(b"5", b"6"))
    ...     report = scan(folder)
    >>> for result in report:
    ...     print(result.key, result.state.value, result.detail)
    a.zip match zip: 1 record
    b.zip differ zip: member 'text': crc32 8c5443f6, expected cbf43926
    """
    chosen = _formats(formats)
    stop = stop or Event()
    recording = Recording(report, selection, max_errors, on_result, keep)
    named = NamedFiles(state=state, report=report)
    whole = False
    ended = Flag()

    def stopped() -> bool:
        return stop.is_set() or ended.is_set()

    def entries(source: Source) -> Iterator[Entry]:
        return selection.of(named.entries(source, selection.range), ended.is_set)

    try:
        # The order of these, and of those inside, is that of `verify`.
        with (
            recording.file() as write,
            ended,
            call_in_thread(partial(opened, source), stopped) as here,
        ):
            recording.write_to(write)
            named.check_sources(here)
            if not here.listable:
                raise StoreError(f"{here.url} cannot be listed, so it cannot be scanned")
            job = {
                "command": "scan",
                "source": here.url,
                "formats": [each.name for each in chosen],
                **selection.identity,
            }
            with (
                nullcontext() if progress is None else progress.counting(partial(entries, here)),
                nullcontext() if state is None else StateFile(state, job) as known,
                closing(
                    scan_entries(
                        here,
                        entries(here),
                        chosen,
                        limits=limits,
                        progress=progress,
                        state=known,
                        stop=stop.is_set,
                    )
                ) as results,
                ended,
            ):
                recording.count_state(known)
                recording.take(results)
            if stop.is_set():
                raise StoppedError
        whole = True
    except StoppedError:
        pass
    return recording.end(whole)


def _formats(chosen: Sequence[str | Format] | None) -> tuple[Format, ...]:
    """Return the formats that an argument names or has."""
    if chosen is None:
        return known_formats()
    if isinstance(chosen, str):
        raise TypeError("formats must be a sequence, not one string")
    names = [each for each in chosen if isinstance(each, str)]
    found = (
        *(known_formats(names) if names else ()),
        *(f for f in chosen if isinstance(f, Format)),
    )
    if not found:
        raise ValueError("expected at least one format")
    return found
