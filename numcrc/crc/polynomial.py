"""Say what a generator polynomial is made of, and write it in every notation."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

from numcrc.crc import catalogue, gf2
from numcrc.crc.factors import factor, order
from numcrc.crc.model import WIDEST, Model, checked_unsigned, index


class HasModel(Protocol):
    """An algorithm."""

    model: Model


class Polynomial:
    """A polynomial over GF(2), such as generates a CRC.

    Parameters
    ----------
    value : int
        All coefficients: bit *k* is that of x^k.

    Raises
    ------
    TypeError
        *value* is not an integer.
    ValueError
        Its degree is not 1 to 128.

    Attributes
    ----------
    value : int
    width : int
        The degree, which is the width of the CRC.

    Notes
    -----
    Each notation leaves out one coefficient that is always 1: "normal" and "reversed" that of
    x^width, "Koopman" that of 1. See P. Koopman and T. Chakravarty, "Cyclic redundancy code (CRC)
    polynomial selection for embedded networks" (DSN 2004).

    Examples
    --------
    >>> p = Polynomial.of("CRC-32/ISO-HDLC")
    >>> hex(p.normal), hex(p.reversed), hex(p.koopman), hex(p.reciprocal.normal)
    ('0x4c11db7', '0xedb88320', '0x82608edb', '0xdb710641')
    >>> p == Polynomial.from_koopman(0x82608EDB) == Polynomial.from_reversed(0xEDB88320, 32)
    True
    >>> p.primitive, p.order == 2**32 - 1
    (True, True)
    """

    def __init__(self, value: int) -> None:
        value = index(value, "value")
        if not 2 <= value < 2 << WIDEST:
            raise ValueError(f"the degree of a polynomial must be 1..{WIDEST}: {value:#x}")
        self.value = value
        self.width = value.bit_length() - 1

    @classmethod
    def of(cls, crc: HasModel | str) -> Polynomial:
        """Return the generator of an algorithm, or of one of this name in the catalogue."""
        found = catalogue.find(crc) if isinstance(crc, str) else crc
        if not hasattr(found, "model"):
            raise TypeError(f"crc must be an Algorithm or a name, not {type(crc).__name__}")
        return cls(found.model.generator)

    @classmethod
    def from_normal(cls, poly: int, width: int) -> Polynomial:
        """Return the polynomial with these coefficients below x^width, that of 1 the lowest bit."""
        width = _checked_width(width)
        return cls(1 << width | checked_unsigned(index(poly, "poly"), width, "poly"))

    @classmethod
    def from_reversed(cls, poly: int, width: int) -> Polynomial:
        """Return the polynomial with these coefficients, that of 1 the highest bit."""
        width = _checked_width(width)
        poly = checked_unsigned(index(poly, "poly"), width, "poly")
        return cls.from_normal(gf2.reflect(poly, width), width)

    @classmethod
    def from_koopman(cls, poly: int) -> Polynomial:
        """Return the polynomial with these coefficients above that of 1, which is 1."""
        return cls(index(poly, "poly") << 1 | 1)

    @property
    def normal(self) -> int:
        """The coefficients below x^width, that of 1 the lowest bit: *poly* of an algorithm."""
        return self.value ^ 1 << self.width

    @property
    def reversed(self) -> int:
        """The same coefficients, that of 1 the highest bit."""
        return gf2.reflect(self.normal, self.width)

    @property
    def koopman(self) -> int:
        """The coefficients above that of 1, that of x the lowest bit.

        Raises
        ------
        ValueError
            The polynomial is even: its coefficient of 1 is 0.
        """
        if self.even:
            raise ValueError("Koopman's notation has no even polynomials")
        return self.value >> 1

    @property
    def reciprocal(self) -> Polynomial:
        """The polynomial with the coefficients in reverse order: it detects the same errors.

        Raises
        ------
        ValueError
            The polynomial is even, so that the other one has a lower degree.
        """
        if self.even:
            raise ValueError("the reciprocal of an even polynomial has a lower degree")
        return Polynomial(gf2.reflect(self.value, self.width + 1))

    @property
    def even(self) -> bool:
        """Whether x divides it; the last bit of such a CRC depends on none of the others."""
        return not self.value & 1

    @property
    def parity(self) -> bool:
        """Whether x + 1 divides it: all errors of an odd number of bits are detected."""
        return not self.value.bit_count() & 1

    @cached_property
    def factors(self) -> tuple[tuple[Polynomial, int], ...]:
        """The irreducible factors, sorted, each with its multiplicity."""
        return tuple((Polynomial(each), count) for each, count in factor(self.value))

    @cached_property
    def order(self) -> int:
        """The smallest n above 0 such that it divides x^n + 1: the period of the CRC.

        Two flipped bits are detected if they are less than n bits apart.

        Raises
        ------
        ValueError
            The polynomial is even.
        """
        return order(self.value)

    @property
    def irreducible(self) -> bool:
        """Whether it has no factor but itself."""
        return [count for _, count in self.factors] == [1]

    @property
    def primitive(self) -> bool:
        """Whether it is irreducible and its order is the largest of this width."""
        return not self.even and self.irreducible and self.order == (1 << self.width) - 1

    @property
    def terms(self) -> str:
        """The sum of its terms.

        >>> Polynomial(0b10011).terms
        'x^4 + x + 1'
        """
        exponents = (k for k in range(self.width, -1, -1) if self.value >> k & 1)
        return " + ".join({0: "1", 1: "x"}.get(k, f"x^{k}") for k in exponents)

    def __repr__(self) -> str:
        return f"Polynomial({self.value:#x})"

    def __str__(self) -> str:
        return self.terms

    def __eq__(self, other: object) -> bool:
        return self.value == other.value if isinstance(other, Polynomial) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.value)


def _checked_width(width: int) -> int:
    if not 1 <= (width := index(width, "width")) <= WIDEST:
        raise ValueError(f"width must be 1..{WIDEST}, not {width}")
    return width
