"""Cut Parquet manifests into ranges of keys, so that each range is read alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numcrc.store.keys import KeyRange, key_text
from numcrc.store.manifests import parquet
from numcrc.store.manifests.streams import FileStream, open_stream
from numcrc.store.sources import StrPath
from numcrc.store.sources.local import path_of


class Cuts:
    """The rows of a Parquet manifest whose row groups are in the order of keys, from `open_cuts`.

    Ranges depend on the manifest only. They have all keys there can be, each in one range: those
    before the first row and after the last one, too.

    Attributes
    ----------
    rows : int
        The number of rows.
    """

    def __init__(self, stream: FileStream, file: Any, bounds: list[Any]) -> None:
        self._stream, self._file, self._bounds = stream, file, bounds
        self.rows = sum(rows for rows, _ in bounds)

    def share(self, number: int, count: int) -> KeyRange:
        """Return the range of the share *number*, from 1, of *count* with equally many rows.

        With fewer rows than shares, some ranges have no keys.
        """
        if not self.rows and number < count:
            return KeyRange(b"", b"")
        first, end = (self._key_at(self.rows * k // count) for k in (number - 1, number))
        return KeyRange(first if number > 1 else b"", end if number < count else None)

    def ranges(self, size: int) -> Iterator[KeyRange]:
        """Yield ranges of *size* rows in the order of their keys; all but the last are full."""
        first = b""
        before, at = 0, size
        for group, (rows, _) in enumerate(self._bounds):
            for key in self._keys(group)[at - before :: size]:
                if key > first:
                    yield KeyRange(first, key)
                    first = key
            at += len(range(at, before + rows, size)) * size
            before += rows
        yield KeyRange(first)

    def _key_at(self, row: int) -> bytes:
        """Return the key of a row, from 0; empty if there are not so many."""
        for group, (rows, _) in enumerate(self._bounds):
            if row < rows:
                return self._keys(group)[row]
            row -= rows
        return b""

    def _keys(self, group: int) -> list[bytes]:
        from numcrc.store.manifests import arrow

        return arrow.keys_of_group(self._stream, self._file, group)


@contextmanager
def open_cuts(manifest: StrPath) -> Iterator[Cuts | None]:
    """Yield the rows of a manifest, or None if it is not a local Parquet file in order of keys.

    Keys within a row group may be in any order.

    Raises
    ------
    ManifestError
        The manifest is damaged.
    OSError
        It cannot be read.
    ImportError
        It is Parquet, and pyarrow is missing.
    """
    path = os.fspath(manifest)
    if path.startswith("file://"):
        path = path_of(path)
    if not os.path.isfile(path):  # a URL, a pipe
        yield None
        return
    with open_stream(path) as stream:
        if not parquet.FORMAT.recognises(stream):
            yield None
            return
        from numcrc.store.manifests import arrow

        file = arrow.open_file(stream, "Parquet")
        bounds = arrow.key_bounds(stream, file)
        yield None if bounds is None else Cuts(stream, file, bounds)


def key_ranges(manifest: StrPath, size: int) -> list[tuple[str | None, str | None]]:
    """Divide the keys of a manifest into ranges, each for the *keys* of a `Selection`.

    Parameters
    ----------
    manifest
        The path of a Parquet file in the order of its keys, as `manifest` writes it.
    size
        The number of rows for a range.

    Returns
    -------
    list of tuple
        The first key of each range and the key after it; None at the two ends.

    Raises
    ------
    ValueError
        *size* is less than 1, or the manifest is another file, or damaged.
    OSError
        It cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from numcrc.store import Entry, write_manifest
    >>> with TemporaryDirectory() as folder:
    ...     path = f"{folder}/m.parquet"
    ...     rows = write_manifest(path, [Entry(key) for key in "abcde"])
    ...     key_ranges(path, 2)
    [(None, 'c'), ('c', 'e'), ('e', None)]
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    with open_cuts(manifest) as cuts:
        if cuts is None:
            raise ValueError(f"{os.fspath(manifest)}: not a Parquet file in the order of its keys")
        return [
            (key_text(first) or None, None if end is None else key_text(end))
            for first, end in cuts.ranges(size)
        ]
