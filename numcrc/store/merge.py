"""Sort entries by key, on disk if they are many, and join two sorted sides into pairs."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from io import BytesIO
from itertools import chain, islice, pairwise
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Generic, TypeVar
from weakref import finalize

from numcrc._light import NamedTuple
from numcrc.store.keys import is_folder, key_bytes
from numcrc.store.objects import Checksum, Entry

T = TypeVar("T")

# Entries that are sorted in memory: about 40 MB.
RUN = 100_000
# Items that are pickled together: enough to share repeated values, few enough that one block
# of each of a hundred runs fits in memory.
BLOCK = 256
# Bytes of a spool in memory.
IN_MEMORY = 4 << 20
# Checksums of a key, in all its entries: bounds memory and time.
MOST_CHECKSUMS = 256
# Bytes of the length in front of a pickled block.
_HEADER = 4


class Spool(Generic[T]):
    """A list that moves to an anonymous temporary file when it grows."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._in_memory = True
        self._end = 0
        self._block: list[T] = []

    def append(self, item: T) -> None:
        """Append an item."""
        self._block.append(item)
        if len(self._block) == BLOCK:
            self.mark()

    def mark(self) -> int:
        """Return the position after the last item."""
        if self._block:
            data = pickle.dumps(self._block, pickle.HIGHEST_PROTOCOL)
            self._file.seek(self._end)
            self._file.write(len(data).to_bytes(_HEADER, "little") + data)
            self._end += _HEADER + len(data)
            self._block = []
            if self._in_memory and self._end > IN_MEMORY:
                self._move()
        return self._end

    def _move(self) -> None:
        # Not a SpooledTemporaryFile: an interrupt in the Python code that ends one is lost.
        file = TemporaryFile()  # noqa: SIM115
        finalize(self, file.close)
        self._file.seek(0)
        copyfileobj(self._file, file)
        self._file, self._in_memory = file, False

    def between(self, start: int, end: int) -> Iterator[T]:
        """Yield the items between two marks. Several of these iterators may be in use at once."""
        while start < end:
            self._file.seek(start)
            size = int.from_bytes(self._file.read(_HEADER), "little")
            yield from pickle.loads(self._file.read(size))
            start += _HEADER + size

    def __iter__(self) -> Iterator[T]:
        return self.between(0, self.mark())


