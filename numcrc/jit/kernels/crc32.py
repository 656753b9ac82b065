"""CRC-32C (and on AArch64 CRC-32) by the CPU's own instruction, several streams at once.

The instruction takes a word into the register, ``(R + M) * x^32 mod P``, three cycles
after the last; so a long message is cut into four streams of equal length whose
instructions overlap. Their registers are joined by ``R * x^(8L) mod P``: a carry-less
product by a constant, and the instruction itself for the remainder.

Source: V. Gopal et al., "Fast CRC computation for iSCSI polynomial using CRC32
instruction" (Intel, 2011).
"""

from __future__ import annotations

from typing import Any

from numcrc.constants import STREAMS
from numcrc.jit.kernels.words import load_few, shift_left, shift_right
from numcrc.jit.memory import advance, inline, load64, u64
from numcrc.jit.simd import PAIR, clmul, crc32_word, lane, only


def chain_kernel(arch: str, castagnoli: bool) -> Any:
    """Return ``kernel(constants, p, n, register) -> register``: one stream, any length."""
    step = crc32_word(arch, castagnoli)

    @inline
    def kernel(k: Any, p: Any, n: Any, register: Any) -> Any:
        odd = n & 7
        if odd:
            # ceil(n / 8) words make the message, zeros in front: fewer than 4 bytes of
            # it leave some of the register standing.
            some = load64(p, 0) if n >= 8 else load_few(p, n)
            first = shift_left(register ^ some, 64 - 8 * odd)
            register = step(u64(0), first) ^ shift_right(register, 8 * odd)
        i = odd
        while i < n:
            register = step(register, load64(p, i))
            i += 8
        return register

    return kernel


def streams_kernel(
    arch: str, castagnoli: bool, lengths: tuple[int, ...], offset: int, multiply: bool
) -> Any:
    """Return ``kernel(constants, p, n, register) -> register``: four streams, then one.

    *lengths* are the stream lengths in bytes, the longest last, with their constants at
    *offset*; *multiply* says whether the CPU has a carry-less multiply.
    """
    chain = chain_kernel(arch, castagnoli)
    kernel = chain
    for index, length in enumerate(lengths):
        joined = _joined_streams(arch, castagnoli, length, offset + 24 * index, multiply)
        kernel = _then(joined, STREAMS * length, kernel)
    return kernel


def _then(joined: Any, size: int, rest: Any) -> Any:
    @inline
    def kernel(k: Any, p: Any, n: Any, register: Any) -> Any:
        i = 0
        while i + size <= n:
            register = joined(k, advance(p, i), register)
            i += size
        return rest(k, advance(p, i), n - i, register)

    return kernel


def _joined_streams(arch: str, castagnoli: bool, length: int, offset: int, multiply: bool) -> Any:
    """Return the function that takes four streams of *length* bytes, one after the other."""
    step = crc32_word(arch, castagnoli)
    product = _clmul_32(arch) if multiply else _shift_and_add

    @inline
    def joined(k: Any, p: Any, a: Any) -> Any:
        b = c = d = u64(0)
        for i in range(0, length, 8):
            a = step(a, load64(p, i))
            b = step(b, load64(p, length + i))
            c = step(c, load64(p, 2 * length + i))
            d = step(d, load64(p, 3 * length + i))
        total = product(a, load64(k, offset)) ^ product(b, load64(k, offset + 8))
        return step(u64(0), total ^ product(c, load64(k, offset + 16))) ^ d

    return joined


def _clmul_32(arch: str) -> Any:
    multiply, at_low, low = clmul(arch, 0, 0), only(PAIR, 0), lane(0)

    @inline
    def product(a: Any, b: Any) -> Any:
        return low(multiply(at_low(a), at_low(b)))

    return product


@inline
def _shift_and_add(a: Any, b: Any) -> Any:
    total = u64(0)
    for i in range(32):
        total ^= a << i & (u64(0) - (b >> i & u64(1)))
    return total
