"""Objects against what they should be, from a source in memory with faults."""

from __future__ import annotations

import threading
import time
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numcrc.store import pipeline as checking
from numcrc.store import retries
from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Part, State
from numcrc.store.pipeline import Meter, computed, results
from numcrc.store.source import RetryError, StoreError
from store.fakes import FakeSource, busy, checksum, composite, flipped

SMALL = b"123456789"
LARGE = bytes(range(256)) * 3000
"""Of several ranges, when memory is little."""
LITTLE = {"max_in_flight": 4 << 16, "threads": 4}
ALL = ["crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512", "CRC-16/ARC"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(retries, "FIRST", 0)


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def data(request):
    """Return a small object, or one of several ranges."""
    return request.param


def expect(data, *names, key="a", **fields):
    """Return what is expected of *data*."""
    return Entry(key, len(data), tuple(checksum(name, data) for name in names), **fields)


def check(source, *expected, **options):
    """Return the results of objects side by side with *expected*."""
    by_key = {entry.key: entry for entry in expected}
    listed = {entry.key: entry for entry in source.entries()}
    keys = sorted({*by_key, *listed})
    pairs = [Pair(key, listed.get(key), by_key.get(key)) for key in keys]
    return list(results(source, pairs, **(LITTLE | options)))


def one(*arguments, **options):
    """Return the only result."""
    (result,) = check(*arguments, **options)
    return result


# States


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("own_memory", [False, True])
def test_every_algorithm(name, data, own_memory):
    source = FakeSource({"a": data})
    source.own_memory = own_memory
    result = one(source, expect(data, name))
    value = checksum(name, data).value.hex()
    assert result == ("a", State.MATCH, len(data), name, value, value, (), "", "v1")
    assert source.bytes["a"] == len(data)
    source.objects["a"] = bad = flipped(data)
    result = one(source, expect(data, name))
    assert result[1:6] == (State.DIFFER, len(data), name, value, checksum(name, bad).value.hex())
    assert source.bytes["a"] == 3 * len(data), "once more, before it is said"


def test_xxhash(data):
    pytest.importorskip("xxhash")
    for name in ("xxhash64", "xxhash3", "xxhash128"):
        assert one(FakeSource({"a": data}), expect(data, name)).state is State.MATCH
        assert one(FakeSource({"a": flipped(data)}), expect(data, name)).state is State.DIFFER


def test_many_algorithms_in_one_read(data):
    source = FakeSource({"a": data})
    assert one(source, expect(data, *ALL)).state is State.MATCH
    assert source.bytes["a"] == len(data)
    for wrong in range(len(ALL)):
        expected = expect(data, *ALL)
        sums = list(expected.checksums)
        sums[wrong] = sums[wrong]._replace(value=flipped(sums[wrong].value))
        result = one(source, expected._replace(checksums=tuple(sums)))
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
    result = one(source, expect(data + b"!", "crc32"))
    assert result.state is State.SIZE_MISMATCH
    assert result.size == len(data)
    assert str(len(data) + 1) in result.detail
    assert not source.reads


def test_nothing_compared_is_no_match(data):
    source = FakeSource({"a": data})
    assert one(source, Entry("a", len(data))).state is State.NO_CHECKSUM
    result = one(source, Entry("a", len(data), (Checksum("sum-17", b"ab"),)))
    assert (result.state, result.algorithm) == (State.UNSUPPORTED, "sum-17")
    assert "sum-17" in result.detail
    assert not source.reads


def test_what_is_not_compared_is_told(data):
    source = FakeSource({"a": data})
    expected = expect(data, "crc32")
    expected = expected._replace(checksums=(Checksum("sum-17", b"ab"), *expected.checksums))
    result = one(source, expected)
    assert (result.state, result.algorithm) == (State.MATCH, "crc32")
    assert "sum-17 not compared" in result.detail


def test_values_of_another_length():
    value = b"\0" + checksum("crc32", SMALL).value
    result = one(FakeSource({"a": SMALL}), Entry("a", 9, (Checksum("crc32", value),)))
    assert result.state is State.ERROR
    assert "5 bytes" in result.detail


def test_archived(data):
    source = FakeSource({"a": data})
    source.archived.add("a")
    assert one(source, expect(data, "crc32")).state is State.ARCHIVED
    pairs = [Pair("a", None, expect(data, "crc32"))]
    (result,) = results(source, pairs, listed=False, **LITTLE)
    assert result.state is State.ARCHIVED


def test_errors_are_of_one_object(data):
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
        (result,) = results(source, [Pair("a", None, expected)], **LITTLE)
        assert (result.state, result.size) == (state, len(kept))
    (result,) = results(source, [Pair("gone", None, expected)], **LITTLE)
    assert result.state is State.MISSING


# The source's own checksums, and those of another source


def test_own(data):
    source = FakeSource({"a": data, "b": data})
    source.stored["a"] = (checksum("crc64nvme", data), checksum("crc32", data))
    good, without = check(source, own=True)
    assert (good.state, good.algorithm) == (State.MATCH, "crc64nvme")
    assert without.state is State.NO_CHECKSUM
    assert not source.reads["b"]
    source.objects["a"] = flipped(data)
    assert check(source, own=True)[0].state is State.DIFFER
    assert source.asks["a"] == (2 if data is LARGE else 0), "one that is read at once tells all"


@pytest.mark.parametrize("parts", [False, True])
def test_own_composite(parts, data):
    sizes = [len(data) // 3, len(data) // 3, len(data) - 2 * (len(data) // 3)]
    source = FakeSource({"a": data})
    source.stored["a"] = (composite("crc32c", data, sizes, parts=parts),)
    result = one(source, own=True)
    assert result.state is State.MATCH
    assert result.actual.endswith("-3")
    bad = bytearray(data)
    bad[-1] ^= 1
    source.objects["a"] = bytes(bad)
    result = one(source, own=True)
    assert result.state is (State.DIFFER if parts else State.UNSUPPORTED)
    assert result.parts == ((3,) if parts else ())


def test_composite_of_the_manifest_with_parts_of_the_source(data):
    sizes = [len(data) - 2, 2]
    source = FakeSource({"a": data})
    source.stored["a"] = (composite("sha256", data, sizes, parts=True),)
    expected = Entry("a", len(data), (composite("crc32", data, sizes),))
    assert one(source, expected).state is State.MATCH
    assert source.bytes["a"] == len(data)


def test_against_stored(data):
    source, other = FakeSource({"a": data}), FakeSource({"a": data})
    other.stored["a"] = (checksum("crc32c", data),)
    result = one(source, other.listed("a"), against=other)
    assert (result.state, result.algorithm) == (State.MATCH, "crc32c")
    assert not other.reads
    source.objects["a"] = flipped(data)
    assert one(source, other.listed("a"), against=other).state is State.DIFFER


def test_against_a_body(data):
    source, other = FakeSource({"a": data}), FakeSource({"a": data})
    result = one(source, other.listed("a"), against=other)
    assert (result.state, result.algorithm) == (State.MATCH, "crc64nvme")
    assert result.actual == checksum("crc64nvme", data).value.hex()
    source.objects["a"] = flipped(data)
    assert one(source, other.listed("a"), against=other).state is State.DIFFER
    other.stored["a"] = (Checksum("sum-17", b"ab"),)
    assert one(source, other.listed("a"), against=other).state is State.DIFFER


@pytest.mark.parametrize("stage", ["stat", "read"])
def test_faults_of_the_other_source(stage, data):
    source, other = FakeSource({"a": data}), FakeSource({"a": data}, "fake://other")
    other.stored["a"] = ()
    listed = other.listed("a")
    faults = other.stat_faults if stage == "stat" else other.faults
    faults["a"] = [busy()]
    assert one(source, listed, against=other).state is State.MATCH
    faults["a"] = [StoreError("access denied")]
    result = one(source, listed, against=other)
    assert (result.state, result.detail) == (State.ERROR, "fake://other: access denied")
    del other.objects["a"]
    result = one(source, listed, against=other)
    assert result.state is State.ERROR, "the source's object is not the one that is missing"


def test_against_what_changed_meanwhile(data):
    source, other = FakeSource({"a": data}), FakeSource({"a": flipped(data)})
    listed = other.listed("a")
    other.objects["a"], other.versions["a"] = data, "v2"
    assert one(source, listed, against=other).state is State.MATCH


# Other modes


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
    assert one(source, expected, mode="stored").state is State.MATCH
    others = Entry("a", len(LARGE), (composite("crc32", LARGE, [500, len(LARGE) - 500]),))
    assert one(source, others, mode="stored").state is State.NO_CHECKSUM
    assert one(source, expect(LARGE, "crc32"), mode="stored").state is State.NO_CHECKSUM
    bad = flipped(LARGE)
    known = composite("crc32", bad, [1000, len(LARGE) - 1000], parts=True)
    result = one(source, Entry("a", len(LARGE), (known,)), mode="stored")
    assert (result.state, result.parts) == (State.DIFFER, (1,))


@pytest.mark.parametrize("name", ["crc32", "crc32c"])
def test_parts(name):
    source = FakeSource({"a": LARGE})
    source.stored["a"] = (composite(name, LARGE, [700_000, len(LARGE) - 700_000], parts=True),)
    expected = expect(LARGE, name)
    result = one(source, expected, mode="parts")
    assert (result.state, result.actual) == (State.MATCH, checksum(name, LARGE).value.hex())
    bad = expect(flipped(LARGE), name)
    assert one(source, bad, mode="parts").state is State.DIFFER
    others = Entry("a", len(LARGE), (composite(name, LARGE, [9, len(LARGE) - 9], parts=True),))
    assert one(source, others, mode="parts").state is State.MATCH
    source.stored["a"] = (composite(name, LARGE, [700_000, len(LARGE) - 700_000]),)
    assert one(source, expected, mode="parts").state is State.NO_CHECKSUM
    source.stored["a"] = (Checksum(name, b"\0\0\0\0", 1, (Part(len(LARGE), b"\1\1\1\1"),)),)
    assert one(source, expected, mode="parts").state is State.ERROR
    assert not source.reads


def test_stored_against(data):
    source, other = FakeSource({"a": data}), FakeSource({"a": data})
    source.stored["a"] = other.stored["a"] = (checksum("sha256", data),)
    assert one(source, other.listed("a"), mode="stored", against=other).state is State.MATCH
    other.stored["a"] = (checksum("md5", data),)
    assert one(source, other.listed("a"), mode="stored", against=other).state is State.NO_CHECKSUM
    assert one(source, mode="stored", own=True).state is State.NO_CHECKSUM


def test_archived_objects_have_checksums():
    source = FakeSource({"a": SMALL})
    source.archived.add("a")
    source.stored["a"] = (checksum("crc32", SMALL),)
    assert one(source, expect(SMALL, "crc32"), mode="stored").state is State.MATCH


# What befalls reads


def test_what_may_pass_is_tried_again(data):
    source = FakeSource({"a": data})
    source.faults["a"] = [busy(), None, busy(), RetryError("it ended early")]
    assert one(source, expect(data, "crc32", "sha1"), attempts=4).state is State.MATCH
    source.faults["a"] = [busy()] * 12
    result = one(source, expect(data, "sha1"), attempts=3)
    assert result.state is State.ERROR
    assert result.detail == "503 SlowDown (3 attempts)"
    source.stat_faults["a"] = [busy(), busy()]
    source.stored["a"] = (checksum("crc32", data),)
    source.faults["a"] = []
    assert one(source, expect(data, "crc32"), mode="stored").state is State.MATCH


def test_a_wire_error_is_no_damage(data):
    source = FakeSource({"a": data, "b": data})
    source.faults["a"] = [flipped]
    first, second = check(source, expect(data, "crc32"), expect(data, "crc32", key="b"))
    assert (first.state, first.detail) == (State.MATCH, "a first read differed")
    assert (second.state, second.detail) == (State.MATCH, "")


def test_reads_that_differ_from_each_other(data):
    source = FakeSource({"a": flipped(data)})
    source.faults["a"] = [lambda body: bytes(len(body))]
    result = one(source, expect(data, "crc32"))
    assert (result.state, bool(result.detail)) == (State.DIFFER, True)


def test_objects_that_changed_once(data):
    source = FakeSource({"a": flipped(data)})
    pair = Pair("a", source.listed("a"), expect(data, "crc32"))
    source.objects["a"], source.versions["a"] = data, "v2"
    (result,) = results(source, [pair], **LITTLE)
    assert (result.state, result.version) == (State.MATCH, "v2")
    source.objects["a"], source.versions["a"] = data + b"!", "v3"
    (result,) = results(source, [pair], **LITTLE)
    assert result.state is State.SIZE_MISMATCH
    del source.objects["a"]
    (result,) = results(source, [pair], **LITTLE)
    assert result.state is State.MISSING


def test_objects_that_go_on_changing(data):
    source = FakeSource({"a": data})
    turns = iter(range(10**6))
    source.before = lambda key: source.versions.update(a=f"v{next(turns)}")
    source.faults["a"] = [lambda body: body[:-1]] * 50
    result = one(source, expect(data, "crc32"))
    assert result.state is State.CHANGED


@pytest.mark.parametrize("name", ["crc32", "sha1"])
def test_bodies_that_are_too_short_are_no_match(name, data):
    source = FakeSource({"a": data})
    source.faults["a"] = [lambda body: body[:-1]] * 50
    result = one(source, expect(data, name))
    assert result.state in (State.CHANGED, State.DIFFER, State.SIZE_MISMATCH)


# Many objects


def tree(count, size=lambda i: i * i % 3000):
    """Return a source of many objects, and what is expected of them."""
    random = np.random.default_rng(1)
    objects = {f"{i:06}": random.bytes(size(i)) for i in range(count)}
    expected = [expect(body, "crc32c", key=key) for key, body in objects.items()]
    return FakeSource(objects), expected


@pytest.mark.parametrize("url", ["fake://bucket", "folder"])
@pytest.mark.parametrize("threads", [1, 3])
def test_order(url, threads):
    source, expected = tree(1500, lambda i: 300_000 if i % 97 == 5 else i % 100)
    source.url = url
    source.before = lambda key: time.sleep(0.001 * (key.endswith("7")))
    for bad in ("000102", "000403", "000501"):
        source.objects[bad] = flipped(source.objects[bad])
    meter = Meter()
    found = check(source, *expected, threads=threads, meter=meter)
    assert [result.key for result in found] == [entry.key for entry in expected]
    assert [r.key for r in found if r.state is not State.MATCH] == ["000102", "000403", "000501"]
    assert meter.objects == 1500
    assert meter.bytes == sum(source.bytes.values())


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(0, 200_000), max_size=30),
    st.lists(st.integers(0, 29)),
    st.sampled_from(["fake://bucket", "folder"]),
    st.integers(1, 5),
)
def test_any_sizes(sizes, bad, url, threads):
    source, expected = tree(len(sizes), sizes.__getitem__)
    source.url = url
    bad = {f"{i:06}" for i in bad if i < len(sizes) and sizes[i]}
    for key in bad:
        source.objects[key] = flipped(source.objects[key])
    found = check(source, *expected, threads=threads, max_in_flight=threads << 16)
    assert [result.key for result in found] == [entry.key for entry in expected]
    assert {result.key for result in found if result.state is State.DIFFER} == bad
    assert {result.state for result in found} <= {State.MATCH, State.DIFFER}


