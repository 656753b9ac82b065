"""Test folding by bit matrices: the GFNI instruction in Python, against polynomial arithmetic."""

from __future__ import annotations

import random

import pytest

import numcrc
from numcrc.crc import gf2
from numcrc.jit.matrices import matrices, spans
from numcrc.jit.plan import Plan
from numcrc.jit.tiers import TIERS, Tier

NARROW = [name for name, crc in numcrc.algorithms.items() if crc.width <= 64]
MIXING = [tier for tier in TIERS["x86_64"] if tier.mixtures]


def polynomial(data: bytes, refin: bool) -> int:
    value = 0
    for byte in data:
        value = value << 8 | (gf2.reflect(byte, 8) if refin else byte)
    return value


def folded(registers: list[bytes], words: list[int], lanes: int) -> list[bytes]:
    """Compute `numcrc.jit.emit.gfni.by_matrices` in Python, for the registers of one group."""
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


def mixed(tier: Tier) -> list[Plan]:
    """Return the plans of a tier's mixtures, in the order in which they are tried."""
    plain = Plan("fold", bits=tier.bits, blocks=tier.blocks)
    return [plain.mixed(*mixture) for mixture in tier.mixtures]


@pytest.mark.parametrize("tier", MIXING, ids=lambda tier: tier.name)
@pytest.mark.parametrize("name", NARROW)
def test_what_is_folded_is_congruent(name, tier):
    model = numcrc.algorithms[name].model
    plans = (p for p in mixed(tier) if spans(model.generator, p.above, p.lanes))
    plan = next(plans, None)
    if plan is None:
        assert (name, tier.bits < 512) == ("CRC-64/GO-ISO", True)
        return
    registers = [random.Random(u).randbytes(tier.bits // 8) for u in range(len(plan.above))]
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


@pytest.mark.parametrize("tier", MIXING, ids=lambda tier: tier.name)
def test_mixtures_are_tried_from_few_matrices_on(tier):
    assert len(set(mixed(tier))) == len(tier.mixtures)
    elements = [mixture.elements for mixture in tier.mixtures]
    assert elements == sorted(elements)
    assert elements == [8 * plan.lanes * len(plan.groups[0]) for plan in mixed(tier)]


@pytest.mark.parametrize("units", ["c0110c", "001", "cccc"])
def test_groups_that_are_unlike(units):
    with pytest.raises(ValueError, match=f"invalid units '{units}': the groups are not alike"):
        Plan("fold", bits=512).mixed(units)


def test_not_where_nothing_spans():
    powers_are_zero = 1 << 40  # x^40, modulo which x^40, x^41, ... are zero
    assert not spans(powers_are_zero, (1536, 1024, 512, 0), 2)
    assert not spans(1 << 40 | 1, (512, 0), 1)  # 16 elements for 40 dimensions
