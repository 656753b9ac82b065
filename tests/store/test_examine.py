"""Test reads that fail, and objects that change."""

from __future__ import annotations

import pytest

from numcrc.store.merge import Pair
from numcrc.store.objects import State
from numcrc.store.pipeline import check_pairs
from numcrc.store.source import ChangedError, RetryError
from store.fakes import (
    LITTLE,
    FakeSource,
    busy,
    check,
    check_one,
    checksum,
    expect,
    flipped,
)

pytestmark = pytest.mark.usefixtures("impatient")


def test_failures_that_may_pass_are_retried(data):
    source = FakeSource({"a": data})
    source.faults["a"] = [busy(), None, busy(), RetryError("it ended early")]
    result = check_one(source, expect(data, "crc32", "sha1"), limits=LITTLE._replace(attempts=4))
    assert result.state is State.MATCH
    source.faults["a"] = [busy()] * 12
    result = check_one(source, expect(data, "sha1"), limits=LITTLE._replace(attempts=3))
    assert result.state is State.ERROR
    assert result.detail == "503 SlowDown (3 attempts)"
    source.stat_faults["a"] = [busy(), busy()]
    source.stored["a"] = (checksum("crc32", data),)
    source.faults["a"] = []
    assert check_one(source, expect(data, "crc32"), mode="stored").state is State.MATCH


def test_a_wire_error_is_not_damage(data):
    source = FakeSource({"a": data, "b": data})
    source.faults["a"] = [flipped]
    first, second = check(source, expect(data, "crc32"), expect(data, "crc32", key="b"))
    assert (first.state, first.detail) == (State.MATCH, "a first read differed")
    assert (second.state, second.detail) == (State.MATCH, "")


def test_reads_that_differ_from_each_other(data):
    source = FakeSource({"a": flipped(data)})
    source.faults["a"] = [lambda body: bytes(len(body))]
    result = check_one(source, expect(data, "crc32"))
    assert result.state is State.DIFFER
    assert result.detail.startswith("a first read gave ")


def test_objects_that_changed_once(data):
    source = FakeSource({"a": flipped(data)})
    pair = Pair("a", source.listed("a"), expect(data, "crc32"))
    source.objects["a"], source.versions["a"] = data, "v2"
    (result,) = check_pairs(source, [pair], limits=LITTLE)
    assert (result.state, result.version) == (State.MATCH, "v2")
    source.objects["a"], source.versions["a"] = data + b"!", "v3"
    (result,) = check_pairs(source, [pair], limits=LITTLE)
    assert result.state is State.SIZE_MISMATCH
    del source.objects["a"]
    (result,) = check_pairs(source, [pair], limits=LITTLE)
    assert result.state is State.MISSING


def test_objects_that_keep_changing(data):
    source = FakeSource({"a": data})
    turns = iter(range(10**6))
    source.before = lambda key: source.versions.update(a=f"v{next(turns)}")
    source.faults["a"] = [lambda body: body[:-1]] * 50
    result = check_one(source, expect(data, "crc32"))
    assert result.state is State.CHANGED


@pytest.mark.parametrize("name", ["crc32", "sha1"])
def test_bodies_that_are_too_short_do_not_match(name, data):
    source = FakeSource({"a": data})
    source.faults["a"] = [lambda body: body[:-1]] * 50
    result = check_one(source, expect(data, name))
    assert result.state in (State.CHANGED, State.DIFFER, State.SIZE_MISMATCH)


@pytest.mark.parametrize("known", [True, False])
def test_objects_whose_size_the_store_does_not_send(data, known):
    """They are read in ranges if their size is expected, else as far as they fit in memory."""

    class Unsized(FakeSource):
        def stat(self, key):
            return super().stat(key)._replace(size=None)

    source = Unsized({"a": data})
    wanted = expect(data, "crc32", "sha1")
    pair = Pair("a", None, wanted if known else wanted._replace(size=None))
    for fault in (None, ChangedError("a: it is longer")):
        source.faults["a"] = [fault]
        (result,) = check_pairs(source, [pair], listed=False, limits=LITTLE)
        if known or len(data) < 1000:
            assert result.state is State.MATCH
        else:
            assert result.state is State.ERROR
            assert result.detail == "a: it is longer; the store does not send its size"
    for body in (flipped(data), data + b"x", data[:-1]):
        source.objects["a"] = body
        (result,) = check_pairs(source, [pair], listed=False, limits=LITTLE)
        assert result.state is not State.MATCH
