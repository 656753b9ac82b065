"""Test weights and probabilities against published figures, the definition, and each other."""

from __future__ import annotations

import random
from decimal import Inexact, localcontext
from fractions import Fraction

import numpy as np
import pytest

import numcrc
from numcrc.crc import factors, gf2
from numcrc.explore import dual_weights, undetected
from numcrc.explore import weights as weights_of
from numcrc.explore._weights import _by_transform, _by_windows, _macwilliams, _three_and_four


def all_weights(crc: numcrc.Algorithm, nbits: int) -> list[int]:
    """Return the number of codewords of each weight, by trying all data."""
    found = [0] * (nbits + crc.width + 1)
    for data in range(1 << nbits):
        rest = gf2.mod(data << crc.width, 1 << crc.width | crc.poly)
        found[(data << crc.width | rest).bit_count()] += 1
    return found


def test_the_published_weight_of_crc_32():
    """P. Koopman, "32-bit cyclic redundancy codes for internet applications" (2002)."""
    assert weights_of("CRC-32", 12112, upto=4) == [1, 0, 0, 0, 223059]


def test_weights_of_arc():
    assert weights_of("CRC-16/ARC", 1024) == [1, 0, 0, 0, 1709873, 0, 52928343454]


@pytest.mark.parametrize("seed", range(10))
def test_weights_by_trying_all_data(seed):
    choice = random.Random(seed)
    crc = numcrc.Algorithm(width := choice.randrange(1, 13), choice.getrandbits(width) | 1)
    nbits = choice.randrange(1, 12)
    expected = all_weights(crc, nbits)
    assert weights_of(crc, nbits, upto=nbits + width) == expected
    n = nbits + width
    for rate in (Fraction(1, 1000), Fraction(1, 3), Fraction(1, 2), Fraction(99, 100)):
        p = Fraction(float(rate))
        chance = sum(
            count * p**weight * (1 - p) ** (n - weight)
            for weight, count in enumerate(expected)
            if weight
        )
        assert undetected(crc, nbits, float(rate)) == pytest.approx(float(chance), rel=1e-15)


def test_undetected_errors_at_the_ends():
    crc = "CRC-16/ARC"
    assert undetected(crc, 100, 0) == 0.0
    assert undetected(crc, 100, 0.5) == pytest.approx(2.0**-16)
    assert undetected("CRC-8/SMBUS", 4, 1) == all_weights(numcrc.algorithms["CRC-8/SMBUS"], 4)[12]
    assert isinstance(undetected(crc, 100, 1e-3), float)
    rates = np.array([[1e-3, 1e-30], [0.0, 1.0]])
    found = undetected(crc, 100, rates)
    assert found.shape == (2, 2)
    fours = weights_of(crc, 100, upto=4)[4]
    assert found[0, 1] == pytest.approx(fours * 1e-120, rel=1e-14)
    assert undetected(crc, 100, 1e-75) == pytest.approx(fours * 1e-300, rel=1e-14)


@pytest.mark.parametrize("poly", [0x13, 0x11D, 0x8003, 0x1002D])  # primitive
@pytest.mark.parametrize("n", [20, 300, 70_000])
def test_the_sequence_gives_what_the_transform_does(poly, n):
    degree = poly.bit_length() - 1
    transform = _by_transform(poly, degree, n, None)
    np.testing.assert_array_equal(_by_windows(poly, n, None), transform)
    assert transform.sum() == 1 << degree
    even = gf2.multiply(poly, 0b11)
    both = _by_windows(poly, n, None)
    np.testing.assert_array_equal(_by_transform(even, degree + 1, n, None), both + both[::-1])


@pytest.mark.parametrize("name", ["CRC-8/SMBUS", "CRC-16/ARC", "CRC-16/T10-DIF", "CRC-24/OPENPGP"])
@pytest.mark.parametrize("n", [30, 100, 3000])
def test_counting_gives_what_the_dual_code_does(name, n):
    crc = numcrc.algorithms[name]
    n = min(n, factors.order(1 << crc.width | crc.poly))
    generator = 1 << crc.width | crc.poly
    dual = _by_transform(generator, crc.width, n, None)
    assert tuple(_macwilliams(dual, 4)[3:]) == _three_and_four(generator, crc.width, n, None)


