"""What every run over a store begins with: sources, what of them is meant, an end on request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from threading import Event
from typing import TypeAlias

from numcrc.store.objects import Entry
from numcrc.store.retries import StoppedError
from numcrc.store.source import Source, open_source
from numcrc.store.sources.local import LocalSource

Path: TypeAlias = str | os.PathLike[str]


def opened(source: Path | Source, *, outside: bool = False) -> AbstractContextManager[Source]:
    """Return a source to use in a ``with`` block, which closes it unless it is the caller's.

    With *outside*, it is a folder whose keys may lead out of it, or a ValueError.
    """
    if not isinstance(source, (str, os.PathLike)):
        if outside:
            raise ValueError("only what is given as a path can be left by keys")
        return nullcontext(source)
    url = os.fspath(source)
    if not outside:
        return closing(open_source(url))
    if "://" in url and not url.startswith("file://"):
        raise ValueError(f"{url} is no folder that keys could lead out of")
    return closing(LocalSource(url, outside=True))


def until(stop: Event, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield *entries*; once *stop* is set, raise `StoppedError`: the rest is not missing."""
    for entry in entries:
        if stop.is_set():
            raise StoppedError
        yield entry
