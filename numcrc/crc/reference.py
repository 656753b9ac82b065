"""Compute a CRC bit by bit, by its definition; the tests compare kernels with it.

The register holds the remainder in normal notation: bit *k* is the coefficient of ``x^k``.
A message bit *m* replaces the register *R* by ``(R*x + m*x^width) mod P``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from numcrc.crc import gf2
from numcrc.crc.model import Model


def message_bits(data: Iterable[int], refin: bool) -> Iterator[int]:
    """Yield the bits of *data* in the order in which a register takes them."""
    order = range(8) if refin else range(7, -1, -1)
    for byte in data:
        for k in order:
            yield byte >> k & 1


def feed(model: Model, register: int, bits: Iterable[int]) -> int:
    """Return *register* after *bits*."""
    for bit in bits:
        register = register << 1 ^ bit << model.width
        if register >> model.width:
            register ^= model.generator
    return register


def register_of(model: Model, value: int | None) -> int:
    """Return the register whose CRC is *value*; for None, the initial register."""
    if value is None:
        return model.init
    value ^= model.xorout
    return gf2.reflect(value, model.width) if model.refout else value


def value_of(model: Model, register: int) -> int:
    """Return the CRC of *register*."""
    if model.refout:
        register = gf2.reflect(register, model.width)
    return register ^ model.xorout


def crc(model: Model, data: Iterable[int], value: int | None = None) -> int:
    """Return the CRC of *data*, continuing from the CRC *value* of the bytes before.

    >>> hex(crc(Model(16, 0x8005, refin=True, refout=True), b"123456789"))
    '0xbb3d'
    """
    register = feed(model, register_of(model, value), message_bits(data, model.refin))
    return value_of(model, register)


def residue(model: Model) -> int:
    """Return the register, without xorout, after any message followed by its own CRC.

    The CRC cancels the remainder of the message, except for its xorout:
    ``xorout * x^width mod P``, reflected if refout is set, as in the catalogue.
    """
    xorout = gf2.reflect(model.xorout, model.width) if model.refout else model.xorout
    register = gf2.mod(xorout << model.width, model.generator)
    return gf2.reflect(register, model.width) if model.refout else register