def counted(source, expected, taken):
    """Yield pairs, and count them."""
    for entry in expected:
        taken.append(entry.key)
        yield Pair(entry.key, source.listed(entry.key), entry)


def test_look_ahead_is_bounded(monkeypatch):
    monkeypatch.setattr(checking, "AHEAD", 50)
    source, expected = tree(1000)
    taken = []
    found = results(source, counted(source, expected, taken), threads=2)
    for number, _ in enumerate(islice(found, 300), 1):
        assert len(taken) <= number + 50
    found.close()
    source, expected = tree(100, lambda i: 50_000)
    taken = []
    found = results(source, counted(source, expected, taken), threads=1, max_in_flight=1 << 18)
    for number, _ in enumerate(found, 1):
        assert len(taken) <= number + 6


def test_the_first_results_need_no_full_group():
    source, expected = tree(3)
    pairs = counted(source, expected, [])
    ended = threading.Event()

    def slow():
        yield next(pairs)
        assert ended.wait(10)

    found = results(source, slow(), threads=1)
    threading.Timer(0.05, ended.set).start()
    assert next(found).state is State.MATCH
    found.close()


def test_memory_is_bounded(monkeypatch):
    sizes = []

    class Watched(checking.Reader):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            sizes.append(len(self.buffer))

    monkeypatch.setattr(checking, "Reader", Watched)
    source, expected = tree(6, lambda i: 1_000_000)
    found = check(source, *expected, max_in_flight=300_000, threads=8)
    assert {result.state for result in found} == {State.MATCH}
    assert 0 < sum(sizes) <= 300_000


