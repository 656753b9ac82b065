"""Derive a kernel's constants from the model.

Kernels take every constant by pointer, so one machine-code kernel serves many
polynomials. The functions here build the constants; the offsets and layouts say where
the kernels read them.

A model of width w <= 64 with polynomial P is computed modulo ``G = P * x^(64-w)``, of
degree 64. A kernel's state has 64 bits, in one of these representations:

``NORMAL``
    bit i is the coefficient of ``x^i``: the CRC is in the top w bits.
``REFLECTED``
    bit i is the coefficient of ``x^(63-i)``: the CRC is in the low w bits. The
    product of two such words, read as 128 such bits, is multiplied by x.
``MEMORY``
    the byte of the highest coefficients first in memory, in either bit order:
    equal to ``REFLECTED`` when refin, to ``NORMAL`` with its bytes reversed otherwise.
"""

from __future__ import annotations

import struct

from numcrc._light import NamedTuple
from numcrc.crc import gf2
from numcrc.crc.model import Model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NORMAL, REFLECTED, MEMORY = "normal", "reflected", "memory"

_TOP = 1 << 64
_WORD = _TOP - 1


def scaled(model: Model) -> int:
    """Return ``G = P * x^(64-w)``."""
    return model.generator << 64 - model.width


def words(values: Sequence[int]) -> bytes:
    """Return 64-bit integers as they lie in memory."""
    return struct.pack(f"<{len(values)}Q", *values)


def swap_bytes(word: int) -> int:
    """Return *word*, of 64 bits, with its bytes in the opposite order."""
    return int.from_bytes(word.to_bytes(8, "little"), "big")


# The header: how a CRC as the user sees it becomes a state and back.


class Header(NamedTuple):
    """The first words of every builtin's block (`numcrc.jit.builtins.abi`).

    A CRC v enters as ``(v ^ xorout) << shift``, then its 64 bits are reversed if *flip*
    and its bytes if *swap*; a state leaves by the same steps backwards.
    """

    mask: int
    xorout: int
    init: int
    shift: int
    flip: int
    swap: int


def header(model: Model, representation: str) -> Header:
    """Return the header of *model* for a kernel whose state has this *representation*."""
    reflected = model.refin if representation == MEMORY else representation == REFLECTED
    swap = representation == MEMORY and not reflected
    init = model.init << 64 - model.width
    if reflected:
        init = gf2.reflect(init, 64)
    return Header(
        mask=model.mask,
        xorout=model.xorout,
        init=swap_bytes(init) if swap else init,
        shift=0 if model.refout else 64 - model.width,
        flip=int(reflected != model.refout),
        swap=int(swap),
    )


# Powers of x, by feeding zero bytes through a byte table.


def byte_table(model: Model, representation: str) -> list[int]:
    """Return ``b * x^64 mod G`` for every byte b."""
    generator = scaled(model)
    terms = [gf2.mod(1 << 64 + k, generator) for k in range(8)]
    if representation == REFLECTED:
        terms = [gf2.reflect(term, 64) for term in reversed(terms)]
    table = [0]
    for term in terms:
        table += [term ^ entry for entry in table]
    return table


def powers(model: Model, representation: str, count: int) -> list[int]:
    """Return *count* words: word j is ``x^(8j) mod G``, or ``x^(8j-1) mod G`` if REFLECTED.

    The latter makes up for the x that a reflected product gains. As ``x^-1`` is not a
    polynomial, word 0 is then 0.
    """
    table = byte_table(model, representation)
    if representation == REFLECTED:
        found = [0, 1 << 56]
        for _ in range(count - 2):
            found.append(found[-1] >> 8 ^ table[found[-1] & 255])
    else:
        found = [1]
        for _ in range(count - 1):
            found.append(found[-1] << 8 & _WORD ^ table[found[-1] >> 56])
    return found


# Folding


class FoldLayout(NamedTuple):
    """Byte offsets in the constants of a fold kernel whose largest block has *block* bytes."""

    block: int

    barrett: int = 0
    """Two words: the quotient's factor, the polynomial."""
    constant_term: int = 16
    """All ones if a REFLECTED G has a constant term, which does not fit its word."""
    powers: int = 24
    """Word j: see `powers`; for leftover bytes (j < block) and for folding a block."""

    @property
    def weights(self) -> int:
        """The factor of each lane of the last block."""
        return self.powers + 8 * (self.block + 9)

    @property
    def end_masks(self) -> int:
        """*block* bytes of zeros, then of ones: a load across both is a mask of a vector's end."""
        return self.weights + self.block

    @property
    def size(self) -> int:
        """Bytes of all these constants."""
        return self.end_masks + 2 * self.block


