"""Test the state of one object, from computed or stored checksums."""

from __future__ import annotations

import pytest

from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Part, State
from numcrc.store.pipeline import check_pairs
from numcrc.store.source import StoreError
from store.fakes import (
    LARGE,
    LITTLE,
    SMALL,
    FakeSource,
    check,
    check_one,
    checksum,
    composite,
    expect,
    flipped,
)

ALL = ["crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512", "CRC-16/ARC"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("own_memory", [False, True])
def test_every_algorithm(name, data, own_memory):
    source = FakeSource({"a": data})
    source.own_memory = own_memory
    result = check_one(source, expect(data, name))
    value = checksum(name, data).value.hex()
    assert result == ("a", State.MATCH, len(data), name, value, value, (), "", "v1")
    assert source.bytes["a"] == len(data)
    source.objects["a"] = bad = flipped(data)
    result = check_one(source, expect(data, name))
    assert result[1:6] == (State.DIFFER, len(data), name, value, checksum(name, bad).value.hex())
    assert source.bytes["a"] == 3 * len(data), "a mismatch is read twice"


def test_xxhash(data):
    pytest.importorskip("xxhash")
    for name in ("xxhash64", "xxhash3", "xxhash128"):
        assert check_one(FakeSource({"a": data}), expect(data, name)).state is State.MATCH
        assert check_one(FakeSource({"a": flipped(data)}), expect(data, name)).state is State.DIFFER


def test_many_algorithms_in_one_read(data):
    source = FakeSource({"a": data})
    assert check_one(source, expect(data, *ALL)).state is State.MATCH
    assert source.bytes["a"] == len(data)
    for wrong in range(len(ALL)):
        expected = expect(data, *ALL)
        sums = list(expected.checksums)
        sums[wrong] = sums[wrong]._replace(value=flipped(sums[wrong].value))
        result = check_one(source, expected._replace(checksums=tuple(sums)))
        assert (result.state, result.algorithm) == (State.DIFFER, ALL[wrong])


def test_missing_and_extra():
    source = FakeSource({"b": SMALL})
    missing, extra = check(source, expect(SMALL, "crc32"))
    assert (missing.key, missing.state, missing.size) == ("a", State.MISSING, 9)
    assert missing.expected == "cbf43926"
    assert (extra.key, extra.state, extra.size) == ("b", State.EXTRA, 9)
    assert not source.reads


def test_sizes_come_first(data):
    source = FakeSource({"a": data})
    result = check_one(source, expect(data + b"!", "crc32"))
    assert result.state is State.SIZE_MISMATCH
    assert result.size == len(data)
    assert str(len(data) + 1) in result.detail
    assert not source.reads


def test_without_a_comparison_there_is_no_match(data):
    source = FakeSource({"a": data})
    assert check_one(source, Entry("a", len(data))).state is State.NO_CHECKSUM
    result = check_one(source, Entry("a", len(data), (Checksum("sum-17", b"ab"),)))
    assert (result.state, result.algorithm) == (State.UNSUPPORTED, "sum-17")
    assert "sum-17" in result.detail
    assert not source.reads


def test_the_detail_names_what_is_not_compared(data):
    source = FakeSource({"a": data})
    expected = expect(data, "crc32")
    expected = expected._replace(checksums=(Checksum("sum-17", b"ab"), *expected.checksums))
    result = check_one(source, expected)
    assert (result.state, result.algorithm) == (State.MATCH, "crc32")
    assert "sum-17 not compared" in result.detail


def test_values_of_another_length():
    value = b"\0" + checksum("crc32", SMALL).value
    result = check_one(FakeSource({"a": SMALL}), Entry("a", 9, (Checksum("crc32", value),)))
    assert result.state is State.ERROR
    assert "5 bytes" in result.detail


def test_archived(data):
    source = FakeSource({"a": data})
    source.archived.add("a")
    assert check_one(source, expect(data, "crc32")).state is State.ARCHIVED
    pairs = [Pair("a", None, expect(data, "crc32"))]
    (result,) = check_pairs(source, pairs, listed=False, limits=LITTLE)
    assert result.state is State.ARCHIVED


def test_an_error_concerns_one_object(data):
    source = FakeSource({"a": data, "b": data})
    source.faults["a"] = [StoreError("access denied")] * 2
    bad, good = check(source, expect(data, "crc32"), expect(data, "crc32", key="b"))
    assert (bad.state, bad.detail) == (State.ERROR, "access denied")
    assert good.state is State.MATCH


@pytest.mark.parametrize("size", [False, True])
def test_not_listed(data, size):
    source = FakeSource({"a": data})
    source.listable = False
    for kept, state in ((data, State.MATCH), (data + b"!", State.SIZE_MISMATCH)):
        source.objects["a"] = kept
        expected = expect(data, "crc32", "sha1")
        if not size:
            expected = expected._replace(size=None)
            state = State.MATCH if kept is data else State.DIFFER
        (result,) = check_pairs(source, [Pair("a", None, expected)], limits=LITTLE)
        assert (result.state, result.size) == (state, len(kept))
    (result,) = check_pairs(source, [Pair("gone", None, expected)], limits=LITTLE)
    assert result.state is State.MISSING


def test_a_guessed_algorithm_never_decides_that_objects_differ(data):
    wrong = checksum("sha256", flipped(data))._replace(guessed=True)
    good = checksum("crc32", data)
    for mode in ("full", "stored"):
        source = FakeSource({"a": data})
        source.stored["a"] = (checksum("sha256", data), good)
        result = check_one(source, Entry("a", len(data), (wrong,)), mode=mode)
        assert (result.state, result.algorithm) == (State.UNSUPPORTED, "sha256")
        assert result.detail == "not its sha256; pass -a if the list has another algorithm"
        for checksums in ((wrong, good), (good, wrong)):
            result = check_one(source, Entry("a", len(data), checksums), mode=mode)
            assert (result.state, result.algorithm) == (State.MATCH, "crc32")
        bad = good._replace(value=bytes(4))
        result = check_one(source, Entry("a", len(data), (wrong, bad)), mode=mode)
        assert (result.state, result.algorithm) == (State.DIFFER, "crc32")
        right = checksum("sha256", data)._replace(guessed=True)
        assert check_one(source, Entry("a", len(data), (right,)), mode=mode).state is State.MATCH


def test_stored():
    source = FakeSource(dict.fromkeys("abcde", SMALL))
    value = checksum("crc32", SMALL)
    source.stored = {
        "a": (value,),
        "b": (value._replace(value=bytes(4)), checksum("md5", SMALL)),
        "c": (checksum("crc32c", SMALL),),
        "d": (value._replace(algorithm="CRC-32"),),
    }
    expected = [expect(SMALL, "md5", "crc32", key=key) for key in "abcde"]
    found = check(source, *expected, mode="stored")
    assert [result.state for result in found] == [
        State.MATCH,
        State.DIFFER,
        State.NO_CHECKSUM,
        State.MATCH,
        State.NO_CHECKSUM,
    ]
    assert found[1][3:6] == ("crc32", "cbf43926", "00000000")
    assert "crc32c" in found[2].detail
    assert "md5, crc32" in found[2].detail
    assert not source.reads
    assert [source.asks[key] for key in "abcde"] == [1, 1, 1, 1, 0]


def test_stored_composites():
    source = FakeSource({"a": LARGE})
    source.stored["a"] = (composite("crc32", LARGE, [1000, len(LARGE) - 1000], parts=True),)
    expected = Entry("a", len(LARGE), (composite("crc32", LARGE, [1000, len(LARGE) - 1000]),))
    assert check_one(source, expected, mode="stored").state is State.MATCH
    others = Entry("a", len(LARGE), (composite("crc32", LARGE, [500, len(LARGE) - 500]),))
    assert check_one(source, others, mode="stored").state is State.NO_CHECKSUM
    assert check_one(source, expect(LARGE, "crc32"), mode="stored").state is State.NO_CHECKSUM
    bad = flipped(LARGE)
    known = composite("crc32", bad, [1000, len(LARGE) - 1000], parts=True)
    result = check_one(source, Entry("a", len(LARGE), (known,)), mode="stored")
    assert (result.state, result.parts) == (State.DIFFER, (1,))


@pytest.mark.parametrize("name", ["crc32", "crc32c"])
def test_parts(name):
    source = FakeSource({"a": LARGE})
    source.stored["a"] = (composite(name, LARGE, [700_000, len(LARGE) - 700_000], parts=True),)
    expected = expect(LARGE, name)
    result = check_one(source, expected, mode="parts")
    assert (result.state, result.actual) == (State.MATCH, checksum(name, LARGE).value.hex())
    bad = expect(flipped(LARGE), name)
    assert check_one(source, bad, mode="parts").state is State.DIFFER
    others = Entry("a", len(LARGE), (composite(name, LARGE, [9, len(LARGE) - 9], parts=True),))
    assert check_one(source, others, mode="parts").state is State.MATCH
    source.stored["a"] = (composite(name, LARGE, [700_000, len(LARGE) - 700_000]),)
    assert check_one(source, expected, mode="parts").state is State.NO_CHECKSUM
    source.stored["a"] = (Checksum(name, b"\0\0\0\0", 1, (Part(len(LARGE), b"\1\1\1\1"),)),)
    assert check_one(source, expected, mode="parts").state is State.ERROR
    assert not source.reads


def test_stored_against(data):
    source, other = FakeSource({"a": data}), FakeSource({"a": data})
    source.stored["a"] = other.stored["a"] = (checksum("sha256", data),)
    assert check_one(source, other.listed("a"), mode="stored", against=other).state is State.MATCH
    other.stored["a"] = (checksum("md5", data),)
    result = check_one(source, other.listed("a"), mode="stored", against=other)
    assert result.state is State.NO_CHECKSUM
    assert check_one(source, mode="stored", own=True).state is State.NO_CHECKSUM


def test_archived_objects_have_checksums():
    source = FakeSource({"a": SMALL})
    source.archived.add("a")
    source.stored["a"] = (checksum("crc32", SMALL),)
    assert check_one(source, expect(SMALL, "crc32"), mode="stored").state is State.MATCH
