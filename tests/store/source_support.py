"""Share small functions among tests of sources."""

from __future__ import annotations

from collections.abc import Iterable

from numcrc.store.keys import key_bytes
from numcrc.store.source import Source

BODY = bytes(range(256)) * 40


def in_order(keys: Iterable[str]) -> list[str]:
    """Return *keys* as a source lists them."""
    return sorted(keys, key=key_bytes)


def keys_of(source: Source) -> list[str]:
    """Return the keys that a source lists."""
    return [entry.key for entry in source.entries()]


def space(size: int = 1 << 16) -> memoryview:
    """Return a buffer to read into."""
    return memoryview(bytearray(size))
