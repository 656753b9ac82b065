"""Test merges of reports."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from numcrc import store
from numcrc.store import State, merge, merge_reports, read_results
from numcrc.store._merge_reports import MOST_OPEN
from numcrc.store.manifests.reports import ReportPart, report_part, report_writer
from numcrc.store.objects import Result
from numcrc.store.report_folder import Commit, ReportFolder
from store.fakes import NASTY
from store.test_store_cli import Outcome, run

__all__ = ["run"]


def write(path: Path, keys: list[str], part: ReportPart = ReportPart(), **more: object) -> Path:  # noqa: B008
    """Write a report with a match for each of *keys*."""
    with report_writer(path, part=part) as add:
        for key in sorted(keys, key=store.keys.key_bytes):
            add(Result(key, State.MATCH, 1)._replace(**more))  # type: ignore[arg-type]
    return path


def cut(path: Path) -> Path:
    """Remove the end mark of a report in JSON Lines."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("count", [1, 3, 2 * MOST_OPEN])
def test_results_are_merged_in_order(suffix: str, count: int, tmp_path: Path) -> None:
    keys = [*NASTY, *map(str, range(1000))]
    random.Random(count).shuffle(keys)
    parts = [
        write(tmp_path / f"{number}.{suffix}", keys[number::count], ReportPart((number + 1, count)))
        for number in range(count)
    ]
    report = merge_reports(parts, tmp_path / f"all.{suffix}")
    ordered = sorted(keys, key=store.keys.key_bytes)
    assert [result.key for result in report] == ordered
    assert (report.counts, report.bytes, report.exit_code) == ({State.MATCH: len(keys)}, 1010, 0)
    assert [result.key for result in read_results(tmp_path / f"all.{suffix}")] == ordered
    assert [result.key for result in merge_reports(parts)] == ordered


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_reports_know_their_part(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"r.{suffix}"
    for part in (
        ReportPart((2, 3)),
        ReportPart((2, 3), (None, "")),
        ReportPart(keys=("a", None)),
        ReportPart(keys=(2000 * "\udcff", 2000 * "\udcff" + "a")),
        ReportPart(keys=(None, "caf\udce9")),
        ReportPart(),
    ):
        assert report_part(write(path, ["a"], part)) == part
    path = tmp_path / "r.csv"
    assert report_part(write(path, ["a"], ReportPart((2, 3)))) == ReportPart()
    path.write_text('{"numcrc": "numcrc report 2", "about": {"shard": [3, 2], "keys": 1}}\n')
    assert report_part(path) == ReportPart()


def test_verify_records_the_part(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a").touch()
    path = tmp_path / "r.jsonl"
    for selection, part in (
        (store.Selection(shard=(1, 1)), ReportPart((1, 1))),
        (store.Selection(keys=("a", "b")), ReportPart(keys=("a", "b"))),
        (store.Selection(), ReportPart()),
    ):
        store.verify(data, report=path, selection=selection)
        assert report_part(path) == part


def test_missing_shards_and_ranges_are_named(tmp_path: Path) -> None:
    one = write(tmp_path / "1.jsonl", ["a"], ReportPart((1, 12)))
    report = merge_reports([one], tmp_path / "all.jsonl")
    assert report.exit_code == 3
    names = ", ".join(f"{number}/12" for number in range(2, 10))
    assert report.stopped.startswith(f"shard {names} and 3 more missing; the results so far are in")
    assert [result.key for result in report] == ["a"]
    assert not (tmp_path / "all.jsonl").exists()
    parts = [
        write(tmp_path / f"{first}.jsonl", [first], ReportPart(keys=(first, end)))
        for first, end in (("e", None), ("b", "c"), ("c", "d"))
    ]
    report = merge_reports(parts)
    assert report.stopped == "no part has the keys from 'd' to 'e'"
    parts.append(write(tmp_path / "d.csv", ["d"]))  # of unknown keys
    assert merge_reports(parts).exit_code == 0


def test_shards_of_different_manifests_are_noticed(tmp_path: Path) -> None:
    """Each takes its range of keys from its manifest."""
    ends = [(None, "c"), ("d", "d"), ("d", "g"), ("g", None)]
    parts = [
        write(tmp_path / f"{number}.jsonl", [str(number)], ReportPart((number, 4), keys))
        for number, keys in enumerate(ends, 1)
    ]
    assert merge_reports(parts).stopped == "no part has the keys from 'c' to 'd'"
    assert merge_reports(parts[1:]).stopped == "shard 1/4 missing"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
def test_many_shards_need_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "IN_MEMORY", 0)
    count = 3 * MOST_OPEN
    keys = [f"{number:05}" for number in range(300 * count)]
    parts = [
        write(tmp_path / f"{number}.jsonl", keys[number::count], ReportPart((number + 1, count)))
        for number in range(count)
    ]
    files = set[int]()
    before = len(os.listdir("/proc/self/fd"))
    report = merge_reports(
        parts, on_result=lambda _: files.add(len(os.listdir("/proc/self/fd")) - before)
    )
    assert report.objects == len(keys)
    assert max(files) <= MOST_OPEN + 1
    assert [result.key for result in report] == keys


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
def test_parts_are_files(tmp_path: Path) -> None:
    """Pipes cannot be read twice."""
    os.mkfifo(tmp_path / "pipe")
    for part in ("-", tmp_path / "pipe", os.devnull):
        with pytest.raises(ValueError, match=r"cannot merge .*: expected a file that can be read"):
            merge_reports([part])


def test_incomplete_parts_are_named(tmp_path: Path) -> None:
    for keys, objects in ((["b", "c"], 3), ([], 1)):
        parts = [write(tmp_path / "1.jsonl", ["a"]), cut(write(tmp_path / "2.jsonl", keys))]
        report = merge_reports(parts, tmp_path / "all.csv")
        assert report.stopped.startswith(f"{parts[1]} is incomplete; the results so far are in ")
        assert (report.exit_code, report.objects) == (3, objects)
        assert len(list(report)) == objects
    parts[0] = write(tmp_path / "1.jsonl", ["a"], state=State.DIFFER)
    assert merge_reports(parts).exit_code == 1


def test_keys_come_once(tmp_path: Path) -> None:
    parts = [write(tmp_path / "1.jsonl", ["a", "b"]), write(tmp_path / "2.jsonl", ["b", "c"])]
    with pytest.raises(ValueError, match=r"1\.jsonl and .*2\.jsonl have the key 'b'"):
        merge_reports(parts, tmp_path / "all.jsonl")
    assert not (tmp_path / "all.jsonl").exists()
    both = tmp_path / "both.jsonl"
    both.write_bytes(parts[1].read_bytes() + parts[0].read_bytes())
    with pytest.raises(ValueError, match=r"both\.jsonl: the key 'a' is out of order"):
        merge_reports([both])


def test_files_are_different(tmp_path: Path) -> None:
    part = write(tmp_path / "1.jsonl", ["a"])
    with pytest.raises(ValueError, match="are the same part"):
        merge_reports([part, part])
    with pytest.raises(ValueError, match="is a part, and cannot be the output"):
        merge_reports([part], part)
    with pytest.raises(ValueError, match=r"not the folder .*files of other reports: .*\*\.parquet"):
        merge_reports([tmp_path])


def test_damaged_parts_are_errors(tmp_path: Path) -> None:
    damaged = tmp_path / "x"
    for data in (
        b"",
        b"{",
        b"PAR1",
        b"PAR1" * 4,
        b'{"numcrc": 1}\n',
        b'{"numcrc": "x", "about": 1}',
    ):
        damaged.write_bytes(data)
        with pytest.raises(ValueError, match="x"):
            merge_reports([damaged])


def test_report_folders(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path / "r")
    job = {"source": "data", "parts": 3, "keys": [None, "\udce9"]}
    folder.begin(job)
    folder.begin(job)
    with pytest.raises(ValueError, match="the report of another job: its parts is 3, not 4"):
        folder.begin(job | {"parts": 4})
    with pytest.raises(ValueError, match="its mode is none, not full"):
        folder.begin(job | {"mode": "full"})
    for number in (2, 0):
        written = write(Path(folder.temporary(number)), [str(number)])
        folder.commit(str(written), Commit(number, {State.MATCH: 1}, 5))
    assert sorted(folder.commits()) == [Commit(n, {State.MATCH: 1}, 5) for n in (0, 2)]
    write(Path(folder.temporary(1)), ["1"])
    report = merge_reports([folder.path], tmp_path / "all.jsonl")
    assert report.stopped.startswith(f"1 part of {folder.path} is missing; ")
    assert [result.key for result in report] == ["0", "2"]
    folder.clean()
    names = [path.name for path in Path(folder.path).iterdir()]
    assert len(names) == 5
    for text in ("", "[]", "{}", '{"counts": {"match": -1}, "bytes": 0}', '{"counts": 1}'):
        Path(folder.path, "part-000000.json").write_text(text)
        assert folder.committed(0) is None
    Path(folder.part(2)).unlink()
    assert list(folder.commits()) == []
    with pytest.raises(ValueError, match="not the folder of a report: it has 'all"):
        ReportFolder(tmp_path).begin(job)


def test_command(
    tmp_path: Path, run: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "1.jsonl", ["b"], ReportPart((1, 2)))
    write(tmp_path / "2.jsonl", ["a\nb"], ReportPart((2, 2)), state=State.DIFFER, actual="12")
    merged = run("report", "merge", "2.jsonl", "1.jsonl", "-o", "all.csv")
    assert (merged.status, merged.lines) == (1, ["\\a\\nb: differ ( 12, expected )"])
    assert "2 objects, 2 B compared" in merged.err
    assert len(list(read_results("all.csv"))) == 2
    printed = run("report", "merge", "1.jsonl", "-o", "-", "-q")
    assert (printed.status, printed.err) == (3, "")
    assert printed.lines[1].startswith('{"state": "match", "key": "b"')
    for arguments in ([], ["merge"], ["x", "1.jsonl"]):
        assert run("report", *arguments).status == 2
    assert run("report", "merge", "none.jsonl").status == 3
