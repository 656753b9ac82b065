"""Compute the state after zero bytes, ``R * x^(8n) mod G``, in O(log n) steps.

The exponent is a sum of powers of two, and the constants hold x to each of them.
Multiplying is shift and add, one bit of the factor at a time: it needs no instruction beyond
the baseline, and its 64 cycles are little compared with feeding the bytes.
"""

from __future__ import annotations

from numcrc.jit.constants import ZERO_POWERS
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import i64, load64, stack, store64, u64

_POSITIVE = 16
_NEGATIVE = _POSITIVE + 8 * ZERO_POWERS
_DIGITS, _DIGIT_VALUES = 16, 16


@inline
def times_x(k, state):
    """Return *state* (NORMAL) times x."""
    return state << 1 ^ load64(k, 0) & (u64(0) - (state >> 63))


@inline
def multiply(k, state, factor):
    """Return *state* (NORMAL) times *factor*, a polynomial below P."""
    product = u64(0)
    while factor:
        product ^= state & (u64(0) - (factor & u64(1)))
        state = times_x(k, state)
        factor >>= u64(1)
    return product


@inline
def zeros_kernel(k, n, state):
    """Return *state* (NORMAL) after n zero bytes, or before them if n < 0."""
    power, count = _POSITIVE, u64(n)
    if n < 0:
        power, count = _NEGATIVE, u64(0) - u64(n)  # 2^63 too, which int64 does not hold
    while count:
        if count & u64(1):
            state = multiply(k, state, load64(k, power))
        count >>= u64(1)
        power += 8
    return state


@inline
def zeros_factor(k, n):
    """Return ``x^(8n) mod P``, the factor by which n zero bytes multiply any state."""
    scale = load64(k, 8)
    return zeros_kernel(k, n, u64(1) << scale) >> scale


# A linear map of 64-bit words as a table of its values for each hexadecimal digit at each
# place, 2 KiB: 16 loads take the time of a fifth of the steps of `multiply`.

digit_table = stack(8 * _DIGITS * _DIGIT_VALUES)


@inline
def store_bit(table, bit, value):
    """Store the map's *value* of ``1 << bit``."""
    store64(table, 8 * (_DIGIT_VALUES * (bit >> 2) + (1 << (bit & 3))), value)


@inline
def complete_digits(table):
    """Store the map's values of all digits, once those of single bits are stored."""
    for digit in range(_DIGITS):
        place = 8 * _DIGIT_VALUES * digit
        store64(table, place, u64(0))
        for value in range(3, _DIGIT_VALUES):
            rest = value & (value - 1)
            if rest:
                one = load64(table, place + 8 * (value & -value))
                store64(table, place + 8 * value, load64(table, place + 8 * rest) ^ one)


@inline
def look_up_digits(table, word):
    """Return the map's value of *word*: the sum of those of its digits."""
    found = u64(0)
    for digit in range(_DIGITS):
        value = word >> u64(4 * digit) & u64(_DIGIT_VALUES - 1)
        found ^= load64(table, 8 * (_DIGIT_VALUES * digit + i64(value)))
    return found