def alive():
    return [thread for thread in threading.enumerate() if "_live" in thread.name]


@pytest.mark.parametrize("url", ["fake://bucket", "folder"])
def test_close(url):
    source, expected = tree(3000)
    source.url = url
    source.before = lambda key: time.sleep(0.0005)
    found = results(source, counted(source, expected, []), threads=4)
    first = list(islice(found, 5))
    assert alive()
    begun = time.monotonic()
    found.close()
    assert time.monotonic() - begun < 1
    assert not alive()
    assert [result.key for result in first] == [entry.key for entry in expected[:5]]
    assert sum(source.reads.values()) < 1000


def test_close_during_a_long_wait(monkeypatch):
    monkeypatch.setattr(retries, "FIRST", 1000)
    source = FakeSource({"a": SMALL, "b": LARGE})
    source.faults["b"] = [busy()] * 9
    listed = [Pair(e.key, e, expect(source.objects[e.key], "crc32")) for e in source.entries()]
    found = results(source, listed, **LITTLE)
    assert next(found).state is State.MATCH
    begun = time.monotonic()
    found.close()
    assert time.monotonic() - begun < 1
    assert not alive()


def test_close_while_bandwidth_is_short():
    source = FakeSource({"a": b"", "b": LARGE})
    listed = [Pair(e.key, e, expect(source.objects[e.key], "crc32")) for e in source.entries()]
    found = results(source, listed, bandwidth=1)
    assert next(found).state is State.MATCH
    begun = time.monotonic()
    found.close()
    assert time.monotonic() - begun < 1
    assert not alive()


