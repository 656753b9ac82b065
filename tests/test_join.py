"""Test combine, zeros and join with arrays, which are broadcast as in NumPy."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import algorithms, few

import numcrc
import numcrc.records.algebra

NAMES = {
    "CRC-3/GSM": "u1",
    "CRC-12/UMTS": "u2",
    "CRC-32/ISCSI": "u4",
    "CRC-40/GSM": "u8",
    "CRC-64/NVME": "u8",
    "CRC-82/DARC": "O",
}
EVEN = numcrc.Algorithm(16, 0x8004, name="even")
EVEN_WIDE = numcrc.Algorithm(80, 0x8004, name="even and wide")


@pytest.fixture(params=NAMES)
def crc(request: pytest.FixtureRequest) -> numcrc.Algorithm:
    """Return one algorithm of each result dtype."""
    return numcrc.algorithms[request.param]


def some(crc: numcrc.Algorithm, *shape: int, seed: int = 0) -> np.ndarray:
    """Return random CRCs."""
    numbers = random.Random(seed)
    flat = [numbers.getrandbits(crc.width) for _ in range(int(np.prod(shape)))]
    return np.array(flat, NAMES[crc.name]).reshape(shape)


def each(function: Any, *arguments: Any) -> list[Any]:
    """Return the results of *function*, of ints, for each of the broadcast arguments."""
    arrays = [np.asarray(argument, object) for argument in arguments]
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays)).tolist()


SHAPES = [((5,), (5,)), ((5,), ()), ((), (5,)), ((3, 1), (4,)), ((2, 1, 3), (4, 1)), ((0,), (1,))]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_zeros(crc, shapes):
    values = some(crc, *shapes[0])
    counts = np.random.default_rng(1).integers(-(2**62), 2**62, shapes[1])
    counts.flat[:1] = 0
    found = crc.zeros(values, counts)
    assert found.tolist() == each(crc.zeros, values, counts)
    assert found.dtype == np.dtype(NAMES[crc.name])
    assert found.shape == np.broadcast_shapes(*shapes)
    assert crc.zeros(found, -counts).tolist() == np.broadcast_to(values, found.shape).tolist()


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_combine(crc, shapes):
    first, second = some(crc, *shapes[0]), some(crc, *shapes[1], seed=1)
    lengths = np.random.default_rng(2).integers(0, 2**62, shapes[1])
    for length in (lengths, 0, 1000, 2**63 - 1):
        found = crc.combine(first, second, length)
        assert found.tolist() == each(crc.combine, first, second, length)
        assert found.dtype == np.dtype(NAMES[crc.name])


def test_combine_with_only_one_array(crc):
    values = some(crc, 4)
    a, b = 1, crc.model.mask
    lengths = np.arange(4)
    assert crc.combine(values, b, 3).tolist() == each(crc.combine, values, b, 3)
    assert crc.combine(a, values, 3).tolist() == each(crc.combine, a, values, 3)
    assert crc.combine(a, b, lengths).tolist() == each(crc.combine, a, b, lengths)
    assert crc.zeros(a, lengths).tolist() == each(crc.zeros, a, lengths)


@few
@given(algorithms(), st.lists(st.binary(max_size=30), max_size=8))
def test_join_is_the_crc_of_the_concatenation(crc, parts):
    whole = b"".join(parts)
    found = crc.join([crc(part) for part in parts], [len(part) for part in parts])
    assert found == crc(whole)
    assert np.shape(found) == ()
    half = len(parts) // 2
    first, second = b"".join(parts[:half]), b"".join(parts[half:])
    assert crc.combine([crc(first)], [crc(second)], [len(second)]).tolist() == [crc(whole)]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_join_along_an_axis(crc, axis):
    parts = np.empty((2, 3, 4), object)
    numbers = random.Random(3)
    parts.flat[:] = [numbers.randbytes(numbers.randrange(20)) for _ in range(24)]
    crcs = crc.batch(parts.reshape(-1)).reshape(parts.shape)
    lengths = np.vectorize(len, otypes=[">u2"])(parts)
    whole = np.add.reduce(parts, axis)
    found = crc.join(crcs, lengths, axis)
    assert found.tolist() == each(crc, whole)
    assert (found.shape, found.dtype) == (whole.shape, np.dtype(NAMES[crc.name]))
    strided = np.repeat(crcs, 2, 1)[:, ::2][::-1]
    assert (
        crc.join(strided, lengths[::-1], axis).tolist()
        == crc.join(strided.copy(), lengths[::-1].copy(), axis).tolist()
    )


def test_join_broadcasts_lengths(crc):
    blocks = np.random.default_rng(4).integers(0, 256, (3, 4, 10)).astype("u1")
    crcs = crc.rows(blocks)
    expected = crc.rows(blocks, (1, 2)).tolist()
    for lengths in (10, np.uint8(10), [10] * 4, np.full((3, 1), 10)):
        assert crc.join(crcs, lengths).tolist() == expected
    assert crc.join(crcs.ravel(), 10) == crc(blocks)


@pytest.mark.parametrize("length", [0, 1, 7, 4096, 2**40 + 3, 2**62, 2**63 - 1])
def test_join_of_equal_lengths(crc, length):
    """One length for all, as a number or in an array, gives what a sequence of combines gives."""
    values = some(crc, 3, 5)
    expected = []
    for row in values.tolist():
        whole = crc(b"")
        for value in row:
            whole = crc.combine(whole, value, length)
        expected.append(whole)
    for lengths in (length, np.full(5, length), np.full((3, 1), length), np.full((3, 5), length)):
        found = crc.join(values, lengths)
        assert (found.tolist(), found.dtype) == (expected, np.dtype(NAMES[crc.name]))
        assert crc.join(np.asfortranarray(values.T), length, 0).tolist() == expected


@few
@given(algorithms(), st.lists(st.binary(min_size=3, max_size=3), max_size=8))
def test_join_of_equal_lengths_is_the_crc_of_the_concatenation(crc, parts):
    assert crc.join([crc(part) for part in parts], 3) == crc(b"".join(parts))


def test_join_of_no_messages(crc):
    assert crc.join([], []) == crc(b"")
    assert crc.join(np.zeros((3, 0), int), 5).tolist() == [crc(b"")] * 3
    assert crc.join(np.zeros((3, 0), int), 5, 0).shape == (0,)


def test_lengths_whose_sum_is_beyond_64_bits(crc):
    crcs, lengths = some(crc, 5).tolist(), [2**63 - 1, 2**62, 0, 2**63 - 1, 7]
    expected = crc(b"")
    for one, length in zip(crcs, lengths, strict=True):
        expected = crc.combine(expected, one, length)
    assert crc.join(crcs, lengths) == expected


@pytest.mark.parametrize("n", [2**63, 2**64 - 1, np.uint64(2**63), np.array(2**63, "u8"), 2**100])
def test_one_number_of_any_size(crc, n):
    """It is taken with an array of CRCs as with one CRC."""
    values = some(crc, 2, 2)
    for call in (crc.zeros, lambda value, n: crc.combine(value, 5, n)):
        found = call(values, n)
        assert found.tolist() == [[call(value, n) for value in row] for row in values.tolist()]
        assert found.dtype == np.dtype(NAMES[crc.name])
        assert call([], n).shape == (0,)
    assert crc.zeros(crc.zeros(values, n), -int(n)).tolist() == values.tolist()
    with pytest.raises(ValueError, match="len2 must not be negative"):
        crc.combine(values, 5, -int(n))


def test_lists_across_the_sign_bit():
    """NumPy converts such lists to floats."""
    crc = numcrc.algorithms["CRC-64/NVME"]
    values = [1, 2**63 - 1, 2**63, 2**64 - 1]
    assert crc.zeros(values, 5).tolist() == each(crc.zeros, values, 5)
    assert crc.combine(values, values[::-1], 5).tolist() == each(
        crc.combine, values, values[::-1], 5
    )
    expected = crc(b"")
    for value in values:
        expected = crc.combine(expected, value, 8)
    assert crc.join(values, 8) == expected
    assert crc.batch([b"a"] * 4, values).tolist() == [crc(b"a", value) for value in values]


def test_ints_give_ints_and_scalars_of_numpy_too(crc):
    for value, n in ((1, 5), (np.uint8(1), 5), (1, np.int64(5)), (np.array(1), np.array(5))):
        assert crc.zeros(value, n) == crc.zeros(1, 5)
        assert type(crc.zeros(value, n)) is int
        assert crc.combine(value, 1, n) == crc.combine(1, 1, 5)
        assert type(crc.combine(value, 1, n)) is int
    assert crc.zeros(crc.zeros(1, 2**100), -(2**100)) == 1
    assert type(crc.zeros([1], 5)) is np.ndarray


def test_more_than_one_turn(monkeypatch):
    monkeypatch.setattr(numcrc.records.algebra, "TURN", 10)
    crc = numcrc.algorithms["CRC-32/ISCSI"]
    values, counts = some(crc, 7, 5), np.arange(35).reshape(5, 7).T
    assert crc.zeros(values, counts).tolist() == each(crc.zeros, values, counts)


@pytest.mark.parametrize(
    ("method", "arguments", "kind", "message"),
    [
        ("zeros", ([-1], 1), ValueError, "value must be 0 <= value"),
        ("zeros", ([2**82], 1), ValueError, "value must be 0 <= value"),
        ("zeros", ([1.0], 1), TypeError, "value must be"),
        ("zeros", (["1"], 1), TypeError, "value must be"),
        ("zeros", ("1", 1), TypeError, "value must be an integer, not str"),
        ("zeros", ([1], 1.0), TypeError, "n must be integers, not float64"),
        ("zeros", (1, [1.0]), TypeError, "n must be integers, not float64"),
        ("zeros", (1, 1.0), TypeError, "n must be an integer, not float"),
        ("zeros", ([1, 2], [1, 2, 3]), ValueError, "broadcast|shape"),
        (
            "zeros",
            ([1], np.array([2**63], "u8")),
            ValueError,
            r"n must be .* to 2\*\*63 - 1, but one is",
        ),
        ("combine", ([1], [-1], 1), ValueError, "crc2 must be 0 <= crc2"),
        ("combine", ([2**82], [1], 1), ValueError, "crc1 must be 0 <= crc1"),
        ("combine", (1, 1, [-1]), ValueError, "len2 must not be negative"),
        ("combine", ([1], 1, -1), ValueError, "len2 must not be negative"),
        ("combine", ([1.0], 1, 1), TypeError, "crc1 must be"),
        ("combine", (1, None, 1), TypeError, "crc2 must be an integer, not NoneType"),
        ("combine", ([1], 1, 1.5), TypeError, "len2 must be integers, not float64"),
        ("combine", ([1, 2], [1, 2, 3], 1), ValueError, "broadcast|shape"),
        ("combine", ([1, 2], 1, [1, 2, 3]), ValueError, "broadcast|shape"),
        ("join", ([1, 2], [1, -1]), ValueError, "lengths must not be negative, but one is -1"),
        ("join", ([1, 2], [1, 2, 3]), ValueError, "cannot broadcast lengths of shape"),
        ("join", ([1, 2], [[1], [2]]), ValueError, "cannot broadcast lengths of shape"),
        ("join", ([1, 2], [1.0, 2.0]), TypeError, "lengths must be integers, not float64"),
        (
            "join",
            ([1, 2], np.array([1, 2**63], "u8")),
            ValueError,
            r"lengths must be .* to 2\*\*63 - 1, but one is",
        ),
        ("join", ([1, -1], 1), ValueError, "crcs must be 0 <= crcs"),
        ("join", ([1, 2**82], 1), ValueError, "crcs must be 0 <= crcs"),
        ("join", ([1, 1.5], 1), TypeError, "crcs must be"),
        ("join", (1, 1), ValueError, "crcs must be a sequence, not one CRC"),
        ("join", ([1, 2], 1, 1), np.exceptions.AxisError, "^axis 1 is out of bounds"),
        ("join", ([1, 2], 1, -2), np.exceptions.AxisError, "^axis -2 is out of bounds"),
        ("join", ([1, 2], 1, "x"), TypeError, "^axis must be an integer, not str"),
        ("join", ([1, 2], 1, None), TypeError, "^axis must be an integer, not NoneType"),
        ("join", ([1, 2], 1, (0,)), TypeError, "^axis must be an integer, not tuple"),
    ],
)
def test_wrong_input(crc, method, arguments, kind, message):
    with pytest.raises(kind, match=message) as caught:
        getattr(crc, method)(*arguments)
    assert caught.type is kind


@pytest.mark.parametrize("even", [EVEN, EVEN_WIDE], ids=lambda even: even.name)
def test_even_polynomials_cannot_remove_zeros(even):
    assert even.zeros([1, 2], [0, 5]).tolist() == [even.zeros(1, 0), even.zeros(2, 5)]
    with pytest.raises(ValueError, match="n must not be negative: the polynomial"):
        even.zeros([1, 2], [0, -5])


@pytest.mark.parametrize("n", [-(2**63), -(2**63) + 1, -(2**62), 2**63 - 1])
def test_the_longest_counts_of_64_bits(n):
    crc = numcrc.algorithms["CRC-32/ISCSI"]
    expected = crc.zeros(5, n)
    assert n != -(2**63) or expected == 3623799236
    assert crc.zeros([5, 5], n).tolist() == [expected] * 2
    assert crc.zeros(np.uint32(5), np.int64(n)) == expected
    if n > 0:
        joined = crc.combine(5, 7, n)
        assert crc.combine([5], 7, n).tolist() == [joined]
        assert crc.join([crc.combine(0, 5, 0), 7], [0, n]) == crc.combine(crc.join([5], [0]), 7, n)


@pytest.mark.parametrize("turn", [1, 5, 12, 1000])
def test_join_and_zeros_in_turns(crc, turn, monkeypatch):
    """Between turns signals are handled."""
    if crc.width > 64:
        pytest.skip("computed one by one")
    numbers = np.random.default_rng(2).integers(0, 2**63, (3, 2, 12))
    values = some(crc, 3, 2, 12)
    expected = [crc.join(values, numbers, axis).tolist() for axis in (0, 1, 2)]
    equal = [crc.join(values, 2**40 + 1, axis).tolist() for axis in (0, 1, 2)]
    after = crc.zeros(values, numbers).tolist()
    counts = []

    def join(values, lengths, out, number, each, length):
        counts.append(number * each)
        return compiled(values, lengths, out, number, each, length)

    monkeypatch.setattr(numcrc.records.algebra, "TURN", turn)
    compiled = crc._compiled.join
    monkeypatch.setitem(vars(crc._compiled), "join", join)
    assert [crc.join(values, numbers, axis).tolist() for axis in (0, 1, 2)] == expected
    assert [crc.join(values, 2**40 + 1, axis).tolist() for axis in (0, 1, 2)] == equal
    assert crc.zeros(values, numbers).tolist() == after
    assert all(count <= turn for count in counts)
    whole = crc(b"")
    for value, number in zip(values[0, 0].tolist(), numbers[0, 0].tolist(), strict=True):
        whole = crc.combine(whole, value, number)
    assert expected[2][0][0] == whole
