"""Read the objects of a Zarr store, such as a ZipStore or one of Icechunk, as a `Source`."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from zarr.abc.store import RangeByteRequest, Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore, StorePath

from numcrc.store.merge import sorted_entries
from numcrc.store.objects import Entry
from numcrc.store.source import ChangedError, MissingError, RetryError, StoreError

TOGETHER = 1000
"""Keys that are listed with one call."""
MOST_KEPT = 16 << 20
"""Bytes of an object that a thread keeps after it was read whole to find its size."""


class ZarrSource:
    """The objects of a Zarr store, by its asynchronous methods, which Zarr's own loop runs.

    Parameters
    ----------
    place : zarr.storage.StorePath
        A store and a path in it. The store stays open.

    Raises
    ------
    StoreError
        It cannot be opened.

    Examples
    --------
    >>> import zarr
    >>> array = zarr.create_array({}, shape=4, dtype="u1")
    >>> [entry.key for entry in ZarrSource(array.store_path).entries()]
    ['zarr.json']
    """

    local = False
    inventory_prefix = ""

    def __init__(self, place: StorePath) -> None:
        self._store: Store = place.store
        self._prefix = f"{place.path}/" if place.path else ""
        self.url = str(place)
        self.listable = bool(self._store.supports_listing)
        # Zarr's own method reads the object.
        self._reads_for_size = type(self._store).getsize is Store.getsize
        self._kept = threading.local()
        try:
            sync(StorePath.open(self._store, place.path))
        except Exception as error:
            raise StoreError(f"cannot open {self.url}: {error}") from error

    def entries(self) -> Iterator[Entry]:
        """Yield every object in the order of keys; their sizes are not known yet."""
        return sorted_entries(self._listed())

    def _listed(self) -> Iterator[Entry]:
        store, prefix = self._store, self._prefix
        found = store.list_prefix(prefix) if prefix else store.list()
        while keys := self._call(self.url, _some(found)):
            for key in keys:
                yield Entry(key[len(prefix) :])
            if len(keys) < TOGETHER:
                return

    def stat(self, key: str) -> Entry:
        """Return the object with its size."""
        if not self._reads_for_size:
            return Entry(key, self._call(key, self._store.getsize(self._prefix + key)))
        view = self._get(key, None)
        self._kept.body = (key, view) if len(view) <= MOST_KEPT else None
        return Entry(key, len(view))

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return ``len(into)`` bytes of the object from *start* on, fewer only at its end."""
        key, view = getattr(self._kept, "body", None) or ("", memoryview(b""))
        if key == entry.key:
            if start + len(into) >= len(view):
                self._kept.body = None
            return view[start : start + len(into)]
        return self._get(entry.key, RangeByteRequest(start, start + len(into)))

    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return the object with its size, and its bytes."""
        view = self._get(entry.key, None)
        if len(view) > len(into):
            raise ChangedError(f"{entry.key}: expected {len(into)} bytes, got {len(view)}")
        return Entry(entry.key, len(view)), view

    def close(self) -> None:
        """Do nothing: the store belongs to the caller."""

    def _get(self, key: str, part: RangeByteRequest | None) -> memoryview:
        found = self._call(
            key, self._store.get(self._prefix + key, default_buffer_prototype(), part)
        )
        if found is None:
            raise MissingError(f"{key}: not found")
        return memoryview(found.as_numpy_array()).cast("B")

    def _call(self, key: str, coroutine: Any) -> Any:
        try:
            return sync(coroutine)
        except (FileNotFoundError, KeyError) as error:
            raise MissingError(f"{key}: not found") from error
        except (ConnectionError, TimeoutError) as error:
            raise RetryError(f"{key}: {error}") from error
        except StoreError:
            raise
        except Exception as error:  # of any client
            raise StoreError(f"{key}: {type(error).__name__}: {error}") from error


async def _some(found: AsyncIterator[str]) -> list[str]:
    """Return the next keys, `TOGETHER` of them unless fewer are left."""
    keys: list[str] = []
    async for key in found:
        keys.append(key)
        if len(keys) == TOGETHER:
            break
    return keys


def source_of(store: Any) -> Any:
    """Return a path for a store that is a folder, and otherwise a `ZarrSource`.

    Raises
    ------
    TypeError
        *store* is not an object of zarr.
    """
    place = getattr(store, "store_path", store)
    if isinstance(place, Store):
        place = StorePath(place)
    if not isinstance(place, StorePath):
        raise TypeError(f"expected a path, a URL or a Zarr store, got {type(store).__name__}")
    if type(place.store) is LocalStore:
        return place.store.root / place.path
    return ZarrSource(place)
