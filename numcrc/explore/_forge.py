"""Find the bits of a message that give it a chosen CRC, or that explain a wrong one.

A CRC is affine: the change of each bit changes it by a number of its own, whatever the rest of the
message is. So elimination over GF(2) finds which bits to flip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.algorithm import Algorithm
from numcrc.buffers import pieces
from numcrc.crc.model import checked_unsigned, index
from numcrc.explore.linear import Span
from numcrc.registry import resolved

if TYPE_CHECKING:
    import numpy.typing as npt

    from numcrc.buffers import Data

    Array = npt.NDArray[Any]

MOST_PAIRS = 1 << 32
"""Sets of bits that `locate` looks at, but for the last bit of each, which is looked up."""
_BLOCK = 1 << 16


def flips(crc: Algorithm | str, length: int, positions: Iterable[int]) -> list[int]:
    """Return by how much flipping each of some bits changes the CRC of a message.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.
    length : int
        The length of the message in bytes; its contents do not matter.
    positions : iterable of int
        Bits, 8 times the index of a byte plus the index of the bit in it, whose value is
        ``1 << index``.

    Returns
    -------
    list of int
        For each bit, what to combine (XOR) with the CRC when it is flipped.

    Raises
    ------
    TypeError
        A position is not an integer.
    ValueError
        A position is outside of the message.

    Examples
    --------
    >>> import numcrc
    >>> (change,) = flips("crc32", 9, [8 * 4 + 0])  # the lowest bit of byte 4
    >>> numcrc.crc32(b"123456789") ^ change == numcrc.crc32(b"123446789")
    True
    """
    linear, length = resolved(crc).linear, index(length, "length")
    last = _last_byte(linear)
    found = []
    for position in positions:
        byte, bit = divmod(index(position, "position"), 8)
        if not 0 <= byte < length:
            raise ValueError(f"bit {position} is outside of a message of {length} bytes")
        found.append(linear.zeros(last[bit], length - 1 - byte))
    return found


def forge(
    crc: Algorithm | str,
    data: Data,
    target: int,
    at: int | None = None,
    bits: Iterable[int] | None = None,
) -> bytearray:
    """Return a message that has a chosen CRC.

    This takes no longer for long messages, beyond computing their CRC. So a CRC is no protection
    against somebody who wants to change a message.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.
    data : buffer
        The message.
    target : int
        The CRC that it should have.
    at : int, optional
        The index of the first of the bytes to choose, as many as the CRC has; negative: from the
        end. By default they are appended.
    bits : iterable of int, optional
        The bits that may be flipped instead, numbered as for `flips`. Few are.

    Returns
    -------
    bytearray
        The new message.

    Raises
    ------
    TypeError
        *data* is not a buffer, or a number is not an integer.
    ValueError
        The bits do not reach the target, a number is out of range, or *at* and *bits* are both
        given.

    Examples
    --------
    >>> import numcrc
    >>> forged = forge("crc32", b"Hello, ", 0xDEADBEEF)
    >>> bytes(forged[:7]), hex(numcrc.crc32(forged))
    (b'Hello, ', '0xdeadbeef')
    >>> letters = b"thequickbrownfoxjumpsoverthelazydog" b"andsoon"
    >>> cases = [8 * i + 5 for i in range(len(letters))]
    >>> text = forge("crc32", letters, 0xDEADBEEF, bits=cases)
    >>> text.lower() == letters, hex(numcrc.crc32(text))
    (True, '0xdeadbeef')
    """
    algorithm = resolved(crc)
    target = checked_unsigned(index(target, "target"), algorithm.width, "target")
    message = _copy(data)
    if bits is None:
        size = -(-algorithm.width // 8)
        if at is None:
            at = len(message)
            message += bytes(size)
        start = index(at, "at")
        start += len(message) if start < 0 else 0
        if not 0 <= start <= len(message) - size:
            raise ValueError(f"{size} bytes at {at} are not inside of a message of {len(message)}")
        bits = range(8 * start, 8 * (start + size))
    elif at is not None:
        raise ValueError("expected one of at and bits, got both")
    positions = list(dict.fromkeys(index(bit, "bit") for bit in bits))
    changes = flips(algorithm, len(message), positions)
    span = Span(changes)
    chosen = span.solution(algorithm(message) ^ target)
    if chosen is None:
        raise ValueError(
            f"no choice of these {len(positions)} bits gives the CRC {target:#x}: they reach"
            f" 2**{span.rank} of 2**{algorithm.width} CRCs"
        )
    for number, position in enumerate(positions):
        if chosen >> number & 1:
            message[position >> 3] ^= 1 << (position & 7)
    return message


def locate(
    crc: Algorithm | str, data: Data, value: int, max_bits: int = 1, limit: int = 1000
) -> list[tuple[int, ...]]:
    """Return the fewest flipped bits that explain a wrong CRC.

    They are guesses: many other errors give the same CRC. Where the message is short beside the
    Hamming distance of the CRC, few of them are as likely.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.
    data : buffer
        The message as it was received.
    value : int
        The CRC as it was received.
    max_bits : int
        The largest number of flipped bits to look for.
    limit : int
        The largest number of sets to return.

    Returns
    -------
    list of tuple of int
        Sets of flipped bits, sorted, those of fewer bits first. Bits of the message are numbered
        as for `flips`. Those of the CRC follow: 8 times the length plus the index of the bit. If
        the CRC is right, the only set is empty.

    Raises
    ------
    TypeError
        *data* is not a buffer, or a number is not an integer.
    ValueError
        A number is out of range, or it would take too long: the number of bits to the power of
        ``max_bits - 1`` is above 2**32.

    Examples
    --------
    >>> import numcrc
    >>> locate("crc32", b"123446789", numcrc.crc32(b"123456789"))
    [(32,)]
    """
    algorithm = resolved(crc)
    value = checked_unsigned(index(value, "value"), algorithm.width, "value")
    max_bits, limit = index(max_bits, "max_bits"), index(limit, "limit")
    if max_bits < 0 or limit < 1:
        raise ValueError(
            f"max_bits must not be negative and limit at least 1, not {max_bits}, {limit}"
        )
    message = _copy(data)
    count = 8 * len(message) + algorithm.width
    if count ** max(0, max_bits - 1) > MOST_PAIRS:
        raise ValueError(f"{max_bits} of {count} bits are too many sets")
    wanted = algorithm(message) ^ value
    if not wanted:
        return [()]
    changes = _all_flips(algorithm, len(message))
    order = np.argsort(changes, kind="stable")
    explained = _Explained(changes, order)
    found: list[tuple[int, ...]] = []
    for number in range(1, max_bits + 1):
        found += islice(explained.by(number, wanted, 0), limit - len(found))
    return found


class _Explained:
    """Finds sets of bits whose flips change a CRC in a given way."""

    def __init__(self, changes: Array, order: Array) -> None:
        self._changes, self._order, self._sorted = changes, order, changes[order]

    def by(self, number: int, wanted: int, start: int) -> Iterator[tuple[int, ...]]:
        """Yield sets of *number* bits from *start* on, sorted."""
        changes = self._changes
        if number == 1:
            low, high = (self._sorted.searchsorted(self._as(wanted), side) for side in _SIDES)
            yield from ((int(i),) for i in self._order[low:high] if i >= start)
        elif number == 2:
            for at in range(start, len(changes), _BLOCK):
                others = changes[at : at + _BLOCK] ^ self._as(wanted)
                low, high = (self._sorted.searchsorted(others, side) for side in _SIDES)
                for i in np.flatnonzero(low < high):
                    first = at + int(i)
                    seconds = self._order[low[i] : high[i]]
                    yield from ((first, int(second)) for second in seconds if second > first)
        else:
            for first in range(start, len(changes)):
                for rest in self.by(number - 1, wanted ^ int(changes[first]), first + 1):
                    yield first, *rest

    def _as(self, value: int) -> Any:
        return self._changes.dtype.type(value) if self._changes.dtype != object else value


_SIDES: tuple[Any, Any] = ("left", "right")


def _all_flips(algorithm: Algorithm, length: int) -> Array:
    """Return the change of the CRC by each bit of a message, and by those of the CRC itself."""
    linear = algorithm.linear
    dtype = linear.rows(np.zeros((1, 1), np.uint8)).dtype
    found = np.array(_last_byte(linear), dtype)
    while len(found) < 8 * length:  # the bytes before are as many
        found = np.concatenate([linear.zeros(found, len(found) // 8), found])
    own = np.array([1 << bit for bit in range(algorithm.width)], dtype)
    return np.concatenate([found[len(found) - 8 * length :], own])


def _last_byte(linear: Algorithm) -> list[int]:
    """Return the change of the CRC by each bit of the last byte of a message."""
    return [linear(bytes([1 << bit])) for bit in range(8)]


def _copy(data: Data) -> bytearray:
    message = bytearray()
    for piece in pieces(data):
        message += piece
    return message
