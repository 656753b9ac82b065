"""Implement `numcrc.store.manifest`: write a list of a store's objects with their checksums."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from threading import Event

from numcrc.store.background import Flag, call_in_thread
from numcrc.store.manifests import write_manifest
from numcrc.store.named_files import NamedFiles
from numcrc.store.objects import Entry, Result, State
from numcrc.store.pipeline import DEFAULT_LIMITS, Limits, compute_checksums
from numcrc.store.progress import Progress
from numcrc.store.report import GOOD, UNCHECKED, objects_text, size_text
from numcrc.store.retries import StoppedError
from numcrc.store.selection import EVERYTHING, Selection
from numcrc.store.source import Source
from numcrc.store.sources import StrPath, opened

# S3's default, which it keeps for whole objects even if they were uploaded in parts. So a manifest
# can be compared with what S3 keeps without reading a body. It is as fast as a CRC of 32 bits.
ALGORITHM = "crc64nvme"


class Manifest:
    """The outcome of writing a manifest.

    Attributes
    ----------
    objects, bytes : int
        The number of objects in it, and their total size.
    failed : dict of State to int
        The number of objects that are not in it, by the reason.
    seconds : float
        How long the run took.
    stopped : bool
        Whether the run ended early, so that no file was written.
    """

    def __init__(self, allow_empty: bool = False) -> None:
        self._allow_empty = allow_empty
        self.objects = self.bytes = 0
        self.failed: Counter[State] = Counter()
        self.seconds = 0.0
        self.stopped = False

    @property
    def ok(self) -> bool:
        """Whether all objects are in it."""
        return self.exit_code == GOOD

    @property
    def exit_code(self) -> int:
        """0: all objects are in it; 3: an object could not be read, or the run ended early.

        An empty manifest is a failure unless the selection allows it.
        """
        return UNCHECKED if self.failed or self.stopped or self._empty else GOOD

    @property
    def _empty(self) -> bool:
        """Whether no object is in it, and the selection does not allow that."""
        return not (self.objects or self._allow_empty)

    def summary(self) -> str:
        """Return the counts as a sentence."""
        text = f"{objects_text(self.objects)}, {size_text(self.bytes)} in {self.seconds:.1f} s"
        for state, count in self.failed.items():
            text += f", {count} {state.value}"
        return f"{text}; stopped early" if self.stopped else text

    def __repr__(self) -> str:
        return f"<Manifest: {self.summary()}>"


def manifest(
    source: StrPath | Source,
    path: StrPath | None = None,
    *,
    algorithm: str | Sequence[str] = ALGORITHM,
    stored: bool = False,
    format: str | None = None,  # noqa: A002
    selection: Selection = EVERYTHING,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    on_error: Callable[[Result], object] | None = None,
    stop: Event | None = None,
) -> Manifest:
    r"""Write a list of a store's objects, with their checksums, to a file.

    The file is written beside *path*, with ``.numcrc-part`` after its name, and replaces *path*
    once it is whole. If the run ends early, *path* stays as it was. Neither is an object of the
    source, wherever it is.

    Parameters
    ----------
    source, selection, limits, progress, stop
        As for `verify`.
    path
        The file. Without one, standard output gets JSON Lines.
    algorithm
        The name of an algorithm, or several, to compute.
    stored
        Take the checksums that the source keeps instead, and read no body.
    format
        The format of the file, by default that of its suffix; see `write_manifest`.
    on_error
        Called with the result of each object that could not be read, and is not in the manifest.

    Returns
    -------
    Manifest
        The counts.

    Raises
    ------
    StoreError
        The source cannot be listed, or the connection to it fails.
    ValueError
        An argument is invalid, the format cannot hold a key, or *path* is the source itself.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     data, sums = Path(folder, "data"), Path(folder, "sums")
    ...     data.mkdir()
    ...     size = data.joinpath("file").write_bytes(b"123456789")
    ...     manifest(data, sums, algorithm="crc32c", format="gnu").objects
    ...     sums.read_text()
    1
    'e3069283  file\n'
    """
    start = time.monotonic()
    stop = stop or Event()
    found = Manifest(selection.allow_empty)
    names = [algorithm] if isinstance(algorithm, str) else list(algorithm)
    named = NamedFiles(output=path)
    ended = Flag()

    def stopped() -> bool:
        return stop.is_set() or ended.is_set()

    def selected(source: Source) -> Iterator[Entry]:
        return selection.of(named.entries(source, selection.range), stopped)

    try:
        with ended, call_in_thread(partial(opened, source), stopped) as here:
            named.check_sources(here)
            with (
                nullcontext() if progress is None else progress.counting(lambda: selected(here)),
                closing(
                    compute_checksums(
                        here,
                        selected(here),
                        None if stored else names,
                        limits=limits,
                        progress=progress,
                        stop=stop.is_set,
                    )
                ) as results,
                ended,  # first, so that threads in the way of closing the others end
            ):
                entries = _entries(results, found, on_error, stop)
                write_manifest(path, entries, format)
    except StoppedError:
        found.stopped = stop.is_set()
    found.seconds = time.monotonic() - start
    return found


def _entries(
    results: Iterable[Entry | Result],
    found: Manifest,
    on_error: Callable[[Result], object] | None,
    stop: Event,
) -> Iterator[Entry]:
    """Yield the entries of *results*, and count entries and results in *found*.

    Raises
    ------
    StoppedError
        *stop* is set, so that *results* may have ended early; or there are none, and an empty
        manifest is a failure.
    """
    for result in results:
        if isinstance(result, Entry):
            found.objects += 1
            found.bytes += result.size or 0
            yield result
        else:
            found.failed[result.state] += 1
            if on_error is not None:
                on_error(result)
    if stop.is_set() or (found._empty and not found.failed):
        raise StoppedError
