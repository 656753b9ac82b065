"""Define a source in memory with faults that tests inject, and check its objects."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from numcrc.checksums import find
from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Part, Result
from numcrc.store.pipeline import Limits, check_pairs
from numcrc.store.source import ArchivedError, ChangedError, MissingError, RetryError

NASTY = ["a\nb", "\\", "é", "\U0001f4be", "\uff5e", "\udcff\udcfe", "x" * 200, "-", "a b", "=1+1"]
"""Names that files can have."""
SMALL = b"123456789"
LARGE = bytes(range(256)) * 3000
"""An object of several ranges under `LITTLE`."""
LITTLE = Limits(threads=4, max_in_flight=4 << 16)

Fault = Exception | Callable[[bytes], bytes]
"""Raised, or changes the bytes of a request."""


def checksum(name: str, data: bytes) -> Checksum:
    """Return the checksum of all of *data*."""
    return Checksum(name, find(name).of(data))


def composite(name: str, data: bytes, sizes: Sequence[int], *, parts: bool = False) -> Checksum:
    """Return the composite checksum of *data*, cut into parts of these sizes."""
    assert sum(sizes) == len(data)
    cut, at = [], 0
    for size in sizes:
        cut.append(data[at : at + size])
        at += size
    values = [find(name).of(part) for part in cut]
    known = tuple(Part(len(part), value) for part, value in zip(cut, values, strict=True))
    value = find(name).of(b"".join(values))
    return Checksum(name, value, len(sizes), known if parts else ())


class FakeSource:
    """Objects in a dictionary.

    Attributes
    ----------
    stored : dict
        The checksums that `stat` and `fetch` return, by key.
    archived : set
        Keys of objects that must be restored first.
    faults : dict
        By key, the faults of the next requests for bytes; None is a request without a fault.
    stat_faults : dict
        Likewise, the errors of the next calls of `stat`.
    asks, reads : Counter
        How often `stat` was called, and bytes were requested, by key.
    bytes : Counter
        How many bytes were requested, by key.
    before : callable
        Called with the key before each request for bytes.
    own_memory : bool
        Whether bytes are returned in memory of the source.
    threads : set
        The threads that requested bytes.
    """

    def __init__(self, objects: dict[str, bytes], url: str = "fake://bucket") -> None:
        self.objects = dict(objects)
        self.url = url
        self.listable = True
        self.inventory_prefix = ""
        self.stored: dict[str, tuple[Checksum, ...]] = {}
        self.archived: set[str] = set()
        self.versions: dict[str, str] = {}
        self.faults: dict[str, list[Fault | None]] = defaultdict(list)
        self.stat_faults: dict[str, list[Exception]] = defaultdict(list)
        self.asks: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.before: Callable[[str], object] = lambda key: None
        self.own_memory = False
        self.threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    @property
    def local(self) -> bool:
        """Whether the URL is a path."""
        return "://" not in self.url

    def entries(self) -> Iterator[Entry]:
        """Yield every object as a listing does: without checksums."""
        for key in sorted(self.objects):
            yield self.listed(key)

    def listed(self, key: str) -> Entry:
        """Return one object as a listing does."""
        size, version = len(self.objects[key]), self.versions.get(key, "v1")
        return Entry(key, size, (), version, key in self.archived, key not in self.stored)

    def stat(self, key: str) -> Entry:
        """Return one object with its checksums."""
        with self._lock:
            self.asks[key] += 1
            fault = self.stat_faults[key].pop(0) if self.stat_faults[key] else None
        if fault is not None:
            raise fault
        if key not in self.objects:
            raise MissingError(f"{key}: not found")
        return self.listed(key)._replace(checksums=self.stored.get(key, ()), complete=True)

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return some bytes."""
        data = self._body(entry)[start : start + len(into)]
        data = self._faulty(entry.key, data)
        if self.own_memory:
            return memoryview(data)
        into[: len(data)] = data
        return into[: len(data)]

    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return a whole object."""
        if len(self._body(entry)) > len(into):
            raise ChangedError(f"{entry.key}: it is longer")
        known = self.listed(entry.key)
        known = known._replace(checksums=self.stored.get(entry.key, ()), complete=True)
        return known, self.read(entry, 0, into)

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _body(self, entry: Entry) -> bytes:
        if entry.key not in self.objects:
            raise MissingError(f"{entry.key}: not found")
        if entry.key in self.archived:
            raise ArchivedError(f"{entry.key}: archived")
        if entry.version and entry.version != self.listed(entry.key).version:
            raise ChangedError(f"{entry.key}: another version")
        return self.objects[entry.key]

    def _faulty(self, key: str, data: bytes) -> bytes:
        self.before(key)
        with self._lock:
            self.threads.add(threading.current_thread())
            self.reads[key] += 1
            self.bytes[key] += len(data)
            fault = self.faults[key].pop(0) if self.faults[key] else None
        if fault is None:
            return data
        if isinstance(fault, Exception):
            raise fault
        return fault(data)


def flipped(data: bytes) -> bytes:
    """Return *data* with one bit flipped."""
    return bytes([data[0] ^ 4]) + data[1:]


def busy() -> RetryError:
    """Return the error of a busy store."""
    return RetryError("503 SlowDown")


def kept(**objects: bytes) -> FakeSource:
    """Return a source that keeps a CRC-32C of each object."""
    source = FakeSource(objects)
    source.stored = {key: (checksum("crc32c", data),) for key, data in objects.items()}
    return source


def states(results: Iterable[Result]) -> dict[str, str]:
    """Return the state of each key."""
    return {result.key: result.state.value for result in results}


def expect(data: bytes, *names: str, key: str = "a", **fields: Any) -> Entry:
    """Return the expected entry of *data*, with checksums of these names."""
    return Entry(key, len(data), tuple(checksum(name, data) for name in names), **fields)


def check(
    source: FakeSource, *expected: Entry, limits: Limits = LITTLE, **options: Any
) -> list[Result]:
    """Return the results of the objects of *source* compared with *expected*."""
    by_key = {entry.key: entry for entry in expected}
    listed = {entry.key: entry for entry in source.entries()}
    keys = sorted({*by_key, *listed})
    pairs = [Pair(key, listed.get(key), by_key.get(key)) for key in keys]
    return list(check_pairs(source, pairs, limits=limits, **options))


def check_one(source: FakeSource, *expected: Entry, **options: Any) -> Result:
    """Return the only result of `check`."""
    (result,) = check(source, *expected, **options)
    return result
