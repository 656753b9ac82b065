"""End a run over entries on request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Event

from numcrc.store.objects import Entry
from numcrc.store.retries import StoppedError


def until(stop: Event, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield *entries*; once *stop* is set, raise `StoppedError`: the rest is not missing."""
    for entry in entries:
        if stop.is_set():
            raise StoppedError
        yield entry
