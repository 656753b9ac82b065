"""Test runs over many objects: order, limits, and an early end."""

from __future__ import annotations

import sys
import threading
import time
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numcrc.store import background, pipeline, retries
from numcrc.store.hashing import Tally
from numcrc.store.merge import Pair
from numcrc.store.objects import Entry, State
from numcrc.store.pipeline import Limits, check_pairs, compute_checksums
from numcrc.store.progress import Progress
from numcrc.store.retries import Bandwidth
from numcrc.store.source import ChangedError, StoreError
from numcrc.store.workers import Workers
from store.fakes import (
    LARGE,
    LITTLE,
    SMALL,
    FakeSource,
    busy,
    check,
    check_one,
    checksum,
    expect,
    flipped,
)

pytestmark = pytest.mark.usefixtures("impatient")


def many(count, size=lambda i: i * i % 3000):
    """Return a source of many objects, and the expected entries."""
    random = np.random.default_rng(1)
    objects = {f"{i:06}": random.bytes(size(i)) for i in range(count)}
    expected = [expect(body, "crc32c", key=key) for key, body in objects.items()]
    return FakeSource(objects), expected


def pairs_of(source, expected, taken=None):
    """Yield pairs, and append their keys to *taken*."""
    for entry in expected:
        if taken is not None:
            taken.append(entry.key)
        yield Pair(entry.key, source.listed(entry.key), entry)


def alive():
    """Return the threads of runs that have not ended."""
    found = []
    for identifier, frame in sys._current_frames().items():
        while frame is not None and frame.f_code is not Workers._guarded.__code__:
            frame = frame.f_back
        if frame is not None:
            found.append(identifier)
    return found


# Order


@pytest.mark.parametrize("url", ["fake://bucket", "folder"])
@pytest.mark.parametrize("threads", [1, 3])
def test_order(url, threads):
    source, expected = many(1500, lambda i: 300_000 if i % 97 == 5 else i % 100)
    source.url = url
    source.before = lambda key: time.sleep(0.001 * (key.endswith("7")))
    for bad in ("000102", "000403", "000501"):
        source.objects[bad] = flipped(source.objects[bad])
    progress = Progress()
    found = check(source, *expected, limits=LITTLE._replace(threads=threads), progress=progress)
    assert [result.key for result in found] == [entry.key for entry in expected]
    assert [r.key for r in found if r.state is not State.MATCH] == ["000102", "000403", "000501"]
    assert progress.objects == 1500
    assert progress.bytes == sum(source.bytes.values())


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(0, 200_000), max_size=30),
    st.lists(st.integers(0, 29)),
    st.sampled_from(["fake://bucket", "folder"]),
    st.integers(1, 5),
)
def test_any_sizes(sizes, bad, url, threads):
    source, expected = many(len(sizes), sizes.__getitem__)
    source.url = url
    bad = {f"{i:06}" for i in bad if i < len(sizes) and sizes[i]}
    for key in bad:
        source.objects[key] = flipped(source.objects[key])
    found = check(source, *expected, limits=Limits(threads, max_in_flight=threads << 16))
    assert [result.key for result in found] == [entry.key for entry in expected]
    assert {result.key for result in found if result.state is State.DIFFER} == bad
    assert {result.state for result in found} <= {State.MATCH, State.DIFFER}


def test_nothing():
    assert list(check_pairs(FakeSource({}), [])) == []


# Limits


@pytest.mark.parametrize(
    "limits", [{"threads": 0}, {"max_in_flight": 1}, {"bandwidth": 0}, {"attempts": 0}]
)
def test_limits_are_checked(limits):
    (name,) = limits
    with pytest.raises(ValueError, match=name):
        Limits(**limits)


def test_look_ahead_is_bounded(monkeypatch):
    monkeypatch.setattr(pipeline, "LOOK_AHEAD", 50)
    source, expected = many(1000)
    taken = []
    found = check_pairs(source, pairs_of(source, expected, taken), limits=Limits(2))
    for number, _ in enumerate(islice(found, 300), 1):
        assert len(taken) <= number + 50
    found.close()
    source, expected = many(100, lambda i: 50_000)
    taken = []

    def before(key):
        time.sleep(0.001)
        assert len(taken) <= sum(source.reads.values()) + 7

    source.before = before
    limits = Limits(1, max_in_flight=1 << 18)
    found = check_pairs(source, pairs_of(source, expected, taken), limits=limits)
    assert {result.state for result in found} == {State.MATCH}


@pytest.mark.parametrize("url", ["fake://bucket", "folder"])
def test_a_slow_object_holds_back_few_others(url):
    """Those after it are read, as far as results fit in memory."""
    source, expected = many(400, lambda i: 2_000_000 if i in (0, 5) else 1000)
    expected[0] = expect(source.objects["000000"], "sha256", key="000000")
    source.url = url

    def before(key):
        if key == "000000":
            deadline = time.monotonic() + 60
            while len(source.reads) < 399 and time.monotonic() < deadline:
                time.sleep(0.001)
            assert len(source.reads) >= 399

    source.before = before
    found = check_pairs(source, pairs_of(source, expected), limits=Limits(2, 1 << 18))
    assert [result.state for result in found] == [State.MATCH] * 400


