"""State files: known results are not checked again, and nothing else is taken for known."""

from __future__ import annotations

import errno
import json
import os
import random
import threading
import time
from pathlib import Path

import pytest

from numcrc import store
from numcrc.store import pipeline
from numcrc.store import state as state_module
from numcrc.store.objects import Result
from numcrc.store.source import StoreError
from store.fakes import LARGE, LITTLE, FakeSource, checksum, flipped, kept, states


def numbered(count: int) -> FakeSource:
    """Return a source of many objects."""
    return kept(**{f"{number:03}": b"x" for number in range(count)})


def recorded(path: Path) -> list[str]:
    """Return the keys of the results in a state file, which may end amid a line."""
    lines = map(json.loads, path.read_text().split("\n")[:-1])
    return [line[1] for line in lines if isinstance(line, list)]


def test_a_known_result_is_not_checked_again_unless_something_changed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    source = kept(a=b"a", b=b"b", c=b"c", d=b"d")
    source.faults["c"] = [StoreError("busy")]
    first = store.verify(source, state=state)
    assert sorted(source.reads) == ["a", "b", "c", "d"]
    source.reads.clear()
    source.objects |= {"b": b"B", "aa": b"aa"}
    source.versions["b"] = "v2"
    source.stored["aa"] = (checksum("crc32c", b"aa"),)
    second = store.verify(source, state=state)
    assert sorted(source.reads) == ["aa", "b", "c"]
    assert states(first) == {"a": "match", "b": "match", "c": "error", "d": "match"}
    assert states(second) == {
        "a": "match",
        "aa": "match",
        "b": "differ",
        "c": "match",
        "d": "match",
    }
    source.reads.clear()
    assert list(store.verify(source, state=state)) == list(second)
    assert not source.reads


def test_a_report_says_how_many_results_are_from_the_state_file(tmp_path: Path) -> None:
    state, source = tmp_path / "state", kept(a=b"a", b=b"bb", c=b"c")
    source.faults["c"] = [StoreError("busy")]
    first = store.verify(source, state=state)
    assert first.from_state == 0
    assert "state file" not in first.summary()
    second = store.verify(source, state=state)
    assert (second.from_state, second.objects, second.bytes) == (2, 3, 4)
    assert second.summary().endswith(": 3 match; 2 from the state file, not checked again")
    source.objects["a"] = flipped(b"a")  # damage that leaves the version as it is
    third = store.verify(source, state=state)
    assert (third.from_state, third.ok) == (3, True)


def test_a_run_that_stops_says_how_many_results_are_in_the_state_file(tmp_path: Path) -> None:
    state, source, stop = tmp_path / "state", numbered(50), threading.Event()
    report = store.verify(source, state=state, stop=stop, on_result=lambda _: stop.set())
    count = len(recorded(state))
    assert report.objects < 50
    results = "result is" if count == 1 else "results are"
    assert report.stopped == f"stopped early; {count} new {results} in the state file"


def test_many_known_results_wait_for_a_few_that_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known results come in order, and few of them are held."""
    monkeypatch.setattr(pipeline, "LOOK_AHEAD", 5)
    source = numbered(100)
    for number in (0, 40, 41, 99):
        source.faults[f"{number:03}"] = [StoreError("busy")]
    state = tmp_path / "state"
    store.verify(source, state=state)
    source.reads.clear()
    seen: list[str] = []
    store.verify(source, state=state, on_result=lambda result: seen.append(result.key))
    assert seen == sorted(source.objects)
    assert sorted(source.reads) == ["000", "040", "041", "099"]


@pytest.mark.parametrize("url", ["fake://bucket", "folder"])
def test_a_slow_object_does_not_hold_back_results(tmp_path: Path, url: str) -> None:
    """Results are recorded as they arrive, in any order."""
    source, state = numbered(302), tmp_path / "state"
    source.url = url
    source.objects["000"] = LARGE
    source.stored["000"] = (checksum("sha256", LARGE),)
    source.objects["100"] = flipped(b"x")
    whole = list(store.verify(source, limits=LITTLE, report=tmp_path / "whole.jsonl"))
    answer, stop = threading.Event(), threading.Event()
    source.before = lambda key: key == "000" and answer.wait(60)

    def stop_late() -> None:
        deadline = time.monotonic() + 60
        while len(recorded(state)) < 301 and time.monotonic() < deadline:
            time.sleep(0.01)
        stop.set()

    state.touch()
    threading.Thread(target=stop_late, daemon=True).start()
    assert not store.verify(source, limits=LITTLE, state=state, stop=stop).objects
    answer.set()
    assert sorted(recorded(state)) == sorted(source.objects)[1:]
    source.reads.clear()
    report = tmp_path / "report.jsonl"
    assert list(store.verify(source, limits=LITTLE, state=state, report=report)) == whole
    assert list(source.reads) == ["000"]
    assert report.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    source.reads.clear()
    assert list(store.verify(source, limits=LITTLE, state=state)) == whole
    assert not source.reads


def test_results_in_any_order_in_many_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most recent result of a key counts, and no run checks again what another has."""
    monkeypatch.setattr(state_module, "MARK_EVERY", 7)
    generator = random.Random(5)
    source, state = numbered(200), tmp_path / "state"
    source.before = lambda key: time.sleep(generator.random() / 1000)
    changed: set[str] = set()
    for run in range(12):
        for key in generator.sample(sorted(source.objects), 5):
            source.objects[key] = bytes([run])
            source.versions[key] = f"v{run}"
            changed.add(key)
        for key in generator.sample(sorted(source.objects), 5):
            source.faults[key] = [StoreError("busy")]
        source.reads.clear()
        limit = generator.randrange(100, 300)
        stop = threading.Event()
        seen = iter(range(limit))
        store.verify(
            source,
            state=state,
            limits=store.Limits(4),
            stop=stop,
            on_result=lambda result, seen=seen, stop=stop: next(seen, 0) or stop.set(),
        )
    source.faults.clear()
    first = states(store.verify(source, state=state))
    assert first == {key: "differ" if key in changed else "match" for key in source.objects}
    source.reads.clear()
    assert states(store.verify(source, state=state)) == first
    assert not source.reads


