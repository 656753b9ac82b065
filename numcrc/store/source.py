"""What a place with objects must offer, and the finding of one by its URL."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
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


def open_source(url: str) -> Source:
    """Return the source at *url*: a path, or file://, s3://, gs://, az://, http:// or https://.

    Raises
    ------
    ValueError
        There is no such kind of URL, or it names no bucket.
    ImportError
        The extra that brings its client is not installed; the text names it.
    """
    scheme, separator, _ = url.partition("://")
    module, name = _HOMES.get(scheme if separator else "file", ("", ""))
    if not name:
        raise ValueError(f"{url}: no such kind of source; there are paths and {_KINDS}")
    # By name, for sources are on a floor above this one; and only what is used is imported.
    source: Source = getattr(import_module(f"numcrc.store.sources.{module}"), name)(url)
    return source


_HOMES = {
    "file": ("local", "LocalSource"),
    "s3": ("s3", "S3Source"),
    "gs": ("gcs", "GcsSource"),
    "az": ("azure", "AzureSource"),
    "http": ("web", "WebSource"),
    "https": ("web", "WebSource"),
}
_KINDS = "file://, s3://, gs://, az://, http:// and https://"
