"""Manifests: what should be in a store, from and to files of many kinds.

Own manifests are JSON Lines, CSV or Parquet, with a row for every object (`rows` tells of the
columns). Read are also check files (GNU, BSD, SFV), the lists of S3 Inventory, and the reports of
S3 Batch Operations jobs that computed checksums.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from numcrc.store.manifests import batch_reports as batchreports
from numcrc.store.manifests import checkfiles, inventory, tables
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.referenced import at_url, finder, verified
from numcrc.store.manifests.rows import ENTRIES, Row, entry_to_row, row_to_entry
from numcrc.store.manifests.streams import Path, Stream, opened
from numcrc.store.merge import union
from numcrc.store.objects import Entry
from numcrc.store.source import Source

__all__ = ["FORMS", "ManifestError", "read_manifest", "write_manifest"]

FORMS = (*tables.FORMS, *checkfiles.FORMS, "inventory", "batch")
_DOCUMENT = re.compile(rb'"(?:(fileSchema|sourceBucket)|(ReportSchema|Results))"\s*:')
# Lines of check files have spaces.
_TITLES = re.compile(r"(?:[^, ]+,)*key(?:_base64)?(?:,[^, ]+)*(?:,numcrc .*)?")
# A manifest.json: some hundred bytes for every file it names.
_LARGEST = 64 << 20

_Found: TypeAlias = Iterator[tuple[int, Entry, str]]


def read_manifest(
    source: Any,
    *,
    algorithm: str | None = None,
    form: str | None = None,
    allow_outside: bool = False,
    files: Source | None = None,
    prefix: str = "",
) -> Iterator[Entry]:
    r"""Yield the entries of a manifest as they stand in it, in bounded memory.

    Entries of one key that follow each other come as one.

    Parameters
    ----------
    source
        A path, the URL of an object, ``-`` for standard input, or a binary file. What is packed
        with gzip or zstd is unpacked.
    algorithm
        What the lines of a check file mean that name none. By default the name of the file
        tells (SHA256SUMS, image.md5) or the number of digits; eight are CRC-32C, or CRC-32 in SFV.
    form
        One of `FORMS`; by default the content tells.
    allow_outside
        Whether the paths of a check file may lead out of the folder.
    files
        Where the files are that a manifest.json names. By default: beside it.
    prefix
        Of lists that are about a bucket as a whole (S3 Inventory and Batch Operations), only
        keys with this beginning are taken, without it.

    Raises
    ------
    ManifestError
        The manifest cannot be used; the text has the line.
    OSError
        It cannot be read.
    ValueError
        There is no such *algorithm* or *form*.

    Examples
    --------
    >>> import io
    >>> [entry] = read_manifest(io.BytesIO(b"e3069283  a\n"))
    >>> entry.key, entry.checksums[0].algorithm, entry.checksums[0].value.hex()
    ('a', 'crc32c', 'e3069283')
    """
    if form is not None and form not in FORMS:
        raise ValueError(f"no such form: {form!r}; there are {', '.join(FORMS)}")
    if algorithm is not None:
        checkfiles.chosen(algorithm)
    with ExitStack() as stack:
        if isinstance(source, str) and source.startswith("file://"):
            source = unquote(urlsplit(source).path, errors="surrogateescape")
        if isinstance(source, str) and "://" in source:
            stream = stack.enter_context(verified(at_url(source), None))
        else:
            stream = stack.enter_context(opened(source))
        form = form or _recognised(stream)
        whole_bucket = form in ("inventory", "batch")
        found = _entries(stream, form, algorithm, allow_outside, files)
        yield from _once(found, prefix if whole_bucket else "", form)


def write_manifest(path: Path | None, entries: Iterable[Entry], form: str | None = None) -> int:
    """Write *entries* as they come, and return how many they were.

    The file appears when it is whole; until then, and when anything fails, there is what was.

    Parameters
    ----------
    path
        Where to; ``-`` or None: standard output. A name that ends with ``.gz`` is packed.
    entries
        What to write.
    form
        jsonl, csv, parquet, gnu, bsd or sfv; by default the path's suffix tells, and standard
        output gets JSON Lines.

    Raises
    ------
    ValueError
        There is no such *form*, or it cannot hold an entry.

    Examples
    --------
    >>> from numcrc.store.objects import Checksum
    >>> write_manifest("/dev/null", [Entry("a", 9, (Checksum("md5", bytes(16)),))], "csv")
    1
    """
    form = form or tables.form_of(path)
    if form in checkfiles.FORMS:
        return checkfiles.write(path, form, entries)
    if form in tables.FORMS:
        with tables.row_writer(path, ENTRIES, form) as write:
            count = 0
            for entry in entries:
                write(entry_to_row(entry))
                count += 1
        return count
    there_are = ", ".join((*tables.FORMS, *checkfiles.FORMS))
    raise ValueError(f"{path}: in which form? There are {there_are}")


def _entries(
    stream: Stream, form: str, algorithm: str | None, allow_outside: bool, files: Source | None
) -> _Found:
    if form in tables.FORMS:
        found = tables.parsed(stream, ENTRIES, form, row_to_entry)
    elif form in checkfiles.FORMS:
        found = checkfiles.read(stream, algorithm, allow_outside)
    elif stream.start().lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        fetch = finder(stream.name, files)
        read = inventory.read if form == "inventory" else batchreports.read_all
        yield from read(stream.name, _document(stream), fetch)
        return
    elif form == "batch":
        found = batchreports.read(stream)
    else:
        raise ManifestError(stream.name, "no manifest.json of an S3 Inventory")
    for number, entry in found:
        yield number, entry, stream.name


def _recognised(stream: Stream) -> str:
    """Return the form of a file, by its beginning."""
    table = tables.recognised(stream)
    if table == "parquet":
        return table
    start = stream.start().removeprefix(b"\xef\xbb\xbf")
    line = start.partition(b"\n")[0].strip().decode("utf-8", "replace")
    if table == "jsonl":
        document = None if line.startswith('{"numcrc"') else _DOCUMENT.search(start)
        if document:
            return "inventory" if document[1] else "batch"
        return "gnu" if line.startswith('{"path"') else "jsonl"
    if batchreports.looks(line):
        return "batch"
    if tables.form_of(stream.name) == "csv" or _TITLES.fullmatch(line):
        return "csv"
    return "gnu"


def _document(stream: Stream) -> Row:
    data = stream.file.read(_LARGEST + 1)
    try:
        if len(data) > _LARGEST:
            raise ValueError(f"longer than {_LARGEST >> 20} MiB")
        document = tables.loads(data.decode("utf-8-sig"))
        if not isinstance(document, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise ManifestError(stream.name, str(error)) from None
    return document


def _once(found: _Found, prefix: str, form: str) -> Iterator[Entry]:
    """Yield entries, those of one key that follow each other as one."""
    last: Entry | None = None
    for number, entry, name in found:
        if prefix:
            if not entry.key.startswith(prefix) or entry.key == prefix:
                continue
            entry = entry._replace(key=entry.key[len(prefix) :])
        if last is not None and last.key == entry.key:
            try:
                last = union(last, entry)
            except ValueError as error:
                raise ManifestError(name, str(error), number, tables.unit(form)) from None
            continue
        if last is not None:
            yield last
        last = entry
    if last is not None:
        yield last
