"""The files that a run names are different, and are not its objects."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from numcrc import store
from numcrc.store.manifests.output import PARTIAL
from numcrc.store.objects import Entry, Result
from numcrc.store.source import StoreError
from store.fakes import FakeSource, states

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

# The MD5 of each file in `folder`.
SUM = "900150983cd24fb0d6963f7d28e17f72"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with the files ``a`` and ``sub/b``, and go there."""
    (tmp_path / "sub").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / name).write_bytes(b"abc")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(path: str | Path) -> list[str]:
    return [entry.key for entry in store.read_manifest(path)]


@pytest.mark.parametrize("name", ["m.jsonl", "m.csv", "m.parquet", "m.csv.gz", "sub/m.jsonl"])
def test_a_manifest_in_its_source_is_not_an_object(folder: Path, name: str) -> None:
    for _ in range(2):  # the second time, the file exists
        assert store.manifest(folder, name).objects == 2
        assert keys(name) == ["a", "sub/b"]
        assert store.verify(folder, manifest=name).ok
        assert store.verify(".", manifest=folder / name).ok
        assert store.verify(f"file://{folder}", manifest=f"file://{folder}/{name}").ok


def test_a_check_file_in_its_source_is_not_an_object(folder: Path) -> None:
    Path("MD5SUMS").write_text(f"{SUM}  a\n{SUM}  sub/b\n")
    assert states(store.verify(".", manifest="MD5SUMS")) == {"a": "match", "sub/b": "match"}
    # ``md5sum * > MD5SUMS`` lists it while it is empty.
    with open("MD5SUMS", "a") as sums:
        sums.write("d41d8cd98f00b204e9800998ecf8427e  MD5SUMS\n")
    for options in ({}, {"one_way": True}, {"allow_outside": True}):
        report = store.verify(".", manifest="MD5SUMS", **options)
        assert states(report) == {"a": "match", "sub/b": "match"}


def test_a_report_and_a_state_in_a_source_are_not_objects(folder: Path) -> None:
    store.manifest(".", "m.jsonl")
    for _ in range(2):
        report = store.verify(".", manifest="m.jsonl", report="sub/r.csv", state="sub/run.state")
        assert states(report) == {"a": "match", "sub/b": "match"}
        report = store.verify(".", against=folder, report="r.csv", state="run.state")
        assert states(report).keys() == {"a", "sub/b", "m.jsonl", "sub/r.csv", "sub/run.state"}
        assert set(states(report).values()) == {"match"}
        Path("r.csv").unlink()
        Path("run.state").unlink()


def test_files_named_by_links_are_not_objects(folder: Path) -> None:
    store.manifest(".", "m.jsonl")
    Path("link").symlink_to("m.jsonl")
    Path("lost").symlink_to("r.csv")  # which does not exist yet
    assert states(store.verify(".", manifest="link", report="r.csv")) == {
        "a": "match",
        "sub/b": "match",
    }
    Path("lost").unlink()
    Path("folder").symlink_to(".")
    assert store.verify("folder", manifest="sub/../folder/m.jsonl", one_way=True).ok
    assert store.manifest("folder", "link", format="jsonl").objects == 3
    assert keys("m.jsonl") == ["a", "r.csv", "sub/b"]


def test_hard_links_to_a_replaced_file_are_objects(folder: Path) -> None:
    """They keep the old content, unlike those to a state file, which is appended to."""
    store.manifest(".", "m.jsonl")
    os.link("m.jsonl", "old.jsonl")
    assert states(store.verify(".", manifest="m.jsonl")) == {"a": "match", "sub/b": "match"}
    assert store.manifest(".", "m.jsonl").objects == 3
    assert keys("m.jsonl") == ["a", "old.jsonl", "sub/b"]
    Path("run.state").touch()
    os.link("run.state", "sub/state")
    assert store.verify(".", manifest="m.jsonl", state="run.state").objects == 3


