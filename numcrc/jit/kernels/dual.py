"""Find the weights of the words of a CRC's dual code.

A word of the dual code has a bit for each bit of a codeword: a linear functional of the syndrome of
that bit. The *words* of a kernel are its arguments, as in `numcrc.jit.kernels.distance`.
"""

from __future__ import annotations

from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import i64, load32, load64, load_pointer, store32, store64, u64


@inline
def transform_kernel(words):
    """Transform an array of ``2^bits`` int32, in place, by Walsh and Hadamard.

    Words: the array, bits, first and last level.
    """
    array, size = load_pointer(words, 0), 1 << i64(load64(words, 8))
    for level in range(i64(load64(words, 16)), i64(load64(words, 24))):
        half = 1 << level
        for start in range(0, size, 2 * half):
            for i in range(start, start + half):
                a, b = load32(array, 4 * i), load32(array, 4 * (i + half))
                store32(array, 4 * i, a + b)
                store32(array, 4 * (i + half), a - b)
    return u64(0)


@inline
def bit(state):
    """Return the bit that a state, aligned to the left, shifts out."""
    return i64(state >> u64(63))


@inline
def step(state, poly):
    """Return the next state; both are aligned to the left, which saves masks."""
    return state << u64(1) ^ poly & (u64(0) - (state >> u64(63)))


@inline
def weight_of_window(value, poly, n):
    """Return the state after n steps, and the number of ones among the n bits."""
    weight = 0
    for _ in range(n):
        weight += bit(value)
        value = step(value, poly)
    return value, weight


@inline
def windows_kernel(words):
    """Count the weights of windows of n bits of the sequence of a shift register.

    Four lanes, so that their latencies overlap, each with a first state and a histogram of its
    own, slide by *steps*. Words: poly, width, n, steps, first states, histograms.
    """
    left = u64(64) - load64(words, 8)
    poly = load64(words, 0) << left
    n, steps = i64(load64(words, 16)), i64(load64(words, 24))
    states, h0 = load_pointer(words, 32), load_pointer(words, 40)
    row = 8 * (n + 1)
    a0, a1 = load64(states, 0) << left, load64(states, 8) << left
    a2, a3 = load64(states, 16) << left, load64(states, 24) << left
    b0, w0 = weight_of_window(a0, poly, n)
    b1, w1 = weight_of_window(a1, poly, n)
    b2, w2 = weight_of_window(a2, poly, n)
    b3, w3 = weight_of_window(a3, poly, n)
    w1, w2, w3 = 8 * w1 + row, 8 * w2 + 2 * row, 8 * w3 + 3 * row
    w0 = 8 * w0
    for _ in range(steps):
        store64(h0, w0, load64(h0, w0) + u64(1))
        store64(h0, w1, load64(h0, w1) + u64(1))
        store64(h0, w2, load64(h0, w2) + u64(1))
        store64(h0, w3, load64(h0, w3) + u64(1))
        w0 += 8 * (bit(b0) - bit(a0))
        w1 += 8 * (bit(b1) - bit(a1))
        w2 += 8 * (bit(b2) - bit(a2))
        w3 += 8 * (bit(b3) - bit(a3))
        a0, b0 = step(a0, poly), step(b0, poly)
        a1, b1 = step(a1, poly), step(b1, poly)
        a2, b2 = step(a2, poly), step(b2, poly)
        a3, b3 = step(a3, poly), step(b3, poly)
    return u64(0)
