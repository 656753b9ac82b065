"""Check objects by the checksums that they contain: stat, scan, and scan again on a mismatch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import cast

from numcrc.store.compare import Outcome, error_result
from numcrc.store.formats import Format, FormatError
from numcrc.store.formats.body import MOST_VIEW, Body, Siblings
from numcrc.store.formats.judge import scan_body
from numcrc.store.hashing import Tally
from numcrc.store.keys import is_folder
from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Result, State
from numcrc.store.pipeline import DEFAULT_LIMITS, Limits, examine_pairs
from numcrc.store.progress import Progress
from numcrc.store.reader import BodyReader, LargeObject
from numcrc.store.source import ChangedError, MissingError, Source, StoreError
from numcrc.store.state import StateFile
from numcrc.store.workers import Workers

WINDOW = 1 << 20
"""Bytes of a local file that are in memory: fewer than a CPU's cache holds."""


def scan_entries(
    source: Source,
    entries: Iterable[Entry],
    formats: Sequence[Format],
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    state: StateFile | None = None,
    stop: Callable[[], bool] | None = None,
) -> Generator[Result, None, None]:
    """Yield the result of checking each object by the checksums that it contains, in order.

    The first of *formats* that recognises an object checks it. The other parameters are those of
    `numcrc.store.pipeline.check_pairs`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from numcrc.store import open_source
    >>> from numcrc.store.formats import formats
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a").write_bytes(b"123456789")
    ...     source = open_source(folder)
    ...     for result in scan_entries(source, source.entries(), formats()):
    ...         print(result.key, result.state.value)
    a skipped
    """
    results = examine_pairs(
        source,
        (Pair(entry.key, entry, None) for entry in entries),
        _ScanTask(),
        partial(Scanner, source, formats),
        limits=limits,
        progress=progress,
        state=state,
        stop=stop,
    )
    # A Scanner gives results only.
    return cast("Generator[Result, None, None]", results)


class _ScanTask:
    """Finds objects that need not be read."""

    def early_result(self, pair: Pair, entry: Entry | None) -> Result | None:
        """Return the result of an archived object, or of the mark of a folder."""
        if entry is None:
            return None
        if entry.archived:
            return Result(pair.key, State.ARCHIVED, entry.size, version=entry.version)
        if not entry.size and is_folder(pair.key):
            return Result(pair.key, State.SKIPPED, entry.size, detail="a folder")
        return None


class Scanner:
    """Scans objects in the threads of *workers*, and delivers the results to them.

    Parameters
    ----------
    source : Source
        Has the objects.
    formats : sequence of Format
        What an object may be.
    workers : Workers
        Take results.
    buffer_size : int
        Bytes of a reader's buffer.
    progress : Progress
        Counts the results.
    """

    def __init__(
        self,
        source: Source,
        formats: Sequence[Format],
        workers: Workers[Outcome],
        buffer_size: int,
        progress: Progress,
    ) -> None:
        self._source = source
        self._formats = formats
        self._workers = workers
        self._buffer_size = buffer_size
        self._limit = min(buffer_size, WINDOW) if source.local else buffer_size
        self._progress = progress
        self._siblings: dict[int, Siblings] = {}

    def examine_group(self, items: Sequence[tuple[int, Pair]], reader: BodyReader) -> None:
        """Scan objects."""
        for index, pair in items:
            result = self._examine(pair, reader)
            self._progress.finish((pair,))
            self._workers.deliver({index: result})

    def _examine(self, pair: Pair, reader: BodyReader) -> Result:
        """Return the result of one object; start again, once, if it has changed."""
        try:
            try:
                return self._scan_twice(pair, pair.present, reader)
            except ChangedError:
                return self._scan_twice(pair, None, reader)
        except StoreError as error:
            return error_result(pair, error)

    def _scan_twice(self, pair: Pair, entry: Entry | None, reader: BodyReader) -> Result:
        """Return the result of one object, which is read again if it is damaged."""
        if entry is None or entry.size is None or not entry.version:
            entry = reader.retries(self._source.stat, pair.key)
        if entry.archived:
            return Result(pair.key, State.ARCHIVED, entry.size, version=entry.version)
        result = self._scan(pair, entry, reader)
        if result.state is not State.DIFFER:
            return result
        again = self._scan(pair, entry, reader)
        if again == result:
            return result
        if again.state is State.DIFFER:
            note = f"a first read gave another result: {result.detail}"
        else:
            note = f"a first read differed: {result.detail}"
        return again._replace(detail=f"{again.detail}; {note}")

    def _scan(self, pair: Pair, entry: Entry, reader: BodyReader) -> Result:
        source, size = self._source, entry.size
        if size is None:
            raise StoreError(f"{pair.key}: the store does not send its size")
        self._progress.begin(pair.key, size)

        def load(start: int, into: memoryview | None, count: int) -> memoryview:
            area = reader.buffer[:count] if into is None else into
            return reader.range(source, entry, start, area)

        def long_crc(algorithm: str, start: int, count: int) -> int:
            tally = Tally(count, (Checksum(algorithm, b""),))
            part = LargeObject(source, entry, tally, self._buffer_size, start, count)
            self._workers.read(part, reader)
            return int.from_bytes(tally.found()[0].value or b"", "big")

        siblings = self._siblings_of(reader)
        body = Body(pair.key, size, load, self._limit, siblings, long_crc)
        return scan_body(body, self._formats)._replace(version=entry.version)

    def _siblings_of(self, reader: BodyReader) -> Siblings:
        """Return the siblings that the thread with *reader* knows, so that threads do not wait."""
        found = self._siblings.get(id(reader))
        if found is None:
            found = self._siblings[id(reader)] = Siblings(partial(self._sibling, reader))
        return found

    def _sibling(self, reader: BodyReader, key: str) -> bytes | None:
        """Return the content of another object, None if it is missing."""
        try:
            entry = reader.retries(self._source.stat, key)
            size = entry.size
            if size is None or size > MOST_VIEW:
                raise FormatError(f"expected at most {MOST_VIEW} bytes, got {size}")
            into = memoryview(bytearray(size))
            return bytes(reader.retries(self._source.read, entry, 0, into)) if size else b""
        except MissingError:
            return None
