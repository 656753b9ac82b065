"""Fuzz combine, zeros, join, segments, prefixes and bits against the definition of a CRC."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from support import prefix_crcs

import numcrc
from fuzz.kinds import CallTarget
from fuzz.models import same, sizes
from numcrc.crc import reference
from numcrc.crc.model import Model

LONGEST = 40
"""Bytes of a message: the definition takes microseconds for each bit."""
EDGES = (0, 1, 2, 7, 8, 31, 2**16, 2**31, 2**32 + 1, 2**60, 2**62, 2**63 - 1)


def random_algorithm(numbers: random.Random) -> str:
    """Return an expression of an algorithm of the catalogue, or of any other."""
    if numbers.random() < 0.5:
        name = numbers.choice([str(crc.name) for crc in numcrc.algorithms.values()])
        return f"numcrc.algorithms[{name!r}]"
    width = numbers.choice((numbers.randint(1, 128), numbers.choice((1, 8, 16, 32, 63, 64, 65))))
    mask = (1 << width) - 1
    poly = numbers.choice((numbers.randint(0, mask), numbers.randint(0, mask) | 1, 1, 0, mask))
    init, xorout = (numbers.choice((0, mask, numbers.randint(0, mask))) for _ in range(2))
    refin, refout = (numbers.random() < 0.5 for _ in range(2))
    return f"numcrc.Algorithm({width}, {poly:#x}, {init:#x}, {refin}, {refout}, {xorout:#x})"


Affine = tuple[list[int], int]
"""A map of bits: the image of each bit, without that of 0, and the image of 0."""


def after_zeros(crc: numcrc.Algorithm, value: int, n: int) -> int:
    """Return the CRC after *n* zero bytes.

    Appending zeros is an affine map of CRCs, and composing it with itself doubles their number.
    """
    if n < 0 and not crc.poly & 1:
        raise ValueError("no inverse")
    if 0 <= n <= 2:
        return reference.crc(crc.model, bytes(n), value)
    for k in range(abs(n).bit_length()):
        if abs(n) >> k & 1:
            value = _applied(_zeros_map(crc.model, k, n < 0), value)
    return value


@lru_cache(2000)
def _zeros_map(model: Model, k: int, removed: bool) -> Affine:
    """Return the map that appends 2**k zero bytes, or removes them."""
    if k:
        half = _zeros_map(model, k - 1, removed)
        constant = _applied(half, half[1])
        return [_applied(half, image ^ half[1]) ^ constant for image in half[0]], constant
    constant = reference.crc(model, b"\0", 0)
    images = [reference.crc(model, b"\0", 1 << bit) ^ constant for bit in range(model.width)]
    return _inverse((images, constant)) if removed else (images, constant)


def _applied(affine: Affine, value: int) -> int:
    images, found = affine
    while value:
        lowest = value & -value
        found ^= images[lowest.bit_length() - 1]
        value ^= lowest
    return found


def _inverse(affine: Affine) -> Affine:
    """Return the inverse of a map by Gauss-Jordan elimination."""
    images, constant = affine
    pairs = [(image, 1 << bit) for bit, image in enumerate(images)]
    for bit in range(len(pairs)):
        pivot = next(k for k in range(bit, len(pairs)) if pairs[k][0] >> bit & 1)
        pairs[bit], pairs[pivot] = pairs[pivot], pairs[bit]
        for k, (image, origin) in enumerate(pairs):
            if k != bit and image >> bit & 1:
                pairs[k] = image ^ pairs[bit][0], origin ^ pairs[bit][1]
    inverse = [origin for _, origin in pairs]
    return inverse, _applied((inverse, 0), constant)


def joined(crc: numcrc.Algorithm, parts: list[bytes]) -> int:
    """Return the CRC of concatenated parts."""
    return reference.crc(crc.model, b"".join(parts))


def results(crc: numcrc.Algorithm, values: list[int], shape: tuple[int, ...]) -> np.ndarray:
    """Return CRCs as an array of the dtype of results."""
    fitting = [size for size in (1, 2, 4, 8) if crc.width <= 8 * size]
    made = np.empty(len(values), f"u{fitting[0]}" if fitting else object)
    made[:] = values
    return made.reshape(shape)


def messages(seed: int, sizes: list[int]) -> list[bytes]:
    """Return random bytes of these sizes."""
    numbers = random.Random(seed)
    return [numbers.randbytes(size) for size in sizes]


def first_bits(crc: numcrc.Algorithm, data: bytes, nbits: int) -> int:
    """Return the CRC of the first bits of *data*."""
    if not 0 <= nbits <= 8 * len(data):
        raise ValueError(nbits)
    bits = list(reference.message_bits(data, crc.refin))[:nbits]
    return reference.value_of(crc.model, reference.feed(crc.model, crc.init, bits))


NAMES: dict[str, object] = {
    "np": np,
    "numcrc": numcrc,
    "reference": reference,
    "same": same,
    "sizes": sizes,
    "prefix_crcs": prefix_crcs,
    "after_zeros": after_zeros,
    "joined": joined,
    "results": results,
    "messages": messages,
    "first_bits": first_bits,
}


def _count(numbers: random.Random, *, negative: bool = True) -> int:
    count = numbers.choice((numbers.randint(0, LONGEST), numbers.choice(EDGES)))
    sign = numbers.choice((1, 1, -1, -1, -1)) if negative else 1
    if negative and numbers.random() < 0.1:
        return -(2**63)
    return sign * count


def _zeros(crc: numcrc.Algorithm, numbers: random.Random) -> str:
    size = numbers.choice((1, 2, 5, 30))
    values = [numbers.randint(0, crc.model.mask) for _ in range(size)]
    counts = [_count(numbers, negative=numbers.random() < 0.5) for _ in range(size)]
    if numbers.random() < 0.3:
        counts[1:] = counts[:1] * (size - 1)
    turn = numbers.choice((1, 7, 1 << 18))
    scalar = "[crc.zeros(value, n) for value, n in zip(values, counts)]"
    many = numbers.choice(
        ("crc.zeros(values, counts)", "crc.zeros(np.array(values, object), np.array(counts))")
    )
    model = "[after_zeros(crc, value, n) for value, n in zip(values, counts)]"
    return (
        f"values = {values}\ncounts = {counts}\n"
        f"same(lambda: {scalar}, lambda: {model})\n"
        f"with sizes(TURN={turn}):\n"
        f"    same(lambda: {many}, lambda: results(crc, {model}, ({size},)))\n"
    )


def _combine(crc: numcrc.Algorithm, numbers: random.Random) -> str:
    lengths = [numbers.randint(0, LONGEST) for _ in range(2 * numbers.choice((1, 2, 8)))]
    call = numbers.choice(
        (
            "crc.combine([crc(a) for a in first], [crc(b) for b in second], lengths)",
            "results(crc, [crc.combine(crc(a), crc(b), len(b)) for a, b in zip(first, second)],"
            " (len(first),))",
            "crc.combine(crc(first[0]), np.array([crc(b) for b in second], object), lengths)",
        )
    )
    several = "zip(first, second)" if "first[0]" not in call else "((first[0], b) for b in second)"
    model = f"results(crc, [joined(crc, [a, b]) for a, b in {several}], (len(first),))"
    return (
        f"parts = messages({numbers.getrandbits(32)}, {lengths})\n"
        "first, second = parts[::2], parts[1::2]\n"
        "lengths = [len(b) for b in second]\n"
        f"same(lambda: {call}, lambda: {model})\n"
    )


def _combine_long(crc: numcrc.Algorithm, numbers: random.Random) -> str:
    """Write a combination of CRCs of messages that are too long to compute."""
    first, second = (numbers.randint(0, crc.model.mask) for _ in range(2))
    length = _count(numbers, negative=False) + numbers.choice((0, 0, 2**64, 2**200))
    call = f"crc.combine({first}, {second}, {length})"
    empty = "reference.crc(crc.model, b'')"
    model = f"{second} ^ after_zeros(crc, {empty}, {length}) ^ after_zeros(crc, {first}, {length})"
    return f"same(lambda: {call}, lambda: {model})\n"


def _join(crc: numcrc.Algorithm, numbers: random.Random) -> str:
    shape = tuple(numbers.randint(0, 4) for _ in range(numbers.randint(1, 3)))
    axis = numbers.randrange(-len(shape), len(shape))
    sizes = [numbers.randint(0, 8) for _ in range(int(np.prod(shape)))]
    rest = tuple(size for k, size in enumerate(shape) if k != axis % len(shape))
    return (
        f"parts = np.empty({len(sizes)}, object)\n"
        f"parts[:] = messages({numbers.getrandbits(32)}, {sizes})\n"
        f"crcs = results(crc, [crc(part) for part in parts], {shape})\n"
        f"lengths = np.array({sizes}, int).reshape({shape})\n"
        f"lines = np.moveaxis(parts.reshape({shape}), {axis}, -1)\n"
        f"wholes = [joined(crc, list(lines[place])) for place in np.ndindex({rest})]\n"
        f"same(lambda: crc.join(crcs, lengths, {axis}), lambda: results(crc, wholes, {rest}))\n"
    )


def _records(crc: numcrc.Algorithm, numbers: random.Random) -> str:
    size = numbers.randint(0, LONGEST)
    count = numbers.choice((1, 2, 9, 40))
    ends = [numbers.randint(0, size) for _ in range(count)]
    value = numbers.choice((None, numbers.randint(0, crc.model.mask)))
    starts = sorted(ends)
    threads = numbers.choice((None, 1, 2))
    each = f"[reference.crc(crc.model, data[i:j], {value}) for i, j in zip(starts, starts[1:])]"
    return (
        f"(data,) = messages({numbers.getrandbits(32)}, [{size}])\n"
        f"ends = {ends}\nstarts = {starts}\n"
        f"crcs = prefix_crcs(crc.model, data, {value})\n"
        f"same(lambda: crc.prefixes(data, ends, {value}),"
        f" lambda: results(crc, [crcs[end] for end in ends], (len(ends),)))\n"
        f"same(lambda: crc.segments(data, starts, None, {value}, threads={threads}),"
        f" lambda: results(crc, {each}, (len(starts) - 1,)))\n"
        f"same(lambda: crc(data, {value}), lambda: crcs[-1])\n"
    )


def _bits(crc: numcrc.Algorithm, numbers: random.Random) -> str:
    size = numbers.randint(0, LONGEST)
    nbits = numbers.randint(-1, 8 * size + 1)
    return (
        f"(data,) = messages({numbers.getrandbits(32)}, [{size}])\n"
        f"same(lambda: crc.bits(data, {nbits}), lambda: first_bits(crc, data, {nbits}))\n"
    )


KINDS: tuple[Callable[[numcrc.Algorithm, random.Random], str], ...]
KINDS = (_zeros, _zeros, _combine, _combine_long, _join, _records, _records, _bits)


def source(numbers: random.Random) -> str:
    """Return the source code of a few calls."""
    text = random_algorithm(numbers)
    crc: Any = eval(text, {"numcrc": numcrc})
    return f"crc = {text}\n{numbers.choice(KINDS)(crc, numbers)}"


TARGETS = (CallTarget("algebra", "combine, zeros, join, ..., by definition", source, NAMES),)
