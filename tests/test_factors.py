"""Test factors of polynomials over GF(2), and the order of x."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import numcrc
from numcrc.crc import gf2
from numcrc.crc.factors import _SLOW, _is_prime, _primes, factor, gcd, order

polynomials = st.integers(1, 2**72)


def product(factors):
    found = 1
    for irreducible, multiplicity in factors:
        for _ in range(multiplicity):
            found = gf2.multiply(found, irreducible)
    return found


def is_irreducible(p):
    """Rabin's test."""
    degree = p.bit_length() - 1

    def power(k):  # x^(2^k)
        found = gf2.mod(2, p)
        for _ in range(k):
            found = gf2.mod(gf2.square(found), p)
        return found

    parts = [degree // q for q in range(2, degree + 1) if degree % q == 0 and _is_prime(q)]
    return power(degree) == gf2.mod(2, p) and all(gcd(p, power(k) ^ 2) == 1 for k in parts)


@given(polynomials)
def test_factors_are_irreducible_and_give_the_product(p):
    factors = factor(p)
    assert product(factors) == p
    assert len(dict(factors)) == len(factors)
    assert all(is_irreducible(each) for each, _ in factors)


@given(st.lists(st.integers(2, 2**9), min_size=1, max_size=6))
def test_factors_of_a_product_are_those_of_its_factors(each):
    whole = product((p, 2) for p in each)
    assert sorted(dict(factor(whole))) == sorted({f for p in each for f, _ in factor(p)})


@given(polynomials, st.integers(1, 80))
def test_factors_up_to_a_degree(p, most):
    assert factor(p, most) == [each for each in factor(p) if each[0].bit_length() - 1 <= most]


def test_zero_has_no_factors():
    with pytest.raises(ZeroDivisionError, match="zero polynomial"):
        factor(0)


@pytest.mark.parametrize("degree", range(1, 129))
def test_primes_of_a_mersenne_number(degree):
    number, primes = (1 << degree) - 1, _primes(degree)
    assert all(_is_prime(p) for p in primes)
    for p in primes:
        assert number % p == 0
        while number % p == 0:
            number //= p
    assert number == 1
    assert set(_SLOW.get(degree, ())) <= set(primes)


def test_orders_of_small_polynomials_by_trial():
    for p in range(3, 1 << 10, 2):
        n = 1
        while gf2.power_of_x(n, p) != gf2.mod(1, p):
            n += 1
        assert order(p) == n


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CRC-32/ISO-HDLC", 2**32 - 1),
        ("CRC-32/ISCSI", 2**31 - 1),
        ("CRC-16/ARC", 2**15 - 1),
        ("CRC-32/BASE91-D", 65537),
        ("CRC-64/XZ", 8589606914),
        ("CRC-64/NVME", 2**64 - 1),
    ],
)
def test_orders_of_well_known_polynomials(name, expected):
    assert order(numcrc.algorithms[name].model.generator) == expected


def test_orders_divide_that_of_products():
    p, q = 0b1011, 0b11111
    assert order(gf2.multiply(p, q)) == math.lcm(order(p), order(q)) == 35
    assert order(gf2.multiply(p, p)) == 14


def test_an_even_polynomial_has_no_order():
    with pytest.raises(ValueError, match="even polynomial"):
        order(0b110)