def test_what_a_killed_run_left_is_not_an_object(folder: Path) -> None:
    Path(f"m.jsonl{PARTIAL}").write_text("left")
    assert store.manifest(".", "m.jsonl").objects == 2
    Path(f"m.jsonl{PARTIAL}").write_text("left")
    Path(f"r.csv{PARTIAL}").write_text("left")
    assert store.verify(".", manifest="m.jsonl", report="r.csv").objects == 2
    Path(f"m.jsonl{PARTIAL}").unlink(missing_ok=True)
    assert sorted(os.listdir()) == ["a", "m.jsonl", "r.csv", "sub"]


def test_standard_streams_in_a_source_are_not_objects(folder: Path) -> None:
    command = [sys.executable, "-m", "numcrc"]
    with open("m.jsonl", "wb") as out, open("log", "wb") as errors:
        made = subprocess.run([*command, "manifest", "."], stdout=out, stderr=errors)
    assert made.returncode == 0
    assert keys("m.jsonl") == ["a", "sub/b"]
    verify = [*command, "verify", ".", "--manifest", "-", "--exclude", "log"]
    with open("m.jsonl", "rb") as manifest, open("out", "wb") as out:
        done = subprocess.run(verify, stdin=manifest, stdout=out, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert Path("out").read_bytes() == b""


def test_a_report_in_the_other_source_is_not_an_object(folder: Path) -> None:
    Path("copy").mkdir()
    Path("copy/b").write_bytes(b"abc")
    for _ in range(2):
        report = store.verify("sub", against="copy", report="copy/r.jsonl", state="sub/run")
        assert states(report) == {"b": "match"}


def test_progress_counts_objects_only(folder: Path) -> None:
    store.manifest(".", "m.jsonl")
    progress = store.Progress()
    store.manifest(".", "m.jsonl", progress=progress)
    assert progress.objects == 2


def test_an_output_must_not_replace_an_expected_object(folder: Path) -> None:
    Path("b.csv").write_bytes(b"abc")
    store.manifest(".", "m.jsonl")
    for role in ("report", "state"):
        with pytest.raises(ValueError, match=f"^{role} b.csv: it is also an expected object$"):
            store.verify(".", manifest="m.jsonl", **{role: "b.csv"})
    assert Path("b.csv").read_bytes() == b"abc"
    assert not Path(f"b.csv{PARTIAL}").exists()


SAME = [
    {"manifest": "m.csv", "report": "m.csv"},
    {"manifest": "m.csv", "state": "m.csv"},
    {"state": "m.csv", "report": "m.csv"},
    {"manifest": "m.csv", "report": "link.csv"},
    {"manifest": "link.csv", "report": "m.csv"},
    {"manifest": "m.csv", "report": "hard.csv"},
    {"manifest": "m.csv", "state": "sub/../hard.csv"},
    {"state": "new.csv", "report": "sub/../new.csv"},
    {"state": f"new.csv{PARTIAL}", "report": "new.csv"},
    {"manifest": f"m.csv{PARTIAL}", "report": "m.csv"},
]


@pytest.mark.parametrize("named", SAME, ids=str)
def test_one_file_has_one_purpose(folder: Path, named: dict[str, str]) -> None:
    store.manifest("sub", "m.csv")
    Path("link.csv").symlink_to("m.csv")
    os.link("m.csv", "hard.csv")
    before = Path("m.csv").read_bytes()
    listed = sorted(os.listdir())
    with pytest.raises(ValueError, match=r"^\w+ \S+ and \w+ \S+ are the same file$"):
        store.verify("sub", **named)
    assert Path("m.csv").read_bytes() == before
    assert sorted(os.listdir()) == listed


def test_a_manifest_from_standard_input_is_not_replaced(folder: Path) -> None:
    store.manifest("sub", "m.jsonl")
    command = [sys.executable, "-m", "numcrc", "verify", "sub", "--manifest", "-"]
    with open("m.jsonl", "rb") as manifest:
        done = subprocess.run(
            [*command, "--report", "m.jsonl"], stdin=manifest, capture_output=True, text=True
        )
    assert (done.returncode, done.stderr) == (
        2,
        "numcrc: manifest - and report m.jsonl are the same file\n",
    )
    assert keys("m.jsonl") == ["b"]


@pytest.mark.parametrize("name", ["b.csv", "link.csv", "hard.csv"])
def test_a_source_is_not_replaced(folder: Path, name: str) -> None:
    Path("b.csv").write_bytes(b"abc")
    Path("link.csv").symlink_to("b.csv")
    os.link("b.csv", "hard.csv")
    with pytest.raises(ValueError, match=f"^output {name}: it is a source itself$"):
        store.manifest("b.csv", name)
    for source, other in (("b.csv", "sub"), ("sub", "b.csv")):
        with pytest.raises(ValueError, match=f"^report {name}: it is a source itself$"):
            store.verify(source, against=other, report=name)
    assert Path("b.csv").read_bytes() == b"abc"
    assert sorted(os.listdir()) == ["a", "b.csv", "hard.csv", "link.csv", "sub"]


@pytest.mark.parametrize("role", ["state", "report"])
def test_a_state_and_a_report_are_regular_files(folder: Path, role: str) -> None:
    os.mkfifo("pipe.jsonl")
    for path in ("/dev/null", "/dev/full", "pipe.jsonl", "sub"):
        with pytest.raises(ValueError, match=f"^{role} {path}: not a regular file$"):
            store.verify(".", against="sub", **{role: path})


def test_a_manifest_in_a_remote_source_is_not_an_object(folder: Path) -> None:
    class Remote(FakeSource):
        """One whose manifest has a URL below its own."""

    source = Remote({"a": b"abc", "sums/m.jsonl": b"{}"}, f"file://{folder}/")
    store.write_manifest("m.jsonl", [Entry("a", 3)])
    Path("sums").mkdir()
    Path("m.jsonl").rename("sums/m.jsonl")
    report = store.verify(source, manifest=f"file://{folder}/sums/m.jsonl")
    assert [result.key for result in report] == ["a"]


def test_a_stopped_manifest_leaves_the_old_file(folder: Path) -> None:
    store.manifest(".", "m.jsonl")
    before = Path("m.jsonl").read_bytes()
    stop = Event()
    stop.set()
    made = store.manifest(".", "m.jsonl", stop=stop)
    assert (made.stopped, made.exit_code) == (True, 3)

    class Breaking(FakeSource):
        def entries(self):
            yield self.listed("a")
            raise StoreError("the listing broke off")

    with pytest.raises(StoreError, match="broke off"):
        store.manifest(Breaking({"a": b"a"}), "m.jsonl")
    assert Path("m.jsonl").read_bytes() == before
    assert sorted(os.listdir()) == ["a", "m.jsonl", "sub"]


def test_a_stopped_run_leaves_the_old_report(folder: Path) -> None:
    source = FakeSource(dict.fromkeys("abcdef", b"abc"))
    store.write_manifest("m.jsonl", [Entry(name, 4) for name in "abcdef"])
    whole = list(store.verify(source, manifest="m.jsonl", report="r.csv"))
    before = Path("r.csv").read_bytes()
    stop = Event()

    def after(count: int) -> Callable[[Result], object]:
        left = [count]

        def count_down(_result: Result) -> None:
            left[0] -= 1
            if not left[0]:
                stop.set()

        return count_down

    report = store.verify(source, manifest="m.jsonl", report="r.csv", stop=stop, on_result=after(2))
    partial = Path(f"r.csv{PARTIAL}").resolve()
    assert report.exit_code != 0
    assert report.stopped == f"stopped early; the results so far are in {partial}"
    assert list(report) == list(store.read_results(partial, partial=True))
    assert 2 <= report.objects < 6 or list(report) == whole
    assert Path("r.csv").read_bytes() == before
    stop.clear()
    assert list(store.verify(source, manifest="m.jsonl", report="r.csv")) == whole
    assert not partial.exists()


def test_a_run_that_is_stopped_while_it_reads_its_manifest_has_no_results(folder: Path) -> None:
    store.manifest(".", "m.jsonl")
    stop = Event()
    stop.set()
    report = store.verify(".", manifest="m.jsonl", report="r.csv", stop=stop)
    assert (list(report), report.exit_code, report.stopped) == ([], 3, "stopped early")
    assert not Path("r.csv").exists()
