"""Test Hamming distances against published figures and by trying every error."""

from __future__ import annotations

import itertools
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest

import numcrc
from numcrc.crc import gf2
from numcrc.explore import Limit, Undecided, example, hamming_distance, hd, hd_limits
from numcrc.explore.hd import BUDGET, _Search

# Data bits, from HD 3 on: P. Koopman, "Best CRC Polynomials" and his "CRC Polynomial Zoo".
PUBLISHED = {
    "CRC-32": [4294967263, 91607, 2974, 268, 171, 91, 57, 34, 21, 12, 10, 10, 10],
    "CRC-32C": [2147483615, 2147483615, 5243, 5243, 177, 177, 47, 47, 20, 20, 8, 8, 6, 6, 1, 1],
    "CRC-16/ARC": [32751, 32751],
    "CRC-16/T10-DIF": [65519, 353, 47, 23, 8, 2, 2, 2, 1],
    "CRC-24/OPENPGP": [8388583, 8388583, 517, 517, 30, 30],
    "CRC-24/FLEXRAY-A": [4070, 4070, 2024, 2024, 71, 71],
    "CRC-32/MEF": [114663, 114663, 16360, 16360, 152, 152, 18, 18, 16, 16],
    "CRC-40/GSM": [3014593, 3014593, 258, 258],
    "CRC-8/SMBUS": [119, 119],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_limits(name):
    limits = hd_limits(name)
    published = PUBLISHED[name]
    assert list(limits) == list(range(3, 3 + len(limits)))
    assert [limits[3 + i] for i in range(len(published))] == [
        Limit(bits, True) for bits in published
    ]


def least_weight(generator: int, width: int, nbits: int) -> int:
    """Return the least weight of codewords of *nbits* data bits, each of them tried."""
    return min(
        (data << width | gf2.mod(data << width, generator)).bit_count()
        for data in range(1, 1 << nbits)
    )


@pytest.mark.parametrize("seed", range(12))
def test_all_data_give_the_same_distance(seed, monkeypatch):
    monkeypatch.setattr(hd, "_WALKED", seed % 4)  # so that most is searched for
    choice = random.Random(seed)
    width = choice.randrange(1, 17)
    crc = numcrc.Algorithm(width, choice.getrandbits(width) | 1)
    generator = 1 << width | crc.poly
    expected = [least_weight(generator, width, nbits) for nbits in range(1, 12)]
    for nbits, weight in enumerate(expected, 1):
        assert hamming_distance(crc, nbits) == weight
    for distance, (bits, exact) in hd_limits(crc).items():
        if bits < 11:
            assert not exact or expected[bits] < distance
        if bits:
            assert expected[min(bits, 11) - 1] >= distance


@pytest.mark.parametrize("nbits", [1, 8, 22, 23, 60, 100, 170, 200, 300, 3000, 12112, 100_000])
@pytest.mark.parametrize("name", ["CRC-32", "CRC-32C", "CRC-16/MODBUS"])
def test_an_example_is_not_detected(name, nbits):
    crc = numcrc.algorithms[name]
    positions = example(crc, nbits)
    assert positions == sorted(set(positions))
    assert 0 <= positions[0] <= positions[-1] < nbits + crc.width
    assert gf2.mod(sum(1 << position for position in positions), 1 << crc.width | crc.poly) == 0
    assert len(positions) == hamming_distance(crc, nbits)


def test_an_example_passes_in_a_message():
    crc = numcrc.algorithms["CRC-16/IBM-3740"]  # neither refin nor refout
    positions = example(crc, 800)
    message = bytes(range(100))
    number = int.from_bytes(message + crc(message).to_bytes(2, "big"), "big")
    for position in positions:
        number ^= 1 << position
    damaged = number.to_bytes(102, "big")
    assert damaged[:100] != message
    assert crc(damaged[:100]) == int.from_bytes(damaged[100:], "big")


def test_beyond_the_order_two_flips_pass():
    assert hamming_distance("CRC-16/ARC", 10**9) == 2
    assert example("CRC-32", 2**40) == [0, 2**32 - 1]


def test_a_budget_ends_the_search():
    with pytest.raises(Undecided, match="at least 4") as caught:
        hamming_distance("CRC-64/NVME", 1 << 20, budget=500_000_000)
    assert caught.value.at_least == 4
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.at_least, str(copy)) == (caught.value.at_least, str(caught.value))
    limits = hd_limits("CRC-64/NVME", max_hd=7, budget=50_000_000)
    assert limits[4].bits > limits[5].bits > limits[7].bits > 22
    assert not any(limits[distance].exact for distance in (4, 5, 6, 7))
    assert limits[3] == Limit(2**64 - 1 - 64, True)