def test_a_result_that_a_later_run_checks_again_is_not_recorded(tmp_path: Path) -> None:
    source, state = numbered(3), tmp_path / "state"
    source.faults["001"] = [StoreError("busy")]
    store.verify(source, state=state)
    assert recorded(state) == ["000", "002"]


def test_a_full_disk(tmp_path: Path) -> None:
    """Results are not dropped in silence; what the disk took is of use."""
    resource = pytest.importorskip("resource")
    source, state = numbered(300), tmp_path / "state"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5001, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            store.verify(source, state=state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert state.stat().st_size == 5001
    source.reads.clear()
    assert states(store.verify(source, state=state)) == dict.fromkeys(source.objects, "match")
    assert 0 < len(source.reads) < 300


@pytest.mark.parametrize("cut", [0, 1, 10, -1, -30, None])
def test_a_torn_state_file(tmp_path: Path, cut: int | None) -> None:
    state, source = tmp_path / "state", kept(a=b"a", b=b"b")
    whole = list(store.verify(source, state=state))
    state.write_bytes(state.read_bytes()[:cut])
    assert list(store.verify(source, state=state)) == whole
    assert list(store.verify(source, state=state)) == whole
    for line in state.read_bytes().splitlines():
        json.loads(line)


DAMAGED = {
    "a mark": b'{"after": 7}',
    "a mark of another key": b'{"after": "zzz"}',
    "zeros": b"\0" * 40,
    "nested": b"[" * 100_000,
    "not a list": b"7",
    "empty": b"",
    "too short": b'["mark", "b", "match"]',
    "wrong types": b'[1, "b", "match", "9", "", "", "", ["x"], "", ""]',
    "a wrong state": b'["mark", "b", "good", 9, "", "", "", [], "", ""]',
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_an_object_with_a_damaged_line_is_checked_again(tmp_path: Path, damage: bytes) -> None:
    state, source = tmp_path / "state", kept(a=b"a", b=b"b", c=b"c")
    whole = list(store.verify(source, state=state))
    lines = state.read_bytes().splitlines()
    lines[3] = damage  # of "b"
    state.write_bytes(b"".join(line + b"\n" for line in lines))
    source.reads.clear()
    assert list(store.verify(source, state=state)) == whole
    assert list(source.reads) == ["b"]


def test_a_state_file_without_results(tmp_path: Path) -> None:
    state, source = tmp_path / "state", kept(a=b"a")
    whole = list(store.verify(source, state=state))
    header = state.read_bytes().splitlines(keepends=True)[0]
    state.write_bytes(header)
    assert list(store.verify(source, state=state)) == whole
    assert state.read_bytes().startswith(header)


def test_a_state_file_of_another_job(tmp_path: Path) -> None:
    state, source = tmp_path / "state", kept(a=b"a")
    store.verify(source, state=state)
    before = state.read_bytes()
    with pytest.raises(ValueError, match=r"to another job: its sample is none, not 0\.5"):
        store.verify(source, state=state, selection=store.Selection(sample=0.5))
    with pytest.raises(ValueError, match="its other source is none, not fake://bucket"):
        store.verify(source, state=state, against=source)
    some = store.Selection(include=["*.raw"], exclude=["a b", "'"])
    with pytest.raises(ValueError, match=r"patterns are none, not include \*\.raw, exclude a b"):
        store.verify(source, state=state, selection=some)
    with pytest.raises(ValueError, match=r"its shard is none, not 1/3$"):
        store.verify(source, state=state, selection=store.Selection(shard=(1, 3)))
    with pytest.raises(ValueError, match=r"its keys are none, not b\.\.$"):
        store.verify(source, state=state, selection=store.Selection(keys=("b", None)))
    assert state.read_bytes() == before
    other = tmp_path / "diary"
    other.write_text("Dear diary\n")
    with pytest.raises(ValueError, match="not a state file"):
        store.verify(source, state=other)
    assert other.read_text() == "Dear diary\n"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    state = tmp_path / "state"

    def again(_: Result) -> None:
        with pytest.raises(ValueError, match="another process is using"):
            store.verify(kept(a=b"a"), state=state)

    assert store.verify(kept(a=b"a"), state=state, on_result=again).ok


def test_a_file_system_may_lack_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert store.verify(kept(a=b"a"), state=tmp_path / "state").ok
