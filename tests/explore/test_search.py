"""Test the search for polynomials: against published ones, and against Hamming distances."""

from __future__ import annotations

import pytest

import numcrc
from numcrc.crc.factors import factor
from numcrc.explore import Polynomial, hamming_distance, hd_limits, search

# P. Koopman, "Best CRC Polynomials": the most data bits of any polynomial of a width, HD 3 to 6.
BEST = {
    3: [4],
    4: [11],
    5: [26, 10],
    6: [57, 25],
    7: [120, 56],
    8: [247, 119, 9],
    9: [502, 246, 13, 8],
    10: [1013, 501, 21, 12],
    11: [2036, 1012, 26, 22],
    12: [4083, 2035, 53, 27],
    16: [65519, 32751, 241, 135],
}


@pytest.mark.parametrize("width", BEST)
def test_the_best_lengths_are_the_published_ones(width):
    for distance, nbits in enumerate(BEST[width], 3):
        found = search(width, nbits, distance)
        assert found
        assert search(width, nbits + 1, distance) == []
        assert hd_limits(numcrc.Algorithm(width, found[0].normal))[distance].bits == nbits


@pytest.mark.parametrize(("width", "nbits", "distance"), [(6, 9, 3), (8, 12, 4), (7, 3, 5)])
def test_all_that_have_the_distance_are_found(width, nbits, distance):
    found = {p.value for p in search(width, nbits, distance)}
    for poly in range(1, 1 << width, 2):
        p = Polynomial.from_normal(poly, width)
        protects = hamming_distance(numcrc.Algorithm(width, poly), nbits) >= distance
        least = min(p.value, p.reciprocal.value)
        assert (least in found) == protects


def test_the_best_come_first():
    found = search(10, 30, 4)
    limits = [hd_limits(numcrc.Algorithm(10, p.normal))[4].bits for p in found]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] == 501
    assert limits[-1] >= 30


def test_samples():
    found = search(32, 256, 5, count=30, seed=1)
    assert found
    assert found == search(32, 256, 5, count=30, seed=1)
    assert found != search(32, 256, 5, count=30, seed=2)
    for p in found:
        assert hamming_distance(numcrc.Algorithm(32, p.normal), 256) >= 5
    assert search(32, 256, 5, count=0) == []


def test_the_distance_3_of_very_long_data_needs_only_the_order():
    found = search(64, 10**12, 3, count=30, seed=1)
    assert found
    assert all(p.order >= 10**12 + 64 for p in found)
    assert search(16, 10**30, 3) == []


def test_samples_of_given_factors():
    found = search(16, 200, 4, count=20, seed=3, factors=(1, 15))
    assert found
    for p in found:
        assert sorted(part.bit_length() - 1 for part, _ in factor(p.value)) == [1, 15]
        assert hamming_distance(numcrc.Algorithm(16, p.normal), 200) >= 4


def test_progress():
    seen = []
    search(12, 100, 4, progress=seen.append)
    assert sorted(seen)[-1] == 1.0
    search(32, 100, 4, count=3, seed=0, progress=seen.append)
    assert seen[-3:] == [1 / 3, 2 / 3, 1.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: search(17, 100, 4), ValueError, "expected count: a width of 17"),
        (lambda: search(65, 100, 4, count=1), ValueError, "width must be 1..64, not 65"),
        (lambda: search(16, 100, 2), ValueError, "hd must be 3..9, not 2"),
        (lambda: search(16, 100, 10), ValueError, "hd must be 3..9, not 10"),
        (lambda: search(16, 0, 4), ValueError, "nbits must be at least 1, not 0"),
        (lambda: search(16, 9, 4, count=-1), ValueError, "count must not be negative"),
        (lambda: search(16, 9, 4, seed=1), ValueError, "expected count with factors and seed"),
        (lambda: search(16, 9, 4, count=1, factors=(1, 2)), ValueError, "whose sum is 16"),
        (lambda: search(64, 10**6, 9, count=1), NotImplementedError, "too long"),
        (lambda: search(64, 10**8, 4, count=1), NotImplementedError, "too long"),
        (lambda: search(64, 10**400, 9, count=1), NotImplementedError, "too long"),
        (
            lambda: search(16, 9, 4, count=1, seed="1"),
            TypeError,
            "seed must be an integer, not str",
        ),
        (lambda: search("16", 9, 4), TypeError, "width must be an integer, not str"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