def test_known_limits_are_not_below_those_of_a_small_budget():
    whole = hd_limits("CRC-32")
    for budget in (1, 1000, 100_000):
        for distance, (bits, exact) in hd_limits("CRC-32", budget=budget).items():
            known = whole.get(distance, Limit(0, True))
            assert bits == known.bits if exact else bits <= known.bits


def test_progress_and_interrupts():
    seen = []
    hd_limits("CRC-32C", budget=BUDGET, progress=seen.append)
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert seen[-1] == 1

    def interrupt(part: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hd_limits("CRC-32C", budget=BUDGET, progress=interrupt)


@pytest.mark.parametrize("name", ["CRC-24/FLEXRAY-A", "CRC-16/T10-DIF", "CRC-32C"])
@pytest.mark.parametrize("piece", [1, 1000])
def test_pieces_of_any_size_give_the_same(name, piece, monkeypatch):
    """The search of one length, too, is taken up where it stopped."""
    monkeypatch.setattr(hd, "PIECE", piece)
    monkeypatch.setattr(hd, "_SLOTS", 50)
    monkeypatch.setattr(hd, "_WALKED", 8)
    search = _Search(name, BUDGET, None)
    limits = hd_limits(name)
    for weight in (5, 6, 7, 8) if name == "CRC-16/T10-DIF" else (6, 8):
        n = min(limits[weight].bits, 300 if piece > 1 else 60) + search.width
        spans = [search._span(weight, n) for search in (search, _Search(name, BUDGET, None))]
        found = limits[weight + 1].bits + search.width
        assert spans == [(found if found < n else 0, 0)] * 2


@pytest.mark.parametrize("k", range(1, 5))
def test_sums_are_taken_apart(k):
    choice = random.Random(k)
    s = np.array([choice.getrandbits(60) for _ in range(40)], np.uint64)
    wanted = sorted(choice.sample(range(1, 30), k))
    total = 0
    for i in wanted:
        total ^= int(s[i])
    assert sorted(hd._sum_of(s, 30, k, total)) == wanted


@pytest.mark.parametrize(("poly", "width"), [(0x04C11DB7, 32), (0x8005, 16), (0x1B, 64)])
@pytest.mark.parametrize("weight", range(3, 8))
def test_the_least_span_is_found(poly, width, weight):
    """Of patterns in 45 bits, beside a search by combinations."""
    search = _Search(numcrc.Algorithm(width, poly), 10**9, None)
    s = [int(value) for value in search.powers(24)]
    expected = 0
    for d in range(weight - 1, 24):
        sums = (sum_of(s, inner) for inner in itertools.combinations(range(1, d), weight - 2))
        if any(total == 1 ^ s[d] for total in sums):
            expected = d
            break
    found, spent = search._span(weight, 24)
    assert not spent
    lighter = any(search._span(other, 24)[0] for other in range(3, weight))
    if not lighter:
        assert found == expected


def sum_of(s: list[int], indices: tuple[int, ...]) -> int:
    """Return the sum of some of *s*."""
    total = 0
    for i in indices:
        total ^= s[i]
    return total


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: hd_limits(numcrc.Algorithm(8, 0x10)), ValueError, "poly 0x10 is even"),
        (lambda: hd_limits("CRC-82/DARC"), NotImplementedError, "at most 64 bits, got one of 82"),
        (lambda: hd_limits("CRC-32", max_hd=2), ValueError, "max_hd must be at least 3, not 2"),
        (lambda: hd_limits("CRC-32", budget=0), ValueError, "budget must be at least 1, not 0"),
        (lambda: hd_limits(32), TypeError, "algorithm must be an Algorithm or a name, not int"),
        (lambda: hamming_distance("CRC-32", 0), ValueError, "nbits must be at least 1, not 0"),
        (lambda: hamming_distance("CRC-32", 1.5), TypeError, "nbits must be an integer"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_second_process_imports_no_numba():
    hd_limits("CRC-32", budget=BUDGET)
    script = (
        "import sys; from numcrc.explore import hd_limits; hd_limits('CRC-32', budget=10**10);"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.split() == [b"False"]
