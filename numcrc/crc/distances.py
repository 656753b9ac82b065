"""Look up the Hamming distances of the catalogue's polynomials.

They are in ``hd.json``, which ``asv_bench/explore_hd.py`` makes and which says how each was found.
A polynomial and its reciprocal have the same ones, and share an entry.
"""

from __future__ import annotations

import json

from numcrc._light import NamedTuple, cache, read
from numcrc.crc import gf2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Limit(NamedTuple):
    """The most data bits that a CRC protects with a Hamming distance."""

    bits: int
    exact: bool
    """If False, the search ended before its answer, which is at least this."""


class Distances(NamedTuple):
    """What is known of a polynomial."""

    limits: dict[int, Limit]
    """From distance 3 on; those that no length reaches are left out."""
    patterns: dict[int, tuple[int, ...]]
    """By their number: the bits of an undetected error of the least span, where a search is long.
    Bits are numbered from the end of the CRC on."""

    def at(self, nbits: int) -> int | None:
        """Return the distance for data of this length; None where it is not known."""
        found = max((hd for hd, limit in self.limits.items() if limit.bits >= nbits), default=2)
        return found if self.limits.get(found + 1, _NONE).exact else None


_NONE = Limit(0, True)


@cache
def find(generator: int) -> Distances | None:
    """Return what is known of a polynomial, given with its highest term; None if nothing is."""
    found = _entries().get(key(generator))
    if found is None:
        return None
    at_least = found.get("at least", ())
    listed: list[list[int]] = found.get("patterns", [])
    limits = {hd: Limit(bits, hd not in at_least) for hd, bits in enumerate(found["limits"], 3)}
    width = generator.bit_length() - 1
    mirrored = f"{generator:x}" != key(generator)
    patterns: dict[int, tuple[int, ...]] = {}
    for bits in listed:
        pattern = tuple(bits[-1] - bit for bit in reversed(bits)) if mirrored else tuple(bits)
        patterns[len(pattern)] = pattern
    assert all(limits[len(p) + 1].bits == p[-1] - width for p in patterns.values())
    return Distances(limits, patterns)


def key(generator: int) -> str:
    """Return the entry of a polynomial and of its reciprocal in ``hd.json``."""
    return f"{min(generator, gf2.reflect(generator, generator.bit_length())):x}"


@cache
def _entries() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = json.loads(read("crc/hd.json"))["polynomials"]
    return entries