def test_bandwidth():
    source, expected = tree(20, lambda i: 10_000)
    begun = time.monotonic()
    assert {r.state for r in check(source, *expected, bandwidth=1_000_000)} == {State.MATCH}
    assert 0.15 < time.monotonic() - begun < 5


def test_stop():
    source, expected = tree(2000)
    seen = []
    found = results(source, counted(source, expected, []), stop=lambda: len(seen) >= 700, threads=2)
    seen += (result.key for result in islice(found, 700))
    assert not list(found)
    assert seen == [entry.key for entry in expected[:700]]
    assert not alive()


def test_pairs_that_fail():
    source, expected = tree(200)

    def pairs():
        yield from counted(source, expected, [])
        raise StoreError("the listing broke off")

    found = []
    with pytest.raises(StoreError, match="broke off"):
        found.extend(results(source, pairs()))
    assert not found or len(found) == 200
    found = results(source, pairs())
    assert len(list(islice(found, 200))) == 200
    with pytest.raises(StoreError, match="broke off"):
        next(found)


def test_an_interrupt_ends_all_at_once():
    source, expected = tree(100)

    def pairs():
        yield from counted(source, expected, [])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(results(source, pairs()))
    assert not alive()


def test_a_bug_of_a_source_is_no_result():
    source = FakeSource({"a": SMALL})
    source.faults["a"] = [ZeroDivisionError("a bug")]
    with pytest.raises(ZeroDivisionError, match="a bug"):
        one(source, expect(SMALL, "crc32"))
    assert not alive()


