"""Entries in the order of their keys, however many there are."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain, islice, pairwise
from tempfile import SpooledTemporaryFile
from typing import Generic, NamedTuple, TypeVar
from weakref import finalize

from numcrc.store.keys import key_bytes
from numcrc.store.objects import Checksum, Entry

T = TypeVar("T")

# Entries that are sorted in memory: some 40 MB of them.
RUN = 100_000
# Items that are pickled together: enough to share what they repeat, few enough that a block
# of each of a hundred runs is little memory.
BLOCK = 256
IN_MEMORY = 4 << 20
_HEADER = 4


def entry_bytes(entry: Entry) -> bytes:
    """Return the bytes of an entry's key."""
    return key_bytes(entry.key)


class Spool(Generic[T]):
    """Items kept in order: in a temporary file, which has no name, once they are many."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        finalize(self, self._file.close)
        self._end = 0
        self._block: list[T] = []

    def append(self, item: T) -> None:
        """Add one."""
        self._block.append(item)
        if len(self._block) == BLOCK:
            self.mark()

    def mark(self) -> int:
        """Return the place behind all items so far."""
        if self._block:
            data = pickle.dumps(self._block, pickle.HIGHEST_PROTOCOL)
            self._file.seek(self._end)
            self._file.write(len(data).to_bytes(_HEADER, "little") + data)
            self._end += _HEADER + len(data)
            self._block = []
        return self._end

    def between(self, at: int, end: int) -> Iterator[T]:
        """Yield the items between two marks; several such iterators may take turns."""
        while at < end:
            self._file.seek(at)
            size = int.from_bytes(self._file.read(_HEADER), "little")
            yield from pickle.loads(self._file.read(size))
            at += _HEADER + size

    def __iter__(self) -> Iterator[T]:
        return self.between(0, self.mark())


def ordered(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield *entries* by the bytes of their keys, each key once.

    Parameters
    ----------
    entries
        In any order. All are taken before the first comes out; of what is more than a run,
        a temporary file holds the rest.

    Raises
    ------
    ValueError
        A key is there twice, with sizes, versions or checksums that contradict each other.

    Examples
    --------
    >>> [entry.key for entry in ordered([Entry("b"), Entry("a"), Entry("b", 9)])]
    ['a', 'b']
    """
    left = iter(entries)
    run = sorted(islice(left, RUN), key=entry_bytes)
    following = next(left, None)
    if following is None:
        return _merged(run)
    left = chain((following,), left)
    spool: Spool[Entry] = Spool()
    marks = [0]
    while run:
        for entry in run:
            spool.append(entry)
        marks.append(spool.mark())
        run.clear()  # no two runs at a time
        run += islice(left, RUN)
        run.sort(key=entry_bytes)
    runs = [spool.between(*ends) for ends in pairwise(marks)]
    return _merged(merge(*runs, key=entry_bytes))


def _merged(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield sorted *entries*, those with the same key as one."""
    last: Entry | None = None
    for entry in entries:
        if last is None:
            last = entry
        elif last.key == entry.key:
            last = union(last, entry)
        else:
            yield last
            last = entry
    if last is not None:
        yield last


def union(one: Entry, other: Entry) -> Entry:
    """Return all that two entries tell of the same key, or raise ValueError."""
    for what, first, second in (
        ("sizes", one.size, other.size),
        ("versions", one.version or None, other.version or None),
    ):
        if None not in (first, second) and first != second:
            raise ValueError(f"{one.key!r} is there twice, with two {what}: {first} and {second}")
    checksums: dict[tuple[str, int], Checksum] = {}
    for checksum in (*one.checksums, *other.checksums):
        known = checksums.setdefault((checksum.algorithm, checksum.composite), checksum)
        if known.value != checksum.value:
            raise ValueError(
                f"{one.key!r} is there twice, with two values of {known.algorithm}: "
                f"{known.value.hex()} and {checksum.value.hex()}"
            )
        if not known.parts:
            checksums[checksum.algorithm, checksum.composite] = checksum
    return Entry(
        one.key,
        other.size if one.size is None else one.size,
        tuple(checksums.values()),
        one.version or other.version,
        one.archived or other.archived,
        one.complete and other.complete,
    )


class Pair(NamedTuple):
    """One key: what is there, and what should be."""

    key: str
    present: Entry | None
    """As the source lists it; None: it is not there, or the source was not listed."""
    expected: Entry | None
    """As a manifest or another source tells; None: not expected, or nothing but the source's own
    checksums is asked for."""


def joined(present: Iterable[Entry], expected: Iterable[Entry]) -> Iterator[Pair]:
    """Yield a pair for every key of either side, in order; both must be in order.

    Raises
    ------
    ValueError
        A side is not in the order of its keys' bytes, so that nothing could be said of it.

    Examples
    --------
    >>> for key, *sides in joined([Entry("a"), Entry("c")], [Entry("b"), Entry("c")]):
    ...     print(key, [side is not None for side in sides])
    a [True, False]
    b [False, True]
    c [True, True]
    """
    left, right = _keyed(present), _keyed(expected)
    one, other = next(left, None), next(right, None)
    while one and other:
        if one[0] == other[0]:
            yield Pair(one[1].key, one[1], other[1])
            one, other = next(left, None), next(right, None)
        elif one[0] < other[0]:
            yield Pair(one[1].key, one[1], None)
            one = next(left, None)
        else:
            yield Pair(other[1].key, None, other[1])
            other = next(right, None)
    while one:
        yield Pair(one[1].key, one[1], None)
        one = next(left, None)
    while other:
        yield Pair(other[1].key, None, other[1])
        other = next(right, None)


def _keyed(entries: Iterable[Entry]) -> Iterator[tuple[bytes, Entry]]:
    last = b""
    for entry in entries:
        key = entry_bytes(entry)
        if key <= last:
            raise ValueError(f"{entry.key!r} is listed out of order, after {last!r}")
        last = key
        yield key, entry
