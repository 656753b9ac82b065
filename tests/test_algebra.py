"""Test combine, zeros, bits and verify against the definition of a CRC."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import algorithms, few

import numcrc
from numcrc.crc import reference

NAMES = ["CRC-32/ISCSI", "CRC-32/BZIP2", "CRC-64/NVME", "CRC-12/UMTS", "CRC-3/GSM", "CRC-82/DARC"]
EVEN = numcrc.Algorithm(16, 0x8004, init=0x1234, name="even")
EVEN_WIDE = numcrc.Algorithm(80, 0x8004, name="even and wide")

messages = st.binary(max_size=100)
lengths = st.one_of(st.integers(0, 300), st.integers(0, 2**64), st.integers(0, 2**100))


@pytest.fixture(params=NAMES)
def crc(request: pytest.FixtureRequest) -> numcrc.Algorithm:
    """Return one algorithm of each kind."""
    return numcrc.algorithms[request.param]


def some_value(crc: numcrc.Algorithm) -> int:
    return 0x3DA5F0C3_96E1B4782D & crc.model.mask


def with_constant_term(crc: numcrc.Algorithm) -> numcrc.Algorithm:
    """Return *crc* with a constant term in its polynomial."""
    return numcrc.Algorithm(**crc.model._replace(poly=crc.poly | 1)._asdict())


def same_number(result: object, expected: int) -> None:
    """Assert that *result* is the scalar *expected*."""
    assert np.shape(result) == ()
    assert result == expected


# combine


@few
@given(algorithms(), messages, messages)
def test_combine(crc, a, b):
    assert crc.combine(crc(a), crc(b), len(b)) == crc(a + b)


@few
@given(algorithms(), messages, messages, messages, lengths)
def test_combine_is_associative(crc, a, b, c, more):
    """Also for lengths of messages that do not fit into memory."""
    x, y, z = crc(a), crc(b), crc(c)
    left = crc.combine(crc.combine(x, y, more), z, 2 * more)
    assert left == crc.combine(x, crc.combine(y, z, 2 * more), 3 * more)


def test_combine_with_nothing(crc):
    value = some_value(crc)
    assert crc.combine(value, crc(b""), 0) == value
    assert crc.combine(crc(b""), value, 12345) == value


def test_combine_takes_any_integers_and_keywords(crc):
    a, b = crc(b"1234"), crc(b"56789")
    assert type(crc.combine(a, b, 5)) is int
    assert crc.combine(crc1=a, crc2=b, len2=5) == crc.check
    for number in (np.int64, np.uint8):
        same_number(crc.combine(a, b, number(5)), crc.check)
    if crc.width <= 64:
        same_number(crc.combine(np.uint64(a), np.uint64(b), 5), crc.check)


def test_combine_refuses(crc):
    value, wide = crc.check, 1 << crc.width
    for first, second, name in ((wide, value, "crc1"), (value, wide, "crc2"), (-1, value, "crc1")):
        with pytest.raises(ValueError, match=f"^{name} must be 0 <= {name} < 2"):
            crc.combine(first, second, 5)
    with pytest.raises(ValueError, match=r"^len2 must not be negative, but is -1$"):
        crc.combine(value, value, -1)
    for number in (int, np.int8, lambda n: np.array([n])):  # the first wrong argument is named
        wrong = number(-1)
        for arguments, name in (
            ((wrong, wrong, wrong), "crc1"),
            ((value, wrong, wrong), "crc2"),
            ((value, value, wrong), "len2"),
        ):
            with pytest.raises(ValueError, match=f"^{name} must"):
                crc.combine(*arguments)
    for arguments in ((None, value, 5), (value, None, 5), ("1", value, 5), (value, 1.5, 5)):
        with pytest.raises(TypeError, match="must be"):
            crc.combine(*arguments)
    for length in (None, 5.0, "5"):
        with pytest.raises(TypeError):
            crc.combine(value, value, length)


# zeros


@few
@given(algorithms(), messages, st.integers(0, 300))
def test_zeros(crc, data, n):
    assert crc.zeros(crc(data), n) == crc(data + bytes(n))


@few
@given(algorithms(), st.data(), lengths, lengths)
def test_numbers_of_zeros_add_and_cancel(crc, data, m, n):
    crc = with_constant_term(crc)
    value = data.draw(st.integers(0, crc.model.mask))
    assert crc.zeros(crc.zeros(value, m), n) == crc.zeros(value, m + n)
    assert crc.zeros(crc.zeros(value, m), -m) == value
    assert crc.zeros(crc.zeros(value, m), -n) == crc.zeros(value, m - n)


def test_zeros_at_the_limits_of_machine_words(crc):
    """Python, not machine code, computes beyond these limits."""
    value = some_value(crc)
    half = crc.zeros(value, 2**62)
    assert crc.zeros(half, 2**62 - 1) == crc.zeros(value, 2**63 - 1)
    assert crc.zeros(half, 2**62) == crc.zeros(value, 2**63)
    assert crc.zeros(crc.zeros(value, 2**69), 2**69) == crc.zeros(value, 2**70)
    for n in (2**63 - 1, 2**63, 2**63 + 1, 2**64, 2**70):
        assert crc.zeros(crc.zeros(value, n), -n) == value
        assert crc.zeros(crc.zeros(value, -n), n) == value
    assert crc.zeros(value, 0) == value


def test_zeros_takes_any_integers_and_keywords(crc):
    value = crc(b"abc")
    expected = crc(b"abc" + bytes(9))
    assert type(crc.zeros(value, 9)) is int
    assert crc.zeros(value=value, n=9) == expected
    for number in (np.int8, np.uint64):
        same_number(crc.zeros(value, number(9)), expected)
    if crc.width <= 64:
        same_number(crc.zeros(np.uint64(value), 9), expected)


@pytest.mark.parametrize("crc", [EVEN, EVEN_WIDE], ids=lambda crc: crc.name)
def test_zeros_of_an_even_polynomial(crc):
    value = crc(b"abc")
    for n in (0, 1, 2, 9, 300):
        assert crc.zeros(value, n) == crc(b"abc" + bytes(n))
    assert crc.combine(value, crc(b"de"), 2) == crc(b"abcde")
    for n in (-1, -(2**70)):
        with pytest.raises(ValueError, match="polynomial has no constant term"):
            crc.zeros(value, n)


def test_zeros_refuses(crc):
    for value in (-1, 1 << crc.width, 2**200):
        for n in (0, 5, -5):
            with pytest.raises(ValueError, match=r"^value must be 0 <= value < 2"):
                crc.zeros(value, n)
    for value in (None, "1", 1.5):
        with pytest.raises(TypeError, match=r"^value must be (an integer|integers), not "):
            crc.zeros(value, 5)
    for n in (None, "1", 1.5):
        with pytest.raises(TypeError, match=r"^n must be (an integer|integers), not "):
            crc.zeros(1, n)
    for arguments in ((), (1,), (1, 2, 3)):
        with pytest.raises(TypeError, match="argument"):
            crc.zeros(*arguments)


# bits


@few
@given(algorithms(), st.binary(max_size=20))
def test_bits(crc, data):
    model = crc.model
    for nbits in range(8 * len(data) + 1):
        bits = islice(reference.message_bits(data, model.refin), nbits)
        expected = reference.value_of(model, reference.feed(model, model.init, bits))
        assert crc.bits(data, nbits) == expected, nbits
    assert crc.bits(data, 8 * len(data)) == crc(data)


def test_bits_known():
    """A token packet of USB 2.0: 11 bits, address 0x15 and endpoint 0xE."""
    assert numcrc.algorithms["CRC-5/USB"].bits(bytes([0x15, 0x07]), 11) == 0b11101


def test_bits_of_an_array_in_several_pieces(crc):
    numbers = np.arange(300_000, dtype="<u4")[::2]
    plain = numbers.tobytes()
    for length in (0, 5, 262_143, 262_144, 262_145, 400_000, len(plain) - 1):
        for nbits in (8 * length, 8 * length + 1, 8 * length + 7):
            assert crc.bits(numbers, nbits) == crc.bits(plain, nbits)
    for nbits in (8 * len(plain) - 1, 8 * len(plain)):
        assert crc.bits(numbers, nbits) == crc.bits(plain, nbits)


def test_bits_of_any_integer(crc):
    class Eleven:
        def __index__(self):
            return 11

    assert crc.bits(b"abc", Eleven()) == crc.bits(b"abc", 11)
    with pytest.raises(ValueError, match=r"^data has only 8 bits, not 11$"):
        crc.bits(b"a", Eleven())


def test_bits_refuses(crc):
    with pytest.raises(ValueError, match=r"^nbits must not be negative, but is -1$"):
        crc.bits(b"abc", -1)
    for nbits in (25, 32, 2**70):
        with pytest.raises(ValueError, match=f"^data has only 24 bits, not {nbits}$"):
            crc.bits(b"abc", nbits)
    with pytest.raises(ValueError, match=r"^data has only 0 bits, not 1$"):
        crc.bits(b"", 1)
    for nbits in (None, 8.0, "8"):
        with pytest.raises(TypeError, match=r"^nbits must be an integer, not "):
            crc.bits(b"abc", nbits)
    with pytest.raises(TypeError, match="not str: encode it first"):
        crc.bits("abc", 8)


# verify


def test_verify(crc):
    data = bytearray(b"123456789")
    assert crc.verify(data, crc.check) is True
    assert crc.verify(data, np.array(crc.check, object)[()]) is True
    assert crc.verify(data, crc.check ^ 1) is False
    data[3] ^= 1
    assert crc.verify(data, crc.check) is False
    assert crc.verify(data=data, expected=crc(data)) is True


def test_verify_refuses(crc):
    for expected in (-1, 1 << crc.width):
        with pytest.raises(ValueError, match=r"^expected must be 0 <= expected < 2"):
            crc.verify(b"123456789", expected)
    for expected in (None, "cbf43926", b"\0\0\0\0"):
        with pytest.raises(TypeError, match=r"^expected must be an integer, not "):
            crc.verify(b"123456789", expected)


def test_a_bool_of_python_is_one_integer_with_arrays_too():
    """As for Python's own functions; arrays of bools are refused."""
    crc = numcrc.algorithms["CRC-32/ISCSI"]
    assert crc.zeros([1], True).tolist() == [crc.zeros(1, True)] == [crc.zeros(1, 1)]
    with pytest.raises(TypeError, match="n must be integers, not bool"):
        crc.zeros([1], [True])
