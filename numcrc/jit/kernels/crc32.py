"""Compute CRC-32C (on AArch64 also CRC-32) by the CPU's instruction, several streams at once.

The instruction takes a word into the state, ``(R + M) * x^32 mod P``, three cycles
after the last one; so a long message is cut into stretches, and each of these into streams of equal
length whose instructions overlap. As the multiplier is idle meanwhile, a part in front may be
folded beside them (`numcrc.jit.kernels.fold`), which is called fused. The states R that the parts
leave, d bits before the end, are joined by ``R * x^d mod P``: a carry-less product by a constant
for each, and the instruction itself for the remainder of their sum.

Source: V. Gopal et al., "Fast CRC computation for iSCSI polynomial using CRC32
instruction" (Intel, 2011); P. Cawley, github.com/corsix/fast-crc32 (2023), for fusing.
"""

from __future__ import annotations

from numcrc.jit.emit.crc32 import crc32_streams, crc32_word, streams_state
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import LINE, advance, load64, prefetch, u64
from numcrc.jit.emit.vectors import PAIR, Vector, clmul, lane, load_vector, only, splat, xor
from numcrc.jit.kernels.fold import FAR, folding
from numcrc.jit.kernels.reduce import barrett_reduction, tail_of
from numcrc.jit.kernels.words import load_few, shift_left, shift_right
from numcrc.jit.plan import Plan, Streams

CHAIN_BELOW = 64
"""Messages shorter than this are one stream; for longer ones wide folding is faster."""


def crc32_kernel(plan: Plan, final):
    """Return ``kernel(constants, p, n, state) -> state``.

    It takes stretches of the plan's streams, the longest first, then the bytes left by the kernel
    *final*.
    """
    taken, offset = _none_taken, plan.streams_offset
    for streams in plan.streams:
        taken = _taking(_stretch(plan, streams, offset), streams.size, taken)
        offset += 8 * len(streams.distances)
    shortest, shared = plan.streams[0].size, plan.form == "records"

    @inline
    def kernel(k, p, n, state):
        if n >= shortest:
            p, n, state = taken(k, p, n, state, shared or n >= FAR)
        return final(k, p, n, state)

    return kernel


@inline
def _none_taken(k, p, n, state, far):
    return p, n, state


def _taking(stretch, size: int, shorter):
    """Return the function that takes stretches of *size* bytes, then *shorter* ones."""

    @inline
    def taken(k, p, n, state, far):
        while n >= size:
            state = stretch(k, p, state, far)
            p = advance(p, size)
            n -= size
        return shorter(k, p, n, state, far)

    return taken


def chain_kernel(plan: Plan):
    """Return ``kernel(constants, p, n, state) -> state``: one stream, any length."""
    step = crc32_word(plan.arch, plan.castagnoli)

    @inline
    def kernel(k, p, n, state):
        rest = n & 7
        if rest:
            # ceil(n / 8) words make the message, with zeros in front; if the first has fewer
            # than 4 bytes of it, some of the state is left over.
            some = load64(p, 0) if n >= 8 else load_few(p, n)
            first = shift_left(state ^ some, 64 - 8 * rest)
            state = step(u64(0), first) ^ shift_right(state, 8 * rest)
        i = rest
        while i < n:
            state = step(state, load64(p, i))
            i += 8
        return state

    return kernel


def _stretch(plan: Plan, streams: Streams, offset: int):
    """Return the function that takes a stretch, whose constants are at *offset*.

    The state is added to the first part.
    """
    start = streams_state(streams.ways)
    take = crc32_streams(plan.arch, plan.castagnoli, streams.length, streams.words)
    length, step, folded = streams.length, 8 * streams.words, streams.folded
    join = _joined(plan, streams, offset)
    if not streams.block:

        @inline
        def alone(k, p, state, far):
            parts = start(state)
            for i in range(0, length, step):
                parts = take(parts, p, i)
            return join(k, u64(0), parts)

        return alone

    block = streams.block
    vector = Vector(block, plan.bits)
    load, put_first, spread = load_vector(vector), only(vector, 0), splat(vector)
    fold, tail = folding(plan), tail_of(plan, block)
    reduce, remainder = barrett_reduction(plan, PAIR), lane(1)
    powers, size = plan.layout.powers + 8 * block, streams.size
    at_a_time = block + streams.ways * step

    @inline
    def beside(k, p, state, far):
        high_power, low_power = spread(load64(k, powers + 64)), spread(load64(k, powers))
        behind = advance(p, folded)
        sums = xor(load(p, 0), put_first(state))
        parts = take(start(u64(0)), behind, 0)
        i, j, ahead = step, block, size
        while i < length:
            if far:  # one run of memory for any number of streams
                for line in range(0, at_a_time, LINE):
                    prefetch(p, ahead + line)
                ahead += at_a_time
            sums = xor(fold(sums, high_power, low_power), load(p, j))
            parts = take(parts, behind, i)
            i += step
            j += block
        return join(k, remainder(reduce(k, tail(k, sums))), parts)

    return beside


def _joined(plan: Plan, streams: Streams, offset: int):
    """Return ``join(constants, folded, parts) -> state``: the sum of the states of the parts."""
    step = crc32_word(plan.arch, plan.castagnoli)
    product = _clmul_32(plan.arch) if plan.bits else _shift_and_add
    last, with_fold = streams.ways - 1, bool(streams.block)

    @inline
    def none(k, parts):
        return u64(0)

    def plus(some, index: int, place: int):
        @inline
        def total(k, parts):
            return some(k, parts) ^ product(parts[index], load64(k, place))

        return total

    total, first = none, offset + 8 * with_fold
    for index in range(last):
        total = plus(total, index, first + 8 * index)

    @inline
    def join(k, folded, parts):
        behind = total(k, parts)
        if with_fold:
            behind ^= product(folded, load64(k, offset))
        return step(u64(0), behind) ^ parts[last]

    return join


def _clmul_32(arch: str):
    multiply, at_low, low = clmul(arch, 0, 0), only(PAIR, 0), lane(0)

    @inline
    def product(a, b):
        return low(multiply(at_low(a), at_low(b)))

    return product


@inline
def _shift_and_add(a, b):
    total = u64(0)
    for i in range(32):
        total ^= a << i & (u64(0) - (b >> i & u64(1)))
    return total
