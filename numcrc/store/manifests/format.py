"""Define the records of file formats, and choose one by name or by the suffix of a path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol, TypeVar

from numcrc._light import NamedTuple
from numcrc.store.keys import EVERY_KEY, KeyRange
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.rows import Row, Table
from numcrc.store.manifests.streams import FileStream
from numcrc.store.objects import Entry
from numcrc.store.source import Source
from numcrc.store.sources import StrPath


class NumberedEntry(NamedTuple):
    """An entry and where it was read."""

    number: int
    """Of the line or row."""
    entry: Entry
    file: str
    """The name of the file."""


class Options(NamedTuple):
    """The options of `read_manifest` that a format may need."""

    algorithm: str | None
    allow_outside: bool
    files: Source | None
    on_malformed: Callable[[ManifestError], object] | None
    exists: Callable[[str], bool] | None
    keys: KeyRange = EVERY_KEY
    """Entries whose keys are outside of this range may be left out."""


class Format(NamedTuple):
    """A file format of manifests.

    To add one, add a module that defines it, and a line to `numcrc.store.manifests.FORMATS`.
    """

    name: str
    summary: str
    """The format in a few words, for help texts."""
    recognises: Callable[[FileStream], bool]
    """Whether a file begins like one of this format."""
    read: Callable[[FileStream, Options], Iterator[NumberedEntry]]
    write: Callable[[StrPath | None, Iterable[Entry]], int] | None = None
    """Writes entries to a path and returns their number; None: the format is only read."""
    suffixes: tuple[str, ...] = ()
    """The suffixes of file names that stand for it, in lower case."""
    unit: str = "line"
    """The unit that numbers of entries count."""
    whole_bucket: bool = False
    """Whether its keys are names in a whole bucket, not relative to the prefix of a source."""


class RowWriter(Protocol):
    """Writes rows to a file."""

    def write(self, row: Row) -> None:
        """Add a row."""

    def finish(self, rows: int | None) -> None:
        """Write rows that are still buffered and the end mark, and leave the file open.

        Parameters
        ----------
        rows : int or None
            The number of rows for the end mark; None: the table is incomplete, and gets no mark.
        """


class TableFormat(NamedTuple):
    """A file format of tables, for manifests and reports.

    To add one, add a module that defines it, and a line to `numcrc.store.manifests.tables.TABLES`.
    """

    name: str
    summary: str
    """The format in a few words, for help texts."""
    suffixes: tuple[str, ...]
    """The suffixes of file names that stand for it, in lower case."""
    recognises: Callable[[FileStream], bool]
    """Whether a file begins like one of this format."""
    rows: Callable[[FileStream, Table, KeyRange], Iterator[tuple[int, Row]]]
    """Yields (line or row number, row), without null values. Rows whose keys are outside of the
    range may be left out."""
    writer: Callable[[BinaryIO, Table], RowWriter]
    about: Callable[[FileStream], object] = lambda _: None
    """Returns what a table says of itself, of any type; ValueError if that cannot be read."""
    unit: str = "line"
    """The unit that numbers of rows count."""
    seekable: bool = False
    """Whether files of this format cannot be written to a pipe."""


F = TypeVar("F", Format, TableFormat)


def by_name(formats: Sequence[F], name: str) -> F:
    """Return the format called *name*, or raise ValueError with the names of all *formats*."""
    for each in formats:
        if each.name == name:
            return each
    raise ValueError(f"unknown format {name!r}: expected {_names(formats)}")


def recognised(formats: Sequence[F], stream: FileStream) -> F:
    """Return the first format that recognises a file, or the last; ManifestError if it is empty."""
    if not stream.start():
        raise ManifestError(stream.name, "the file is empty")
    return next((each for each in formats if each.recognises(stream)), formats[-1])


def for_writing(formats: Sequence[F], path: StrPath | None, name: str | None) -> F:
    """Return the format called *name*; by default, that of the suffix of *path*.

    Standard output gets JSON Lines.

    Raises
    ------
    ValueError
        No format is called *name*, or none has this suffix.
    """
    if name is not None:
        return by_name(formats, name)
    if path is None or path == "-":
        return by_name(formats, "jsonl")
    for each in formats:
        if has_suffix(path, each.suffixes):
            return each
    suffixes = ", ".join(suffix for each in formats for suffix in each.suffixes)
    raise ValueError(
        f"cannot tell the format of {path}: expected a name that ends with one of {suffixes}"
    )


def has_suffix(path: StrPath, suffixes: tuple[str, ...]) -> bool:
    """Return whether *path* ends with one of *suffixes*, before ``.gz`` if it is compressed."""
    return os.fspath(path).lower().removesuffix(".gz").endswith(suffixes)


def _names(formats: Iterable[Format | TableFormat]) -> str:
    return ", ".join(each.name for each in formats)
