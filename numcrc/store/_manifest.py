"""`numcrc.store.manifest`: what is in a store, with checksums, as a file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from threading import Event
from typing import TYPE_CHECKING, cast

from numcrc.store import pipeline as checking
from numcrc.store.manifests import write_manifest
from numcrc.store.objects import Entry, Result, State
from numcrc.store.pipeline import MAX_IN_FLIGHT
from numcrc.store.progress import Progress
from numcrc.store.report import GOOD, UNCHECKED, size_text
from numcrc.store.retries import StoppedError
from numcrc.store.selection import Selection
from numcrc.store.sources import StrPath, opened

if TYPE_CHECKING:
    from numcrc.store.source import Source

# S3's own default, and one that it keeps of whole objects however they were uploaded: such a
# manifest can be compared with what S3 keeps, and no body read. It takes no longer than 32 bits.
ALGORITHM = "crc64nvme"


class Manifest:
    """What became of the writing of a manifest.

    Attributes
    ----------
    objects, bytes : int
        How many objects are in it, and their length.
    failed : dict of State to int
        How many are not, and why.
    seconds : float
        How long it took.
    stopped : bool
        Whether it was ended before its time.
    """

    def __init__(self) -> None:
        self.objects = self.bytes = 0
        self.failed: Counter[State] = Counter()
        self.seconds = 0.0
        self.stopped = False

    @property
    def ok(self) -> bool:
        """Whether everything is in it."""
        return self.exit_code == GOOD

    @property
    def exit_code(self) -> int:
        """0: everything is in it; 3: something could not be read."""
        return UNCHECKED if self.failed or self.stopped else GOOD

    def summary(self) -> str:
        """Return the counts in words."""
        text = f"{self.objects} objects, {size_text(self.bytes)} in {self.seconds:.1f} s"
        for state, count in self.failed.items():
            text += f", {count} {state.value}"
        return f"{text}; it was stopped" if self.stopped else text

    def __repr__(self) -> str:
        return f"<Manifest: {self.summary()}>"


def manifest(
    source: StrPath | Source,
    path: StrPath | None = None,
    *,
    algorithm: str | Sequence[str] = ALGORITHM,
    stored: bool = False,
    form: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    shard: tuple[int, int] | None = None,
    sample: float | None = None,
    threads: int | None = None,
    max_in_flight: int = MAX_IN_FLIGHT,
    bandwidth: float | None = None,
    attempts: int = 5,
    progress: Progress | None = None,
    trouble: Callable[[Result], object] | None = None,
    stop: Event | None = None,
) -> Manifest:
    r"""Write what is in a store, with checksums, to a file.

    Parameters
    ----------
    source
        A path, or a URL: file://, s3://, gs://, az://, http:// or https://; or a `Source`.
    path
        The file: .parquet, .jsonl, .csv, .sfv, or any other for a list as sha256sum has it.
        Without one, standard output gets JSON Lines.
    algorithm
        One or several, which are computed of the bodies.
    stored
        Take the checksums that the source keeps, whatever they are, and read no body.
    form
        The form of the file, if its name does not tell; see `write_manifest`.
    include, exclude, shard, sample
        Which keys are meant; see `Selection`.
    threads, max_in_flight, bandwidth, attempts, progress, stop
        As for `verify`.
    trouble
        Called with what went wrong with an object, which then is not in the manifest.

    Returns
    -------
    Manifest
        The counts.

    Raises
    ------
    StoreError
        The source cannot be listed.
    ValueError
        An argument makes no sense, or the file cannot hold a key.
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
    ...     manifest(data, sums, algorithm="crc32c", form="gnu").objects
    ...     sums.read_text()
    1
    'e3069283  file\n'
    """
    begun = time.monotonic()
    selection = Selection(include, exclude, shard, sample)
    stop = stop or Event()
    found = Manifest()
    names = [algorithm] if isinstance(algorithm, str) else list(algorithm)
    with ExitStack() as stack:
        here = stack.enter_context(opened(source))

        def meant() -> Iterator[Entry]:
            return selection.of(here.entries(), stop)

        if progress is not None:
            stack.enter_context(progress.counting(meant))
        results = checking.computed(
            here,
            meant(),
            None if stored else names,
            threads=threads,
            max_in_flight=max_in_flight,
            bandwidth=bandwidth,
            attempts=attempts,
            meter=progress,
            stop=stop.is_set,
        )
        stack.enter_context(closing(cast("Generator[Entry | Result, None, None]", results)))
        write_manifest(path, _good(results, found, trouble), form)
    found.stopped = stop.is_set()
    found.seconds = time.monotonic() - begun
    return found


def _good(
    results: Iterable[Entry | Result],
    found: Manifest,
    trouble: Callable[[Result], object] | None,
) -> Iterator[Entry]:
    """Yield the entries of *results*, and count all of them."""
    try:
        for result in results:
            if isinstance(result, Entry):
                found.objects += 1
                found.bytes += result.size or 0
                yield result
            else:
                found.failed[result.state] += 1
                if trouble is not None:
                    trouble(result)
    except StoppedError:
        return
