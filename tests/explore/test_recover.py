"""Test that CRCs are found from samples of messages and checksums."""

from __future__ import annotations

import random

import pytest

import numcrc
from numcrc.explore import Match, identify, identify_frames, reverse, reverse_frames

ORDERS = ("big", "little")
NAMES = [name for name, crc in numcrc.algorithms.items() if crc.width <= 64]


def stored(crc, message, order):
    return crc(message).to_bytes(-(-crc.width // 8), order)


def equal(a, b):
    """Whether two algorithms are the same function of bytes."""
    rng = random.Random(1)
    messages = [rng.randbytes(size) for size in (0, 1, 2, 3, 5, 40)]
    return (a.width, a.poly) == (b.width, b.poly) and all(a(m) == b(m) for m in messages)


@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_from_four_messages_of_different_lengths(name):
    crc = numcrc.algorithms[name]
    for seed in range(20):
        rng = random.Random(seed)
        messages, order = [rng.randbytes(size) for size in (9, 13, 16, 21)], rng.choice(ORDERS)
        samples = [(message, stored(crc, message, order)) for message in messages]
        for found in (identify(samples), reverse(samples)):
            # The generator of CRC-5/G-704 is that of CRC-4/G-704 times x + 1.
            right = found[:2] if name.endswith("/G-704") else found[:1]
            assert any(equal(match.algorithm, crc) for match in right)
            assert found[0].byteorder == (order if crc.width > 8 else "")
            assert not found[0].lengths


@pytest.mark.parametrize("name", ["CRC-3/GSM", "CRC-12/UMTS", "CRC-16/ARC", "CRC-64/XZ"])
def test_checksums_as_ints(name):
    crc, rng = numcrc.algorithms[name], random.Random(name)
    samples = [(m, crc(m)) for m in map(rng.randbytes, (9, 10, 12, 13, 16, 21))]
    for found in (identify(samples), reverse(samples)):
        assert equal(found[0].algorithm, crc)
        assert found[0].byteorder == ""


def test_random_parameters_from_five_messages():
    rng = random.Random(16)
    for _ in range(1000):
        width, refin = rng.randint(9, 64), rng.random() < 0.5
        init, xorout = rng.getrandbits(width), rng.getrandbits(width)
        poly = rng.getrandbits(width) | 1
        crc = numcrc.Algorithm(width, poly, init, refin=refin, refout=refin, xorout=xorout)
        messages = map(rng.randbytes, rng.sample(range(6, 40), 5))
        order = rng.choice(ORDERS)
        samples = [(message, stored(crc, message, order)) for message in messages]
        found = reverse(samples)
        # Others may match by chance, or where the lengths do not determine init.
        assert found[0].lengths or any(equal(match.algorithm, crc) for match in found)
        first = found[0]
        if not equal(first.algorithm, crc):
            # A divisor of the polynomial of degree w - 1 gives the same checksums if none has the
            # highest bit, which is so for one in 32 sets of five.
            highest = max(int.from_bytes(checksum, order) for _, checksum in samples)
            assert first.lengths or highest.bit_length() <= first.algorithm.width < width
        for match in found:
            for message, checksum in samples:
                assert stored(match.algorithm, message, match.byteorder) == checksum


def test_one_length_does_not_determine_init():
    crc, rng = numcrc.algorithms["CRC-16/IBM-3740"], random.Random(1)
    samples = [(m, stored(crc, m, "big")) for m in (rng.randbytes(10) for _ in range(5))]
    found = reverse(samples)
    assert {match.algorithm.poly for match in found} == {0x1021}
    assert {match.lengths for match in found} == {(10,)}
    assert crc in [match.algorithm for match in found]


def test_long_messages_have_polynomials_of_the_catalogue():
    known, rng = numcrc.algorithms["crc32c"], random.Random(1)
    crc = numcrc.Algorithm(32, known.poly, 0x12345678, refin=True, refout=True, xorout=7)
    samples = [(m, crc(m)) for m in map(rng.randbytes, (100_000, 200_001, 1_000_000, 50))]
    found = reverse(samples, widths=[32])
    assert found[0].algorithm == crc


def test_one_damaged_sample_of_six_is_left_out_when_asked():
    crc, rng = numcrc.algorithms["CRC-16/MODBUS"], random.Random(1)
    samples = [(m, stored(crc, m, "little")) for m in map(rng.randbytes, (7, 9, 12, 13, 20, 22))]
    message, checksum = samples[3]
    samples[3] = (bytes([message[0] ^ 4]) + message[1:], checksum)
    assert reverse(samples) == []
    found = reverse(samples, ignore=1)
    assert found[0].algorithm == crc


@pytest.mark.parametrize("name", ["CRC-8/SMBUS", "CRC-16/X-25", "CRC-24/BLE", "CRC-32/ISO-HDLC"])
def test_the_place_in_a_frame_is_found(name):
    crc = numcrc.algorithms[name]
    for seed in range(5):
        rng = random.Random(f"{name}{seed}")
        start, tail, order = rng.randrange(5), rng.randrange(3), rng.choice(ORDERS)
        frames = []
        for size in (9, 13, 16, 21):
            message = rng.randbytes(size)
            ends = rng.randbytes(start), rng.randbytes(tail)
            frames.append(ends[0] + message + stored(crc, message, order) + ends[1])
        for found in (identify_frames(frames), reverse_frames(frames)):
            best = found[0]
            assert (best.algorithm, best.start, best.tail) == (crc, start, tail)


def test_three_frames_of_the_readme_of_reveng():
    frames = map(bytes.fromhex, ("c98964f6b9", "a5fa49f2fd", "13370aee7df0"))
    (match,) = reverse([(frame[:-4], frame[-4:]) for frame in frames])
    assert (match.algorithm.poly, match.algorithm.init) == (0x04C11DB7, 0x12345678)


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([], ValueError, "at least one sample"),
        ([(b"a", b"12"), (b"b", b"123")], ValueError, "one size"),
        ([(b"a", b"")], ValueError, "one size"),
        ([(b"a", -1)], ValueError, "negative"),
        ([(b"a", 1), (b"b", b"1")], TypeError, "all ints or all bytes"),
        ([(b"a", 1.0)], TypeError, "all ints or all bytes"),
        ([("a", 1)], TypeError, "str"),
    ],
)
def test_refusals(samples, error, message):
    for function in (identify, reverse):
        with pytest.raises(error, match=message):
            function(samples)


