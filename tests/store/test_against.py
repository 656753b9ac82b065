"""Test objects against the source's own checksums and against another source."""

from __future__ import annotations

import pytest

from numcrc.store.objects import Checksum, Entry, State
from numcrc.store.source import StoreError
from store.fakes import (
    LARGE,
    FakeSource,
    busy,
    check,
    check_one,
    checksum,
    composite,
    flipped,
)

pytestmark = pytest.mark.usefixtures("impatient")


def test_own(data):
    source = FakeSource({"a": data, "b": data})
    source.stored["a"] = (checksum("crc64nvme", data), checksum("crc32", data))
    good, without = check(source, own=True)
    assert (good.state, good.algorithm) == (State.MATCH, "crc64nvme")
    assert without.state is State.NO_CHECKSUM
    assert not source.reads["b"]
    source.objects["a"] = flipped(data)
    assert check(source, own=True)[0].state is State.DIFFER
    assert source.asks["a"] == (2 if data is LARGE else 0), "fetch gives its checksums, too"


@pytest.mark.parametrize("parts", [False, True])
def test_own_composite(parts, data):
    sizes = [len(data) // 3, len(data) // 3, len(data) - 2 * (len(data) // 3)]
    source = FakeSource({"a": data})
    source.stored["a"] = (composite("crc32c", data, sizes, parts=parts),)
    result = check_one(source, own=True)
    assert result.state is State.MATCH
    assert result.actual.endswith("-3")
    bad = bytearray(data)
    bad[-1] ^= 1
    source.objects["a"] = bytes(bad)
    result = check_one(source, own=True)
    assert result.state is (State.DIFFER if parts else State.UNSUPPORTED)
    assert result.parts == ((3,) if parts else ())


def test_composite_of_the_manifest_with_parts_of_the_source(data):
    sizes = [len(data) - 2, 2]
    source = FakeSource({"a": data})
    source.stored["a"] = (composite("sha256", data, sizes, parts=True),)
    expected = Entry("a", len(data), (composite("crc32", data, sizes),))
    assert check_one(source, expected).state is State.MATCH
    assert source.bytes["a"] == len(data)


def test_against_stored(data):
    source, other = FakeSource({"a": data}), FakeSource({"a": data})
    other.stored["a"] = (checksum("crc32c", data),)
    result = check_one(source, other.listed("a"), against=other)
    assert (result.state, result.algorithm) == (State.MATCH, "crc32c")
    assert not other.reads
    source.objects["a"] = flipped(data)
    assert check_one(source, other.listed("a"), against=other).state is State.DIFFER


def test_against_a_body(data):
    source, other = FakeSource({"a": data}), FakeSource({"a": data})
    result = check_one(source, other.listed("a"), against=other)
    assert (result.state, result.algorithm) == (State.MATCH, "crc64nvme")
    assert result.actual == checksum("crc64nvme", data).value.hex()
    source.objects["a"] = flipped(data)
    assert check_one(source, other.listed("a"), against=other).state is State.DIFFER
    other.stored["a"] = (Checksum("sum-17", b"ab"),)
    assert check_one(source, other.listed("a"), against=other).state is State.DIFFER


@pytest.mark.parametrize("stage", ["stat", "read"])
def test_faults_of_the_other_source(stage, data):
    source, other = FakeSource({"a": data}), FakeSource({"a": data}, "fake://other")
    other.stored["a"] = ()
    listed = other.listed("a")
    faults = other.stat_faults if stage == "stat" else other.faults
    faults["a"] = [busy()]
    assert check_one(source, listed, against=other).state is State.MATCH
    faults["a"] = [StoreError("access denied")]
    result = check_one(source, listed, against=other)
    assert (result.state, result.detail) == (State.ERROR, "fake://other: access denied")
    del other.objects["a"]
    result = check_one(source, listed, against=other)
    assert result.state is State.ERROR, "it is not the source that lacks the object"


def test_against_what_changed_meanwhile(data):
    source, other = FakeSource({"a": data}), FakeSource({"a": flipped(data)})
    listed = other.listed("a")
    other.objects["a"], other.versions["a"] = data, "v2"
    assert check_one(source, listed, against=other).state is State.MATCH
