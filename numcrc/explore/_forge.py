"""Find the bits of a message that give it a chosen CRC, or that explain a wrong one.

A CRC is affine: the change of each bit changes it by a number of its own, for any rest of the
message. So elimination over GF(2) finds which bits to flip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.algorithm import Algorithm
from numcrc.buffers import pieces
from numcrc.crc.gf2 import reflect
from numcrc.crc.model import checked_unsigned, index
from numcrc.explore.linear import Span
from numcrc.registry import resolved

if TYPE_CHECKING:
    import numpy.typing as npt

    from numcrc.buffers import Data
    from numcrc.explore.kernels import Progress

    Array = npt.NDArray[Any]

_MOST_SETS = 1 << 32
"""Sets of bits that `locate` looks at, but for the last bit of each, which is looked up."""
_BLOCK = 1 << 16
"""Bits between two checks for signals."""
_BABY_STEPS = 1 << 18


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
    if length < 0:
        raise ValueError(f"length must not be negative, but is {length}")
    last = _last_byte(linear)
    return [
        _flip(linear, last, length, _checked(position, length, "position"))
        for position in positions
    ]


def forge(
    crc: Algorithm | str,
    data: Data,
    target: int,
    at: int | None = None,
    bits: Iterable[int] | None = None,
) -> bytearray:
    """Return a message that has a chosen CRC.

    This takes no longer for long messages, beyond computing their CRC. So a CRC does not
    protect against somebody who wants to change a message.

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
    else:
        bits = (_checked(bit, len(message), "bit") for bit in bits)
    count, used = 0, list[int]()
    linear = algorithm.linear
    last, span = _last_byte(linear), Span()
    rest, chosen = algorithm(message) ^ target, 0
    for count, position in enumerate(bits, 1):  # noqa: B007
        # A bit whose change is a sum of those before does not help.
        if rest and span.extend(_flip(linear, last, len(message), position)):
            used.append(position)
            rest, chosen = span.reduced(rest, chosen)
    if rest:
        raise ValueError(
            f"no choice of these {count} bits gives the CRC {target:#x}: they reach"
            f" 2**{span.rank} of 2**{algorithm.width} CRCs"
        )
    for number, position in enumerate(used):
        if chosen >> number & 1:
            message[position >> 3] ^= 1 << (position & 7)
    return message


