"""Define the two kinds of fuzz targets, and what their functions share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from numcrc.store.manifests import ManifestError

T = TypeVar("T")


class ByteTarget(NamedTuple):
    """A target that reads bytes, which libFuzzer mutates."""

    name: str
    summary: str
    run: Callable[[bytes], object]
    """Reads an input. It raises an exception for a defect of the parser, not of the input."""
    seeds: Callable[[], Iterable[bytes]]
    """Returns inputs to begin with."""
    tokens: tuple[bytes, ...] = ()
    """Words of the format."""


class CallTarget(NamedTuple):
    """A target that makes random calls and compares their results with a simple model."""

    name: str
    summary: str
    source: Callable[[random.Random], str]
    """Returns the source code of a call and of the check of its result."""
    names: dict[str, Any]
    """The names that the source code uses."""


class Choices:
    """Makes choices from bytes; after their end, always the first.

    Examples
    --------
    >>> choices = Choices(bytes([7, 1]))
    >>> choices.below(5), choices.pick("abc"), choices.pick("abc")
    (2, 'b', 'a')
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def raw(self, size: int) -> bytes:
        """Return the next *size* bytes, with zeros at the end if there are too few."""
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found.ljust(size, b"\0")

    def rest(self) -> bytes:
        """Return the remaining bytes."""
        return self.raw(len(self._data) - self._at)

    def below(self, most: int) -> int:
        """Return an integer from 0 to *most* - 1; *most* is at most 256."""
        return self.raw(1)[0] % most

    def pick(self, several: Sequence[T]) -> T:
        """Return one of *several*."""
        return several[self.below(len(several))]

    def integer(self) -> int:
        """Return an integer, near 0 or near the limit of a type."""
        limit = self.pick((0, 1, 2**31, 2**32, 2**53, 2**63, 2**64, 10**30))
        return self.pick((1, -1)) * limit + self.below(256) - 2


def outcome(found: Iterable[T]) -> tuple[list[T], str]:
    """Return the items of *found*, and the message of the `ManifestError` after them, or ""."""
    items: list[T] = []
    try:
        for item in found:
            items.append(item)  # noqa: PERF402 (those before an error count)
    except ManifestError as error:
        return items, str(error)
    return items, ""


def equal(found: Sequence[T], expected: Sequence[T]) -> None:
    """Check that two sequences are equal."""
    for number, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert one == other, f"item {number} is {one!r}, not {other!r}"
    assert len(found) == len(expected), f"{len(found)} items, not {len(expected)}"
