"""The files that a manifest.json names by bucket and key: found, and checked by their MD5."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, NamedTuple

from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.streams import Stream
from numcrc.store.source import Source, StoreError
from numcrc.store.sources import open_source

_PIECE = 4 << 20


class Named(NamedTuple):
    """A file that a manifest.json names."""

    name: str
    pieces: Callable[[], Iterator[bytes | memoryview]]
    """Its content."""


def finder(manifest: str, source: Source | None) -> Callable[[str, str], Named]:
    """Return what finds the file with a key of a bucket.

    It is an object of *source*, or of that bucket when *manifest* is an object itself, or else a
    local file beside *manifest*, or beside its folder, as S3 Inventory lays them out.
    """

    def find(bucket: str, key: str) -> Named:
        if source is not None:
            return Named(key, partial(_object_pieces, source, key))
        if "://" in manifest:
            return at_url(f"{manifest.partition('://')[0]}://{bucket}/{key}")
        return _local(manifest, key)

    return find


def at_url(url: str) -> Named:
    """Return the object at *url*."""
    folder, _, key = url.rpartition("/")
    return Named(url, partial(_fetched, folder, key))


def _local(manifest: str, key: str) -> Named:
    tails = key.split("/")[-2:]
    if {"", ".", ".."} & set(tails) or (os.sep != "/" and any(os.sep in tail for tail in tails)):
        raise ManifestError(manifest, f"the key {key!r} of a file is no path")
    folder = os.path.dirname(os.path.abspath(manifest))
    for place in (folder, os.path.dirname(folder)):
        for tail in (tails, tails[-1:]):
            path = os.path.join(place, *tail)
            if os.path.isfile(path):
                return Named(path, partial(_pieces, path))
    where = f"neither beside it nor in {tails[0]!r} beside its folder"
    raise ManifestError(manifest, f"the file {tails[-1]!r} is {where}")


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _fetched(folder: str, key: str) -> Iterator[memoryview]:
    with closing(open_source(folder)) as source:
        yield from _object_pieces(source, key)


def _object_pieces(source: Source, key: str) -> Iterator[memoryview]:
    """Yield the bytes of an object, each piece good until the next."""
    entry = source.stat(key)
    buffer = memoryview(bytearray(_PIECE))
    for at in range(0, entry.size or 0, _PIECE):
        yield source.read(entry, at, buffer[: (entry.size or 0) - at])


@contextmanager
def verified(named: Named, md5: Any) -> Iterator[Stream]:
    """Yield a copy of a file once all of it has the MD5 that it should have, if that is told.

    A copy, because what is read must be what was checked.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with tempfile.TemporaryFile() as copy:
        try:
            for piece in named.pieces():
                digest.update(piece)
                copy.write(piece)
        except StoreError as error:
            raise ManifestError(named.name, str(error)) from error
        if md5 is not None and digest.hexdigest() != str(md5).lower():
            raise ManifestError(named.name, f"its MD5 is {digest.hexdigest()}, and not {md5}")
        copy.seek(0)
        yield Stream(named.name, copy)
