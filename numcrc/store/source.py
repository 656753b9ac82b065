"""Define the interface of a source of objects, and the errors it raises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from numcrc.store.keys import EVERY_KEY, KeyRange, key_bytes
from numcrc.store.objects import Entry


class StoreError(Exception):
    """A source failed; the text says why."""


class RetryError(StoreError):
    """A failure that may pass: the store is busy, or the connection broke."""


class MissingError(StoreError):
    """The object does not exist."""


class ChangedError(StoreError):
    """The object has changed since it was listed."""


class ArchivedError(StoreError):
    """The object must be restored before it can be read."""


class Source(Protocol):
    """Objects below one root. Any thread may call any method, several at once.

    Methods raise `StoreError` and its subclasses only, never ``OSError``.

    A source may have four more methods: ``entries_in(keys)`` yields what `entries` does of a
    `numcrc.store.keys.KeyRange`; ``has_folder(key)`` returns whether it has a folder, whose key
    ends with ``/``; ``fetch_together(wanted)`` returns what `fetch` does for each of a list of
    (entry, memoryview), or None where `fetch` must be called; and ``interrupt()`` ends the requests
    in progress, which then raise `numcrc.store.source.RetryError`.
    """

    url: str
    """The URL or path that the user gave, without credentials."""
    listable: bool
    """Whether `entries` works."""
    local: bool
    """Whether its objects are files of this machine."""
    inventory_prefix: str
    """The beginning of its keys in an S3 Inventory of the whole bucket, which they lack here."""

    def entries(self) -> Iterator[Entry]:
        """Yield every object in the order of `numcrc.store.keys.key_bytes`, in bounded memory."""
        ...

    def stat(self, key: str) -> Entry:
        """Return everything the store knows of one object, with its checksums and their parts."""
        ...

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return ``len(into)`` bytes of the object from *start* on, fewer only at its end.

        They are in *into*, or in memory that belongs to the client. Raise ``ChangedError`` if
        *entry* has a version and the object has another one, and ``RetryError`` if the body ends
        early.
        """
        ...

    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return what `stat` returns, and the whole object, which must fit in *into*.

        This is one request where the store allows it. Raise ``ChangedError`` if the object is
        longer than *into*.
        """
        ...

    def close(self) -> None:
        """Close connections and files."""
        ...


def entries_in(source: Source, keys: KeyRange) -> Iterator[Entry]:
    """Yield the entries of *source* whose keys are in a range, in their order."""
    ranged = getattr(source, "entries_in", None)
    if ranged is not None:
        yield from ranged(keys)
    elif keys == EVERY_KEY:
        yield from source.entries()
    else:
        yield from in_range(source.entries(), keys)


def in_range(entries: Iterable[Entry], keys: KeyRange) -> Iterator[Entry]:
    """Yield those of sorted *entries* whose keys are in a range; later ones are not read."""
    for entry in entries:
        raw = key_bytes(entry.key)
        if keys.ends_before(raw):
            return
        if raw >= keys.first:
            yield entry