def locate(
    crc: Algorithm | str,
    data: Data,
    value: int,
    max_bits: int = 1,
    limit: int = 1000,
    progress: Progress | None = None,
) -> list[tuple[int, ...]]:
    """Return the fewest flipped bits that explain a wrong CRC.

    They are guesses: many other errors give the same CRC. Where the message is short beside the
    Hamming distance of the CRC, few of them are as likely.

    One bit is found in messages of any length: in 0.1 s of 16 MiB, in 2 s of 1 GiB, beyond
    computing their CRC. Two bits are found in up to 2 MiB (in 10 s, with 512 MiB of memory), three
    in up to 11 KiB, four in up to 360 bytes (in minutes).

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
    progress : callable, optional
        Called with the part of the sets of *max_bits* bits, if two or more, that is done.

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
        A number is out of range.
    NotImplementedError
        It would take too long. CRCs above 64 bits are slower; two bits are found in
        up to 128 KiB.

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
    length = sum(map(len, pieces(data)))
    count = 8 * length + algorithm.width
    max_bits = min(max_bits, count)
    if max_bits > 1 and _too_many(count, max_bits - 1, algorithm.width > 64):
        raise NotImplementedError(f"to look for {max_bits} of {count} bits would take too long")
    wanted = algorithm(data) ^ value
    if not wanted:
        return [()]
    found = list(islice(_ones(algorithm, length, wanted), limit)) if max_bits else []
    if max_bits > 1 and len(found) < limit:
        explained = _Explained(_all_flips(algorithm, length), algorithm.width)
        for number in range(2, max_bits + 1):
            report = progress if number == max_bits else None
            found += islice(explained.by(number, wanted, 0, report), limit - len(found))
    return found


def _too_many(count: int, size: int, wide: bool) -> bool:
    """Return whether *count* bits have too many sets of some *size*, or of less."""
    if count > (1 << 20 if wide else 1 << 24):
        return True
    sets = 1
    for k in range(size):
        sets = sets * (count - k) // (k + 1)
        if sets > _MOST_SETS:
            return True
    return False


def _ones(algorithm: Algorithm, length: int, wanted: int) -> Iterator[tuple[int, ...]]:
    """Yield the single bits that change the CRC by *wanted*, sorted.

    Baby steps and giant steps: if a bit k bytes before the end of the message is one of them, then
    r more zero bytes take both *wanted* and the change of that bit of the last byte, k bytes
    on, to the same value. The r are chosen so that k + r is a multiple of their number.
    """
    linear = algorithm.linear
    last = _last_byte(linear)
    size = min(max(1, isqrt(64 * length)), _BABY_STEPS)
    steps: dict[int, list[int]] = {}
    step = wanted
    for r in range(1, size + 1):
        step = linear.zeros(step, 1)
        steps.setdefault(step, []).append(r)
    for end in range(-(-length // size) * size, 0, -size):
        hits = []
        for bit in range(8):
            for r in steps.get(linear.zeros(last[bit], end), ()):
                before = end - r
                # Of an even polynomial, zero bytes take different values to the same one.
                if before < length and linear.zeros(last[bit], before) == wanted:
                    hits.append((8 * (length - 1 - before) + bit,))
        yield from sorted(hits)
    if wanted.bit_count() == 1:
        yield (8 * length + wanted.bit_length() - 1,)


class _Explained:
    """Finds sets of bits whose flips change a CRC in a given way."""

    def __init__(self, changes: Array, width: int) -> None:
        self._changes = changes
        self._order = _sorting(changes, max(0, width - 8))
        self._sorted = np.empty_like(changes)
        # Most changes that do not occur differ from all others in these bits.
        bits = min(width, max(20, len(changes).bit_length() + 2))
        self._mask = (1 << bits) - 1
        self._low = np.empty(len(changes), np.intp)
        self._occurs = np.zeros(1 << bits, np.bool_)
        for at in range(0, len(changes), _BLOCK):
            block = slice(at, at + _BLOCK)
            self._sorted[block] = changes[self._order[block]]
            self._low[block] = changes[block] & self._as(self._mask)
            self._occurs[self._low[block]] = True

    def by(
        self, number: int, wanted: int, start: int, report: Progress | None = None
    ) -> Iterator[tuple[int, ...]]:
        """Yield sets of *number* bits, at least 2, from *start* on, sorted."""
        changes, count = self._changes, len(self._changes)
        if number == 2:
            low = wanted & self._mask
            for at in range(start, count, _BLOCK):
                hits = np.flatnonzero(self._occurs[self._low[at : at + _BLOCK] ^ low]) + at
                others = changes[hits] ^ self._as(wanted)
                begins, ends = (self._sorted.searchsorted(others, side) for side in _SIDES)
                for i in np.flatnonzero(begins < ends):
                    first = int(hits[i])
                    for part in range(begins[i], ends[i], _BLOCK):
                        seconds = self._order[part : min(part + _BLOCK, ends[i])]
                        yield from ((first, int(second)) for second in seconds[seconds > first])
                if report is not None:
                    report(1 - (max(0, count - at - _BLOCK) / count) ** 2)
        else:
            for first in range(start, count):
                for rest in self.by(number - 1, wanted ^ int(changes[first]), first + 1):
                    yield first, *rest
                if report is not None:
                    report(1 - ((count - first - 1) / count) ** number)

    def _as(self, value: int) -> Any:
        return self._changes.dtype.type(value) if self._changes.dtype != object else value


_SIDES: tuple[Any, Any] = ("left", "right")


def _sorting(values: Array, shift: int) -> Array:
    """Return the indices that sort *values*, stably.

    They are distributed by 8 bits from *shift* on before, so that no step takes long.
    """
    if len(values) <= _BLOCK:
        return np.argsort(values, kind="stable")
    parts: list[list[Array]] = [[] for _ in range(256)]
    for at in range(0, len(values), _BLOCK):
        keys = (values[at : at + _BLOCK] >> shift).astype(np.uint8)
        order = np.argsort(keys, kind="stable")
        bounds = np.searchsorted(keys, np.arange(257), sorter=order)
        order += at
        for part, low, high in zip(parts, bounds, bounds[1:], strict=False):
            part.append(order[low:high])
    found = np.empty(len(values), np.int64)
    at = 0
    for part in parts:
        indices = np.concatenate(part)
        part.clear()
        found[at : at + len(indices)] = indices[np.argsort(values[indices], kind="stable")]
        at += len(indices)
    return found


def _all_flips(algorithm: Algorithm, length: int) -> Array:
    """Return the change of the CRC by each bit of a message, and by those of the CRC itself."""
    linear, model = algorithm.linear, algorithm.model
    dtype = linear.rows(np.zeros((1, 1), np.uint8)).dtype
    count = 8 * length
    found = np.empty(count + model.width, dtype)
    found[count:] = [1 << bit for bit in range(model.width)]
    done = min(length, length if model.width > 64 else _BLOCK >> 3)
    # x^width times each power of x, mod P, in the order in which the message's bits enter.
    top, poly, changes = 1 << model.width >> 1, model.poly, list[int]()
    value = poly
    for _ in range(8 * done):
        changes.append(value)
        value = (value ^ top) << 1 ^ poly if value & top else value << 1
    if model.refout:
        changes = [reflect(value, model.width) for value in changes]
    block = np.array(changes, dtype).reshape(done, 8)[::-1]
    block = (block[:, ::-1] if model.refin else block).ravel()
    found[count - len(block) : count] = block
    while 8 * done < count:
        size = min(done, length - done, _BLOCK >> 3)
        at = count - 8 * done
        found[at - 8 * size : at] = linear.zeros(found[count - 8 * size : count], done)
        done += size
    return found


def _last_byte(linear: Algorithm) -> list[int]:
    """Return the change of the CRC by each bit of the last byte of a message."""
    return [linear(bytes([1 << bit])) for bit in range(8)]


def _checked(bit: int, length: int, what: str) -> int:
    """Return the index of a bit of a message, or raise."""
    if not 0 <= (position := index(bit, what)) < 8 * length:
        raise ValueError(f"bit {position} is outside of a message of {length} bytes")
    return position


def _flip(linear: Algorithm, last: list[int], length: int, position: int) -> int:
    """Return by how much flipping a bit changes the CRC."""
    change: int = linear.zeros(last[position & 7], length - 1 - (position >> 3))
    return change


def _copy(data: Data) -> bytearray:
    message = bytearray()
    for piece in pieces(data):
        message += piece
    return message
