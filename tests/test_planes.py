"""Folding by bit matrices, by the definition: the instruction in Python, against arithmetic."""

from __future__ import annotations

import random

import pytest

import numcrc
from numcrc import gf2
from numcrc.planes import LANES, matrices, planes

DISTANCE = 8 * 512
GAP = 7 * 512
NARROW = [name for name, crc in numcrc.algorithms.items() if crc.width <= 64]


def polynomial(data: bytes, refin: bool) -> int:
    value = 0
    for byte in data:
        value = value << 8 | (gf2.reflect(byte, 8) if refin else byte)
    return value


def folded(data: bytes, words: list[int], size: int, vectors: int) -> bytes:
    """Do what `numcrc.jit.gfni.by_matrices` has the CPU do, with one vector or two."""
    result = bytearray(len(data))
    orders = words[-LANES * size :]
    for made in range(vectors):
        for source in range(vectors):
            for turn in range(size):
                first = LANES * ((made * vectors + source) * size + turn)
                for lane in range(LANES):
                    matrix, seen = words[first + lane], orders[LANES * turn + lane]
                    for position in range(8):
                        byte = data[64 * source + 8 * seen + position]
                        for bit in range(8):
                            row = matrix >> (8 * (7 - bit)) & 255
                            place = 64 * made + 8 * lane + position
                            result[place] ^= (row & byte).bit_count() % 2 << bit
    return bytes(result)


@pytest.mark.parametrize("name", NARROW)
def test_what_is_folded_is_congruent(name):
    model = numcrc.algorithms[name]._model
    found = planes(model.generator) or planes(model.generator, GAP)
    assert found is not None
    assert sorted(lane for lanes in found.sets for lane in lanes) == list(range(LANES))
    assert model.width <= 8 * found.size * found.vectors
    data = random.Random(1).randbytes(64 * found.vectors)
    for refin in (True, False):

        def value(data: bytes, refin: bool = refin) -> int:
            # The first of two vectors stands the gap above the second.
            parts = [polynomial(data[i : i + 64], refin) for i in range(0, len(data), 64)]
            whole = parts[-1] ^ (parts[0] << GAP if len(parts) > 1 else 0)
            return gf2.mod(whole, model.generator)

        words = matrices(found, DISTANCE, refin)
        result = folded(data, words, found.size, found.vectors)
        assert value(result) == gf2.mod(value(data) << DISTANCE, model.generator)


def test_none_where_there_are_none():
    assert (
        planes(1 << 40) is planes(1 << 40, GAP) is None
    )  # x^40: every power of x from there on is zero
