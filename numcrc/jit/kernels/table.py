"""Compute CRCs by tables: sixteen for widths up to 64, one for the wider.

The state is held in the order of its bytes in memory (MEMORY in `numcrc.jit.constants`), so one
kernel serves both bit orders: feeding a byte drops the state's first byte, and adds the
table's entry for that byte plus the message's. Slicing takes eight bytes at once, entries
of eight tables; but the next eight wait for them. So four words side by side go to four
independent states (a *braid*), each carried over the bytes of the other three by *far*
tables; at the end the *near* tables join them.

Sources: D. V. Sarwate, "Computation of cyclic redundancy checks via table look-up"
(CACM, 1988); M. Kounavis and F. Berry, "A systematic approach to building high
performance software-based CRC generators" (ISCC 2005), for slicing; A. Kadatch and
B. Jenkins, "Everything we know about CRC but afraid to forget" (2010), for braiding.
"""

from __future__ import annotations

from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import load8, load64, store64, u64

_LAST_NEAR, _LAST_FAR = 7, 15
"""The last of the eight near tables and of the eight far ones."""


@inline
def _entry(k, table, word, byte):
    return load64(k, u64(2048) * u64(table) + u64(8) * (word >> 8 * byte & u64(255)))


@inline
def _slice_8(k, table, word):
    """Return the sum of the entries for the 8 bytes of *word*, first byte in *table*."""
    return (
        _entry(k, table, word, 0)
        ^ _entry(k, table - 1, word, 1)
        ^ _entry(k, table - 2, word, 2)
        ^ _entry(k, table - 3, word, 3)
        ^ _entry(k, table - 4, word, 4)
        ^ _entry(k, table - 5, word, 5)
        ^ _entry(k, table - 6, word, 6)
        ^ _entry(k, table - 7, word, 7)
    )


@inline
def table_kernel(k, p, n, state):
    """Return the state after n bytes at p."""
    i = 0
    if n >= 32:
        second = third = fourth = u64(0)
        while i + 64 <= n:
            state = _slice_8(k, _LAST_FAR, state ^ load64(p, i))
            second = _slice_8(k, _LAST_FAR, second ^ load64(p, i + 8))
            third = _slice_8(k, _LAST_FAR, third ^ load64(p, i + 16))
            fourth = _slice_8(k, _LAST_FAR, fourth ^ load64(p, i + 24))
            i += 32
        state = _slice_8(k, _LAST_NEAR, state ^ load64(p, i))
        state = _slice_8(k, _LAST_NEAR, state ^ second ^ load64(p, i + 8))
        state = _slice_8(k, _LAST_NEAR, state ^ third ^ load64(p, i + 16))
        state = _slice_8(k, _LAST_NEAR, state ^ fourth ^ load64(p, i + 24))
        i += 32
    while i + 8 <= n:
        state = _slice_8(k, _LAST_NEAR, state ^ load64(p, i))
        i += 8
    while i < n:
        state = state >> 8 ^ _entry(k, 0, state ^ load8(p, i), 0)
        i += 1
    return state


@inline
def wide_kernel(k, p, n, state):
    """Take n bytes at p into the 128 bits at *state*."""
    first, second = load64(state, 0), load64(state, 8)
    for i in range(n):
        entry = u64(16) * ((first ^ load8(p, i)) & u64(255))
        first = first >> 8 ^ second << 56 ^ load64(k, entry)
        second = second >> 8 ^ load64(k, entry + u64(8))
    store64(state, 0, first)
    store64(state, 8, second)
