"""List and name the objects of a bucket, or of a prefix in it, for all stores with listings."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator

from numcrc.store.keys import key_bytes
from numcrc.store.objects import Entry
from numcrc.store.source import MissingError, StoreError
from numcrc.store.sources.http import HttpSource, failure, without_login
from numcrc.store.sources.wire import Answer


class Bucket(HttpSource):
    """A source at ``scheme://bucket`` or ``scheme://bucket/prefix``.

    A prefix is a folder: ``s3://bucket/a/b`` has the keys below ``a/b/``. If there is an object
    ``a/b``, the source is that object only, with the key ``b``. A prefix that ends with ``/`` is
    always a folder. An object with the name of the folder, ``a/b/``, is left out.
    """

    listable = True
    local = False
    inventory_prefix = ""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self._bucket, _, self._prefix = rest.partition("/")
        if not self._bucket or "@" in self._bucket:
            raise ValueError(
                f"invalid URL {without_login(url)}: expected {scheme}://bucket or "
                f"{scheme}://bucket/prefix, and credentials in the environment"
            )
        self.url = url
        self._only = ""
        self._resolved = not self._prefix or self._prefix.endswith("/")
        self._lock = threading.Lock()

    @abstractmethod
    def stat(self, key: str) -> Entry:
        """Return the entry of one object, with all checksums that the store keeps."""

    @abstractmethod
    def _probe(self, name: str) -> Answer:
        """Return any answer that shows whether the bucket has an object of that name."""

    @abstractmethod
    def _list(self, prefix: str) -> Iterator[Entry]:
        """Yield the objects whose names begin with *prefix*, with their names as keys."""

    def entries(self) -> Iterator[Entry]:
        """Yield every object, one page of the store's listing at a time."""
        self._resolve_prefix()
        if self._only:
            yield self.stat(self._only)
            return
        prefix, last = self._prefix, b""
        for entry in self._list(prefix):
            name = entry.key
            key = key_bytes(name)
            if key <= last or not name.startswith(prefix):
                raise StoreError(f"{self.url}: the store lists {name!r} out of order")
            last = key
            if name != prefix:
                yield entry._replace(key=name[len(prefix) :])

    def _name(self, key: str) -> str:
        """Return the name in the bucket of the object with a key."""
        if not self._resolved:
            self._resolve_prefix()
        if not key:
            raise StoreError(f"{self.url}: invalid key: it is empty")
        if self._only and key != self._only:
            raise MissingError(f"{key}: {self.url} is one object")
        return self._prefix + key

    def _resolve_prefix(self) -> None:
        """Find out whether the prefix is an object or a folder."""
        with self._lock:
            if self._resolved:
                return
            if self._exists(self._prefix):
                folder, slash, self._only = self._prefix.rpartition("/")
                self._prefix = folder + slash
            else:
                self._prefix += "/"
            self._resolved = True

    def _exists(self, name: str) -> bool:
        with self._probe(name) as answer:
            # Without the right to list, a missing object is forbidden.
            if answer.status in (403, 404):
                return False
            if answer.status != 200:
                raise failure(answer, self.url)
        return True
