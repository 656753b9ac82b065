"""Test forged messages, and the bits that explain a wrong CRC."""

from __future__ import annotations

import random
import tracemalloc
from functools import reduce
from itertools import combinations
from operator import xor

import numpy as np
import pytest

import numcrc
from numcrc.explore import flips, forge, locate
from numcrc.explore._forge import _all_flips, _sorting

NAMES = list(numcrc.algorithms)


@pytest.mark.parametrize("name", NAMES)
def test_forged_messages_have_the_crc(name):
    crc, rng = numcrc.algorithms[name], random.Random(name)
    size = -(-crc.width // 8)
    for _ in range(10):
        data = rng.randbytes(rng.randrange(60) + size)
        target = rng.getrandbits(crc.width)
        appended = forge(crc, data, target)
        assert appended[:-size] == data
        assert crc(appended) == target
        at = rng.randrange(-len(data), 1 - size)
        forged = forge(name, data, target, at=at)
        assert crc(forged) == target
        start = len(data) + at
        assert (forged[:start], forged[start + size :]) == (data[:start], data[start + size :])


def test_any_bits_may_be_flipped():
    crc, rng = numcrc.algorithms["crc64nvme"], random.Random(1)
    data = rng.randbytes(1000)
    bits = rng.sample(range(8000), 90)
    forged = forge(crc, data, 0x0123456789ABCDEF, bits=bits)
    assert crc(forged) == 0x0123456789ABCDEF
    changed = {i for i in range(8000) if (forged[i >> 3] ^ data[i >> 3]) >> (i & 7) & 1}
    assert changed <= set(bits)


def test_a_bit_that_is_named_twice_counts_once():
    data = bytes(8)
    bits = [*range(32), *range(32)]
    assert numcrc.crc32(forge("crc32", data, 5, bits=bits)) == 5


def test_nothing_is_flipped_if_the_crc_is_right():
    assert forge("crc32", b"123456789", 0xCBF43926, at=0) == b"123456789"
    assert forge("crc32", b"123456789", 0xCBF43926, bits=[]) == b"123456789"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 1 << 32}, "target must be"),
        ({"target": -1}, "target must be"),
        ({"target": 1, "at": 6}, "4 bytes at 6 are not inside of a message of 9"),
        ({"target": 1, "at": -10}, "4 bytes at -10 are not inside"),
        ({"target": 1, "at": 0, "bits": [1]}, "got both"),
        ({"target": 1, "bits": [72]}, "bit 72 is outside of a message of 9 bytes"),
        ({"target": 1, "bits": range(10)}, r"no choice of these 10 bits .* 2\*\*10 of 2\*\*32"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        forge("crc32", b"123456789", **arguments)


def test_types():
    with pytest.raises(TypeError):
        forge("crc32", "text", 1)
    with pytest.raises(TypeError, match="target must be an integer"):
        forge("crc32", b"", 1.0)
    assert numcrc.crc32(forge("crc32", np.arange(6).reshape(2, 3).T, 7)) == 7


@pytest.mark.parametrize("name", NAMES)
def test_flips_are_the_changes_of_the_crc(name):
    crc, data = numcrc.algorithms[name], bytearray(random.Random(name).randbytes(20))
    for position, change in zip(range(160), flips(crc, 20, range(160)), strict=True):
        flipped = bytearray(data)
        flipped[position >> 3] ^= 1 << (position & 7)
        assert crc(flipped) == crc(data) ^ change


def flipped(data, value, bits):
    message = bytearray(data)
    for bit in bits:
        if bit < 8 * len(data):
            message[bit >> 3] ^= 1 << (bit & 7)
        else:
            value ^= 1 << (bit - 8 * len(data))
    return bytes(message), value


@pytest.mark.parametrize("name", ["CRC-3/GSM", "CRC-8/SMBUS", "CRC-16/ARC", "CRC-82/DARC"])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_all_explanations_are_found(name, most):
    crc, rng = numcrc.algorithms[name], random.Random(most)
    sent = rng.randbytes(3)
    count = 24 + crc.width
    damaged, value = flipped(sent, crc(sent), rng.sample(range(count), most))
    wrong, changes = crc(damaged) ^ value, []
    for bit in range(count):
        message, received = flipped(damaged, value, [bit])
        changes.append(crc(message) ^ received ^ wrong)
    expected = [
        bits
        for number in range(1, most + 1)
        for bits in combinations(range(count), number)
        if reduce(xor, (changes[bit] for bit in bits)) == wrong
    ]
    found = locate(crc, damaged, value, most, limit=1_000_000)
    assert found == (expected if crc(damaged) != value else [()])
    assert locate(crc, damaged, value, most, limit=2) == found[:2]


@pytest.mark.parametrize("size", [0, 1, 250, 100_000])
def test_one_flipped_bit_of_a_long_message(size):
    crc, rng = numcrc.algorithms["crc32c"], random.Random(size)
    data = rng.randbytes(size)
    bit = rng.randrange(8 * size + 32)
    assert locate(crc, *flipped(data, crc(data), [bit])) == [(bit,)]


@pytest.mark.parametrize("name", ["CRC-3/GSM", "CRC-16/ARC", "CRC-64/NVME", "CRC-82/DARC"])
@pytest.mark.parametrize("crossed", [False, True])
def test_the_changes_of_all_bits(name, crossed):
    model = numcrc.algorithms[name].model
    crc = numcrc.Algorithm(**model._replace(refin=model.refin ^ crossed)._asdict())
    size = 20 if crc.width > 64 else 20_003
    changes = _all_flips(crc, size)
    assert len(changes) == 8 * size + crc.width
    for bit in [0, 1, 7, 8, 77, 8 * size // 2 + 3, 8 * size - 9, 8 * size - 1]:
        assert changes[bit] == flips(crc, size, [bit])[0]
    assert changes[8 * size :].tolist() == [1 << bit for bit in range(crc.width)]


@pytest.mark.parametrize("name", ["CRC-5/USB", "CRC-16/ARC", "CRC-82/DARC"])
@pytest.mark.parametrize("poly", [None, 0, 4])  # its own, and even ones
def test_single_bits_are_found_in_order(name, poly):
    model = numcrc.algorithms[name].model
    crc = numcrc.Algorithm(**model._replace(poly=model.poly if poly is None else poly)._asdict())
    data = random.Random(name).randbytes(99)
    changes = _all_flips(crc, len(data)).tolist()
    for wanted in {*changes[::50], *changes[-8:], 0b11} - {0}:
        expected = [(bit,) for bit, change in enumerate(changes) if change == wanted]
        assert locate(crc, data, crc(data) ^ wanted) == expected


def test_one_bit_of_a_very_long_message_is_found_without_a_table_of_all():
    crc = numcrc.algorithms["CRC-64/NVME"]
    data, bit = np.zeros(1 << 26, np.uint8), 123_456_789
    value = crc(data)
    data[bit >> 3] ^= 1 << (bit & 7)
    tracemalloc.start()
    assert locate(crc, data, value) == [(bit,)]
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["CRC-3/GSM", "CRC-16/ARC", "CRC-32C"])
def test_sorting_in_parts(name):
    crc = numcrc.algorithms[name]
    changes = _all_flips(crc, 30_000)
    expected = np.argsort(changes, kind="stable")
    np.testing.assert_array_equal(_sorting(changes, max(0, crc.width - 8)), expected)


def test_two_bits_of_a_longer_message():
    crc, rng = numcrc.algorithms["CRC-64/XZ"], random.Random(5)
    data, seen = rng.randbytes(20_000), []
    bits = [70_000, 155_555]
    assert locate(crc, *flipped(data, crc(data), bits), 2, progress=seen.append) == [tuple(bits)]
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_all_bits_of_a_message_may_be_free():
    crc = numcrc.algorithms["crc32"]
    tracemalloc.start()
    forged = forge(crc, bytes(3000), 0xDEADBEEF, bits=range(24_000))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert crc(forged) == 0xDEADBEEF
    with pytest.raises(ValueError, match="bit 24000 is outside"):
        forge(crc, bytes(3000), 0xDEADBEEF, bits=range(24_001))


@pytest.mark.parametrize(
    ("name", "size", "most"),
    [
        ("crc32", 1_000_000, 3),
        ("crc32", 1 << 21, 2),
        ("crc32", 1000, 1 << 70),
        ("CRC-82/DARC", 1 << 17, 2),
    ],
)
def test_what_would_take_too_long_is_refused(name, size, most):
    with pytest.raises(NotImplementedError, match="bits would take too long"):
        locate(name, bytes(size), 0, max_bits=most)


def test_arguments_of_locate_and_flips():
    assert locate("crc32", b"123456789", 0xCBF43926, max_bits=0) == [()]
    assert locate("crc32", b"123456789", 0xCBF43927, max_bits=0) == []
    assert locate("crc32", b"", 1, max_bits=1) == [(0,)]
    assert locate("CRC-3/GSM", b"", 0, max_bits=1 << 70) != []
    with pytest.raises(ValueError, match="limit at least 1"):
        locate("crc32", b"", 0, limit=0)
    with pytest.raises(ValueError, match="length must not be negative, but is -1"):
        flips("crc32", -1, [])
