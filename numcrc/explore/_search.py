"""Search for polynomials that protect data of a length with a Hamming distance."""

from __future__ import annotations

from math import comb
from random import Random
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from numcrc.algorithm import Algorithm
from numcrc.crc import gf2
from numcrc.crc.factors import factor
from numcrc.crc.model import index
from numcrc.crc.polynomial import Polynomial
from numcrc.explore.hd import _LONGEST, BUDGET, _Search, checked_nbits
from numcrc.explore.kernels import call, in_threads
from numcrc.jit.plan import PROFILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from numcrc.explore.kernels import Progress

_ALL = 16
"""The greatest width of which all polynomials are tried."""
_GREATEST = 9
"""The greatest Hamming distance that is searched for."""
_ENDLESS = 1 << 62
"""A budget that does not end a search: `_sampled` refuses long ones."""
_CHUNK = 128
"""Polynomials that a thread tries between two checks for signals."""


def search(
    width: int,
    nbits: int,
    hd: int,
    count: int | None = None,
    seed: int | None = None,
    factors: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> list[Polynomial]:
    """Return polynomials that protect data of a length with a Hamming distance.

    Parameters
    ----------
    width : int
        The width of the CRC, 1 to 64 bits.
    nbits : int
        The number of data bits, without the CRC's.
    hd : int
        The least Hamming distance, 3 to 9.
    count : int, optional
        How many random polynomials to try. By default all of this width are, up to 16 bits.
    seed : int, optional
        Of the random polynomials; the same ones are tried again.
    factors : sequence of int, optional
        The degrees of the irreducible factors of the random polynomials: the best known ones are
        products such as 1, 1, 15, 15. By default half of them are multiples of x + 1.
    progress : callable, optional
        Called with the part of the work that is done, from any thread.

    Returns
    -------
    list of Polynomial
        Of a polynomial and its reciprocal, which detects the same errors, only one is there. Those
        that protect the longest data with this distance come first; random ones are compared only
        up to twice *nbits*.

    Raises
    ------
    ValueError
        The width is above 16 without *count*, or an argument is out of range.
    NotImplementedError
        Trying a single polynomial would take too long.

    Examples
    --------
    >>> best = search(8, nbits=119, hd=4)[0]
    >>> hex(best.normal), hex(best.koopman)
    ('0x7', '0x83')
    >>> found = search(32, nbits=1024, hd=5, count=20, seed=1)
    >>> all(p.width == 32 for p in found)
    True
    """
    width, hd, nbits = index(width, "width"), index(hd, "hd"), checked_nbits(nbits)
    if not 1 <= width <= 64:
        raise ValueError(f"width must be 1..64, not {width}")
    if not 3 <= hd <= _GREATEST:
        raise ValueError(f"hd must be 3..{_GREATEST}, not {hd}")
    if count is None:
        if width > _ALL:
            raise ValueError(f"expected count: a width of {width} has too many polynomials")
        if factors is not None or seed is not None:
            raise ValueError("expected count with factors and seed")
        return _all(width, nbits, hd, progress)
    seed = None if seed is None else index(seed, "seed")
    if (count := index(count, "count")) < 0:
        raise ValueError(f"count must not be negative, but is {count}")
    drawn = _random(width, Random(seed)) if factors is None else _products(width, factors, seed)
    return _sampled(width, nbits, hd, count, drawn, progress)


def _all(width: int, nbits: int, hd: int, progress: Progress | None) -> list[Polynomial]:
    if nbits >= 1 << width:  # two flips as far apart as the order of x are not detected
        return []
    polys = np.arange(1, 1 << width, 2, dtype=np.uint64)
    reciprocals = np.zeros_like(polys)
    whole = polys | np.uint64(1 << width)
    for bit in range(width + 1):
        reciprocals |= (whole >> np.uint64(bit) & np.uint64(1)) << np.uint64(width - bit)
    polys = polys[whole <= reciprocals]
    longest = np.zeros(len(polys), np.uint64)
    chunks = -(-len(polys) // _CHUNK)
    done, lock = 0, Lock()

    def work(chunk: int) -> bool:
        nonlocal done
        part: NDArray[np.uint64] = polys[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        s, seen = np.empty(1 << width, np.uint64), np.zeros(max(1, 1 << width >> 6), np.uint64)
        out = longest[chunk * _CHUNK :]
        call(PROFILE, part, len(part), width, hd, nbits + width, s, seen, out, 0)
        with lock:
            done += 1
        if progress is not None:
            progress(done / chunks)
        return False

    in_threads(work, chunks)
    order = np.argsort(-longest.astype(np.int64), kind="stable")
    return [Polynomial.from_normal(int(polys[i]), width) for i in order.tolist() if longest[i] > 0]


def _random(width: int, choice: Random) -> Iterator[int]:
    """Yield odd polynomials, every second one a multiple of x + 1."""
    while True:
        yield 1 << width | choice.getrandbits(width) | 1
        yield gf2.multiply(1 << (width - 1) | choice.getrandbits(width) >> 1 | 1, 0b11)


def _products(width: int, factors: Sequence[int], seed: int | None) -> Iterator[int]:
    """Return products of random irreducible polynomials of these degrees."""
    degrees = [index(degree, "degree") for degree in factors]
    if sum(degrees) != width or any(degree < 1 for degree in degrees):
        raise ValueError(f"factors must be degrees whose sum is {width}, not {degrees}")
    choice = Random(seed)

    def irreducible(degree: int) -> int:
        while True:
            drawn = 1 << degree | choice.getrandbits(degree) | 1
            if factor(drawn) == [(drawn, 1)]:
                return drawn

    def products() -> Iterator[int]:
        while True:
            product = 1
            for degree in degrees:
                product = gf2.multiply(product, irreducible(degree))
            yield product

    return products()


def _sampled(
    width: int, nbits: int, hd: int, count: int, drawn: Iterator[int], progress: Progress | None
) -> list[Polynomial]:
    n = nbits + width
    weight = hd - 1
    # For weight 3, n, and so on; for 2, none, since the order of x says it.
    probes = comb(n, weight - 1 - (weight - 1) // 2) if weight > 2 else 0
    if probes > BUDGET or (weight > 2 and 2 * n > _LONGEST):
        raise NotImplementedError(
            f"hd {hd} at {nbits} bits takes {float(min(probes, 10**99)):.0e} steps for each"
            " polynomial, too long"
        )
    found: dict[int, int] = {}
    for number in range(count):
        generator = next(drawn)
        generator = min(generator, gf2.reflect(generator, width + 1))
        if generator not in found and _longest(generator, width, n, n, hd):
            found[generator] = _longest(generator, width, n, 2 * n, hd)
        if progress is not None:
            progress((number + 1) / count)
    return [Polynomial(generator) for generator in sorted(found, key=lambda g: (-found[g], g))]


def _longest(generator: int, width: int, least: int, most: int, hd: int) -> int:
    """Return the bits of the longest codewords that have the distance, as far as is known.

    0 if they are shorter than *least*; those longer than *most* are not looked at.
    """
    crc = Algorithm(width, generator ^ 1 << width)
    longest = most
    for weight, span, _ in _Search(crc, _ENDLESS, None).spans(most):
        longest = min(longest, span)
        if longest < least:
            return 0
        if weight == hd - 1:
            break
    return longest