def test_a_group_need_not_be_full():
    """Objects are read while the listing of the others takes long."""
    source, expected = many(20, lambda i: 1000)

    def pairs():
        for number, pair in enumerate(pairs_of(source, expected)):
            deadline = time.monotonic() + 60
            while number > 5 and not source.reads and time.monotonic() < deadline:
                time.sleep(0.001)
            assert number <= 5 or source.reads
            yield pair

    found = check_pairs(source, pairs(), limits=Limits(1))
    assert [result.state for result in found] == [State.MATCH] * 20


def test_the_calling_thread_reads_nothing():
    for url in ("fake://bucket", "folder"):
        source, expected = many(20, lambda i: 1000)
        source.url = url
        listing = set()

        def pairs(source=source, expected=expected, listing=listing):
            for pair in pairs_of(source, expected):
                listing.add(threading.current_thread())
                yield pair

        assert len(list(check_pairs(source, pairs()))) == 20
        assert threading.current_thread() not in source.threads | listing


def test_fewer_threads_than_wanted(monkeypatch):
    start, left = background.start_new_thread, iter(range(3))

    def few(*arguments):
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        return start(*arguments)

    monkeypatch.setattr(background, "start_new_thread", few)
    source, expected = many(300, lambda i: 300_000 if i % 97 == 5 else i % 100)
    found = check(source, *expected, limits=LITTLE)
    assert {result.state for result in found} == {State.MATCH}
    with pytest.raises(OSError, match="cannot start a thread"):
        check(source, *expected)
    assert not alive()


def test_memory_is_bounded(monkeypatch):
    sizes = []

    class Watched(pipeline.BodyReader):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            sizes.append(len(self.buffer))

    monkeypatch.setattr(pipeline, "BodyReader", Watched)
    source, expected = many(6, lambda i: 1_000_000)
    found = check(source, *expected, limits=Limits(8, max_in_flight=300_000))
    assert {result.state for result in found} == {State.MATCH}
    assert 0 < sum(sizes) <= 300_000


def test_bandwidth():
    source, expected = many(20, lambda i: 10_000)
    start = time.monotonic()
    found = check(source, *expected, limits=LITTLE._replace(bandwidth=1_000_000))
    assert {result.state for result in found} == {State.MATCH}
    assert time.monotonic() - start > 0.15


