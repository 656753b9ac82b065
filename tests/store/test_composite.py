"""Test checksums of parts, and the search for the ends of parts."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numcrc.checksums import find
from numcrc.store.composite import MIB, MOST_HASHED, PartsError, candidates, whole_crc
from numcrc.store.hashing import Tally
from numcrc.store.objects import Checksum, Part
from store.fakes import checksum, composite

CRCS = ["crc32", "crc32c", "crc64nvme", "CRC-82/DARC", "crc24openpgp", "crc-5/usb"]


def tallied(data, wanted, step, hints=(), order=None):
    """Return the checksums of *data* by a tally, in ranges of *step* bytes shuffled by *order*."""
    tally = Tally(len(data), wanted, hints)
    starts = list(range(0, len(data), step)) or [0]
    if order is not None and not tally.sequential:
        order.shuffle(starts)
    for start in starts:
        middle = start + step // 3
        pieces = data[start:middle], data[middle : start + step]
        tally.add(start, iter(map(memoryview, pieces)))
    return tally.found()


@pytest.mark.parametrize("size", [5 * MIB, 8 * MIB, 100 * MIB, 7 * MIB, 1 << 30])
@pytest.mark.parametrize("last", [1, MIB - 1])
@pytest.mark.parametrize("count", [2, 3, 1000, 10_000])
def test_usual_part_sizes_are_tried(size, last, count):
    total = (count - 1) * size + last
    tried = candidates(Checksum("crc32", bytes(4), count), total)
    assert (*range(size, total, size), total) in tried
    assert all(len(ends) == count and ends[-1] == total for ends in tried)
    assert len(tried) <= 64


def test_equal_parts_of_an_odd_size_are_tried():
    assert (1001, 2002, 3003) in candidates(Checksum("crc32", bytes(4), 3), 3003)


def test_known_parts_are_the_only_ones():
    parts = (Part(3), Part(4))
    assert candidates(Checksum("crc32", b"", 2, parts), 7) == [(3, 7)]
    assert candidates(Checksum("crc32", b"", 2, parts), 8) == []
    assert candidates(Checksum("crc32", b"", 3, parts), 7) == []
    assert candidates(Checksum("crc32", b"", 2, (Part(0), Part(7))), 7) == []


def test_parts_of_other_checksums_are_tried_first():
    hint = Checksum("sha256", b"", 2, (Part(3), Part(4)))
    assert candidates(Checksum("crc32", b"", 2), 7, [hint])[0] == (3, 7)
    assert (3, 7) not in candidates(Checksum("crc32", b"", 3), 7, [hint])


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([*CRCS, "md5", "sha256"]),
    st.binary(min_size=1, max_size=300),
    st.data(),
    st.integers(3, 400),
    st.randoms(use_true_random=False),
)
def test_any_parts_in_any_ranges(name, data, draw, step, order):
    cuts = draw.draw(st.sets(st.integers(1, len(data) - 1) if len(data) > 1 else st.nothing()))
    ends = [0, *sorted(cuts), len(data)]
    sizes = [b - a for a, b in pairwise(ends)]
    wanted = [composite(name, data, sizes, parts=True), checksum(name, data), checksum("md5", data)]
    for one, found in zip(wanted, tallied(data, wanted, step, order=order), strict=True):
        assert found.value == one.value
        assert found.parts == tuple(part.value for part in one.parts)


@pytest.mark.parametrize("name", ["crc32", "crc64nvme"])
@pytest.mark.parametrize("part", [5 * MIB, 6 * MIB, 6_000_000])
def test_unknown_boundaries_are_found_in_one_read(name, part):
    data = bytes(range(256)) * (72 << 10)  # 18 MiB
    sizes = [part] * (len(data) // part)
    sizes += [len(data) % part] if len(data) % part else []
    wanted = [composite(name, data, sizes)]
    if part == 6_000_000:  # not a common size, but known from another checksum
        assert tallied(data, wanted, 4 * MIB)[0].why
        found = tallied(data, wanted, 4 * MIB, [composite("sha1", data, sizes, parts=True)])
    else:
        found = tallied(data, wanted, 4 * MIB)
    assert found[0].value == wanted[0].value
    assert not found[0].why


def test_a_damaged_object_of_unknown_boundaries_is_not_certain_to_differ():
    data = bytes(12 * MIB)
    (found,) = tallied(b"\1" + data[1:], [composite("crc32", data, [8 * MIB, 4 * MIB])], MIB)
    assert found.value is not None
    assert "likely part sizes" in found.why


@pytest.mark.parametrize("name", ["md5", "sha256"])
@pytest.mark.parametrize("part", [5 * MIB, 8 * MIB, 16 * MIB])
def test_the_likeliest_part_sizes_of_a_hash_are_tried_in_one_read(name, part):
    data = bytes(range(256)) * (72 << 10)  # 18 MiB
    sizes = [part] * (len(data) // part) + [len(data) % part]
    (found,) = tallied(data, [composite(name, data, sizes)], len(data))
    assert found.value == composite(name, data, sizes).value
    assert not found.why
    (found,) = tallied(b"\1" + data[1:], [composite(name, data, sizes)], len(data))
    assert found.value is not None
    assert "likely part sizes" in found.why


def test_few_part_sizes_of_a_hash_are_tried():
    """Each takes the time of the whole object; CRCs take that once."""
    wanted = [Checksum("sha1", bytes(20), 2), Checksum("crc32", bytes(4), 2)]
    tally = Tally(100 * MIB, wanted)
    assert len(tally._hashes) == MOST_HASHED == 4
    assert len(candidates(wanted[0], 100 * MIB)) > 30


def test_absurd_counts_of_parts_take_no_memory():
    tracemalloc.start()
    for count in (10_001, 10**9, 10**18):
        assert candidates(Checksum("crc32", bytes(4), count), 10**18) == []
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_impossible_counts():
    (found,) = tallied(b"abc", [Checksum("crc32", bytes(4), 4)], 3)
    assert found.value is None
    assert "4 parts" in found.why


def test_empty_objects():
    wanted = [checksum("crc32", b""), checksum("sha1", b""), composite("crc32", b"", [0])]
    assert [one.value for one in tallied(b"", wanted, 8)] == [one.value for one in wanted]


@pytest.mark.parametrize("name", CRCS)
def test_whole_crc(name):
    data = bytes(range(200))
    parts = composite(name, data, [10, 90, 100], parts=True)
    assert whole_crc(parts, 200) == find(name).of(data)
    assert whole_crc(parts._replace(parts=()), 200) is None
    unknown = (*parts.parts[:2], Part(100))
    assert whole_crc(parts._replace(parts=unknown), 200) is None


def test_parts_that_contradict():
    parts = composite("crc32", b"abcdef", [4, 2], parts=True)
    with pytest.raises(PartsError, match="add up"):
        whole_crc(parts, 7)
    with pytest.raises(PartsError, match="do not give"):
        whole_crc(parts._replace(value=bytes(4)), 6)
    with pytest.raises(PartsError, match="4 bytes"):
        whole_crc(parts._replace(parts=(Part(4, b"abc"), Part(2, b"def"))), 6)
    assert whole_crc(composite("sha1", b"abcdef", [4, 2], parts=True), 6) is None
    assert whole_crc(Checksum("sum-17", b"a", 1, (Part(6, b"a"),)), 6) is None
