"""CRC by carry-less-multiply folding: one template for every width, tier and bit order.

Let G be the polynomial of degree 64 that a narrower P is scaled to, ``G = P * x^(64-w)``.
A message of n bits behind the register R has the CRC register ``(R*x^n + M*x^64) mod G``;
so R is added to the first eight bytes of M, and the rest is reduction of M:

* **Fold.** A 128-bit pair ``A = H*x^64 + L`` standing D bits before the end of what is
  loaded next may be replaced by ``H*(x^(D+64) mod G) + L*(x^D mod G)``: congruent, and
  again no longer than a pair. A *block* is as many pairs side by side as the plan says,
  all folded over the same distance, its own length.
* **Odd pieces.** When n is no multiple of the block, the first block is folded over the
  odd r bytes and the r bytes behind it are added, from a load that overlaps it: whole
  vector loads at any alignment, no byte loop, nothing read outside the message. A long
  message has such a piece at each end, so that the loads between are aligned.
* **Tail.** Multiplying every lane of the last block by its own weight ``x^(d+64)`` and
  adding all products leaves 128 bits T with ``T = M*x^64 (mod G)``.
* **Barrett reduction** takes T to its 64-bit remainder with two more products.

Lengths below the smallest block take the same last steps from scalar registers. Or, where
bytes can be masked, from a *window*: the message at the end of a vector with zeros in front
is a last block already, and R, which may stand anywhere in it, gets a weight of its own:
``T = M * x^64 + R * x^(8n)``. Nothing in that depends on n but a mask and an address.

Sources: Gopal et al., "Fast CRC computation for generic polynomials using PCLMULQDQ"
(Intel, 2009), for folding; P. Barrett (CRYPTO '86) for the reduction.
"""

from __future__ import annotations

from typing import Any

from numcrc.constants import FoldLayout
from numcrc.jit.kernels.words import load_few, shift_left, shift_right
from numcrc.jit.lanes import repeat, swap_lanes
from numcrc.jit.memory import address, i64, inline, load64, prefetch, reverse_bits, swap_bytes, u64
from numcrc.jit.simd import (
    PAIR,
    Vector,
    both,
    clmul,
    lane,
    load_end,
    load_vector,
    mirror_bytes,
    only,
    reverse_pairs,
    splat,
    sum_pairs,
    xor,
)

LINE = 64
ALIGNED_FROM = 4096
"""From this many bytes on, the loads of the loop begin with a cache line: a tenth faster or
more in the first two caches, for a second odd piece at the end."""
AHEAD = 3072
"""Bytes to prefetch ahead. Of main memory, 1 to 3 KiB read a fifth more than 4 or 8 KiB; in
the second cache, 2 to 8 KiB a tenth more than less."""


@inline
def _as_loaded(value: Any) -> Any:
    return value


@inline
def _mirrored_word(value: Any) -> Any:
    return swap_bytes(reverse_bits(value))


#: How a vector and a word of the message become polynomials, and if these are reflected.
ORDERS = {
    "reflected": (_as_loaded, _as_loaded, True),
    "normal": (reverse_pairs, swap_bytes, False),
    "mirrored": (mirror_bytes, _mirrored_word, True),
}


def fold_kernel(
    arch: str, bits: int, windows: tuple[int, ...], blocks: tuple[int, ...], order: str
) -> Any:
    """Return ``kernel(constants, p, n, register) -> register``.

    *bits* is the width of the carry-less multiply; *blocks* are the block sizes in bytes,
    powers of two from 16 up. A message is folded in the largest block that it fills. Shorter
    ones lie in the smallest of *windows* that holds them, the largest of which is a block.
    *order* says how bytes become polynomials: "reflected" as they are, their lowest bit
    first; "normal" by reversing the bytes of each pair; "mirrored" by reversing the bits
    of each byte, and then as reflected.
    """
    layout = FoldLayout(blocks[-1])
    in_order, word, reflected = ORDERS[order]
    if windows:
        remains = _empty(reflected)
        for below, size in zip((0, *windows), windows, strict=False):
            window = _window(arch, bits, size, layout, in_order, reflected)
            remains = choose(below + 1, window, remains)
    else:
        remains = _below_16_bytes(arch, bits, layout, word, reflected)
    for size in blocks:
        blockwise = _fold_blocks(arch, bits, size, layout, in_order, reflected)
        remains = choose(size, blockwise, remains)
    reduce, low = barrett_reduction(arch, layout, reflected, PAIR), lane(int(reflected))

    @inline
    def kernel(k: Any, p: Any, n: Any, register: Any) -> Any:
        return low(reduce(k, remains(k, p, n, register)))

    return kernel


def choose(size: int, long: Any, short: Any) -> Any:
    """Return the function that is *long* from *size* bytes up, *short* below."""

    @inline
    def remains(k: Any, p: Any, n: Any, register: Any) -> Any:
        if n >= size:
            return long(k, p, n, register)
        return short(k, p, n, register)

    return remains