@pytest.mark.parametrize(
    ("fault", "reads"),
    [(None, 1), (ChangedError("a: changed"), 1), (StoreError("no"), 0), (busy(), 2)],
    ids=["read", "changed", "refused", "broken"],
)
def test_bandwidth_is_taken_by_what_is_read(monkeypatch, fault, reads):
    """An answer that is an error has no body; one that breaks off had one."""
    taken = []
    monkeypatch.setattr(Bandwidth, "take", lambda _self, count: taken.append(count))
    monkeypatch.setattr(Bandwidth, "give_back", lambda _self, count: taken.append(-count))
    for body in (SMALL, LARGE[: LITTLE.max_in_flight // LITTLE.threads + 1]):
        source = FakeSource({"a": body})
        source.faults["a"] = [fault]
        taken.clear()
        check_one(source, expect(body, "crc32"), limits=LITTLE._replace(threads=1, bandwidth=1))
        assert sum(taken) == (source.bytes["a"] if reads == 2 else reads * len(body))


def test_bandwidth_that_is_given_back_can_be_taken():
    waits: list[float] = []
    bandwidth = Bandwidth(1000, waits.append, lambda: 0.0)
    for _ in range(3):
        bandwidth.take(500)
        bandwidth.give_back(500)
    bandwidth.take(500)
    bandwidth.take(500)
    assert waits == [0.5]


# Large objects


def test_large_objects_are_shared():
    source = FakeSource({"a": LARGE})
    # Passed only when four threads read at once; the object has 3 times 4 ranges.
    barrier = threading.Barrier(4)
    source.before = lambda key: barrier.wait(60)
    assert check_one(source, expect(LARGE, "crc32")).state is State.MATCH
    assert source.reads["a"] == 12
    assert len(source.threads) == 4


def test_one_thread_computes_a_hash():
    source = FakeSource({"a": LARGE})
    assert check_one(source, expect(LARGE, "sha1")).state is State.MATCH
    assert len(source.threads) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_all_threads_may_begin_large_objects_at_once(fails):
    source, expected = many(12, lambda i: 300_000)
    barrier = threading.Barrier(4)
    first = set()

    def before(key):
        if key not in first and len(first) < 4:
            first.add(key)
            barrier.wait(60)

    source.before = before
    for entry in expected[:4] if fails else ():
        source.faults[entry.key] = [None, StoreError("access denied")]
    states = [result.state for result in check(source, *expected)]
    bad = State.ERROR if fails else State.MATCH
    assert states == [bad] * 4 + [State.MATCH] * 8


def test_a_bug_in_a_range_is_not_a_result(monkeypatch):
    """Without the failed range the checksums are incomplete, so they are not compared."""
    add = Tally.add

    def buggy(tally, start, pieces):
        add(tally, start, pieces)
        if start:
            raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Tally, "add", buggy)
    found = []
    source = FakeSource({"a": LARGE})
    pairs = [Pair("a", source.listed("a"), expect(LARGE, "crc32"))]
    with pytest.raises(ZeroDivisionError, match="a bug"):
        found.extend(check_pairs(source, pairs, limits=LITTLE))
    assert not found
    assert not alive()


# Runs that end early


@pytest.mark.parametrize("url", ["fake://bucket", "folder"])
def test_close(url, monkeypatch):
    monkeypatch.setattr(pipeline, "LOOK_AHEAD", 600)
    source, expected = many(3000)
    source.url = url
    found = check_pairs(source, pairs_of(source, expected), limits=Limits(4))
    first = list(islice(found, 5))
    assert alive()
    found.close()
    assert not alive()
    assert [result.key for result in first] == [entry.key for entry in expected[:5]]
    assert sum(source.reads.values()) <= 605


def test_close_during_a_long_wait(monkeypatch):
    monkeypatch.setattr(retries, "FIRST", 1000)
    source = FakeSource({"a": SMALL, "b": LARGE})
    source.faults["b"] = [busy()] * 9
    listed = [Pair(e.key, e, expect(source.objects[e.key], "crc32")) for e in source.entries()]
    found = check_pairs(source, listed, limits=LITTLE)
    assert next(found).state is State.MATCH
    found.close()
    assert not alive()


def test_close_while_bandwidth_is_short():
    source = FakeSource({"a": b"", "b": LARGE})
    listed = [Pair(e.key, e, expect(source.objects[e.key], "crc32")) for e in source.entries()]
    found = check_pairs(source, listed, limits=Limits(bandwidth=1))
    assert next(found).state is State.MATCH
    found.close()
    assert not alive()


def test_stop():
    source, expected = many(2000)
    seen = []
    found = check_pairs(
        source,
        pairs_of(source, expected),
        stop=lambda: len(seen) >= 700,
        limits=Limits(2),
    )
    seen += (result.key for result in islice(found, 700))
    assert not list(found)
    assert seen == [entry.key for entry in expected[:700]]
    assert not alive()


def test_pairs_that_fail():
    source, expected = many(200)

    def pairs():
        yield from pairs_of(source, expected)
        raise StoreError("the listing broke off")

    found = []
    with pytest.raises(StoreError, match="broke off"):
        found.extend(check_pairs(source, pairs()))
    assert not found or len(found) == 200
    found = check_pairs(source, pairs())
    assert len(list(islice(found, 200))) == 200
    with pytest.raises(StoreError, match="broke off"):
        next(found)


def test_an_interrupt_ends_everything():
    source, expected = many(100)

    def pairs():
        yield from pairs_of(source, expected)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(check_pairs(source, pairs()))
    assert not alive()


def test_a_bug_of_a_source_is_not_a_result():
    source = FakeSource({"a": SMALL})
    source.faults["a"] = [ZeroDivisionError("a bug")]
    with pytest.raises(ZeroDivisionError, match="a bug"):
        check_one(source, expect(SMALL, "crc32"))
    assert not alive()


# Computing


def test_compute_checksums(data):
    source = FakeSource({"a": data, "b": SMALL, "c": SMALL, "d": SMALL})
    source.archived.add("b")
    source.faults["c"] = [StoreError("access denied")]
    source.stored["d"] = (checksum("md5", SMALL),)
    progress = Progress()
    first, archived, failed, last = compute_checksums(
        source, source.entries(), ["crc32c", "sha256"], limits=LITTLE, progress=progress
    )
    assert first == expect(data, "crc32c", "sha256")._replace(version="v1")
    assert (archived.key, archived.state) == ("b", State.ARCHIVED)
    assert (failed.state, failed.detail) == (State.ERROR, "access denied")
    assert last == expect(SMALL, "crc32c", "sha256", key="d")._replace(version="v1")
    assert progress.objects == 4


def test_compute_checksums_of_an_object_that_changed(data):
    source = FakeSource({"a": flipped(data)})
    listed = source.listed("a")
    source.objects["a"], source.versions["a"] = data + b"!", "v2"
    (entry,) = compute_checksums(source, [listed], ["crc32"], limits=LITTLE)
    assert entry == expect(data + b"!", "crc32")._replace(version="v2")


def test_compute_checksums_knows_its_algorithms():
    with pytest.raises(ValueError, match="sum-17"):
        compute_checksums(FakeSource({}), [], ["sum-17"])


def test_compute_checksums_takes_stored_ones():
    source = FakeSource({"a": SMALL})
    source.stored["a"] = (checksum("md5", SMALL),)
    (entry,) = compute_checksums(source, source.entries(), None, limits=LITTLE)
    assert entry == Entry("a", 9, source.stored["a"], "v1", False, True)
    assert not source.reads
