"""Test `verify` and `manifest`, from arguments to reports."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from numcrc import store
from numcrc.store.objects import Entry, Result, State
from numcrc.store.report import Report
from numcrc.store.source import StoreError
from store.fakes import NASTY, FakeSource, checksum, kept, states


def test_damage_is_found_under_nasty_names(tree: Path) -> None:
    report = store.verify(tree, manifest="sums.jsonl")
    assert (report.ok, report.exit_code, report.objects) == (True, 0, 2 * len(NASTY))
    assert report.counts == {State.MATCH: 2 * len(NASTY)}
    keys = [result.key for result in report]
    assert keys == sorted(keys, key=os.fsencode)
    (tree / NASTY[0]).write_bytes(b"x\nb")
    (tree / "sub" / NASTY[5]).unlink()
    (tree / "sub" / "new").touch()
    (tree / NASTY[6]).write_bytes(b"longer" * 100)
    report = store.verify(tree, manifest="sums.jsonl")
    bad = {key: state for key, state in states(report).items() if state != "match"}
    assert bad == {
        NASTY[0]: "differ",
        NASTY[6]: "size-mismatch",
        f"sub/{NASTY[5]}": "missing",
        "sub/new": "extra",
    }
    assert report.exit_code == 1
    assert sorted(line[0] for line in report.combined() if line[0] != "=") == ["*", "*", "+", "-"]
    assert report.to_rows()[0].keys() == set(Result._fields)
    one_way = store.verify(tree, manifest="sums.jsonl", one_way=True)
    assert states(one_way) == {k: s for k, s in states(report).items() if s != "extra"}


def test_selection_applies_to_both_sides(tree: Path) -> None:
    (tree / "sub" / "new").touch()
    (tree / "sub" / "-").unlink()
    found = store.verify(tree, manifest="sums.jsonl", selection=store.Selection(["/sub/"], ["new"]))
    assert found.counts == {State.MATCH: len(NASTY) - 1, State.MISSING: 1}
    whole = states(store.verify(tree, manifest="sums.jsonl"))
    shards: dict[str, str] = {}
    for k in range(1, 4):
        shards |= states(
            store.verify(tree, manifest="sums.jsonl", selection=store.Selection(shard=(k, 3)))
        )
    assert shards == whole


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_report_file_has_the_results(tree: Path, suffix: str) -> None:
    (tree / "a b").write_bytes(b"b a")
    expected = list(store.verify(tree, manifest="sums.jsonl"))
    report = store.verify(tree, manifest="sums.jsonl", report=f"report.{suffix}")
    assert list(report) == expected == list(store.read_results(f"report.{suffix}"))


def test_against_and_own_and_stored() -> None:
    here, there = kept(a=b"a", b=b"b", c=b"c", d=b"d"), kept(a=b"a", b=b"B", d=b"dd", e=b"e")
    expected = {
        "a": "match",
        "b": "differ",
        "c": "extra",
        "d": "size-mismatch",
        "e": "missing",
    }
    assert states(store.verify(here, against=there)) == expected
    here.reads.clear()
    assert states(store.verify(here, against=there, mode="stored")) == expected
    assert not here.reads
    here.stored["b"] = (checksum("crc32c", b"x"),)
    del here.stored["c"]
    assert states(store.verify(here)) == {
        "a": "match",
        "b": "differ",
        "c": "no-checksum",
        "d": "match",
    }


def test_objects_that_cannot_be_checked_have_their_own_exit_code() -> None:
    source = kept(a=b"a", b=b"b")
    source.faults["b"] = [StoreError("the disk is on fire")]
    report = store.verify(source)
    assert (states(report)["b"], report.exit_code) == ("error", 3)
    source.stored["a"] = (checksum("crc32c", b"x"),)
    assert store.verify(source).exit_code == 1


def test_an_empty_result_is_a_failure_unless_it_is_allowed(tmp_path: Path) -> None:
    made = tmp_path / "made.csv"
    made.write_text("old\n")
    for source, selection in (
        (kept(), {}),
        (kept(b=b"b"), {"include": ["a"]}),
        (kept(b=b"b"), {"sample": 1e-9}),
    ):
        strict = store.Selection(**selection)  # type: ignore[arg-type]
        lenient = store.Selection(**selection, allow_empty=True)  # type: ignore[arg-type]
        assert store.verify(source, selection=strict).exit_code == 3
        assert store.verify(source, selection=lenient).exit_code == 0
        found = store.manifest(source, made, selection=strict)
        assert (found.exit_code, found.stopped, made.read_text()) == (3, False, "old\n")
    assert store.manifest(source, made, selection=lenient).exit_code == 0
    assert made.read_text() != "old\n"
    assert Report().exit_code == 3


def test_max_errors() -> None:
    source = kept(**{f"k{number}": b"x" for number in range(10)})
    source.stored = dict.fromkeys(source.objects, (checksum("crc32c", b"y"),))
    report = store.verify(source, max_errors=3)
    assert (report.objects, report.exit_code) == (3, 1)
    assert "stopped after 3" in report.summary()


def test_objects_after_a_stop_have_no_result() -> None:
    source, stop = kept(a=b"a", b=b"b", c=b"c"), Event()
    report = store.verify(source, on_result=lambda result: stop.set(), stop=stop)
    assert 1 <= report.objects < 3
    assert set(states(report).values()) == {"match"}
    assert (report.exit_code, report.stopped) == (3, "stopped early")


def test_objects_after_a_failed_listing_have_no_result(tmp_path: Path) -> None:
    class Breaking(FakeSource):
        def entries(self) -> Iterator[Entry]:
            yield self.listed("a")
            raise StoreError("the listing broke off")

    source = Breaking({"a": b"a", "b": b"b"})
    path = tmp_path / "report.csv"
    with pytest.raises(StoreError, match="broke off"):
        store.verify(source, against=kept(a=b"a", b=b"b"), report=path)
    assert not path.exists()
    results = store.read_results(tmp_path / "report.csv.numcrc-part", partial=True)
    assert states(results) == {"a": "match"}


def test_invalid_arguments(tree: Path) -> None:
    for wrong in (
        {"manifest": "sums.jsonl", "against": tree},
        {"mode": "fast"},
        {"max_errors": 0},
        {"report": "report.doc"},
    ):
        with pytest.raises(ValueError):  # noqa: PT011 -- the messages differ
            store.verify(tree, **wrong)  # type: ignore[arg-type]
    unlisted = kept(a=b"a")
    unlisted.listable = False
    with pytest.raises(StoreError, match="cannot be listed"):
        store.verify(unlisted)
    assert store.verify(unlisted, against=kept(a=b"a", b=b"b")).counts == {
        State.MATCH: 1,
        State.MISSING: 1,
    }


def test_progress_has_the_totals() -> None:
    progress, source = store.Progress(), kept(a=b"a", b=b"bb")

    def until_counted(key: str) -> None:
        while progress.total_objects is None:
            time.sleep(0.001)

    source.before = until_counted
    store.verify(source, progress=progress)
    done = progress.objects, progress.bytes
    assert done == (2, 3) == (progress.total_objects, progress.total_bytes)


def test_a_check_file_leads_outside_only_if_allowed(tmp_path: Path) -> None:
    inside, secret = tmp_path / "inside", tmp_path / "secret"
    inside.mkdir()
    secret.write_bytes(b"123456789")
    sums = tmp_path / "sums"
    for key in ("../secret", str(secret)):
        sums.write_text(f"e3069283  {key}\n")
        with pytest.raises(ValueError, match="sums: line 1"):
            store.verify(inside, manifest=sums)
        report = store.verify(inside, manifest=sums, allow_outside=True)
        assert states(report) == {key: "match"}
    with pytest.raises(ValueError, match="is not a local folder"):
        store.verify("s3://bucket", manifest=sums, allow_outside=True)


def test_a_list_of_keys_is_checked_by_the_checksums_of_the_store(tmp_path: Path) -> None:
    source = kept(a=b"a", b=b"b", c=b"c", d=b"d")
    source.objects["b"] = b"x"
    del source.stored["c"]
    keys = [Entry("a"), Entry("b", 1), Entry("c"), Entry("e")]
    store.write_manifest(tmp_path / "keys.jsonl", keys)
    report = store.verify(source, manifest=tmp_path / "keys.jsonl")
    assert states(report) == {
        "a": "match",
        "b": "differ",
        "c": "no-checksum",
        "d": "extra",
        "e": "missing",
    }
    one_way = store.verify(source, manifest=tmp_path / "keys.jsonl", one_way=True)
    assert states(one_way) == {k: s for k, s in states(report).items() if k != "d"}


def test_a_manifest_omits_objects_that_cannot_be_read(tmp_path: Path) -> None:
    source = kept(a=b"a", b=b"b", c=b"c")
    source.faults["b"] = [StoreError("the disk is on fire")]
    path, errors = tmp_path / "sums.jsonl", []
    made = store.manifest(source, path, algorithm="crc32c", on_error=errors.append)
    assert (made.objects, made.bytes, made.exit_code) == (2, 2, 3)
    assert [(result.key, result.detail) for result in errors] == [("b", "the disk is on fire")]
    assert "1 error" in made.summary()
    assert states(store.verify(source, manifest=path)) == {"a": "match", "b": "extra", "c": "match"}
    with pytest.raises(ValueError, match="crc33"):
        store.manifest(source, path, algorithm="crc33")


def test_a_manifest_of_stored_checksums_reads_no_body(tmp_path: Path) -> None:
    source = kept(a=b"a", b=b"b")
    source.objects["b"] = b"x"
    path = tmp_path / "sums.jsonl"
    assert store.manifest(source, path, stored=True).ok
    assert not source.reads
    assert states(store.verify(source, manifest=path)) == {"a": "match", "b": "differ"}
    assert states(store.verify(source, manifest=path, mode="stored")) == {
        "a": "match",
        "b": "match",
    }
