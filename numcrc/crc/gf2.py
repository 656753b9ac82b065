"""Compute with polynomials over GF(2), as integers: bit *k* is the coefficient of ``x^k``.

Addition is ``^``.
"""

from __future__ import annotations


def multiply(a: int, b: int) -> int:
    """Return the product ``a * b``.

    >>> bin(multiply(0b111, 0b11))
    '0b1001'
    """
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        b >>= 1
    return product


def divmod_(a: int, b: int) -> tuple[int, int]:
    """Return the quotient and the remainder of ``a / b``.

    >>> divmod_(0b1001, 0b11)
    (7, 0)
    """
    degree = _length(b)
    quotient = 0
    while (shift := a.bit_length() - degree) >= 0:
        quotient |= 1 << shift
        a ^= b << shift
    return quotient, a


def mod(a: int, b: int) -> int:
    """Return the remainder of ``a / b``."""
    degree = _length(b)
    while (shift := a.bit_length() - degree) >= 0:
        a ^= b << shift
    return a


def _length(b: int) -> int:
    """Return the number of coefficients of a divisor."""
    if not b:
        raise ZeroDivisionError("division by the zero polynomial")
    return b.bit_length()


def square(a: int) -> int:
    """Return ``a * a``, which has the coefficients of *a* at twice their exponents.

    >>> bin(square(0b111))
    '0b10101'
    """
    return int(f"{a:b}", 4)


def power_of_x(n: int, p: int) -> int:
    """Return ``x^n mod p``; for a negative *n*, *p* must be odd.

    >>> power_of_x(5, 0b1011), power_of_x(-2, 0b1011)
    (7, 7)
    """
    base = mod(2, p)
    if n < 0:
        # p = 1 + x*s, so x * s = 1 (mod p).
        if not p & 1:
            raise ValueError("x has no inverse modulo an even polynomial")
        base, n = mod(p >> 1, p), -n
    result = mod(1, p)
    for bit in f"{n:b}":
        result = mod(square(result), p)
        if bit == "1":
            result = mod(multiply(result, base), p)
    return result


def squares(n: int, p: int, count: int) -> list[int]:
    """Return ``x^(n * 2^k) mod p`` for k below *count*.

    >>> squares(1, 0b1011, 3)
    [2, 4, 6]
    """
    found = [power_of_x(n, p)]
    while len(found) < count:
        found.append(mod(square(found[-1]), p))
    return found


def reflect(a: int, width: int) -> int:
    """Return *a* with its *width* bits in reverse order.

    >>> bin(reflect(0b1101, 6))
    '0b101100'
    """
    return int(f"{a:0{width}b}"[::-1], 2)
