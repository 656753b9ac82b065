"""Find the first undetected patterns of 4 and of 5 bits of polynomials of 64 bits.

Used by `explore_hd.py`. A search by `numcrc.explore.hd` takes ``n^2 / 2`` steps for 4 bits, where
n is 4 million. Discrete logarithms to the base x take ``n log n``: four bits cancel if
``1 + x^a = x^k (1 + x^b)``, that is where the logarithms of ``1 + x^a`` and ``1 + x^b`` differ by
k. They are computed modulo each irreducible factor, and sorted. For 5 bits, all ``n^2 / 2`` sums of
two are looked at, in slices that fit into a cache.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from numcrc.crc import gf2
from numcrc.crc.factors import _primes, factor, order
from numcrc.explore.kernels import syndromes

U = np.uint64
_TABLE = 24
"""The degree up to which all logarithms are in a table."""
_SLICES = 16
_KEYS = 1 << 19

Words = NDArray[np.uint64]


class Logarithms(NamedTuple):
    """Logarithms of 1 + x^m to the base x modulo an irreducible polynomial, m < n."""

    order: int
    """That of x."""
    values: Words
    cosets: Words
    """Of the powers of x; there is no logarithm between elements of two of them."""
    zero: NDArray[np.bool_]
    """Where 1 + x^m is 0."""


def first_of_four(generator: int, n: int) -> list[int]:
    """Return the pattern of four bits of the least span below n, or nothing."""
    m = np.arange(n, dtype=np.uint64)
    classes = np.zeros(n, np.uint64)
    parts: list[Logarithms] = []
    for p, multiplicity in factor(generator):
        if p == 3:
            if multiplicity > 2:
                raise NotImplementedError("x + 1 more than twice")
            if multiplicity == 2:  # 1 + x^a = a (x + 1) modulo (x + 1)^2
                classes = m & U(1)
        elif multiplicity > 1:
            raise NotImplementedError("a factor that occurs twice")
        else:
            parts.append(_logarithms(p, n))
            classes = classes * U(len(np.unique(parts[-1].cosets))) + parts[-1].cosets
    zeros = np.zeros(n, np.int64)
    for number, part in enumerate(parts):
        zeros |= part.zero.astype(np.int64) << number
    best: tuple[int, list[int]] = (n, [])
    for mask in np.unique(zeros).tolist():
        of_mask = np.flatnonzero((zeros == mask) & (m > 0))
        found, modulus = np.zeros(len(of_mask), np.uint64), 1
        same, first = classes[of_mask], dict[int, Words]()
        for number, part in enumerate(parts):
            if mask >> number & 1:
                continue
            values = part.values[of_mask]
            if part.order in first:  # k is the same modulo both
                same = same * U(part.order)
                same += (values + U(part.order) - first[part.order]) % U(part.order)
            else:
                first[part.order] = values
                found, modulus = _both(found, modulus, values, part.order)
        if modulus > 1 and len(of_mask) > 1:
            at = np.lexsort((found, same))
            span, *pattern = _nearest(same[at], found[at], of_mask[at], n, U(modulus))
            best = min(best, (int(span), [int(bit) for bit in pattern]))
    pattern = sorted(best[1])
    assert not pattern or _is_codeword(pattern, generator)
    return pattern


def _is_codeword(pattern: list[int], generator: int) -> bool:
    total = 0
    for bit in pattern:
        total ^= gf2.power_of_x(bit, generator)
    return total == 0


def _both(a: Words, m: int, b: Words, n: int) -> tuple[Words, int]:
    """Return what is a modulo m and b modulo n, which is below 2^32 and has no common divisor."""
    if math.gcd(m, n) > 1:
        raise NotImplementedError(f"orders {m} and {n} have a common divisor")
    inverse = pow(m, -1, n) if n > 1 else 0
    steps = (b + U(n) - a % U(n)) % U(n) * U(inverse) % U(n)
    return a + steps * U(m), m * n


@njit(nogil=True)
def _nearest(classes: Any, logs: Any, m: Any, n: int, modulus: Any) -> Any:
    """Return the least span, and the pattern, of pairs of a class whose logarithms are near."""
    best = (n, 0, 0, 0, 0)
    first = 0
    while first < len(m):
        last = first
        while last < len(m) and classes[last] == classes[first]:
            last += 1
        for i in range(first, last):
            j = i
            while True:
                j = j + 1 if j + 1 < last else first
                if j == i:
                    break
                k = logs[j] - logs[i]
                if logs[j] < logs[i]:
                    k += modulus
                if k >= U(n):
                    break
                span = max(m[j], np.int64(k) + m[i])
                if span < best[0]:
                    best = (span, 0, m[j], np.int64(k), np.int64(k) + m[i])
        first = last
    return best


def _logarithms(p: int, n: int) -> Logarithms:
    degree, e = p.bit_length() - 1, order(p)
    poly = p ^ 1 << degree
    powers = syndromes(poly, degree, min(n, e))
    values = powers ^ U(1)
    cosets = np.zeros(len(values), np.uint64)
    if degree <= _TABLE:
        table = _table(p, e)
        cofactor = ((1 << degree) - 1) // e
        logs = table[values.astype(np.intp)].astype(np.uint64)
        logs, cosets = logs // U(cofactor), logs % U(cofactor)
    elif e != (1 << degree) - 1:
        raise NotImplementedError(f"a factor of degree {degree} that is not primitive")
    elif degree <= 32:
        logs = _walked(values, poly, degree)
    else:
        logs = _by_primes(values, p)
    index = np.arange(n) % min(e, n)  # the powers of x repeat
    return Logarithms(e, logs[index], cosets[index], values[index] == 0)


def _table(p: int, e: int) -> NDArray[np.int32]:
    """Return the logarithms to a base whose power by the index of x is x."""
    degree = p.bit_length() - 1
    most = (1 << degree) - 1
    cofactor = most // e

    def power(base: int, exponent: int) -> int:
        result = 1
        while exponent:
            if exponent & 1:
                result = gf2.mod(gf2.multiply(result, base), p)
            base, exponent = gf2.mod(gf2.square(base), p), exponent >> 1
        return result

    base = next(
        g for g in range(2, 1 << degree) if all(power(g, most // q) != 1 for q in _primes(degree))
    )
    of_x = int(_stepped(base, p, degree)[gf2.mod(2, p)])
    exponent = next(j for j in range(of_x // cofactor, 2 * most, e) if math.gcd(j, most) == 1)
    table = _stepped(power(base, exponent), p, degree)
    assert table[gf2.mod(2, p)] == cofactor % most
    return table


@njit(nogil=True)
def _stepped(base: int, p: int, degree: int) -> Any:
    table = np.zeros(1 << degree, np.int32)
    value = 1
    for i in range((1 << degree) - 1):
        table[value] = i
        product, a = 0, value
        for bit in range(degree):
            if base >> bit & 1:
                product ^= a
            a <<= 1
            if a >> degree:
                a ^= p
        value = product
    return table


@njit(nogil=True)
def _walked(values: Any, poly: int, degree: int) -> Any:
    """Return logarithms by going through all powers of x."""
    seen = np.zeros(1 << (degree - 3), np.uint8)
    for value in values:
        seen[value >> U(3)] |= np.uint8(1) << np.uint8(value & U(7))
    at = np.argsort(values)
    ordered = values[at]
    logs = np.zeros(len(values), np.uint64)
    top, mask, value = U(degree - 1), (U(1) << U(degree)) - U(1), U(1)
    for i in range((1 << degree) - 1):
        if seen[value >> U(3)] >> np.uint8(value & U(7)) & 1:
            logs[at[np.searchsorted(ordered, value)]] = U(i)
        value = (value << U(1) & mask) ^ (U(poly) & (U(0) - (value >> top)))
    return logs


def _by_primes(values: Words, p: int) -> Words:
    """Return logarithms modulo a primitive polynomial of 64 bits: Pohlig and Hellman's algorithm.

    The order 2^64 - 1 is a product of seven primes; the logarithm modulo each is in a table.
    """
    poly = U(p ^ 1 << 64)
    # y^(2^32 + 1) is in the field of 2^32 elements; y^(2^32 - 1) has an order of 2^32 + 1.
    primes = (3, 5, 17, 257, 65537, 641, 6700417)
    assert math.prod(primes) == 2**64 - 1
    halves = [2**32 - 1] * 5 + [2**32 + 1] * 2
    exponents = np.array([half // q for half, q in zip(halves, primes, strict=True)], np.uint64)
    bits = np.array([max(4, (4 * q).bit_length()) for q in primes])
    bits[-1] = 24
    offsets = np.concatenate([[0], np.cumsum(1 << bits)])
    keys, residues = np.zeros(offsets[-1], np.uint64), np.zeros(offsets[-1], np.int32)
    for j, q in enumerate(primes):
        root = gf2.power_of_x((2**64 - 1) // q, p)
        _fill(U(root), q, poly, keys, residues, offsets[j], bits[j])
    frobenius = _linear([gf2.power_of_x((i << 32) % (2**64 - 1), p) for i in range(64)])
    found = np.zeros((7, len(values)), np.int32)
    _residues(values, poly, frobenius, exponents, offsets, keys, residues, bits, found)
    logs, modulus = np.zeros(len(values), np.uint64), 1
    for j, q in enumerate(primes):
        logs, modulus = _both(logs, modulus, found[j].astype(np.uint64), q)
    for m in (1, 2, 3, 77, len(values) - 1):
        assert gf2.power_of_x(int(logs[m]), p) == gf2.power_of_x(m, p) ^ 1
    return logs


def _linear(columns: list[int]) -> Words:
    """Return a linear map, given by its value for each bit, as a table for each byte."""
    tables = np.zeros((8, 256), np.uint64)
    for byte in range(8):
        for value in range(256):
            total = 0
            for bit in range(8):
                if value >> bit & 1:
                    total ^= columns[8 * byte + bit]
            tables[byte, value] = total
    return tables


@njit(nogil=True)
def _product(a: Any, b: Any, poly: Any) -> Any:
    result = U(0)
    for i in range(64):
        result = (result << U(1)) ^ (poly & (U(0) - (result >> U(63))))
        result ^= a & (U(0) - (b >> U(63 - i) & U(1)))
    return result


@njit(nogil=True)
def _power(base: Any, exponent: Any, poly: Any) -> Any:
    result = U(1)
    while exponent:
        if exponent & U(1):
            result = _product(result, base, poly)
        base = _product(base, base, poly)
        exponent >>= U(1)
    return result


@njit(nogil=True)
def _place(key: Any, bits: int) -> Any:
    return np.int64(key * U(0x9E3779B97F4A7C15) >> U(64 - bits))


@njit(nogil=True)
def _fill(root: Any, q: int, poly: Any, keys: Any, residues: Any, base: int, bits: int) -> None:
    value, mask = U(1), (1 << bits) - 1
    for i in range(q):
        place = _place(value, bits)
        while keys[base + place]:
            place = place + 1 & mask
        keys[base + place] = value
        residues[base + place] = i
        value = _product(value, root, poly)


@njit(nogil=True)
def _residues(
    values: Any,
    poly: Any,
    frobenius: Any,
    exponents: Any,
    offsets: Any,
    keys: Any,
    residues: Any,
    bits: Any,
    out: Any,
) -> None:
    """Store the logarithm of each value modulo each prime."""
    for m in range(1, len(values)):
        y = values[m]
        conjugate = U(0)  # y^(2^32)
        for byte in range(8):
            conjugate ^= frobenius[byte, np.int64(y >> U(8 * byte) & U(255))]
        norm = _product(conjugate, y, poly)
        inverse = _power(norm, U(0xFFFFFFFE), poly)
        unit = _product(_product(conjugate, conjugate, poly), inverse, poly)  # conjugate / y
        for j in range(7):
            key = _power(norm if j < 5 else unit, exponents[j], poly)
            place, mask = _place(key, bits[j]), (1 << bits[j]) - 1
            while keys[offsets[j] + place] != key:
                place = place + 1 & mask
            out[j, m] = residues[offsets[j] + place]


def first_of_five(generator: int, n: int) -> list[int]:
    """Return the pattern of five bits of the least span below n, or nothing.

    ``x^a + x^b`` and ``1 + x^c + x^d`` differ in the lowest bit at most.
    """
    width = generator.bit_length() - 1
    assert width == 64
    s = syndromes(generator ^ 1 << width, width, n)[1:]
    ordered = np.sort(s)
    edges = np.searchsorted(ordered >> U(64 - _SLICES), np.arange((1 << _SLICES) + 1))
    twice = np.zeros(1 << 16, np.uint64)
    number = _twice(ordered, edges, twice)
    assert number < len(twice)
    best: tuple[int, list[int]] = (n, [])
    for key in np.unique(twice[:number]):
        pairs: set[tuple[int, int]] = set()
        for low in (U(0), U(1)):
            other = s ^ (key << U(1) | low)
            for a in np.flatnonzero(np.isin(other, s)).tolist():
                b = int(np.flatnonzero(s == other[a])[0])
                pairs.add((min(a, b) + 1, max(a, b) + 1))
        for first, second in combinations(sorted(pairs), 2):
            pattern = sorted([0, *first, *second])
            if len(set(pattern)) == 5 and _is_codeword(pattern, generator):
                best = min(best, (pattern[-1], pattern))
    return best[1]


@njit(nogil=True)
def _twice(ordered: Any, edges: Any, out: Any) -> Any:
    """Store the sums of two that occur twice, without their lowest bit; return their number."""
    number = 0
    keys = np.zeros(_KEYS, np.uint64)
    filter_bits, table_bits = 22, 15
    seen = np.zeros(1 << (filter_bits - 3), np.uint8)
    again = np.zeros(1 << (table_bits - 1), np.uint8)  # a filter of candidates
    table, counts = np.zeros(1 << table_bits, np.uint64), np.zeros(1 << table_bits, np.uint8)
    mask = (1 << table_bits) - 1
    for part in range(1 << _SLICES):
        used = 0
        for u in range(1 << _SLICES):
            v = u ^ part
            if v < u:
                continue
            for i in range(edges[u], edges[u + 1]):
                for j in range(i + 1 if u == v else edges[v], edges[v + 1]):
                    keys[used] = (ordered[i] ^ ordered[j]) >> U(1)
                    used += 1
        seen[:] = 0
        table[:] = 0
        counts[:] = 0
        again[:] = 0
        for i in range(used):
            place = _place(keys[i], filter_bits)
            bit = np.uint8(1) << np.uint8(place & 7)
            if seen[place >> 3] & bit:  # a candidate
                slot = _place(keys[i], table_bits)
                while table[slot] and table[slot] != keys[i]:
                    slot = slot + 1 & mask
                table[slot] = keys[i]
                other = _place(keys[i], table_bits + 2)
                again[other >> 3] |= np.uint8(1) << np.uint8(other & 7)
            seen[place >> 3] |= bit
        for i in range(used):
            place = _place(keys[i], table_bits + 2)
            if again[place >> 3] >> np.uint8(place & 7) & 1:
                slot = _place(keys[i], table_bits)
                while table[slot] and table[slot] != keys[i]:
                    slot = slot + 1 & mask
                if table[slot]:
                    counts[slot] += 1
                    if counts[slot] == 2:
                        out[number] = keys[i]
                        number += 1
    return number
