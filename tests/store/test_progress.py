"""Progress: right totals, one unit, one line on a terminal, and a line a while in a log."""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path

import pytest

from numcrc import store
from numcrc.cli import main
from numcrc.cli import progress as cli_progress
from numcrc.cli.progress import Bar, amount
from numcrc.store.objects import Entry, State
from numcrc.store.progress import Progress
from store.fakes import LITTLE, FakeSource, check, expect, flipped, kept
from store.faults import Stall
from store.faulty import FaultyServer


class Watched(Progress):
    """Progress that is never beyond its totals."""

    def read(self, key: str, count: int) -> None:
        """Check the totals."""
        super().read(key, count)
        self.check()

    def check(self) -> None:
        """Check the totals, once they are known."""
        total_objects, total_bytes = self.total_objects, self.total_bytes
        assert total_objects is None or self.objects <= total_objects
        assert total_bytes is None or self.bytes <= total_bytes

    def done(self) -> tuple[int, int, int | None, int | None]:
        """Return what is done, and the totals."""
        return self.objects, self.bytes, self.total_objects, self.total_bytes


def counted(source: FakeSource) -> Watched:
    """Return progress whose totals are known before the first byte is read."""
    progress = Watched()

    def until_counted(_key: str) -> None:
        while progress.total_objects is None:
            time.sleep(0.001)

    source.before = until_counted
    return progress


def test_objects_that_are_read_again_count_again(data: bytes) -> None:
    """The row: 202 of 202 objects, 154.9 of 114.4 MiB."""
    source = kept(a=data, b=data, c=data)
    source.objects["b"] = flipped(data)
    progress = counted(source)
    report = store.verify(source, progress=progress, limits=LITTLE)
    assert report.counts == {State.MATCH: 2, State.DIFFER: 1}
    assert progress.done() == (3, 4 * len(data), 3, 4 * len(data))


def test_objects_that_are_not_read_do_not_count(data: bytes) -> None:
    source = kept(a=data, b=data, c=data)
    source.stored["b"] = ()
    progress = counted(source)
    report = store.verify(source, progress=progress, limits=LITTLE)
    assert report.counts == {State.MATCH: 2, State.NO_CHECKSUM: 1}
    read = source.bytes["a"] + source.bytes["b"] + source.bytes["c"]
    assert progress.done() == (3, read, 3, read)
    assert source.bytes["b"] in (0, 9), "a small one is read before its checksums are known"


def test_failed_reads_count_as_far_as_they_came(data: bytes) -> None:
    source = kept(a=data, b=data)
    source.faults["a"] = [store.StoreError("no")]
    progress = counted(source)
    report = store.verify(source, progress=progress, limits=LITTLE._replace(threads=1))
    assert report.counts == {State.MATCH: 1, State.ERROR: 1}
    assert progress.done() == (2, len(data), 2, len(data))


def test_both_bodies_count_if_both_are_read(data: bytes) -> None:
    source, other = FakeSource({"a": data, "b": data}), FakeSource({"a": data, "c": data})
    progress = counted(source)
    report = store.verify(source, against=other, progress=progress, limits=LITTLE)
    assert report.counts == {State.MATCH: 1, State.EXTRA: 1, State.MISSING: 1}
    assert progress.done() == (3, 2 * len(data), 3, 2 * len(data))


def test_a_manifest_counts_as_it_is_compared(data: bytes, tmp_path) -> None:
    source = FakeSource({"a": data, "b": data, "x": data})
    listed = tmp_path / "m.jsonl"
    entries = [expect(data, "crc32", key=key) for key in ("a", "b", "gone")]
    entries.insert(2, Entry("b"))  # the same key twice
    store.write_manifest(listed, entries)
    progress = Watched()
    report = store.verify(source, manifest=listed, progress=progress, limits=LITTLE)
    assert report.counts == {State.MATCH: 2, State.MISSING: 1, State.EXTRA: 1}
    assert progress.done() == (4, 2 * len(data), 4, 2 * len(data))


def test_unknown_sizes_leave_the_total_unknown(data: bytes, tmp_path) -> None:
    source = FakeSource({"a": data})
    listed = tmp_path / "m.jsonl"
    store.write_manifest(listed, [expect(data, "crc32")._replace(size=None)])
    progress = Watched()
    assert store.verify(source, manifest=listed, progress=progress).ok
    assert progress.done() == (1, len(data), 1, None)


