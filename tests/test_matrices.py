"""Folding by bit matrices, by the definition: the instruction in Python, against arithmetic."""

from __future__ import annotations

import random

import pytest

import numcrc
from numcrc.crc import gf2
from numcrc.jit.choice import MIXTURES, mixed
from numcrc.jit.matrices import matrices, spans
from numcrc.jit.plan import Plan

NARROW = [name for name, crc in numcrc.algorithms.items() if crc.width <= 64]


def polynomial(data: bytes, refin: bool) -> int:
    value = 0
    for byte in data:
        value = value << 8 | (gf2.reflect(byte, 8) if refin else byte)
    return value


def folded(registers: list[bytes], words: list[int], lanes: int) -> list[bytes]:
    """Do what `numcrc.jit.emit.gfni.by_matrices` has the CPU do, with registers of one group."""
    factors = iter(words)
    results = []
    for _ in registers:
        result = bytearray(len(registers[0]))
        for source in registers:
            for turn in range(lanes):
                by_lane = [next(factors) for _ in range(lanes)]
                for place in range(len(source)):
                    byte = source[place ^ 8 * turn]
                    matrix = by_lane[place // 8 % lanes]
                    for bit in range(8):
                        row = matrix >> (8 * (7 - bit)) & 255
                        result[place] ^= (row & byte).bit_count() % 2 << bit
        results.append(bytes(result))
    assert next(factors, None) is None
    return results


@pytest.mark.parametrize("bits", MIXTURES)
@pytest.mark.parametrize("name", NARROW)
def test_what_is_folded_is_congruent(name, bits):
    model = numcrc.algorithms[name].model
    plan = next(
        (
            plan
            for (lanes, _), arrangements in MIXTURES[bits].items()
            for plan in (Plan("fold", bits=bits, units=u, lanes=lanes) for u in arrangements)
            if spans(model.generator, plan.above, lanes)
        ),
        None,
    )
    if plan is None:
        assert (name, bits < 512) == ("CRC-64/GO-ISO", True)
        return
    registers = [random.Random(u).randbytes(bits // 8) for u in range(len(plan.above))]
    distance = 8 * 512

    for refin in (True, False):

        def value(registers: list[bytes], refin: bool = refin) -> int:
            total = 0
            for register, above in zip(registers, plan.above, strict=True):
                total ^= polynomial(register, refin) << above
            return gf2.mod(total, model.generator)

        words = matrices(model.generator, plan.above, plan.lanes, distance, refin)
        result = folded(registers, words, plan.lanes)
        assert value(result) == gf2.mod(value(registers) << distance, model.generator)


@pytest.mark.parametrize("bits", MIXTURES)
def test_groups_are_as_large_as_they_are_filed(bits):
    for (lanes, registers), arrangements in MIXTURES[bits].items():
        for units in arrangements:
            plan = mixed(Plan("fold", bits=bits), units, lanes)
            assert {len(group) for group in plan.groups} == {registers}


@pytest.mark.parametrize("units", ["c0110c", "001", "cccc"])
def test_groups_that_are_unlike(units):
    with pytest.raises(ValueError, match="not alike"):
        mixed(Plan("fold", bits=512), units, 1)


def test_not_where_nothing_spans():
    powers_are_zero = 1 << 40  # x^40: every power of x from there on
    assert not spans(powers_are_zero, (1536, 1024, 512, 0), 2)
    assert not spans(1 << 40 | 1, (512, 0), 1)  # 16 elements for 40 dimensions
