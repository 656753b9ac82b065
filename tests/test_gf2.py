"""Test that polynomial arithmetic obeys the laws of a ring with division."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numcrc.crc.gf2 import divmod_, mod, multiply, power_of_x, reflect, square

polynomials = st.integers(0, 2**140)
moduli = st.integers(1, 2**130)


def test_known_products():
    assert multiply(0b111, 0b11) == 0b1001
    assert multiply(0b1011, 0b1101) == 0b1111111
    assert multiply(0b1011, 0) == multiply(0, 0b1011) == 0


@given(polynomials, polynomials, polynomials)
def test_multiplication_is_commutative_and_distributive(a, b, c):
    assert multiply(a, b) == multiply(b, a)
    assert multiply(a, b ^ c) == multiply(a, b) ^ multiply(a, c)
    assert multiply(a, 1) == a
    assert multiply(a, 0b100) == a << 2
    assert multiply(a, a) == square(a)


@given(polynomials, moduli)
def test_division(a, b):
    quotient, remainder = divmod_(a, b)
    assert multiply(quotient, b) ^ remainder == a
    assert remainder.bit_length() < b.bit_length()
    assert mod(a, b) == remainder


def test_division_by_zero():
    for divide in (divmod_, mod):
        with pytest.raises(ZeroDivisionError, match="zero polynomial"):
            divide(5, 0)


@given(st.integers(0, 400), moduli)
def test_powers_of_x(n, p):
    assert power_of_x(n, p) == mod(1 << n, p)


@given(st.integers(-(2**80), 2**80), st.integers(-(2**80), 2**80), moduli)
def test_exponents_add(m, n, p):
    assume(p & 1)
    product = mod(multiply(power_of_x(m, p), power_of_x(n, p)), p)
    assert product == power_of_x(m + n, p)


def test_x_has_no_inverse_modulo_an_even_polynomial():
    with pytest.raises(ValueError, match="no inverse modulo an even polynomial"):
        power_of_x(-1, 0b1010)


@given(st.integers(0, 130), st.data())
def test_reflect_moves_bit_k_to_the_other_end(width, data):
    a = data.draw(st.integers(0, (1 << width) - 1))
    mirrored = reflect(a, width)
    assert [mirrored >> k & 1 for k in range(width)] == [
        a >> (width - 1 - k) & 1 for k in range(width)
    ]
    assert mirrored >> width == 0
