"""State files: known results are not checked again, and nothing else is taken for known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from numcrc import store
from numcrc.store import state as state_module
from numcrc.store.objects import Result
from numcrc.store.source import StoreError
from store.fakes import checksum, kept, states


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


def test_many_known_results_wait_for_a_few_that_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known results come in order, and few of them are held."""
    monkeypatch.setattr(state_module, "WAITING", 5)
    source = kept(**{f"{number:03}": b"x" for number in range(100)})
    for number in (0, 40, 41, 99):
        source.faults[f"{number:03}"] = [StoreError("busy")]
    state = tmp_path / "state"
    store.verify(source, state=state)
    source.reads.clear()
    seen: list[str] = []
    store.verify(source, state=state, on_result=lambda result: seen.append(result.key))
    assert seen == sorted(source.objects)
    assert sorted(source.reads) == ["000", "040", "041", "099"]


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
    lines[3] = damage
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
    with pytest.raises(ValueError, match=r"to another job: its sample is None, not 0\.5"):
        store.verify(source, state=state, selection=store.Selection(sample=0.5))
    with pytest.raises(ValueError, match="its other source is None, not 'fake://bucket'"):
        store.verify(source, state=state, against=source)
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
