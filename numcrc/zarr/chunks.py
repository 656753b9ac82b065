"""Implement `numcrc.zarr.verify`: check the stored chunks of Zarr arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import product
from math import prod
from threading import Event
from typing import TYPE_CHECKING, Any

from numcrc.process import imported
from numcrc.store import scan
from numcrc.store.background import Flag, call_in_thread
from numcrc.store.formats import FormatError
from numcrc.store.formats.body import MOST_VIEW
from numcrc.store.formats.zarr import COMPLETE, FORMAT, PARSERS
from numcrc.store.formats.zarr_metadata import Array
from numcrc.store.merge import full_join, sorted_entries
from numcrc.store.objects import Entry, Result, State
from numcrc.store.pipeline import DEFAULT_LIMITS, Limits
from numcrc.store.progress import Progress
from numcrc.store.report import Report
from numcrc.store.retries import Retries, StoppedError
from numcrc.store.selection import EVERYTHING, Selection
from numcrc.store.source import MissingError, Source
from numcrc.store.sources import StrPath, opened

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

MOST_EXPECTED = 1 << 28
"""Chunks that may be expected to exist: their keys are sorted on disk."""


def verify(
    source: StrPath | Source | Any,
    *,
    expect_complete: bool = False,
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
    """Check the checksums that Zarr codecs stored in chunks, without decoding the chunks.

    The last codec of an array decides: crc32c, numcrc.crc32, numcrc.crc64nvme; those of numcodecs,
    also of Zarr 2: crc32, crc32c, adler32, fletcher32; or sharding_indexed, of which the index and
    the inner chunks are checked alike. This is the format ``zarr`` of `numcrc.store.scan`; files of
    other formats are skipped.

    Parameters
    ----------
    source
        A path or URL, as for `numcrc.store.open_source`, or a `numcrc.store.Source`; or a store of
        the zarr package (of Icechunk, ZipStore, MemoryStore...), or one of its arrays or groups.
    expect_complete
        Whether chunks that do not exist are ``missing``. By default they are counted only, since
        Zarr does not write chunks that have only the fill value.
    report, state, selection, limits, max_errors, progress, on_result, keep, stop
        As for `numcrc.store.verify`.

    Returns
    -------
    numcrc.store.Report
        A result for each object, in the order of their keys. Damage is named in its detail:
        the chunk, the inner chunk by its coordinates, or the index of the shard. A chunk outside
        of the grid of its array is ``extra``. An array without checksums gives ``no-checksum``.
        ``absent`` is the number of chunks that do not exist.

    Raises
    ------
    StoreError
        The source cannot be listed, or the connection to it fails.
    ImportError
        *source* is not a path, URL or `numcrc.store.Source`, and zarr is not installed.
    TypeError
        *source* is none of these.
    ValueError, OSError
        As for `numcrc.store.scan`; or *expect_complete* is true and the arrays have more than 2**28
        chunks.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> metadata = {
    ...     "zarr_format": 2, "shape": [18], "chunks": [9], "dtype": "|u1", "compressor": None,
    ...     "filters": [{"id": "crc32c"}], "fill_value": 0, "order": "C",
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = pathlib.Path(folder)
    ...     _ = root.joinpath(".zarray").write_text(json.dumps(metadata))
    ...     _ = root.joinpath("0").write_bytes(b"123456789" + 0xE3069283.to_bytes(4, "little"))
    ...     report = verify(root)
    >>> [(result.key, result.state.value, result.detail) for result in report if result.key == "0"]
    [('0', 'match', 'zarr: 1 record')]
    >>> report.ok, report.absent
    (True, 1)
    """
    ended = Flag()
    retries = Retries(limits.attempts, ended.wait)

    def stopped() -> bool:
        return ended.is_set() or (stop is not None and stop.is_set())

    with call_in_thread(partial(_opened, source), ended.is_set) as here, ended:
        metadata = []
        present = 0

        def note(result: Result) -> None:
            nonlocal present
            if result.key.rpartition("/")[2] in PARSERS:
                metadata.append(result.key)
            elif result.state is State.MISSING:  # a shard without some inner chunks has a size
                present += result.size is not None
            elif result.state not in (State.SKIPPED, State.EXTRA):
                present += 1
            if on_result is not None:
                on_result(result)

        found = scan(
            _Complete(here, retries, stopped) if expect_complete else here,
            formats=[COMPLETE if expect_complete else FORMAT],
            report=report,
            state=state,
            selection=selection,
            limits=limits,
            max_errors=max_errors,
            progress=progress,
            on_result=note,
            keep=keep,
            stop=stop,
        )
        if not found.stopped and selection.everything:
            with suppress(StoppedError):
                arrays = call_in_thread(partial(_arrays, here, metadata, retries), stopped)
                chunks = sum(prod(array.grid) for array in arrays.values())
                found.absent = max(0, chunks - present)
    return found


def _opened(source: Any) -> AbstractContextManager[Source]:
    if not isinstance(source, (str, os.PathLike)) and not hasattr(source, "entries"):
        source = _source_of(source)
    return opened(source)


def _source_of(store: Any) -> Any:
    """Return the `Source` for an object of zarr; a folder, where that is all it is."""
    try:
        module: Any = imported("numcrc.zarr.source")
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "zarr":
            raise
        kind = type(store).__name__
        needs = f"a source of type {kind} needs zarr: pip install 'numcrc[zarr]'"
        raise ImportError(needs, name="zarr") from error
    return module.source_of(store)


def _arrays(source: Source, keys: Iterable[str], retries: Retries) -> dict[str, Array]:
    """Return the arrays that metadata with these *keys* describes, by their folders."""
    found: dict[str, Array] = {}
    for key in keys:
        folder, slash, name = key.rpartition("/")
        if name == ".zarray" and folder + slash in found:
            continue  # there is a zarr.json too
        try:
            entry = retries(source.stat, key)
            if entry.size is None or entry.size > MOST_VIEW:
                continue
            body = retries(source.read, entry, 0, memoryview(bytearray(entry.size)))
            array = PARSERS[name](bytes(body))
        except (MissingError, FormatError):  # which has a result of its own
            continue
        if isinstance(array, Array):
            found[folder + slash] = array
    return found


class _Complete:
    """A source that also lists the chunks that its arrays should have.

    Reading one that does not exist is a `MissingError`.
    """

    def __init__(self, source: Source, retries: Retries, stopped: Callable[[], bool]) -> None:
        self._source = source
        self._retries = retries
        self._stopped = stopped
        self.url, self.listable, self.local = source.url, source.listable, source.local
        self.inventory_prefix = source.inventory_prefix
        self.stat, self.read, self.fetch = source.stat, source.read, source.fetch
        self.close = source.close
        self.interrupt = getattr(source, "interrupt", lambda: None)

    def entries(self) -> Iterator[Entry]:
        """Yield every object, and every chunk that does not exist, in the order of their keys."""
        listed = EVERYTHING.of(self._source.entries(), self._stopped)
        keys = [entry.key for entry in listed if entry.key.rpartition("/")[2] in PARSERS]
        arrays = _arrays(self._source, keys, self._retries)
        count = sum(prod(array.grid) for array in arrays.values())
        if count > MOST_EXPECTED:
            raise ValueError(f"cannot expect {count} chunks; at most {MOST_EXPECTED}")
        chunks = (
            Entry(folder + array.key(coordinates))
            for folder, array in arrays.items()
            for coordinates in product(*map(range, array.grid))
        )
        expected = sorted_entries(EVERYTHING.of(chunks, self._stopped))
        for _, present, absent in full_join(self._source.entries(), expected):
            entry = present or absent
            assert entry is not None
            yield entry
