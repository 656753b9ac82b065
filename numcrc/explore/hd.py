"""Compute Hamming distances: the least number of flipped bits that a CRC does not detect.

An error is undetected if P divides its polynomial. Multiplying by x only shifts it, so for each
weight w the least span d is searched for: that of an undetected pattern from bit 0 to bit d
(`numcrc.jit.kernels.distance`). Its weight counts from ``d + 1`` bits of codeword on.

The number of probes is n for w = 3, ``n^2 / 2`` for 4 and 5, ``n^3 / 6`` for 6 and 7, and
``n^4 / 24`` for 8 and 9. Heavier ones are found at short lengths, where all data are tried.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from numcrc.algorithm import Algorithm
from numcrc.crc import distances, factors
from numcrc.crc.distances import Limit
from numcrc.crc.model import index
from numcrc.explore.kernels import PIECE, call, in_threads, syndromes
from numcrc.jit.plan import FILTER, REHASH, SPAN, SPAN4, WALK
from numcrc.registry import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from numcrc.explore.kernels import Progress, Words

__all__ = ["Limit", "Undecided", "example", "hamming_distance", "hd_limits"]

BUDGET = 5_000_000_000
"""Default budget, enough for every CRC of the catalogue up to 40 bits; ten seconds at most."""
_WALKED = 22
"""Data bits up to which all codewords are tried, 2^22 of them."""
_LONGEST = 1 << 24
"""Codeword bits up to which more than two flips are searched for: 128 MiB of syndromes."""
_HEAVIEST = 9
"""The greatest weight that is searched for in codewords of any length."""
_TABLE_BITS = 26
"""Bits of the number of slots of the largest table: 512 MiB."""
_SLOTS = 1 << 20
"""Slots of a table that are filled between two checks for signals."""


class Undecided(RuntimeError):  # noqa: N818
    """The Hamming distance was not found within the budget.

    Attributes
    ----------
    at_least : int
        No pattern of fewer flipped bits is undetected.
    """

    def __init__(self, at_least: int) -> None:
        super().__init__(f"the Hamming distance is at least {at_least}; the search ended before")
        self.at_least = at_least

    def __reduce__(self) -> tuple[type[Undecided], tuple[int]]:
        return Undecided, (self.at_least,)


def hd_limits(
    crc: Algorithm | str,
    max_hd: int | None = None,
    budget: int | None = None,
    progress: Progress | None = None,
) -> dict[int, Limit]:
    """Return the longest data that a CRC protects with each Hamming distance.

    With a Hamming distance of 4, for example, any three flipped bits of the data and their CRC are
    detected. Only the polynomial matters. Those of the catalogue are looked up in the package;
    others are searched for, in tables of at most 1 GiB, and usually 50 MiB.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`; at most 64 bits wide.
    max_hd : int, optional
        The greatest distance of interest, at least 3; by default all that are found.
    budget : int, optional
        How many steps the search may take, some 2 ns each. Each number of flipped bits takes at
        most half of what is left. If it is given, nothing is looked up in the package. The
        default, 5e9, is enough for nearly all CRCs up to 32 bits wide, and takes some ten seconds
        at most.
    progress : callable, optional
        Called with the part of the budget that is spent, and with 1 in the end.

    Returns
    -------
    dict of int to Limit
        For each distance from 3 on, ascending, the data bits, without the CRC's, and whether
        that number is exact. Distances that no length reaches are left out; at any length the
        distance is at least 2.

    Raises
    ------
    ValueError
        The polynomial is even: it has no constant term. Or *max_hd* or *budget* is too small.
    NotImplementedError
        The CRC is wider than 64 bits.

    Examples
    --------
    >>> hd_limits("CRC-16/ARC")
    {3: Limit(bits=32751, exact=True), 4: Limit(bits=32751, exact=True)}
    >>> hd_limits("CRC-8/SMBUS", max_hd=4)[4].bits
    119
    """
    search = _Search(crc, BUDGET if budget is None else budget, progress)
    if max_hd is not None and (max_hd := index(max_hd, "max_hd")) < 3:
        raise ValueError(f"max_hd must be at least 3, not {max_hd}")
    if budget is None and (known := distances.find(search.generator)):
        search.report(1)
        return {hd: limit for hd, limit in known.limits.items() if hd <= (max_hd or hd)}
    return _searched(search, max_hd)


def _searched(search: _Search, max_hd: int | None = None) -> dict[int, Limit]:
    width = search.width
    found: dict[int, Limit] = {}
    shortest, exact = 0, True
    for weight, span, exact in search.spans(_LONGEST):  # codewords of span bits lack that weight
        shortest = span - width
        found[weight + 1] = Limit(shortest, exact)
        if shortest <= _WALKED or weight + 1 == max_hd:
            break
    bounded = exact and shortest <= _WALKED  # no greater distance reaches further
    walked = search.walk(max(shortest, 1) if bounded else _WALKED)
    for hd in range(3, min(max_hd or 65, 65) + 1):
        fits = sum(weight >= hd for weight in walked)
        if hd not in found or found[hd].bits < fits:
            found[hd] = Limit(fits, bounded or fits < len(walked))
        elif found[hd].bits == fits < len(walked):
            found[hd] = Limit(fits, True)
    search.report(1)
    return {hd: limit for hd, limit in found.items() if limit.bits > 0}


def hamming_distance(
    crc: Algorithm | str, nbits: int, budget: int | None = None, progress: Progress | None = None
) -> int:
    """Return the Hamming distance of a CRC for data of a length.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`; at most 64 bits wide.
    nbits : int
        The number of data bits, without the CRC's.
    budget, progress
        As for `hd_limits`.

    Returns
    -------
    int
        The least number of flipped bits that may go undetected.

    Raises
    ------
    Undecided
        The budget ended before; the exception has what the distance is *at_least*.
    ValueError
        The polynomial is even, or *nbits* or *budget* is not positive.
    NotImplementedError
        The CRC is wider than 64 bits.

    Examples
    --------
    >>> hamming_distance("CRC-32", 1500 * 8), hamming_distance("CRC-32C", 1500 * 8)
    (4, 4)
    >>> hamming_distance("CRC-16/IBM-3740", 128)
    4
    """
    _, generator = checked_generator(crc)
    nbits = checked_nbits(nbits)
    known = distances.find(generator) if budget is None else None
    return (known and known.at(nbits)) or len(example(crc, nbits, budget, progress))


def example(
    crc: Algorithm | str, nbits: int, budget: int | None = None, progress: Progress | None = None
) -> list[int]:
    """Return the positions of as few flipped bits as possible that a CRC does not detect.

    This proves that the Hamming distance is not greater than their number, and tests
    implementations.

    Parameters
    ----------
    crc, nbits, budget, progress
        As for `hamming_distance`.

    Returns
    -------
    list of int
        The positions, ascending, counted from the end of data and CRC: position i is the
        coefficient of ``x^i``, and 0 is the last bit of the CRC. The order of bits in bytes
        is the algorithm's.

    Raises
    ------
    Undecided
        The budget ended before.
    ValueError
        The polynomial is even, or *nbits* or *budget* is not positive.
    NotImplementedError
        The CRC is wider than 64 bits.

    Examples
    --------
    >>> example("CRC-16/ARC", 40000)
    [0, 32767]
    >>> len(example("CRC-32", 300))
    5
    """
    search = _Search(crc, BUDGET if budget is None else budget, progress)
    nbits = checked_nbits(nbits)
    if nbits <= _WALKED:
        return search.lightest(nbits)
    n = nbits + search.width
    if budget is None and (known := distances.find(search.generator)):
        if n > (order := factors.order(search.generator)):
            return [0, order]
        if pattern := known.patterns.get(known.at(nbits) or 0):
            return list(pattern)
    at_least = 2
    for weight, span, exact in search.spans(min(n, _LONGEST)):
        if exact and span < n:
            return search.pattern(weight, span)
        if not exact and span < n:
            raise Undecided(weight)
        at_least = weight + 1
    if search.even and at_least % 2:
        at_least += 1
    if nbits < search.budget.bit_length():
        return search.lightest(nbits)
    raise Undecided(at_least)


def checked_nbits(nbits: int) -> int:
    """Return *nbits*, a positive integer, or raise."""
    if (nbits := index(nbits, "nbits")) < 1:
        raise ValueError(f"nbits must be at least 1, not {nbits}")
    return nbits


def checked_generator(crc: Algorithm | str, widest: int = 64) -> tuple[int, int]:
    """Return the width and the polynomial with its highest term, or raise."""
    algorithm = resolved(crc)
    if algorithm.width > widest:
        raise NotImplementedError(
            f"expected a CRC of at most {widest} bits, got one of {algorithm.width}"
        )
    if not algorithm.poly & 1:
        raise ValueError(
            f"poly {algorithm.poly:#x} is even: x divides it, so it detects no flip of the last bit"
        )
    return algorithm.width, 1 << algorithm.width | algorithm.poly


class _Search:
    """Searches for undetected patterns of a polynomial, lighter ones before heavier ones."""

    def __init__(self, crc: Algorithm | str, budget: int, progress: Progress | None) -> None:
        self.width, self.generator = checked_generator(crc)
        self.poly = self.generator ^ 1 << self.width
        self.budget = index(budget, "budget")
        if self.budget < 1:
            raise ValueError(f"budget must be at least 1, not {budget}")
        self.even = self.generator.bit_count() % 2 == 0
        self._left = self._allowed = self.budget
        """What is left of the budget, and what the present weight may take of it."""
        self._progress = progress
        self._powers = np.ones(1, np.uint64)
        self._sum = 0
        """What the table had when the last pattern was found."""

    def powers(self, n: int) -> Words:
        """Return the syndromes of n bits."""
        if len(self._powers) < n:
            self._powers = syndromes(self.poly, self.width, n, self._powers)
        return self._powers[:n]

    def spans(self, n: int) -> Iterator[tuple[int, int, bool]]:
        """Yield each weight with the bits of codeword that surely lack it and all lighter ones.

        Codewords of at most n bits are searched, but for weight 2. The last item says whether
        one bit more has the weight; otherwise more may lack it, too.
        """
        span, exact = factors.order(self.generator), True
        yield 2, span, exact
        for weight in range(3, _HEAVIEST + 1):
            if not (weight % 2 and self.even):
                most = min(span, n)
                self._allowed = max(1, self._left // 2)
                found, spent = self._span(weight, most)
                if found:
                    span, exact = found, True
                elif spent or most < span:
                    span, exact = spent or most, False
            yield weight, span, exact

    def _span(self, weight: int, n: int) -> tuple[int, int]:
        """Return the least span below n of a pattern, or 0; and where the budget ended, or 0."""
        return self._span_4(n) if weight == 4 else self._span_any(weight, n)

    def _spend(self, steps: int) -> bool:
        """Note that so many steps were done; return whether no more may be."""
        self._left -= steps
        self._allowed -= steps
        self.report(min(1.0, 1 - self._left / self.budget))
        return self._allowed <= 0

    def report(self, part: float) -> None:
        """Report progress."""
        if self._progress is not None:
            self._progress(part)

    def _span_any(self, weight: int, n: int) -> tuple[int, int]:
        p = (weight - 1) // 2
        bits, before = 12, 0
        table = _table(bits)
        # d, end of what is inserted, used slots, steps, sum found, index in the sums of q
        state = np.array([weight - 1, 1, 0, 0, 0, weight - 2 - p], np.uint64)
        size = min(n, 1024)
        while True:
            s = self.powers(size)
            limit = min(PIECE, max(self._allowed, 1))
            result = call(SPAN, s, size, p, weight - 2 - p, table, bits, state, limit)
            d, _, _, steps, found, _ = state.tolist()
            spent = self._spend(steps - before)
            before = steps
            if result == 1:
                self._sum = found
                return d, 0
            if result == 0:
                if size == n:
                    return 0, 0
                size = min(4 * size, n)
            elif result == 2:
                if bits == _TABLE_BITS:
                    return 0, d
                grown, bits = bits, min(bits + 2, _TABLE_BITS)
                slots, old, table = 1 << grown, table, _table(bits)
                for start in range(0, slots, _SLOTS):
                    part = old[start : min(start + _SLOTS, slots)]
                    call(REHASH, part, len(part), table, bits)
            elif spent:
                return 0, d

    def _span_4(self, n: int) -> tuple[int, int]:
        """Do as `_span_any` for weight 4, with several threads and a table of all syndromes."""
        start, size = 3, min(n, 1024)
        while start < n:
            s = self.powers(size)
            bits = max(12, (4 * size).bit_length())
            table = np.zeros(1 << bits, np.uint64)
            seen_bits = max(16, bits + 2)
            seen = np.zeros(1 << (seen_bits - 3), np.uint8)
            for first in range(0, size - 1, _SLOTS):
                part = s[first : first + _SLOTS + 1]  # the first one is left out
                call(FILTER, part, len(part), table, bits, seen, seen_bits)
            while start < size:
                end = min(size, start + max(1, min(16 * PIECE, self._allowed) // size))
                if d := _end_of_four(s, start, end, (table, bits, seen, seen_bits)):
                    return d, 0
                spent = self._spend((end - start) * (start + end) // 2)
                start = end
                if spent and start < n:
                    return 0, start
            size = min(4 * size, n)
        return 0, 0

    def pattern(self, weight: int, d: int) -> list[int]:
        """Return the positions of a pattern that ends at bit d, where the search found one."""
        if weight == 2:
            return [0, d]
        s = self.powers(d + 1)
        wanted = 1 ^ int(s[d])
        p = (weight - 1) // 2
        if weight == 4:
            inner = s[1:d]
            first = np.flatnonzero(np.isin(inner ^ np.uint64(wanted), inner))[0]
            rest = wanted ^ int(inner[first])
            second = np.flatnonzero(inner == rest)[0]
            return sorted([0, int(first) + 1, int(second) + 1, d])
        low = _sum_of(s, d, p, self._sum)
        high = _sum_of(s, d, weight - 2 - p, wanted ^ self._sum)
        return sorted([0, *low, *high, d])

    def walk(self, most: int) -> list[int]:
        """Return the least weight of codewords of 1, 2, ..., *most* data bits."""
        return [weight for weight, _ in self._walked(most)]

    def lightest(self, nbits: int) -> list[int]:
        """Return the positions of the lightest codeword of at most this many data bits."""
        *_, (_, data) = self._walked(nbits)
        crc = 0
        for bit in range(nbits):
            if data >> bit & 1:
                crc ^= int(self.powers(self.width + nbits)[self.width + bit])
        word = data << self.width | crc
        return [bit for bit in range(word.bit_length()) if word >> bit & 1]

    def _walked(self, most: int) -> list[tuple[int, int]]:
        s = self.powers(self.width + most)[self.width :]
        found: list[tuple[int, int]] = []
        least = (1 << 62, 0)
        out = np.zeros(1, np.uint64)
        for k in range(1, most + 1):
            for start in range(0, 1 << (k - 1), PIECE):
                end = min(start + PIECE, 1 << (k - 1))
                weight = call(WALK, s, k, start, end, out)
                least = min(least, (weight, int(out[0])))
            found.append(least)
        return found


def _table(bits: int) -> Words:
    """Return an empty set of ``2^bits`` slots, with its filter behind them."""
    return np.zeros((1 << bits) + (1 << bits - 3), np.uint64)


def _end_of_four(
    s: Words, start: int, end: int, tables: tuple[Words, int, NDArray[np.uint8], int]
) -> int:
    """Return the least d, start <= d < end, at which a pattern of weight 4 ends, or 0."""
    step = max(1, PIECE // end)  # at each d, d - 2 combinations are tried
    hits: list[int] = []

    def work(chunk: int) -> bool:
        first = start + chunk * step
        hit = call(SPAN4, s, first, min(first + step, end), *tables)
        if hit:
            hits.append(hit)
        return hit > 0

    in_threads(work, -(-(end - start) // step))
    return min(hits, default=0)


def _sum_of(s: Words, end: int, k: int, wanted: int) -> Sequence[int]:
    """Return k indices of ``s[1:end]`` whose sum is *wanted*."""
    if k == 0:
        return []
    if k == 1:
        return [int(np.flatnonzero(s[1:end] == np.uint64(wanted))[0]) + 1]
    if k == 2:
        inner = s[1:end]
        first = int(np.flatnonzero(np.isin(inner ^ np.uint64(wanted), inner))[0]) + 1
        return [first, *_sum_of(s, end, 1, wanted ^ int(s[first]))]
    values = [int(value) for value in s[:end]]
    pairs = {values[a] ^ values[b]: (a, b) for a, b in combinations(range(1, end), 2)}
    for rest in combinations(range(1, end), k - 2):
        left = wanted
        for i in rest:
            left ^= values[i]
        if left in pairs and not set(pairs[left]) & set(rest):
            return [*pairs[left], *rest]
    raise AssertionError("the sum was found before")