def sorted_entries(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield *entries* in the order of their keys, one for each key.

    All entries are read before the first is yielded. If there are more than `RUN`, they are
    sorted in runs, which are written to a temporary file and merged.

    Raises
    ------
    ValueError
        Entries of the same key contradict each other.

    Examples
    --------
    >>> [entry.key for entry in sorted_entries([Entry("b"), Entry("a"), Entry("b", 9)])]
    ['a', 'b']
    """
    rest = iter(entries)
    run = sorted(islice(rest, RUN), key=_key)
    following = next(rest, None)
    if following is None:
        return _unique(run)
    rest = chain((following,), rest)
    spool: Spool[Entry] = Spool()
    marks = [0]
    while run:
        for entry in run:
            spool.append(entry)
        marks.append(spool.mark())
        run.clear()  # before the next run is read, so that only one is in memory
        run += islice(rest, RUN)
        run.sort(key=_key)
    runs = [spool.between(*ends) for ends in pairwise(marks)]
    return _unique(merge(*runs, key=_key))


def _key(entry: Entry) -> bytes:
    return key_bytes(entry.key)


def _unique(entries: Iterable[Entry]) -> Iterator[Entry]:
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
    """Return what two entries of the same key know together.

    Raises
    ------
    ValueError
        They contradict each other.

    Examples
    --------
    >>> union(Entry("a", 9), Entry("a", None, (Checksum("crc32", b"1234"),))).size
    9
    """
    for name, first, second in (
        ("sizes", one.size, other.size),
        ("versions", one.version or None, other.version or None),
    ):
        if None not in (first, second) and first != second:
            raise ValueError(f"duplicate key {one.key!r} with different {name}: {first}, {second}")
    checksums: dict[tuple[str, int], Checksum] = {}
    for checksum in (*one.checksums, *other.checksums):
        known = checksums.setdefault((checksum.algorithm, checksum.composite), checksum)
        if known.value != checksum.value:
            raise ValueError(
                f"duplicate key {one.key!r} with different values of {known.algorithm}: "
                f"{known.value.hex()}, {checksum.value.hex()}"
            )
        if not known.parts:
            guessed = known.guessed and checksum.guessed
            checksums[checksum.algorithm, checksum.composite] = checksum._replace(guessed=guessed)
    if len(checksums) > MOST_CHECKSUMS:
        raise ValueError(f"key {one.key!r} has more than {MOST_CHECKSUMS} checksums")
    return Entry(
        one.key,
        other.size if one.size is None else one.size,
        tuple(checksums.values()),
        one.version or other.version,
        one.archived or other.archived,
        one.complete and other.complete,
    )


class Pair(NamedTuple):
    """One key with the object in the source and the object that is expected."""

    key: str
    present: Entry | None
    """As the source lists it; None if it is not there, or the source was not listed."""
    expected: Entry | None
    """As a manifest or another source describes it; None if it is not expected, or the expected
    checksums are the source's own."""


def full_join(present: Iterable[Entry], expected: Iterable[Entry]) -> Iterator[Pair]:
    """Yield a pair for each key of either side, in order.

    A folder marker on one side, an empty object whose key ends with ``/``, is paired with the
    folder on the other side, if there are keys in it.

    Raises
    ------
    ValueError
        A side is not in the order of its keys, without duplicates.

    Examples
    --------
    >>> for key, *sides in full_join([Entry("a"), Entry("c")], [Entry("b"), Entry("c")]):
    ...     print(key, [side is not None for side in sides])
    a [True, False]
    b [False, True]
    c [True, True]
    >>> next(full_join([Entry("a/", 0), Entry("a/b")], [Entry("a/b")])).expected
    Entry(key='a/', size=0, checksums=(), version='', archived=False, complete=True)
    """
    left, right = _in_order(present), _in_order(expected)
    one, other = next(left, None), next(right, None)
    while one and other:
        if one[0] == other[0]:
            yield Pair._make((one[1].key, one[1], other[1]))
            one, other = next(left, None), next(right, None)
        elif one[0] < other[0]:
            pair = Pair(one[1].key, one[1], None)
            in_folder = other[0].startswith(one[0]) and _is_marker(pair)
            yield _with_folder(pair) if in_folder else pair
            one = next(left, None)
        else:
            pair = Pair(other[1].key, None, other[1])
            in_folder = one[0].startswith(other[0]) and _is_marker(pair)
            yield _with_folder(pair) if in_folder else pair
            other = next(right, None)
    while one:
        yield Pair(one[1].key, one[1], None)
        one = next(left, None)
    while other:
        yield Pair(other[1].key, None, other[1])
        other = next(right, None)


def pair_folders(
    pairs: Iterable[Pair],
    present: Callable[[str], bool] | None,
    expected: Callable[[str], bool] | None,
) -> Iterator[Pair]:
    """Yield *pairs*, those of a folder marker with the folder on the other side.

    *present* and *expected* return whether a side has a folder; None: it is not asked.
    """
    for pair in pairs:
        has_folder = present if pair.present is None else expected
        if has_folder is not None and _is_marker(pair) and has_folder(pair.key):
            pair = _with_folder(pair)
        yield pair


def _is_marker(pair: Pair) -> bool:
    """Return whether *pair* is a folder marker on one side only."""
    marker = pair.present if pair.expected is None else pair.expected
    one_sided = None in (pair.present, pair.expected)
    return one_sided and is_folder(pair.key) and marker is not None and marker.size == 0


def _with_folder(pair: Pair) -> Pair:
    """Return the pair of a folder marker and a folder, which has nothing to compare."""
    folder = Entry(pair.key, 0, complete=True)
    return Pair(pair.key, pair.present or folder, folder)


def _in_order(entries: Iterable[Entry]) -> Iterator[tuple[bytes, Entry]]:
    last = b""
    for entry in entries:
        key = key_bytes(entry.key)
        if key <= last:
            raise ValueError(f"key {entry.key!r} is listed out of order, after {last!r}")
        last = key
        yield key, entry