def _fold_blocks(
    arch: str, bits: int, size: int, layout: FoldLayout, in_order: Any, reflected: bool
) -> Any:
    """Return the function that takes a message of *size* bytes or more to 128 bits, T."""
    block_type = Vector(size, bits)
    high = 0 if reflected else 1
    load, put_first, spread = load_vector(block_type), only(block_type, high), splat(block_type)
    aligns = size == layout.block and size >= LINE
    powers, last = layout.powers, layout.last + layout.block - size
    step = powers + 8 * size
    high_by, low_by = clmul(arch, high, high), clmul(arch, 1 - high, 1 - high)
    weigh = _weigh(arch, bits, size, layout)

    @inline
    def fold(block: Any, high_power: Any, low_power: Any) -> Any:
        return xor(high_by(block, high_power), low_by(block, low_power))

    @inline
    def over(k: Any, p: Any, i: Any, odd: Any, block: Any) -> Any:
        """Take the *odd* bytes at i into the block before them, from a load that overlaps it."""
        power = powers + 8 * odd
        high_power, low_power = spread(load64(k, power + 64)), spread(load64(k, power))
        behind = both(load(p, i + odd - size), load(k, last + odd))
        return xor(fold(block, high_power, low_power), in_order(behind))

    @inline
    def remains(k: Any, p: Any, n: Any, register: Any) -> Any:
        block = xor(in_order(load(p, 0)), put_first(register))
        i = size
        odd = n & (size - 1)
        if aligns and n >= ALIGNED_FROM:
            odd = i64(u64(0) - address(p)) & (LINE - 1)
        if odd:
            block = over(k, p, i, odd, block)
            i += odd
        high_power, low_power = spread(load64(k, step + 64)), spread(load64(k, step))
        while i + size <= n:
            for line in range(0, size, LINE):
                prefetch(p, i + AHEAD + line)
            block = xor(fold(block, high_power, low_power), in_order(load(p, i)))
            i += size
        if aligns and i < n:
            block = over(k, p, i, n - i, block)
        return weigh(k, block)

    return remains


def _weigh(arch: str, bits: int, size: int, layout: FoldLayout) -> Any:
    """Return the function that takes a block of *size* bytes to T."""
    weighted = weighting(arch, bits, size, layout)

    @inline
    def weigh(k: Any, block: Any) -> Any:
        return sum_pairs(weighted(k, block))

    return weigh


def weighting(arch: str, bits: int, size: int, layout: FoldLayout) -> Any:
    """Return the product of a block of *size* bytes: each lane by its weight, pairs apart."""
    load = load_vector(Vector(size, bits))
    even, odd = clmul(arch, 0, 0), clmul(arch, 1, 1)
    offset = layout.weights + layout.block - size

    @inline
    def weighted(k: Any, block: Any) -> Any:
        weights = load(k, offset)
        return xor(even(block, weights), odd(block, weights))

    return weighted


def _empty(reflected: bool) -> Any:
    """Return the function that takes no bytes to T, the register."""
    at_low = only(PAIR, 1 if reflected else 0)

    @inline
    def remains(k: Any, p: Any, n: Any, register: Any) -> Any:
        return at_low(register)

    return remains


def _window(
    arch: str, bits: int, size: int, layout: FoldLayout, in_order: Any, reflected: bool
) -> Any:
    """Return the function that takes a message of 1 to *size* bytes to T."""
    load, weigh = load_end(Vector(size, bits)), _weigh(arch, bits, size, layout)
    in_lane, times, powers = only(PAIR, 0), clmul(arch, 0, 0), layout.powers

    @inline
    def remains(k: Any, p: Any, n: Any, register: Any) -> Any:
        behind = times(in_lane(register), in_lane(load64(k, powers + 8 * n)))
        return xor(weigh(k, in_order(load(p, n))), behind)

    return remains


def _below_16_bytes(arch: str, bits: int, layout: FoldLayout, word: Any, reflected: bool) -> Any:
    """Return the function that takes a message of 0..15 bytes to T, in scalar registers.

    Of 8 bytes or more, the message is a 128-bit block, short of some leading zeros. Of
    less, it stands above some of the register: ``T = (R + M) * x^(8n)``, M leftmost.
    """
    times_x, over_x = (shift_right, shift_left) if reflected else (shift_left, shift_right)
    high = 0 if reflected else 1
    at_high, at_low = only(PAIR, high), only(PAIR, 1 - high)
    weigh = _weigh(arch, bits, 16, layout)

    @inline
    def remains(k: Any, p: Any, n: Any, register: Any) -> Any:
        if n >= 8:
            odd = 8 * (n - 8)
            first = register ^ word(load64(p, 0))
            second = times_x(register, odd) ^ word(load64(p, n - 8))
            return weigh(k, xor(at_high(over_x(first, 64 - odd)), at_low(second)))
        first = register ^ word(load_few(p, n))
        return xor(at_high(over_x(first, 64 - 8 * n)), at_low(times_x(first, 8 * n)))

    return remains


def barrett_reduction(arch: str, layout: FoldLayout, reflected: bool, vector: Vector) -> Any:
    """Return the function of T, in each pair of a *vector*, whose low lanes are ``T mod G``.

    That is ``T - floor(T / G) * G``. Of the product only the low 64 bits are needed: the
    high ones cancel T's.
    """
    factors, constant_term = layout.barrett, layout.odd
    load, everywhere, spread = load_vector(PAIR), repeat(vector), splat(vector)
    high = 0 if reflected else 1
    by_reciprocal, by_generator = clmul(arch, high, 0), clmul(arch, high, 1)

    @inline
    def reduce(k: Any, t: Any) -> Any:
        pair = everywhere(load(k, factors))
        quotient = by_reciprocal(t, pair)
        if not reflected:  # the reciprocal's own x^64
            quotient = xor(quotient, t)
        remainder = xor(t, by_generator(quotient, pair))
        if reflected:  # the polynomial's own x^0
            ones = spread(load64(k, constant_term))
            remainder = xor(remainder, both(swap_lanes(quotient), ones))
        return remainder

    return reduce
