"""Select objects by patterns and ranges of their keys, by shard, or as a sample."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from hashlib import blake2b

from numcrc.store.keys import EVERY_KEY, KeyRange, key_bytes, key_text
from numcrc.store.objects import Entry
from numcrc.store.retries import StoppedError

_TOKEN = re.compile(r"/\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_MARKERS = re.compile(r"(?:^|/)\*/$")
# Bytes of a hash. The shard and the sample use two different hashes, so that they are independent.
_HASH = 8


class Selection:
    """Selects keys.

    Parameters
    ----------
    include, exclude
        Patterns, as rclone has them. ``*`` matches any characters but ``/``, ``**`` any at all,
        ``?`` one but ``/``, ``[a-z]`` and ``[!a-z]`` one of a set, and ``/**/`` also a single
        ``/``. A pattern that begins with ``/`` must match the whole key; others match its end,
        from the start or from after a ``/``. One that ends with ``/`` matches everything below a
        folder of that name; but ``*/``, also after the name of a folder, only the empty objects
        with which stores mark folders, whose keys end with ``/``. A key is selected if any of
        *include* matches, or there are none, and none of *exclude* does.
    shard
        K and N, to select the K-th of N shares of the keys, from 1. A key's share depends only on
        the key and N.
    sample
        The fraction of keys to select, above 0 and up to 1. Keys of a smaller sample are in every
        larger one.
    allow_empty
        Whether it is a success if no key is selected. By default it is not, because a pattern may
        be mistyped.
    keys
        The first key of a range and the key after its last one; None: the range is open there.
        Keys are in the order of their UTF-8 bytes, and neither needs to exist. Only this range is
        listed where the store allows it, and of a Parquet manifest only the row groups with keys
        in it are read. So a range is the cheapest way to divide many keys.

    Raises
    ------
    ValueError
        A pattern, the shard, the sample or the range is invalid.

    Examples
    --------
    >>> selection = Selection(include=["*.jpg"], exclude=["/tmp/"])
    >>> [key for key in ("a.jpg", "b/c.jpg", "tmp/d.jpg", "e.txt") if selection(key)]
    ['a.jpg', 'b/c.jpg']
    >>> [key for key in ("a", "b", "c", "d") if Selection(keys=("b", "d"))(key)]
    ['b', 'c']
    """

    def __init__(
        self,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        shard: tuple[int, int] | None = None,
        sample: float | None = None,
        allow_empty: bool = False,
        keys: tuple[str | None, str | None] | None = None,
    ) -> None:
        self._included, self._excluded = _matcher(include), _matcher(exclude)
        if shard is not None and not 1 <= shard[0] <= shard[1]:
            raise ValueError(f"invalid shard {shard[0]}/{shard[1]}: expected 1/N to N/N")
        if sample is not None and not 0 < sample <= 1:
            raise ValueError(f"invalid sample {sample:g}: expected more than 0, at most 1")
        self.include, self.exclude = tuple(include), tuple(exclude)
        self.shard, self.sample = shard, sample
        self.allow_empty = allow_empty
        self.keys = keys
        self.share = shard
        self.range = _range(keys)
        self._bounded = self.range != EVERY_KEY
        self._hashed = shard is not None or sample is not None

    @property
    def everything(self) -> bool:
        """Whether every key is selected."""
        return not (self.include or self.exclude or self._hashed or self._bounded)

    @property
    def identity(self) -> dict[str, object]:
        """What JSON can hold of the selection, to tell one job from another."""
        return {
            "patterns": [list(self.include), list(self.exclude)],
            "shard": self.shard and list(self.shard),
            "sample": self.sample,
            "keys": self.keys and list(self.keys),
        }

    def within(self, keys: KeyRange, share: tuple[int, int] | None = None) -> Selection:
        """Return the selection of those keys that are in a range, too.

        *share* are the number of the range, from 1, and the number of ranges, if they are equal
        shares of all keys; by default those of this selection.

        Examples
        --------
        >>> Selection(keys=("b", None)).within(KeyRange(b"a", b"c")).keys
        ('b', 'c')
        """
        found = copy(self)
        found.share = share or self.share
        found.range = self.range.common(keys)
        found._bounded = found.range != EVERY_KEY
        first, end = found.range
        found.keys = (key_text(first) or None, None if end is None else key_text(end))
        return found

    def __repr__(self) -> str:
        return (
            f"Selection(include={self.include!r}, exclude={self.exclude!r}, "
            f"shard={self.shard!r}, sample={self.sample!r}, allow_empty={self.allow_empty!r}, "
            f"keys={self.keys!r})"
        )

    def __call__(self, key: str) -> bool:
        """Return whether *key* is selected."""
        if self._bounded and not self.range.has(key_bytes(key)):
            return False
        if not self.matches(key):
            return False
        if not self._hashed:
            return True
        digest = blake2b(key_bytes(key), digest_size=2 * _HASH).digest()
        if self.shard is not None:
            number, count = self.shard
            if int.from_bytes(digest[:_HASH], "big") % count != number - 1:
                return False
        if self.sample is None:
            return True
        return int.from_bytes(digest[_HASH:], "big") < self.sample * 2.0 ** (8 * _HASH)

    def matches(self, key: str) -> bool:
        """Return whether the patterns select *key*."""
        if self._included and not self._included(key):
            return False
        return not (self._excluded and self._excluded(key))

    def of(self, entries: Iterable[Entry], stopped: Callable[[], bool]) -> Iterator[Entry]:
        """Yield the selected entries.

        Raises
        ------
        StoppedError
            *stopped* returns true. An iterator that merely ended would make the others missing.
        """
        everything = self.everything
        for entry in entries:
            if stopped():
                raise StoppedError
            if everything or self(entry.key):
                yield entry


def _range(keys: tuple[str | None, str | None] | None) -> KeyRange:
    """Return the range of *keys*, or raise ValueError if it can have none."""
    if keys is None:
        return EVERY_KEY
    if isinstance(keys, str) or len(keys) != 2:
        raise TypeError("keys must be a first key and a key after the last one")
    first, end = keys
    found = KeyRange(key_bytes(first or ""), None if end is None else key_bytes(end))
    if found.ends_before(found.first):
        raise ValueError(f"invalid range of keys: {first or ''!r} is not before {end!r}")
    return found


def _matcher(patterns: Sequence[str]) -> Callable[[str], object] | None:
    """Return a function that says whether any of *patterns* matches a key; None for none."""
    if isinstance(patterns, str):
        raise TypeError("patterns must be a sequence of strings, not one string")
    if not patterns:
        return None
    return re.compile("|".join(map(_expression, patterns)), re.DOTALL).fullmatch


def _expression(pattern: str) -> str:
    """Return the regular expression of one pattern."""
    if not pattern.strip("/"):
        raise ValueError(f"invalid pattern {pattern!r}: it matches nothing")
    below = "**" if pattern.endswith("/") and not _MARKERS.search(pattern) else ""
    text = "".join(map(_translated, _TOKEN.findall(pattern.removeprefix("/") + below)))
    expression = text if pattern.startswith("/") else f"(?:.*/)?{text}"
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f"invalid pattern {pattern!r}: {error}") from None
    return expression


def _translated(token: str) -> str:
    """Return the regular expression of a token of a pattern."""
    special = {"/**/": "/(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in special:
        return special[token]
    if len(token) > 2 and token[0] == "[":
        inside = token[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("&", r"\&")
        negated = inside.startswith("!")
        if inside.startswith(("]", "^")):
            inside = "\\" + inside
        return f"(?!/)[^{inside[1:]}]" if negated else f"(?!/)[{inside}]"
    return re.escape(token)


EVERYTHING = Selection()
"""Selects every key."""
