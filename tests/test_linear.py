"""Test the linear algorithm of an algorithm, and the contributions of an array's blocks."""

from __future__ import annotations

import copy
import itertools
import pickle
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import algorithms, few
from support import in_c_order

import numcrc
from numcrc.records import blocks as blocks_module

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
WIDE = numcrc.algorithms["CRC-82/DARC"]
NAMES = ["CRC-3/GSM", "CRC-12/UMTS", "CRC-32/BZIP2", "CRC-32/ISCSI", "CRC-64/NVME", "CRC-82/DARC"]


@few
@given(algorithms(), st.binary(max_size=50), st.randoms(use_true_random=False))
def test_the_linear_algorithm_is_linear(crc, first, numbers):
    linear, second = crc.linear, numbers.randbytes(len(first))
    added = bytes(a ^ b for a, b in zip(first, second, strict=True))
    assert linear(added) == linear(first) ^ linear(second)
    assert linear(bytes(7) + first) == linear(first)
    assert crc(first) == linear(first) ^ crc(bytes(len(first)))
    assert linear.zeros(linear(first), len(second)) ^ linear(second) == linear(first + second)


@pytest.mark.parametrize("name", ["CRC-32/ISCSI", "CRC-82/DARC", "CRC-12/UMTS", "CRC-16/ARC"])
def test_the_linear_algorithm_is_an_algorithm(name):
    crc = numcrc.algorithms[name]
    linear = crc.linear
    assert linear.model == crc.model._replace(init=0, xorout=0)
    assert linear.check == linear(b"123456789")
    assert linear.residue == 0
    assert linear.linear is linear is crc.linear
    for other in (pickle.loads(pickle.dumps(linear)), copy.deepcopy(linear)):
        assert (other, hash(other), other.linear) == (linear, hash(linear), linear)
    if crc.init or crc.xorout:
        assert linear.name == f"{crc.name} (linear)"
        assert linear != crc
        assert pickle.loads(pickle.dumps(crc)).linear is linear  # crc is shared
    else:
        assert linear is crc


def blocks(shape: tuple[int, ...], numbers: random.Random) -> list[tuple[slice, ...]]:
    """Return the slices of an array's blocks, cut at random places, in random order."""
    axes = []
    for length in shape:
        cuts = sorted(numbers.randint(0, length) for _ in range(numbers.randrange(3)))
        axes.append(list(itertools.starmap(slice, itertools.pairwise((0, *cuts, length)))))
    found = list(itertools.product(*axes))
    numbers.shuffle(found)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(10))
def test_contributions_of_blocks_add_up(name, seed, monkeypatch):
    crc, numbers = numcrc.algorithms[name], random.Random(seed)
    if seed % 2:
        monkeypatch.setattr("numcrc.records.blocks.MOST_ROWS", 3)
    for _ in range(10):
        shape = tuple(numbers.randrange(8) for _ in range(numbers.randrange(6)))
        dtype = np.dtype(numbers.choice(["u1", ">i2", "f4", "c16", "M8[s]", "V3"]))
        size = int(np.prod(shape)) * dtype.itemsize
        a = np.frombuffer(numbers.randbytes(size), dtype).reshape(shape)
        a = numbers.choice([a, np.asfortranarray(a), a.T, a[::-1] if a.ndim else a])
        total = crc.zeros(crc(b""), a.nbytes)
        for places in blocks(a.shape, numbers):
            start = tuple(place.start for place in places)
            total ^= crc.contribution(a[(..., *places)], a.shape, start, threads=1)
        assert total == crc(in_c_order(a))


def test_a_contribution_may_be_far_from_the_end():
    """Of an array that fits no memory."""
    block = np.arange(6, dtype="u1").reshape(2, 3)
    shape, start = (2**20, 2**30), (5, 7)
    first, second = CRC.linear(block[0]), CRC.linear(block[1])
    behind = (2**20 - 5) * 2**30 - 10
    expected = CRC.linear.zeros(first, behind) ^ CRC.linear.zeros(second, behind - 2**30)
    assert CRC.contribution(block, shape, start) == expected
    assert CRC.contribution(block, tuple(map(np.int64, shape)), np.array(start)) == expected


def test_a_contribution_of_short_rows_takes_little_memory(monkeypatch):
    """A row may be one byte, its CRC several words."""
    counts, join = [], blocks_module.join_last_axis

    def counted(compiled, values, stride):
        counts.append(values.size)
        return join(compiled, values, stride)

    monkeypatch.setattr(blocks_module, "join_last_axis", counted)
    monkeypatch.setattr(blocks_module, "MOST_ROWS", 100)
    a = np.arange(5000).astype("u1").reshape(20, 50, 5)
    total = CRC.zeros(CRC(b""), a.nbytes)
    for start in range(5):
        total ^= CRC.contribution(a[:, :, start : start + 1], a.shape, (0, 0, start))
    assert total == CRC(a)
    assert max(counts) <= 100


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_rows_of_a_contribution_may_be_any_distance_apart(crc):
    linear = crc.linear
    expected = linear.zeros(linear(b"a"), 2**65 - 1) ^ linear.zeros(linear(b"b"), 2**64 - 1)
    assert crc.contribution(
        np.frombuffer(b"ab", "u1").reshape(2, 1, 1), (2, 2**62, 4), (0, 0, 0)
    ) == (expected)


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
@pytest.mark.parametrize(
    ("block", "shape", "start", "kind", "message"),
    [
        (bytes(3), (4,), (2,), ValueError, r"shape \(3,\) at \(2,\) is not inside an array"),
        (bytes(3), (4,), (-1,), ValueError, r"at \(-1,\) is not inside an array of shape \(4,\)"),
        (b"", (4,), (5,), ValueError, "is not inside an array"),
        (bytes(3), (4, 4), (0, 0), ValueError, "a block of 1 dimensions does not suit shape"),
        (bytes(3), (4,), (), ValueError, "a block of 1 dimensions does not suit shape"),
        (bytes(3), (4.0,), (0,), TypeError, "shape must be an integer, not float"),
        (bytes(3), (4,), ("0",), TypeError, "start must be an integer, not str"),
        ("abc", (4,), (0,), TypeError, "data must be bytes-like or an array, not str"),
        (np.array([None]), (4,), (0,), TypeError, "holds Python objects"),
    ],
)
def test_wrong_blocks(crc, block, shape, start, kind, message):
    with pytest.raises(kind, match=message):
        crc.contribution(block, shape, start)