def test_large_objects_are_shared():
    source = FakeSource({"a": LARGE})
    source.before = lambda key: time.sleep(0.02)
    assert one(source, expect(LARGE, "crc32")).state is State.MATCH
    assert len(source.threads) == 4
    source.threads.clear()
    assert one(source, expect(LARGE, "sha1")).state is State.MATCH
    assert len(source.threads) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "half"}, "mode"),
        ({"threads": 0}, "threads"),
        ({"max_in_flight": 1}, "max_in_flight"),
        ({"bandwidth": 0}, "bandwidth"),
        ({"attempts": 0}, "attempts"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        results(FakeSource({}), [], **options)


def test_nothing():
    assert list(results(FakeSource({}), [])) == []


# Computing


def test_computed(data):
    source = FakeSource({"a": data, "b": SMALL, "c": SMALL, "d": SMALL})
    source.archived.add("b")
    source.faults["c"] = [StoreError("access denied")]
    source.stored["d"] = (checksum("md5", SMALL),)
    meter = Meter()
    first, archived, failed, last = computed(
        source, source.entries(), ["crc32c", "sha256"], meter=meter, **LITTLE
    )
    assert first == expect(data, "crc32c", "sha256")._replace(version="v1")
    assert (archived.key, archived.state) == ("b", State.ARCHIVED)
    assert (failed.state, failed.detail) == (State.ERROR, "access denied")
    assert last == expect(SMALL, "crc32c", "sha256", key="d")._replace(version="v1")
    assert meter.objects == 4


def test_computed_of_what_changes(data):
    source = FakeSource({"a": flipped(data)})
    listed = source.listed("a")
    source.objects["a"], source.versions["a"] = data + b"!", "v2"
    (entry,) = computed(source, [listed], ["crc32"], **LITTLE)
    assert entry == expect(data + b"!", "crc32")._replace(version="v2")


def test_computed_knows_its_algorithms():
    with pytest.raises(ValueError, match="sum-17"):
        computed(FakeSource({}), [], ["sum-17"])
