"""Folding by bit matrices, by the definition: the instruction in Python, against arithmetic."""

from __future__ import annotations

import random

import pytest

import numcrc
from numcrc import gf2
from numcrc.planes import LANES, matrices, planes

DISTANCE = 8 * 512
NARROW = [name for name, crc in numcrc.algorithms.items() if crc.width <= 64]
# No constant term in P, so x^k is a multiple of x; or too few lanes (two vectors would do).
WITHOUT = {"CRC-15/MPT1327", "CRC-64/ECMA-182", "CRC-64/GO-ISO", "CRC-64/NVME"}
WITHOUT |= {"CRC-64/WE", "CRC-64/XZ"}


def polynomial(data: bytes, refin: bool) -> int:
    value = 0
    for byte in data:
        value = value << 8 | (gf2.reflect(byte, 8) if refin else byte)
    return value


def folded(data: bytes, words: list[int], size: int) -> bytes:
    """Do what `numcrc.jit.gfni.by_matrices` has the CPU do."""
    result = bytearray(len(data))
    for turn in range(size):
        for lane in range(LANES):
            matrix, seen = (words[LANES * (turn + half) + lane] for half in (0, size))
            for position in range(8):
                byte = data[8 * seen + position]
                for bit in range(8):
                    row = matrix >> (8 * (7 - bit)) & 255
                    result[8 * lane + position] ^= (row & byte).bit_count() % 2 << bit
    return bytes(result)


@pytest.mark.parametrize("name", NARROW)
def test_a_folded_register_is_congruent(name):
    model = numcrc.algorithms[name]._model
    found = planes(model.generator)
    assert (found is None) == (name in WITHOUT)
    if found is None:
        return
    assert sorted(lane for lanes in found.sets for lane in lanes) == list(range(LANES))
    assert -(-model.width // 8) <= found.size
    data = random.Random(1).randbytes(64)
    for refin in (True, False):
        result = folded(data, matrices(found, DISTANCE, refin), found.size)
        expected = gf2.mod(polynomial(data, refin) << DISTANCE, model.generator)
        assert gf2.mod(polynomial(result, refin), model.generator) == expected
