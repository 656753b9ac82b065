"""Objects side by side: what is in a source, and what is expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from numcrc.store.merge import entry_bytes
from numcrc.store.objects import Entry


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
    >>> from numcrc.store.objects import Entry
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
