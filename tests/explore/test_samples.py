"""Test samples that are few, stored unusually, or not samples."""

from __future__ import annotations

import random

import numpy as np
import pytest

import numcrc
from numcrc.explore import identify, identify_frames, reverse, reverse_frames


@pytest.mark.parametrize("kind", [np.uint32, np.int64, int])
def test_checksums_may_be_any_integers(kind):
    messages = [b"a", b"bcd", b"efghi", b"klmnopqrs"]
    samples = [(text, kind(numcrc.algorithms["CRC-16/ARC"](text))) for text in messages]
    assert identify(samples)[0].algorithm.name == "CRC-16/ARC"
    assert reverse(samples)[0].algorithm.name == "CRC-16/ARC"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: identify("x"),
            TypeError,
            r"a sample must be a pair \(message, checksum\), not 'x'",
        ),
        (lambda: identify([b"ab"]), TypeError, "a sample must be a pair"),
        (lambda: identify([(b"ab", 1, 2)]), TypeError, "a sample must be a pair"),
        (lambda: identify([(b"ab", 1.5)]), TypeError, "all ints or all bytes, not float"),
        (lambda: identify([(b"ab", "1")]), TypeError, "all ints or all bytes, not str"),
        (lambda: reverse([(b"ab", 1)], widths="8"), TypeError, "a width must be an integer"),
        (lambda: reverse([(b"ab", 1)], widths=[8.5]), TypeError, "a width must be an integer"),
        (lambda: identify_frames([b"abcd"], starts="1"), TypeError, "a start must be an integer"),
        (lambda: identify_frames([b"abcd"], tails=[None]), TypeError, "a tail must be an integer"),
        (lambda: identify_frames([b"a"], starts=[-1]), ValueError, "must not be negative"),
    ],
)
def test_what_is_not_a_sample(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "size"), [("CRC-16/ARC", 4), ("CRC-24/OPENPGP", 4), ("CRC-5/USB", 2)]
)
@pytest.mark.parametrize("order", ["big", "little"])
def test_checksums_in_more_bytes_than_they_need(name, size, order):
    crc, rng = numcrc.algorithms[name], random.Random(name)
    texts = [rng.randbytes(length) for length in (9, 13, 16, 21, 30, 8)]
    match = reverse([(text, crc(text).to_bytes(size, order)) for text in texts])[0]
    assert (match.algorithm, match.byteorder) == (crc, order)


@pytest.mark.parametrize("lengths", [(3,), (3, 9), (0, 0, 5), (800, 800), (700, 801, 950)])
def test_few_samples_give_what_the_catalogue_has(lengths):
    crc, rng = numcrc.algorithms["CRC-32/ISO-HDLC"], random.Random(1)
    samples = [(text, crc(text)) for text in map(rng.randbytes, lengths)]
    assert crc in [match.algorithm for match in reverse(samples)]
    assert crc not in [match.algorithm for match in reverse(samples, widths=[31])]
    assert crc in [match.algorithm for match in reverse(samples, crossed=True)]


@pytest.mark.parametrize("name", ["CRC-16/MODBUS", "CRC-32/ISO-HDLC"])
@pytest.mark.parametrize(("start", "tail"), [(0, 0), (3, 1), (2, 2)])
def test_the_start_behind_a_constant_header_is_the_one_of_the_catalogue(name, start, tail):
    crc, rng = numcrc.algorithms[name], random.Random(name)
    frames = []
    for length in (9, 13, 16, 21, 8, 30):
        body = rng.randbytes(length)
        stored = crc(body).to_bytes(crc.width // 8, "little")
        frames.append(b"\x7e\x01\x02"[:start] + body + stored + b"\x0d\x7e"[:tail])
    match = reverse_frames(frames)[0]
    assert (match.algorithm, match.start, match.tail) == (crc, start, tail)
