"""Factor polynomials over GF(2), and compute the order of x modulo one.

Not in `numcrc.crc.gf2`, which every process imports.
"""

from __future__ import annotations

import math
from functools import cache

from numcrc.crc.gf2 import divmod_, mod, power_of_x, square


def gcd(a: int, b: int) -> int:
    """Return the greatest common divisor.

    >>> bin(gcd(0b1001, 0b101))
    '0b11'
    """
    longer, shorter = a.bit_length(), b.bit_length()
    while shorter:
        while longer >= shorter:
            a ^= b << longer - shorter
            longer = a.bit_length()
        a, b, longer, shorter = b, a, shorter, longer
    return a


def inverse(a: int, p: int) -> tuple[int, int]:
    """Return ``g = gcd(a, p)`` and some u with ``a * u = g (mod p)``.

    >>> inverse(0b101, 0b1011)
    (1, 2)
    """
    rest, u, v = p, 0, 1  # a v = a and a u = p modulo p
    while a:
        while (shift := rest.bit_length() - a.bit_length()) >= 0:
            rest ^= a << shift
            u ^= v << shift
        rest, a, u, v = a, rest, v, u
    return rest, mod(u, p)


def factor(p: int, most: int | None = None) -> list[tuple[int, int]]:
    """Return the irreducible factors of *p*, sorted, each with its multiplicity.

    Those of a degree above *most* are left out, which takes a fraction of the time.

    Squarefree, distinct-degree, then equal-degree factorisation: J. von zur Gathen and J. Gerhard,
    "Modern Computer Algebra", chapter 14. Traces of powers of x separate factors of equal degree,
    so nothing is random.

    >>> factor(0b1001)  # x^3 + 1 = (x + 1) (x^2 + x + 1)
    [(3, 1), (7, 1)]
    """
    if not p:
        raise ZeroDivisionError("the zero polynomial has no factors")
    found = []
    for part, multiplicity in _squarefree(p):
        for product, degree in _by_degree(part, part.bit_length() if most is None else most):
            found += [(each, multiplicity) for each in _of_degree(product, degree)]
    return sorted(found)


def _squarefree(p: int) -> list[tuple[int, int]]:
    """Return squarefree polynomials without common factors, and their exponents in *p*."""
    found = []
    derivative = p >> 1 & int("01" * (p.bit_length() // 2 + 1), 2)
    rest = gcd(p, derivative)
    several = divmod_(p, rest)[0]
    exponent = 1
    while several != 1:
        common = gcd(several, rest)
        if (part := divmod_(several, common)[0]) != 1:
            found.append((part, exponent))
        several, rest = common, divmod_(rest, common)[0]
        exponent += 1
    if rest != 1:  # a square, whose derivative is 0
        root = int(f"{rest:b}"[::2], 2)
        found += [(part, 2 * exponent) for part, exponent in _squarefree(root)]
    return found


def _by_degree(p: int, most: int) -> list[tuple[int, int]]:
    """Return the products of the factors of *p* of each degree up to *most*, and the degree."""
    found, degree, power = [], 0, 2
    while p.bit_length() > 1 and degree < most:
        degree += 1
        if 2 * degree >= p.bit_length():  # p is irreducible
            if p.bit_length() - 1 <= most:
                found.append((p, p.bit_length() - 1))
            break
        # x^(2^d) - x is the product of all irreducible polynomials whose degree divides d.
        power = mod(square(power), p)
        if (product := gcd(p, power ^ 2)) != 1:
            found.append((product, degree))
            p = divmod_(p, product)[0]
            power = mod(power, p)
    return found


def _of_degree(p: int, degree: int) -> list[int]:
    """Return the factors of *p*, all of which have this degree."""
    factors, exponent = [p], 0
    while len(factors) * degree < p.bit_length() - 1:
        exponent += 1
        # The trace of a power of x is 0 or 1 modulo each factor, and not always the same.
        trace = term = mod(1 << exponent, p)
        for _ in range(degree - 1):
            term = mod(square(term), p)
            trace ^= term
        split = []
        for each in factors:
            common = gcd(each, mod(trace, each))
            split += [common, divmod_(each, common)[0]] if 1 < common != each else [each]
        factors = split
    return factors


def order(p: int) -> int:
    """Return the smallest *n* above 0 with ``x^n = 1 (mod p)``; *p* must be odd.

    Two errors *n* bits apart are not detected; those that are less apart are.

    >>> order(0b1011), order(0b1001)
    (7, 3)
    """
    if not p & 1:
        raise ValueError("x has no order modulo an even polynomial")
    found = 1
    for irreducible, multiplicity in factor(p):
        degree = irreducible.bit_length() - 1
        least = (1 << degree) - 1
        for prime in _primes(degree):
            while least % prime == 0 and power_of_x(least // prime, irreducible) == mod(
                1, irreducible
            ):
                least //= prime
        # (f^m)^k divides x^n - 1 if 2^k >= m, since x^(n 2^k) - 1 = (x^n - 1)^(2^k).
        found = math.lcm(found, least << (multiplicity - 1).bit_length())
    return found


@cache
def _primes(degree: int) -> tuple[int, ...]:
    """Return the primes that divide ``2^degree - 1``."""
    rest = (1 << degree) - 1
    # 2^d - 1 divides it if d divides the degree.
    found = {p for d in range(1, degree // 2 + 1) if not degree % d for p in _primes(d)}
    for prime in (*found, *_SLOW.get(degree, ())):
        found.add(prime)
        while rest % prime == 0:
            rest //= prime
    waiting = [rest]
    while waiting:
        n = waiting.pop()
        if n == 1:
            continue
        if _is_prime(n):
            found.add(n)
        else:
            divisor = _divisor(n)
            waiting += [divisor, n // divisor]
    return tuple(sorted(found))


_SLOW = {101: (7432339208719,), 125: (269089806001,)}
"""Primes that divide ``2^degree - 1`` and that `_divisor` would look for a second or more."""
_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)


def _is_prime(n: int) -> bool:
    """Return whether *n* is prime: Miller and Rabin's test, which is exact below 3.3e24.

    Above that, no composite number that passes is known.
    """
    if n < 2 or any(n % base == 0 for base in _BASES):
        return n in _BASES
    odd = n - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for base in _BASES:
        power = pow(base, odd, n)
        if power in (1, n - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % n
            if power == n - 1:
                break
        else:
            return False
    return True


def _divisor(n: int) -> int:
    """Return a divisor of a composite number: Pollard's rho algorithm."""
    for prime in _BASES:
        if n % prime == 0:
            return prime
    for constant in range(1, n):
        slow = fast = 2
        found = 1
        while found == 1:
            # Differences are multiplied, so that 64 steps take one greatest common divisor.
            before, product = (slow, fast), 1
            for _ in range(64):
                slow, fast = _two_paces(slow, fast, constant, n)
                product = product * (slow - fast) % n
            found = math.gcd(product, n)
        if found == n:  # several divisors at once, so step by step
            (slow, fast), found = before, 1
            while found == 1:
                slow, fast = _two_paces(slow, fast, constant, n)
                found = math.gcd(slow - fast, n)
        if found != n:
            return found
    raise AssertionError(f"{n} is prime")


def _two_paces(slow: int, fast: int, constant: int, n: int) -> tuple[int, int]:
    """Advance *slow* by one step of ``x^2 + constant``, and *fast* by two."""
    fast = (fast * fast + constant) % n
    return (slow * slow + constant) % n, (fast * fast + constant) % n