def test_refused_arguments():
    with pytest.raises(ValueError, match="widths must be 1 to 64"):
        reverse([(b"a", 1)], widths=[65])
    with pytest.raises(ValueError, match="ignore must be 0 or 1"):
        reverse([(b"a", 1)], ignore=2)
    with pytest.raises(ValueError, match="at least one frame"):
        identify_frames([])


@pytest.mark.parametrize("name", ["CRC-16/MODBUS", "CRC-15/CAN", "CRC-8/SMBUS", "CRC-64/NVME"])
@pytest.mark.parametrize("order", ["big", "little"])
def test_a_match_verifies_frames_and_locates_bits(name, order):
    crc = numcrc.algorithms[name]
    size = -(-crc.width // 8)
    match = Match(crc, order if size > 1 else "", start=2, tail=1)
    frame = b"\x55\xaa" + b"message" + crc(b"message").to_bytes(size, order) + b"\r"
    assert match.verify(frame)
    assert match.locate(frame) == [()]
    for bit in range(8 * 2, 8 * (len(frame) - 1)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not match.verify(damaged)
        byte = bit // 8 - len(frame) + 1 + size  # of the CRC
        if byte >= 0 and 8 * (size - 1 - byte if order == "big" else byte) + bit % 8 >= crc.width:
            with pytest.raises(ValueError, match="value must be"):
                match.locate(damaged)
        else:
            assert (bit,) in match.locate(damaged)


def test_a_match_without_byte_order_or_for_short_frames():
    match = Match(numcrc.algorithms["CRC-16/ARC"], "")
    with pytest.raises(ValueError, match="byte order is not known"):
        match.verify(b"abcdef")
    with pytest.raises(ValueError, match="at least 5 bytes, not 4"):
        match._replace(byteorder="big", start=2, tail=1).verify(b"abcd")


@pytest.mark.parametrize("search", [identify_frames, reverse_frames])
def test_progress_of_frames(search):
    parts = list[float]()
    frame = bytes.fromhex("7e 01 03 00 00 00 0a c5 cd 7e")
    found = search([frame], progress=parts.append)
    assert found == search([frame])
    assert parts == sorted(parts)
    assert (parts[0], parts[-1]) == (0, 1)
