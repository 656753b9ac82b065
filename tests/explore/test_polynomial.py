"""Test what is said of generator polynomials."""

from __future__ import annotations

import numpy as np
import pytest

import numcrc
from numcrc.explore import Polynomial

NAMES = list(numcrc.algorithms)


@pytest.mark.parametrize("name", NAMES)
def test_every_notation_gives_the_polynomial_again(name):
    crc = numcrc.algorithms[name]
    p = Polynomial.of(name)
    assert (p.width, p.normal) == (crc.width, crc.poly)
    assert Polynomial.from_normal(p.normal, p.width) == p
    assert Polynomial.from_reversed(p.reversed, p.width) == p
    assert Polynomial.from_koopman(p.koopman) == p
    assert p.reciprocal.reciprocal == p
    assert p.reciprocal.order == p.order
    assert p.parity == (Polynomial(3) in dict(p.factors)) == (not p.value.bit_count() % 2)


# From P. Koopman's pages and the catalogue of polynomials in Wikipedia's "Cyclic redundancy check":
# normal, reversed, reciprocal, Koopman's.
@pytest.mark.parametrize(
    ("name", "notations"),
    [
        ("CRC-8/SMBUS", (0x07, 0xE0, 0xC1, 0x83)),
        ("CRC-16/ARC", (0x8005, 0xA001, 0x4003, 0xC002)),
        ("CRC-16/XMODEM", (0x1021, 0x8408, 0x0811, 0x8810)),
        ("CRC-24/OPENPGP", (0x864CFB, 0xDF3261, 0xBE64C3, 0xC3267D)),
        ("CRC-32/ISCSI", (0x1EDC6F41, 0x82F63B78, 0x05EC76F1, 0x8F6E37A0)),
        (
            "CRC-64/XZ",
            (0x42F0E1EBA9EA3693, 0xC96C5795D7870F42, 0x92D8AF2BAF0E1E85, 0xA17870F5D4F51B49),
        ),
    ],
)
def test_published_notations(name, notations):
    p = Polynomial.of(name)
    assert (p.normal, p.reversed, p.reciprocal.normal, p.koopman) == notations


@pytest.mark.parametrize(
    ("name", "degrees", "primitive"),
    [
        ("CRC-32/ISO-HDLC", [32], True),
        ("CRC-32/ISCSI", [1, 31], False),
        ("CRC-16/ARC", [1, 15], False),
        ("CRC-32/BASE91-D", [32], False),
        ("CRC-32/AUTOSAR", [1, 1, 15, 15], False),
        ("CRC-24/FLEXRAY-A", [1, 1, 11, 11], False),
        ("CRC-64/XZ", [1, 1, 15, 15, 15, 17], False),
    ],
)
def test_factors_of_well_known_polynomials(name, degrees, primitive):
    p = Polynomial.of(name)
    assert sorted(f.width for f, count in p.factors for _ in range(count)) == degrees
    assert p.irreducible == (len(degrees) == 1)
    assert p.primitive is primitive


def test_even_polynomials():
    p = Polynomial(0b110)
    assert (p.even, p.primitive, p.terms) == (True, False, "x^2 + x")
    for name in ("koopman", "order", "reciprocal"):
        with pytest.raises(ValueError, match="even polynomial"):
            getattr(p, name)


@pytest.mark.parametrize("value", [0, 1, -3, 1 << 129])
def test_degrees_out_of_range(value):
    with pytest.raises(ValueError, match="degree"):
        Polynomial(value)


def test_polynomials_are_values():
    assert {Polynomial(7), Polynomial(7)} == {Polynomial(7)}
    assert Polynomial(7) != 7
    assert eval(repr(Polynomial(7))) == Polynomial(7)
    assert str(Polynomial(0b1011)) == "x^3 + x + 1"
    with pytest.raises(TypeError, match="must be an integer"):
        Polynomial("7")
    with pytest.raises(ValueError, match="poly must be"):
        Polynomial.from_normal(0x104C11DB7, 32)


@pytest.mark.parametrize("make", [Polynomial.from_normal, Polynomial.from_reversed])
def test_widths_are_checked(make):
    for width in (0, -1, 129, 10**30):
        with pytest.raises(ValueError, match=f"width must be 1..128, not {width}"):
            make(7, width)
    with pytest.raises(TypeError, match="width must be an integer, not str"):
        make(7, "8")
    assert make(np.uint8(7), np.int64(8)).width == 8


def test_of_what_is_not_an_algorithm():
    with pytest.raises(TypeError, match="crc must be an Algorithm or a name, not int"):
        Polynomial.of(7)
