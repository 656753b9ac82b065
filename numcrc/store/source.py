"""The interface of sources, and the errors that their methods raise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from numcrc.store.objects import Entry


class StoreError(Exception):
    """A source cannot do what was asked, for a reason that its text tells."""


class RetryError(StoreError):
    """It may well work when tried again: the store is busy, or the connection broke."""


class MissingError(StoreError):
    """There is no such object."""


class ChangedError(StoreError):
    """The object is not the one it was."""


class ArchivedError(StoreError):
    """The object must be restored before it can be read."""


class Source(Protocol):
    """Objects below one root. Any thread may call any method; several may at once.

    Methods raise nothing but `StoreError` and its kinds (and ``OSError`` never).
    """

    url: str
    """As a user gives it, without credentials."""
    listable: bool
    """Whether `entries` works."""

    def entries(self) -> Iterator[Entry]:
        """Yield every object, by the bytes of its key in rising order, never all held at once."""
        ...

    def stat(self, key: str) -> Entry:
        """Return all that the store tells of one object, its checksums and their parts too."""
        ...

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return ``len(into)`` bytes of the object from *start* on, fewer only at its end.

        They are in *into*, or in memory of the client's own. When *entry* has a version and
        the object has another by now, `ChangedError`. A body that ends early: `RetryError`.
        """
        ...

    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return a whole object that is no longer than *into*, and what `stat` tells of it.

        In one request where the store can, or else as `stat` and `read`. An object that is
        longer after all: `ChangedError`.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