def fold(model: Model, block: int, representation: str) -> bytes:
    """Return the constants that `FoldLayout` describes, NORMAL or REFLECTED."""
    reflected = representation == REFLECTED
    generator = scaled(model)
    if reflected:
        # floor(x^127 / G) and floor(G / x): 64 bits each, and the product's extra x
        # makes them floor(x^128 / G) and G, except for their lowest bit.
        quotient = gf2.reflect(gf2.divmod_(1 << 127, generator)[0], 64)
        barrett = [quotient, gf2.reflect(generator >> 1, 64), _WORD * (generator & 1)]
    else:
        # floor(x^128 / G) and G, both without their leading x^64.
        barrett = [gf2.divmod_(1 << 128, generator)[0] ^ _TOP, generator ^ _TOP, 0]
    power = powers(model, representation, block + 9)
    weights = []
    for behind in range(block - 16, -1, -16):
        # The high lane is 64 bits above the low one; both get the final x^64.
        pair = [power[behind + 8], power[behind + 16]]
        weights += pair[::-1] if reflected else pair
    return words(barrett + power + weights) + bytes(block) + b"\xff" * block


# Tables

_NEAR, _FAR, _BRAID = 8, 8, 32


def table(model: Model) -> bytes:
    """Return tables for a MEMORY state: entry b of table k is ``b * x^(64+8k)``.

    The first eight are tables 0..7; the next are 24..31, for words 32 bytes apart.
    """
    if model.refin:
        first = byte_table(model, REFLECTED)
    else:
        first = [swap_bytes(entry) for entry in byte_table(model, NORMAL)]
    tables: list[int] = []
    latest = first
    for k in range(_BRAID):
        if k < _NEAR or k >= _BRAID - _FAR:
            tables += latest
        latest = [entry >> 8 ^ first[entry & 255] for entry in latest]
    return words(tables)


def wide_register(model: Model, register: int) -> bytes:
    """Return *register* (normal notation, up to 128 bits) as 16 bytes, highest terms first.

    The bits within each byte are in the message's order: reversed when refin.
    """
    register <<= 128 - model.width
    if model.refin:
        return gf2.reflect(register, 128).to_bytes(16, "little")
    return register.to_bytes(16, "big")


def register_of_wide(model: Model, state: bytes) -> int:
    """Return the register that `wide_register` stored."""
    if model.refin:
        register = gf2.reflect(int.from_bytes(state, "little"), 128)
    else:
        register = int.from_bytes(state, "big")
    return register >> 128 - model.width


def wide_table(model: Model) -> bytes:
    """Return ``b * x^w mod P`` for every byte b that leaves a register of up to 128 bits."""
    generator = model.generator << 128 - model.width
    entries = []
    for byte in range(256):
        top = gf2.reflect(byte, 8) if model.refin else byte
        remainder = gf2.mod(top << 128, generator)
        entries.append(wide_register(model, remainder >> 128 - model.width))
    return b"".join(entries)


# The crc32 instruction


def crc32_joins(model: Model, distances: Iterable[int]) -> bytes:
    """Return the factors that take 32-bit CRCs over *distances* in bytes.

    Words ``x^(8d-33) mod P``, reflected in 32 bits: the crc32 instruction multiplies a 64-bit
    product by x^32, and the reflected product has an x of its own.
    """
    factors = (gf2.power_of_x(8 * distance - 33, model.generator) for distance in distances)
    return words([gf2.reflect(factor, 32) for factor in factors])


# Zero bytes

ZERO_POWERS = 64


def zeros(model: Model) -> bytes:
    """Return G without x^64, ``64 - w``, then ``x^(8*2^k) mod P`` and ``x^(-8*2^k) mod P``.

    For k = 0..63. If P has no constant term, x has no inverse: the second half is zeros then,
    and must not be used.
    """
    found = []
    for exponent in (8, -8) if model.poly & 1 else (8,):
        found += gf2.squares(exponent, model.generator, ZERO_POWERS)
    found += [0] * (2 * ZERO_POWERS - len(found))
    return words([scaled(model) ^ _TOP, 64 - model.width, *found])
