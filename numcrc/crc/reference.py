"""Compute a CRC bit by bit, by its definition; the tests compare kernels with it.

The register holds the remainder in normal notation: bit *k* is the coefficient of ``x^k``.
A message bit *m* replaces the register *R* by ``(R*x + m*x^width) mod P``.
"""

from __future__ import annotations

from numcrc.crc import gf2
from numcrc.crc.model import Model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


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


def divide(model: Model, register: int, data: bytes) -> int:
    """Return *register* after *data*, by one division, which is faster for a few bytes.

    A message *M* of *n* bits replaces *R* by ``(R*x^n + M*x^width) mod P``.
    """
    size = 8 * len(data)
    message = int.from_bytes(data, "little" if model.refin else "big")
    if model.refin:
        message = gf2.reflect(message, size)
    return gf2.mod(register << size ^ message << model.width, model.generator)


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


def after_zeros(model: Model, register: int, n: int) -> int:
    """Return *register* after *n* zero bytes, times ``x^(8n) mod G``; *n* may be negative."""
    return gf2.mod(gf2.multiply(register, gf2.power_of_x(8 * n, model.generator)), model.generator)


def crc(model: Model, data: Iterable[int], value: int | None = None) -> int:
    """Return the CRC of *data*, continuing from the CRC *value* of the bytes before.

    >>> hex(crc(Model(16, 0x8005, refin=True, refout=True), b"123456789"))
    '0xbb3d'
    """
    register = feed(model, register_of(model, value), message_bits(data, model.refin))
    return value_of(model, register)


def sample(size: int) -> bytes:
    """Return at least *size* bytes, always the same: the digits of 1/65539.

    They repeat after 509, a prime, so that no register of any size is like another one.
    """
    return ((1 << 8 * 509) // 65539).to_bytes(509, "little") * (size // 509 + 1)


def is_computed(
    model: Model, message: bytes, lengths: Iterable[int], in_pieces: Callable[[int, int], int]
) -> bool:
    """Return whether ``in_pieces(n, size)`` is the CRC of n bytes of *message*, size at a time.

    The first lengths are short, and compared with the definition. The others, *lengths*, ascend,
    and the CRC is computed whole, and in pieces of the length before, which is proved:
    ``crc(AB) = crc(B, crc(A))``.
    """
    if in_pieces(0, 0) != value_of(model, model.init):
        return False
    for proved in (1, 9):
        register = divide(model, model.init, message[:proved])
        if in_pieces(proved, proved) != value_of(model, register):
            return False
    for length in lengths:
        if in_pieces(length, length) != in_pieces(length, proved):
            return False
        proved = length
    return True


def residue(model: Model) -> int:
    """Return the register, without xorout, after any message followed by its own CRC.

    The CRC cancels the remainder of the message, except for its xorout:
    ``xorout * x^width mod P``, reflected if refout is set, as in the catalogue.
    """
    xorout = gf2.reflect(model.xorout, model.width) if model.refout else model.xorout
    register = gf2.mod(xorout << model.width, model.generator)
    return gf2.reflect(register, model.width) if model.refout else register
