"""Which objects of a store are meant: by patterns, by shards, or a sample of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from threading import Event

from numcrc.store.keys import key_bytes
from numcrc.store.objects import Entry
from numcrc.store.retries import StoppedError

_TOKEN = re.compile(r"/\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_HASH = 8  # bytes; a shard and a sample are told by two of these, so that neither skews the other


class Selection:
    """Says of a key whether it is meant.

    Parameters
    ----------
    include, exclude
        Patterns, as rclone has them. ``*`` stands for any characters but ``/``, ``**`` for any
        at all, ``?`` for one but ``/``, ``[a-z]`` and ``[!a-z]`` for one of a set, ``/**/`` also
        for one ``/``. A pattern must fit the whole key when it begins with ``/``, and otherwise
        its end, from the beginning or a ``/`` on; one that ends with ``/`` means all below a
        folder of that name. A key is meant when any of *include* fits, or there are none, and
        none of *exclude* does.
    shard
        K and N, to mean the K-th of N shares of the keys, from 1. A key's share depends on
        nothing but the key and N.
    sample
        A share of the keys, above 0 and up to 1; those of a smaller sample are in a larger one.

    Raises
    ------
    ValueError
        A pattern, a shard or a sample makes no sense.

    Examples
    --------
    >>> meant = Selection(include=["*.jpg"], exclude=["/tmp/"])
    >>> [key for key in ("a.jpg", "b/c.jpg", "tmp/d.jpg", "e.txt") if meant(key)]
    ['a.jpg', 'b/c.jpg']
    """

    def __init__(
        self,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        shard: tuple[int, int] | None = None,
        sample: float | None = None,
    ) -> None:
        self._include, self._exclude = _any_of(include), _any_of(exclude)
        if shard is not None and not 1 <= shard[0] <= shard[1]:
            raise ValueError(f"there is no shard {shard[0]} of {shard[1]}: they are 1 to N of N")
        if sample is not None and not 0 < sample <= 1:
            raise ValueError(f"a sample must be above 0 and up to 1, not {sample:g}")
        self._shard, self._sample = shard, sample
        self._hashed = shard is not None or sample is not None
        self.everything = not (include or exclude or self._hashed)

    def __call__(self, key: str) -> bool:
        """Return whether *key* is meant."""
        if self._include and not self._include(key):
            return False
        if self._exclude and self._exclude(key):
            return False
        if not self._hashed:
            return True
        digest = blake2b(key_bytes(key), digest_size=2 * _HASH).digest()
        if self._shard is not None:
            number, count = self._shard
            if int.from_bytes(digest[:_HASH], "big") % count != number - 1:
                return False
        if self._sample is None:
            return True
        return int.from_bytes(digest[_HASH:], "big") < self._sample * 2.0 ** (8 * _HASH)

    def of(self, entries: Iterable[Entry], stop: Event) -> Iterator[Entry]:
        """Yield the selected entries.

        Raises
        ------
        StoppedError
            *stop* is set. An iterator that merely ended would make the other entries missing.
        """
        for entry in entries:
            if stop.is_set():
                raise StoppedError
            if self.everything or self(entry.key):
                yield entry


def _any_of(patterns: Sequence[str]) -> Callable[[str], object] | None:
    """Return what says whether a key fits any of *patterns*; None where there are none."""
    if isinstance(patterns, str):
        raise TypeError("patterns must be a sequence of strings, not one string")
    if not patterns:
        return None
    return re.compile("|".join(map(_expression, patterns)), re.DOTALL).fullmatch


def _expression(pattern: str) -> str:
    """Return the regular expression of one pattern."""
    if not pattern.strip("/"):
        raise ValueError(f"{pattern!r} is no pattern: it names nothing")
    below = "**" if pattern.endswith("/") else ""
    text = "".join(map(_translated, _TOKEN.findall(pattern.removeprefix("/") + below)))
    expression = text if pattern.startswith("/") else f"(?:.*/)?{text}"
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no pattern: {error}") from None
    return expression


def _translated(token: str) -> str:
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
