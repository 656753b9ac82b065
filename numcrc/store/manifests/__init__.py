"""Read and write manifests: the objects that should be in a store, and their checksums.

Manifests of numcrc are JSON Lines, CSV or Parquet, with a row for each object. Check files (GNU,
BSD, SFV) are read and written too; S3 Inventory and the reports of S3 Batch Operations jobs that
compute checksums are read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from numcrc.checksums import canonical, of_list_name
from numcrc.store.keys import EVERY_KEY, KeyRange, key_bytes
from numcrc.store.manifests import batch_reports, checkfiles, inventory, tables
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import (
    Format,
    NumberedEntry,
    Options,
    by_name,
    for_writing,
    has_suffix,
    recognised,
)
from numcrc.store.manifests.referenced import at_url, verified
from numcrc.store.manifests.streams import open_stream
from numcrc.store.merge import union
from numcrc.store.objects import Entry
from numcrc.store.source import Source
from numcrc.store.sources import StrPath
from numcrc.store.sources.local import path_of

__all__ = ["FORMATS", "Format", "ManifestError", "formats", "read_manifest", "write_manifest"]

# In the order in which a file's beginning is compared with them; check files have no mark.
FORMATS: tuple[Format, ...] = (
    inventory.FORMAT,
    batch_reports.FORMAT,
    *map(tables.manifest_format, tables.TABLES),
    *checkfiles.FORMATS,
)


def formats(*, writable: bool = False) -> tuple[Format, ...]:
    """Return the formats that can be read or, with *writable*, written.

    Examples
    --------
    >>> [each.name for each in formats(writable=True)]
    ['jsonl', 'parquet', 'csv', 'gnu', 'bsd', 'sfv']
    """
    return tuple(each for each in FORMATS if each.write is not None or not writable)


def read_manifest(
    source: Any,
    *,
    algorithm: str | None = None,
    format: str | None = None,  # noqa: A002
    allow_outside: bool = False,
    files: Source | None = None,
    prefix: str = "",
    on_malformed: Callable[[ManifestError], object] | None = None,
    on_unmarked: Callable[[str], object] | None = None,
    exists: Callable[[str], bool] | None = None,
    keys: KeyRange = EVERY_KEY,
) -> Iterator[Entry]:
    r"""Yield the entries of a manifest in its order, in bounded memory.

    Consecutive entries with the same key are merged into one. Manifests of numcrc end with the
    number of their rows, so that one that was cut short is an error; those that were concatenated
    are read one after another. Check files and the tables of other programs may end anywhere.

    Parameters
    ----------
    source : path, URL or binary file
        The manifest; ``-``: standard input. Files in gzip or zstd are decompressed.
    algorithm : str, optional
        The algorithm of lines in a check file that name none. By default it is taken from the
        name of the file (SHA256SUMS, image.md5). Otherwise 8 digits are CRC-32C, or CRC-32 in
        SFV, and other numbers of digits those of the usual hash: such checksums are *guessed*.
    format : str, optional
        The name of a format; by default recognised from the content.
    allow_outside : bool
        Whether the paths in a check file may lead out of the folder.
    files : Source, optional
        The source with the files that a manifest.json refers to. By default they are beside it.
    prefix : str
        For manifests of a whole bucket (S3 Inventory and Batch Operations): yield only the keys
        that begin with it, and remove it.
    on_malformed : callable, optional
        Called with the error about each line of a check file that cannot be parsed. By default
        it is raised. A check file without any line of checksums is always an error.
    on_unmarked : callable, optional
        Called at the end with the name of the file, if nothing in it says whether it is whole.
    exists : callable, optional
        Returns whether a key exists, which decides whether the backslashes in a check file
        separate folders.
    keys : KeyRange
        Leave out entries whose keys are outside of this range, as far as that saves time: row
        groups of Parquet are not read if their statistics show that they have none inside.

    Raises
    ------
    ManifestError
        The manifest is invalid; the message has the line.
    OSError
        It cannot be read.
    ValueError
        The *algorithm* or the *format* is unknown.

    Examples
    --------
    >>> import io
    >>> [entry] = read_manifest(io.BytesIO(b"e3069283  a\n"))
    >>> entry.key, entry.checksums[0].algorithm, entry.checksums[0].value.hex()
    ('a', 'crc32c', 'e3069283')
    """
    chosen = None if format is None else by_name(FORMATS, format)
    if algorithm is not None:
        checkfiles.algorithm_named(algorithm)
    with ExitStack() as stack:
        if isinstance(source, str) and source.startswith("file://"):
            source = path_of(source)
        if isinstance(source, str) and "://" in source:
            stream = stack.enter_context(verified(at_url(source), None))
        else:
            stream = stack.enter_context(open_stream(source))
        chosen = chosen or recognised(FORMATS, stream)
        if chosen.whole_bucket:
            start = key_bytes(prefix)
            keys = KeyRange(start + keys.first, None if keys.end is None else start + keys.end)
        options = Options(algorithm, allow_outside, files, on_malformed, exists, keys)
        entries = chosen.read(stream, options)
        yield from _merged(entries, prefix if chosen.whole_bucket else "", chosen.unit)
        if stream.unmarked and on_unmarked is not None:
            on_unmarked(stream.name)


def write_manifest(
    path: StrPath | None,
    entries: Iterable[Entry],
    format: str | None = None,  # noqa: A002
) -> int:
    """Write *entries* as they come, and return their number.

    The file is written beside *path*, with ``.numcrc-part`` after its name, and replaces *path*
    once it is whole. If an exception is raised, *path* stays as it was.

    Parameters
    ----------
    path : path
        The file to write; ``-`` or None: standard output. A path that ends with ``.gz`` is
        compressed. A pipe or a device is written as a stream.
    entries : iterable of Entry
        The entries to write.
    format : str, optional
        "jsonl", "parquet", "csv", "gnu", "bsd" or "sfv"; by default as the suffix of *path* says,
        "gnu" for a name such as SHA256SUMS or image.md5, and JSON Lines for standard output.

    Raises
    ------
    ValueError
        The format is unknown or cannot hold an entry, or the name of the file says another
        algorithm.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> from numcrc.store.objects import Checksum
    >>> write_manifest("/dev/null", [Entry("a", 9, (Checksum("md5", bytes(16)),))], "csv")
    1
    """
    name = "" if path is None else os.path.basename(path)
    listed = None if name.endswith(".zst") else of_list_name(name)
    suffixes = tuple(suffix for each in FORMATS for suffix in each.suffixes)
    if format is None and listed is not None and not has_suffix(name, suffixes):
        format = "gnu"  # noqa: A001
    chosen = for_writing(formats(writable=True), path, format)
    assert chosen.write is not None
    if chosen.name in ("gnu", "sfv") and listed is not None:
        entries = _only(entries, listed.name, name)
    return chosen.write(path, entries)


def _only(entries: Iterable[Entry], algorithm: str, name: str) -> Iterator[Entry]:
    """Yield *entries*, or raise ValueError if one has a checksum of another algorithm."""
    for entry in entries:
        for checksum in entry.checksums:
            if canonical(checksum.algorithm) != algorithm:
                raise ValueError(f"{name} is a list of {algorithm}, not of {checksum.algorithm}")
        yield entry


def _merged(entries: Iterator[NumberedEntry], prefix: str, unit: str) -> Iterator[Entry]:
    """Yield entries below *prefix*, consecutive ones with the same key as one."""
    last: Entry | None = None
    for number, entry, file in entries:
        if prefix:
            if not entry.key.startswith(prefix) or entry.key == prefix:
                continue
            entry = entry._replace(key=entry.key[len(prefix) :])
        if last is not None and last.key == entry.key:
            try:
                last = union(last, entry)
            except ValueError as error:
                raise ManifestError(file, str(error), number, unit) from None
            continue
        if last is not None:
            yield last
        last = entry
    if last is not None:
        yield last
