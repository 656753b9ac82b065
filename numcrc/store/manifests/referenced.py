"""Find the files that a manifest.json refers to by bucket and key, and check their MD5."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from numcrc._light import NamedTuple
from numcrc.checkfiles.strict_json import loads
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.rows import Row
from numcrc.store.manifests.streams import FileStream
from numcrc.store.source import Source, StoreError
from numcrc.store.sources import open_source, without_login
from numcrc.store.sources.local import LocalSource

_PIECE = 4 << 20
# A manifest.json has some hundred bytes for each file.
_LARGEST = 64 << 20


class Referenced(NamedTuple):
    """A file that a manifest.json refers to."""

    name: str
    pieces: Callable[[], Iterator[memoryview]]
    """Yields its content; each piece is valid until the next one."""


def may_be_document(stream: FileStream) -> bool:
    """Return whether a file may be a manifest.json: a JSON object, but not our JSON Lines."""
    start = stream.start()
    return start.startswith(b"{") and not start.startswith(b'{"numcrc"')


def document(stream: FileStream) -> Row:
    """Return the JSON object of a manifest.json."""
    data = stream.file.read(_LARGEST + 1)
    try:
        if len(data) > _LARGEST:
            raise ValueError(f"longer than {_LARGEST >> 20} MiB")
        found = loads(data.decode("utf-8-sig"))
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
    except ValueError as error:
        raise ManifestError(stream.name, str(error)) from None
    return found


def find(manifest: str, source: Source | None, bucket: str, key: str) -> Referenced:
    """Return the file with a key in a bucket, to which *manifest* refers.

    It is an object of *source*; without one, an object of that bucket if *manifest* is a URL, and
    otherwise a local file beside *manifest* or beside its folder, as S3 Inventory arranges them.
    """
    if source is not None:
        return Referenced(key, partial(_object_pieces, source, key))
    if "://" in manifest:
        return at_url(f"{manifest.partition('://')[0]}://{bucket}/{key}")
    return _local(manifest, key)


def at_url(url: str) -> Referenced:
    """Return the object at *url*."""
    folder, _, key = url.rpartition("/")
    return Referenced(without_login(url), partial(_fetched, folder, key))


def _local(manifest: str, key: str) -> Referenced:
    tails = key.split("/")[-2:]
    if {"", ".", ".."} & set(tails) or (os.sep != "/" and any(os.sep in tail for tail in tails)):
        raise ManifestError(manifest, f"the key {key!r} of a file is not a path")
    folder = os.path.dirname(os.path.abspath(manifest))
    for place in (folder, os.path.dirname(folder)):
        for tail in (tails, tails[-1:]):
            path = os.path.join(place, *tail)
            if os.path.isfile(path):
                folder, name = os.path.split(path)
                return Referenced(path, partial(_object_pieces, LocalSource(folder), name))
    where = f"neither beside it nor in {tails[0]!r} beside its folder"
    raise ManifestError(manifest, f"the file {tails[-1]!r} is {where}")


def _fetched(folder: str, key: str) -> Iterator[memoryview]:
    with closing(open_source(folder)) as source:
        yield from _object_pieces(source, key)


def _object_pieces(source: Source, key: str) -> Iterator[memoryview]:
    """Yield the bytes of an object; each piece is valid until the next one."""
    entry = source.stat(key)
    buffer = memoryview(bytearray(_PIECE))
    at = 0
    while entry.size is None or at < entry.size:
        piece = source.read(entry, at, buffer)
        yield piece
        if len(piece) < len(buffer):
            return
        at += len(piece)


@contextmanager
def verified(file: Referenced, md5: Any) -> Iterator[FileStream]:
    """Yield a copy of a file, all of which has the MD5 *md5* in hexadecimal; None: any.

    A copy, so that the bytes that are read are the bytes that were checked.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with tempfile.TemporaryFile() as copy:
        try:
            for piece in file.pieces():
                digest.update(piece)
                copy.write(piece)
        except StoreError as error:
            raise ManifestError(file.name, str(error)) from error
        if md5 is not None and digest.hexdigest() != str(md5).lower():
            raise ManifestError(file.name, f"expected MD5 {md5}, got {digest.hexdigest()}")
        copy.seek(0)
        yield FileStream(file.name, copy)
