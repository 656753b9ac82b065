"""A bucket, or what is below a prefix in it: what all stores that list their keys share."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator

from numcrc.store.objects import Entry
from numcrc.store.source import MissingError, StoreError
from numcrc.store.sources.bodies import Bodies


class Bucket(Bodies):
    """``scheme://bucket`` or ``scheme://bucket/prefix``.

    A prefix is a folder: ``s3://bucket/a/b`` has the keys below ``a/b/``, unless there is an
    object ``a/b``, which is then all there is, under the key ``b``. With ``/`` at its end it is
    never an object. An object that is called just as the folder, ``a/b/``, is left out.
    """

    listable = True

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self._bucket, _, self._prefix = rest.partition("/")
        if not self._bucket or "@" in self._bucket:
            raise ValueError(
                f"{url}: it should be {scheme}://bucket or {scheme}://bucket/prefix, "
                "and credentials come by the environment"
            )
        self.url = url
        self._only = ""
        self._settled = not self._prefix or self._prefix.endswith("/")
        self._lock = threading.Lock()

    @abstractmethod
    def stat(self, key: str) -> Entry:
        """Return all that the store tells of one object."""

    @abstractmethod
    def _exists(self, name: str) -> bool:
        """Tell whether there is an object of that name in the bucket."""

    @abstractmethod
    def _listed(self, prefix: str) -> Iterator[Entry]:
        """Yield the objects whose names in the bucket, which are their keys here, begin so."""

    def entries(self) -> Iterator[Entry]:
        """Yield every object, a page of the store's listing at a time."""
        self._settle()
        if self._only:
            yield self.stat(self._only)
            return
        prefix, last = self._prefix, b""
        for entry in self._listed(prefix):
            name = entry.key
            key = name.encode("utf-8", "surrogateescape")
            if key <= last or not name.startswith(prefix):
                raise StoreError(f"{self.url}: the store lists {name!r} out of order")
            last = key
            if name != prefix:
                yield entry._replace(key=name[len(prefix) :])

    def _name(self, key: str) -> str:
        """Return the name in the bucket of the object with a key."""
        if not self._settled:
            self._settle()
        if not key:
            raise StoreError(f"{self.url}: no object has an empty key")
        if self._only and key != self._only:
            raise MissingError(f"{key}: {self.url} is one object")
        return self._prefix + key

    def _settle(self) -> None:
        """Find out whether the prefix is an object."""
        with self._lock:
            if self._settled:
                return
            if self._exists(self._prefix):
                folder, slash, self._only = self._prefix.rpartition("/")
                self._prefix = folder + slash
            else:
                self._prefix += "/"
            self._settled = True