def test_results_of_a_state_are_not_read_again(data: bytes, tmp_path) -> None:
    source = kept(a=data, b=data)
    state = tmp_path / "state"
    assert store.verify(source, state=state, limits=LITTLE).ok
    source.objects["c"], source.stored["c"] = data, source.stored["a"]
    progress = counted(source)
    assert store.verify(source, state=state, progress=progress, limits=LITTLE).ok
    assert progress.done() == (3, len(data), 3, len(data))


def test_results_that_need_no_read_end_within_the_totals() -> None:
    source = FakeSource({f"{n:04}": b"x" * n for n in range(500)})
    progress = Watched()
    entries = list(progress.counted(source.entries(), expected=False))
    assert progress.total_objects == len(entries) == 500
    found = check(source, progress=progress)
    assert {result.state for result in found} == {State.EXTRA}
    progress.check()
    assert progress.done() == (500, 0, 500, 0)


def test_amounts_have_one_unit() -> None:
    assert amount(0) == "0 B"
    assert amount(1023) == "1023 B"
    assert amount(1536) == "1.5 KiB"
    assert amount(1, 5 << 30) == "0.0 of 5.0 GiB"
    assert amount(3 << 60, 3 << 60) == "3072.0 of 3072.0 PiB"


class Terminal(io.StringIO):
    """A terminal of standard error."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def shown(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, done: int, total: int | None
) -> str:
    """Return what a bar writes in half a second."""
    monkeypatch.setattr(cli_progress, "DELAY", 0.05)
    monkeypatch.setattr(cli_progress, "LOG_INTERVAL", 0.05)
    monkeypatch.setattr(sys, "stderr", stream)
    with Bar(lambda: done, lambda: total, lambda: "7 of 12345678 objects"):
        time.sleep(0.5)
    return stream.getvalue()


@pytest.mark.parametrize("columns", [20, 40, 60, 69, 80, 120])
def test_the_bar_fits_into_one_line(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    text = shown(monkeypatch, Terminal(), 150 << 20, 3 << 30)
    assert text.count("\x1b[1A") <= 1, "it is drawn over several lines"
    assert "12345678" in text or columns == 20
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert all(len(line.strip()) <= columns for line in re.split("[\r\n]", plain))


@pytest.mark.parametrize("columns", [80, 120])
def test_the_bar_has_one_unit(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    text = shown(monkeypatch, Terminal(), 150 << 20, 3 << 30)
    assert "0.1 of 3.0 GiB" in text
    assert not re.search(r"[0-9] [kKMGT]?B\b(?!/s)", text.replace("iB", ""))


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_log_has_a_line_a_while(monkeypatch: pytest.MonkeyPatch, stream: type) -> None:
    """A terminal that cannot move its cursor is like a log."""
    monkeypatch.setenv("TERM", "dumb")
    lines = shown(monkeypatch, stream(), 150 << 20, 3 << 30).splitlines()
    assert len(lines) > 1
    for line in lines:
        assert line.startswith("numcrc: 7 of 12345678 objects, 0.1 of 3.0 GiB, ")
        assert line.isprintable()


def test_a_log_of_a_short_run_has_no_progress(
    monkeypatch: pytest.MonkeyPatch, tree, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_progress, "DELAY", 0)
    assert main(["verify", str(tree), "--manifest", "sums.jsonl"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_runs_log_their_progress(
    monkeypatch: pytest.MonkeyPatch,
    stub: FaultyServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli_progress, "LOG_INTERVAL", 0.1)
    for number in range(20):
        stub.put(str(number), b"123456789")
    stub.inject("15", Stall(1.5))
    for arguments in (
        ["verify", stub.url],
        ["manifest", stub.url, "-o", str(tmp_path / "m.jsonl")],
    ):
        assert main([*arguments, "-j", "1"]) == 0
        lines = capsys.readouterr().err.splitlines()
        if arguments[0] == "verify":
            assert re.match(r"numcrc: \d+ of 20 objects, \d+ of 180 B, \d+ B/s", lines[-2])
    assert main(["verify", stub.url, "--quiet"]) == 0
    assert not capsys.readouterr().err.count(" of 20 objects,")


def test_the_time_that_is_left_follows_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    done = 0
    bar = Bar(lambda: done, lambda: 1000, lambda: "x")
    now[0], done = 10.0, 100
    assert bar.line() == "x, 100 of 1000 B, 10 B/s, 1:30 left"
    now[0], done = 20.0, 1100
    assert bar.line().endswith("0:00 left")
    now[0] = 100.0
    assert bar.line() == "x, 1.1 of 1.0 KiB, 0 B/s"
