"""Test the Hamming distances that the package has of the catalogue's polynomials."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

import numcrc
from numcrc._light import read
from numcrc.crc import distances, gf2
from numcrc.explore import Limit, Polynomial, example, hamming_distance, hd, hd_limits

NARROW = [name for name, crc in numcrc.algorithms.items() if crc.width <= 64]
COSTLY = {"CRC-32/AUTOSAR", "CRC-32/BASE91-D"}
"""Seconds to search for, and published: see `test_hd`."""
BY_POLY = {distances.key(Polynomial.of(name).value): name for name in NARROW}
QUICK = [name for name in BY_POLY.values() if numcrc.algorithms[name].width <= 40]


def known(name: str) -> distances.Distances:
    return distances.find(Polynomial.of(name).value) or distances.Distances({}, {})


def test_all_polynomials_of_the_catalogue_are_there():
    assert set(json.loads(read("crc/hd.json"))["polynomials"]) == set(BY_POLY)
    for name in NARROW:
        limits = known(name).limits
        assert list(limits) == list(range(3, 3 + len(limits)))
        lengths = [limit.bits for limit in limits.values()]
        assert lengths == sorted(lengths, reverse=True)
        if numcrc.algorithms[name].width <= 40:
            assert all(limit.exact for limit in limits.values())


@pytest.mark.parametrize("name", [name for name in QUICK if name not in COSTLY])
def test_a_search_finds_the_same(name):
    limits = hd_limits(name)
    assert hd_limits(name, budget=hd.BUDGET) == limits
    for distance in range(3, 9) if numcrc.algorithms[name].width <= 24 else ():
        assert hd_limits(name, max_hd=distance) == hd_limits(
            name, max_hd=distance, budget=hd.BUDGET
        )


@pytest.mark.parametrize("name", [name for name in BY_POLY.values() if name not in QUICK])
def test_a_search_with_little_budget_finds_no_more(name):
    limits = hd_limits(name)
    for distance, (bits, exact) in hd_limits(name, budget=3_000_000).items():
        best = limits.get(distance, Limit(0, True))
        assert bits == best.bits if exact else bits <= best.bits


@pytest.mark.parametrize("name", [name for name in BY_POLY.values() if known(name).patterns])
def test_patterns_are_not_detected(name):
    crc, rng = numcrc.algorithms[name], random.Random(name)
    generator = Polynomial.of(name).value
    for weight, pattern in known(name).patterns.items():
        assert len(set(pattern)) == len(pattern) == weight
        assert pattern[0] == 0
        total = 0
        for bit in pattern:
            total ^= gf2.power_of_x(bit, generator)
        assert total == 0
        limits = hd_limits(name)
        # One bit more than the limit has the pattern.
        assert limits[weight + 1] == Limit(pattern[-1] + 1 - crc.width - 1, True)
        assert hamming_distance(name, limits[weight + 1].bits + 1) == weight
        assert example(name, limits[weight + 1].bits + 1) == list(pattern)
        # In the order of their bits, the message and its CRC have the same remainder.
        size = pattern[-1] // 8 + 1
        message = rng.randbytes(size - crc.width // 8)
        word = message + crc(message).to_bytes(crc.width // 8, "little" if crc.refin else "big")
        damaged = bytearray(word)
        for bit in pattern:
            byte, place = divmod(bit, 8)
            damaged[-1 - byte] ^= 1 << (7 - place if crc.refin else place)
        assert damaged != word
        assert crc(damaged) == crc(word)


def test_the_costly_limits_of_64_bits():
    limits = hd_limits("CRC-64/NVME")
    assert limits[5] == Limit(3838716, True)
    assert limits[6] == Limit(142570, True)
    assert hd_limits("CRC-64/REDIS")[5] == Limit(1626758, True)
    assert hamming_distance("CRC-64/NVME", 3838717) == 4
    assert hamming_distance("CRC-64/NVME", 3838716) == 5


def test_the_reciprocal_has_the_same_distances():
    p = Polynomial.of("CRC-64/NVME")
    reciprocal = numcrc.Algorithm(64, p.reciprocal.normal)
    assert hd_limits(reciprocal) == hd_limits("CRC-64/NVME")
    for crc in ("CRC-64/NVME", reciprocal):
        generator = Polynomial.of(crc).value
        pattern = example(crc, 142571)
        assert gf2.mod(sum(1 << bit for bit in pattern[:3]), generator) == gf2.mod(
            sum(1 << bit for bit in pattern[3:]), generator
        )


def test_distances_between_the_limits():
    found = distances.Distances({3: Limit(100, True), 4: Limit(20, False), 5: Limit(9, True)}, {})
    assert [found.at(nbits) for nbits in (101, 100, 21, 20, 10, 9, 1)] == [
        2,
        None,
        None,
        4,
        4,
        5,
        5,
    ]
    for name in ("CRC-32", "CRC-16/ARC", "CRC-8/SMBUS"):
        for nbits in (1, 2, 9, 20, 23, 119, 120, 200, 3000):
            assert hamming_distance(name, nbits) == hamming_distance(name, nbits, hd.BUDGET)


def test_looking_up_needs_no_search():
    script = (
        "import sys, numcrc; assert 'json' not in sys.modules;"
        "from numcrc.explore import hd_limits; import numcrc.jit.engine as engine;"
        "engine.tool = None; hd_limits('CRC-32'); numcrc.algorithms['crc32']._repr_html_()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_unknown_polynomials_are_not_there():
    assert distances.find(1 << 32 | 0x12345679) is None