def test_weights_of_wide_crcs():
    assert weights_of("CRC-64/NVME", 5000, upto=4) == [1, 0, 0, 0, 0]
    assert weights_of("CRC-64/NVME", 100, upto=2) == [1, 0, 0]
    with pytest.raises(NotImplementedError, match=r"64 bits would take too long.*upto=4"):
        weights_of("CRC-64/NVME", 5000)
    with pytest.raises(NotImplementedError, match="64 bits would take too long"):
        weights_of("CRC-64/NVME", 500_000, upto=3)
    with pytest.raises(NotImplementedError, match="64 bits would take too long"):
        undetected("CRC-64/XZ", 100, 1e-3)
    with pytest.raises(NotImplementedError, match="would take too long"):
        dual_weights("CRC-16/ARC", 1 << 30)


@pytest.mark.parametrize("name", ["CRC-64/XZ", "CRC-40/GSM", "CRC-31/PHILIPS", "CRC-5/USB"])
@pytest.mark.parametrize("nbits", [1, 5, 11])
def test_all_data_are_tried_where_they_are_few(name, nbits):
    crc = numcrc.algorithms[name]
    n = nbits + crc.width
    expected = all_weights(crc, nbits)
    assert weights_of(crc, nbits, upto=n + 3) == [*expected, 0, 0, 0]
    for rate in (1e-5, 0.3, 0.5, 1.0):
        p = Fraction(rate)
        chance = sum(count * p**w * (1 - p) ** (n - w) for w, count in enumerate(expected) if w)
        assert undetected(crc, nbits, rate) == pytest.approx(float(chance), rel=1e-15)
    if crc.width < 63:
        dual = dual_weights(crc, nbits)
        assert dual.sum() == 1 << crc.width
        assert _macwilliams(dual, n) == expected
    if crc.width <= 24:
        generator = 1 << crc.width | crc.poly
        np.testing.assert_array_equal(dual, _by_transform(generator, crc.width, n, None))


def test_all_weights_of_longer_data():
    numbers = weights_of("CRC-16/ARC", 600, upto=616)
    assert sum(numbers) == 2**600
    assert numbers[:7] == weights_of("CRC-16/ARC", 600)
    for upto in (100_000, 1 << 70):
        with pytest.raises(NotImplementedError, match=f"up to {upto} flips of 9016 bits"):
            weights_of("CRC-16/ARC", 9000, upto=upto)


def test_decimal_contexts_of_the_caller_do_not_matter():
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 5, -5, 5
        context.traps[Inexact] = True
        found = undetected("CRC-16/ARC", 1024, 1e-6), undetected("CRC-64/XZ", 9, 1e-3)
    assert found == (undetected("CRC-16/ARC", 1024, 1e-6), undetected("CRC-64/XZ", 9, 1e-3))


def test_progress():
    seen = []
    weights_of("CRC-32", 3000, upto=4, progress=seen.append)
    dual_weights("CRC-16/ARC", 100, progress=seen.append)
    assert seen[-1] == 1.0
    assert all(0 < part <= 1 for part in seen)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: weights_of("CRC-32", 100, upto=-1), ValueError, "upto must not be negative"),
        (lambda: weights_of("CRC-32", -1), ValueError, "nbits must be at least 1, not -1"),
        (lambda: dual_weights(numcrc.Algorithm(8, 2), 10), ValueError, "poly 0x2 is even"),
        (lambda: undetected("CRC-8/SMBUS", 10, -0.1), ValueError, "ber must be from 0 to 1"),
        (lambda: undetected("CRC-8/SMBUS", 10, [0.1, np.nan]), ValueError, "ber must be from"),
        (lambda: undetected("CRC-8/SMBUS", 10, "0.1"), TypeError, "ber must be a number"),
        (lambda: undetected("CRC-8/SMBUS", 10, np.array([1j])), TypeError, "ber must be a number"),
        (
            lambda: undetected("CRC-8/SMBUS", 10, np.ma.masked_array([0.1], [1])),
            TypeError,
            "masked",
        ),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
