"""`numcrc.store.scan` and ``numcrc scan``: sources, states, files, other packages' formats."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import run_python

from numcrc import store
from numcrc.cli import main
from numcrc.store import Limits, Selection, State
from numcrc.store.formats import Body, Finding, Format, body, formats
from numcrc.store.source import RetryError, StoreError
from store.fakes import FakeSource
from store.faulty import FaultyServer
from store.scan_files import FILES, bgzf, damaged, npz, png, tfrecord, zip_file
from store.stub_objects import StubObject

BAD_NPZ = damaged(npz(), 1000)
LITTLE = Limits(threads=2, max_in_flight=2 << 16)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with a good and a damaged file, and one that is neither."""
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "data"
    made.mkdir()
    (made / "good.npz").write_bytes(npz())
    (made / "bad.npz").write_bytes(BAD_NPZ)
    (made / "photo.jpg").write_bytes(b"\xff\xd8" * 100)
    return made


def states(report: store.Report) -> dict[str, str]:
    """Return the states by key."""
    return {result.key: result.state.value for result in report}


def test_a_folder(folder: Path) -> None:
    report = store.scan(folder)
    assert states(report) == {"bad.npz": "differ", "good.npz": "match", "photo.jpg": "skipped"}
    bad, good, _ = report
    assert bad.detail.startswith("zip: member 'a.npy': crc32 ")
    assert (bad.algorithm, len(bad.expected), len(bad.actual)) == ("crc32", 8, 8)
    assert good.detail == "zip: 2 records"
    assert good.size == len(npz())
    assert not report.ok
    assert report.exit_code == 1


def test_skipped_objects_are_no_failure_unless_all_are(folder: Path) -> None:
    (folder / "bad.npz").unlink()
    assert store.scan(folder).ok
    (folder / "good.npz").unlink()
    assert store.scan(folder).exit_code == 3
    assert store.scan(folder, selection=Selection(allow_empty=True)).ok
    (folder / "photo.jpg").unlink()
    assert store.scan(folder).exit_code == 3


def test_one_file_is_a_source(folder: Path) -> None:
    assert states(store.scan(folder / "bad.npz")) == {"bad.npz": "differ"}


@pytest.mark.parametrize("limits", [Limits(), LITTLE])
def test_every_format_by_ranges_and_whole(limits: Limits) -> None:
    files = {f"{name}/{make()[0]}": make() for name, make in FILES.items()}
    source = FakeSource({key: made[1] for key, made in files.items()})
    source.objects["long.tfrecord"] = tfrecord((10, 300_000, 5))
    assert set(states(store.scan(source, limits=limits)).values()) == {"match"}
    for key, (_, data, at, _) in files.items():
        source.objects[key] = damaged(data, at)
    source.objects["long.tfrecord"] = damaged(source.objects["long.tfrecord"], 200_000)
    results = {result.key: result for result in store.scan(source, limits=limits)}
    assert {result.state for result in results.values()} == {State.DIFFER}
    for key, (_, _, _, record) in files.items():
        assert f": {record}: " in results[key].detail


def test_long_records_are_read_by_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "LONG", 1 << 20)
    numbers = random.Random(1)
    data = tfrecord((10, 3_000_000, 70_000, 900_000, 5))
    source = FakeSource({"a.tfrecord": data, "b.npz": npz()})
    source.before = lambda key: time.sleep(0.001)
    assert states(store.scan(source, limits=LITTLE)) == {"a.tfrecord": "match", "b.npz": "match"}
    assert len(source.threads) == 2
    for _ in range(5):
        source.objects["a.tfrecord"] = damaged(data, numbers.randrange(50, 3_000_000))
        bad, _ = store.scan(source, limits=LITTLE)
        assert bad.detail.startswith("tfrecord: record 1 at byte 26: crc32c ")


def test_a_large_object_of_no_known_format_is_not_read() -> None:
    source = FakeSource({"a.jpg": bytes(3 << 20)})
    assert states(store.scan(source)) == {"a.jpg": "skipped"}
    assert source.reads["a.jpg"] == 1


def test_a_zip_is_read_about_once(folder: Path) -> None:
    source = FakeSource({"a.zip": zip_file(members=20)})
    assert store.scan(source).ok
    assert source.reads["a.zip"] == 1


def test_a_damaged_object_is_read_again(impatient: None) -> None:
    source = FakeSource({"a.npz": npz()})
    source.faults["a.npz"] = [lambda data: damaged(data, 1000)]
    (result,) = store.scan(source)
    assert result.state is State.MATCH
    assert "a first read differed: zip: member 'a.npy'" in result.detail
    source.faults["a.npz"] = [lambda data: damaged(data, 1000), lambda data: damaged(data, 900)]
    (result,) = store.scan(source)
    assert result.state is State.DIFFER
    assert "a first read gave another result" in result.detail


def test_errors_of_the_store(impatient: None) -> None:
    source = FakeSource({name: npz() for name in "abcde"})
    source.faults["a"] = [RetryError("busy")]
    source.faults["b"] = [StoreError("broken")]
    source.archived.add("c")
    source.before = lambda key: source.versions.setdefault("d", "v2") if key == "d" else None
    found = states(store.scan(source))
    expected = {"a": "match", "b": "error", "c": "archived", "d": "match", "e": "match"}
    assert found == expected


def test_marks_of_folders_are_skipped() -> None:
    source = FakeSource({"a/": b"", "a/b.npz": npz()})
    assert states(store.scan(source)) == {"a/": "skipped", "a/b.npz": "match"}
    assert not source.reads["a/"]


def test_a_source_that_cannot_be_listed(folder: Path) -> None:
    source = FakeSource({})
    source.listable = False
    with pytest.raises(StoreError, match="cannot be listed"):
        store.scan(source)


def test_arguments(folder: Path) -> None:
    with pytest.raises(ValueError, match="unknown format 'tar': expected one of zarr, "):
        store.scan(folder, formats=["tar"])
    with pytest.raises(ValueError, match="at least one format"):
        store.scan(folder, formats=[])
    with pytest.raises(TypeError, match="a sequence, not one string"):
        store.scan(folder, formats="zip")
    with pytest.raises(ValueError, match="max_errors"):
        store.scan(folder, max_errors=0)
    assert set(states(store.scan(folder, formats=["png"])).values()) == {"skipped"}


def test_max_errors_counts_no_skipped_objects(folder: Path) -> None:
    (folder / "also_bad.npz").write_bytes(BAD_NPZ)
    report = store.scan(folder, max_errors=1)
    assert states(report) == {"also_bad.npz": "differ"}
    assert report.stopped


def test_state_and_report(folder: Path, tmp_path: Path) -> None:
    files = {"state": tmp_path / "state", "report": tmp_path / "report.jsonl"}
    first = store.scan(folder, **files)
    assert states(first) == states(store.scan(folder, **files))
    assert list(store.read_results(files["report"])) == list(first)
    # What is recorded is not read again: only a file that changed is.
    source = FakeSource({"a.npz": npz(), "b.npz": BAD_NPZ})
    store.scan(source, state=tmp_path / "other")
    source.reads.clear()
    source.versions["b.npz"], source.objects["b.npz"] = "v2", npz()
    assert store.scan(source, state=tmp_path / "other").ok
    assert set(source.reads) == {"b.npz"}
    with pytest.raises(ValueError, match="another job: its formats"):
        store.scan(source, state=tmp_path / "other", formats=["zip"])
    with pytest.raises(ValueError, match="another job"):
        store.verify(source, state=tmp_path / "other")


def test_a_report_in_the_folder_is_not_an_object(folder: Path) -> None:
    assert len(store.scan(folder, report=folder / "report.csv", state=folder / "state")) == 3
    assert len(store.scan(folder, report=folder / "report.csv", state=folder / "state")) == 3


def test_selection_and_shards(folder: Path) -> None:
    both = [store.scan(folder, selection=Selection(shard=(k, 2))) for k in (1, 2)]
    assert sorted(key for report in both for key in states(report)) == sorted(os.listdir(folder))
    found = store.scan(folder, selection=Selection(include=["good*"]))
    assert states(found) == {"good.npz": "match"}


def test_ranges_of_keys_and_their_merged_report(folder: Path) -> None:
    for name, keys in (("1.csv", (None, "good")), ("2.csv", ("good", None))):
        store.scan(folder, selection=Selection(keys=keys), report=name)
    merged = store.merge_reports(["1.csv", "2.csv"], "all.csv")
    assert states(merged) == states(store.scan(folder))
    assert merged.exit_code == 1
    (folder / "bad.npz").unlink()
    store.scan(folder, selection=Selection(keys=(None, "good")), report="1.csv")  # nothing
    store.scan(folder, selection=Selection(keys=("good", None)), report="2.csv")
    assert store.merge_reports(["1.csv", "2.csv"], "all.csv").ok


def test_a_sibling_is_read_once_for_a_thread(folder: Path) -> None:
    def check(each: Body):  # type: ignore[no-untyped-def]
        found = each.sibling(f"{each.key.rpartition('/')[0]}/sums", lengths)
        state = State.MATCH if found == each.size else State.DIFFER
        yield Finding(state, "body", detail=str(found))

    def lengths(content: bytes | None) -> int | None:
        return None if content is None else int(content)

    sized = Format("sized", "", lambda each: not each.key.endswith("sums"), check)
    source = FakeSource({f"a/{n:03}": b"123" for n in range(50)} | {"a/sums": b"3", "b/x": b"123"})
    found = states(store.scan(source, formats=[sized], limits=Limits(threads=1)))
    assert found.pop("a/sums") == "skipped"
    assert found.pop("b/x") == "differ"
    assert set(found.values()) == {"match"}
    assert source.reads["a/sums"] <= 2  # its own beginning, and as a sibling


def test_an_object_store(stub: FaultyServer) -> None:
    files = {"a.npz": npz(), "b.npz": BAD_NPZ, "long.bgz": bgzf((60_000,) * 30 + (0,))}
    for key, data in files.items():
        stub.objects[key] = StubObject.of(data)
    report = store.scan("s3://any", limits=LITTLE)
    assert states(report) == {"a.npz": "match", "b.npz": "differ", "long.bgz": "match"}


# The command


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("bad.npz: differ (zip: member 'a.npy': crc32 ")
    assert out.count("\n") == 1
    assert "3 objects, " in err
    assert err.endswith("1 match, 1 differ, 1 skipped\n")
    assert main(["scan", str(folder), "--include", "*.jpg"]) == 3
    assert "no object has a known format: nothing was checked" in capsys.readouterr().err
    assert main(["scan", str(folder), "--exclude", "bad*", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_command_prints_few_objects_without_a_checksum(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(20):
        (folder / f"{number:02}.png").write_bytes(png() + b"more")
    assert main(["scan", str(folder), "--include", "*.png"]) == 3
    out, err = capsys.readouterr()
    assert 1 < out.count(": no-checksum (png: 4 bytes after the end)") < 20
    assert "20 objects without a checksum (--report lists all)" in err


def test_the_command_with_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["scan", str(folder), "--report", "r.csv", "--state", "s", "--format", "zip"]
    assert main(arguments) == 1
    assert main(arguments) == 1
    assert next(result.state for result in store.read_results("r.csv")) is State.DIFFER
    assert main([*arguments, "--format", "tar"]) == 2
    assert "unknown format 'tar'" in capsys.readouterr().err
    assert main(["scan"]) == 2
    assert main(["scan", "none"]) == 3
    assert main(["scan", "--help"]) == 0
    assert all(each.name in capsys.readouterr().out for each in formats(["zip"]))


# Formats of other packages


MODULE = """
from numcrc.store.formats import Format, FormatError, Records


def recognises(body):
    return body.key.endswith(".sealed")


def check(body):
    if body.size < 4:
        raise FormatError("it is cut")
    stored = int.from_bytes(body.view(body.size - 4, 4), "little")
    yield Records("crc32c", [0], [body.size - 4], [stored], lambda i: "contents")


FORMAT = Format("sealed", "files that end with their CRC-32C", recognises, check)
"""


def installed(folder: Path, value: str, name: str = "sealed") -> dict[str, str]:
    """Make a distribution with an entry point, and return variables to find it by."""
    site = folder / "site"
    info = site / "sealed-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (site / "sealed.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sealed\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[numcrc.formats]\n{name} = {value}\n")
    return {"PYTHONPATH": os.pathsep.join([str(site), *sys.path])}


def test_a_format_of_another_package(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.sealed").write_bytes(b"123456789" + bytes.fromhex("839206e3"))
    (data / "b.sealed").write_bytes(b"123456780" + bytes.fromhex("839206e3"))
    (data / "c.sealed").write_bytes(b"")
    environment = os.environ | installed(tmp_path, "sealed:FORMAT")
    command = [sys.executable, "-m", "numcrc", "scan", str(data), "--format", "sealed"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stderr
    assert found.stdout.splitlines() == [
        "b.sealed: differ (sealed: contents: crc32c 9bb4494f, expected e3069283)",
        "c.sealed: differ (sealed: it is cut)",
    ]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("sealed:NOTHING", "cannot load the format 'sealed' (sealed:NOTHING)"),
        ("no_such_module:FORMAT", "cannot load the format 'sealed' (no_such_module:FORMAT)"),
        ("sealed:check", "entry point 'sealed' (sealed:check) is not a Format"),
    ],
)
def test_a_broken_format_of_another_package(tmp_path: Path, value: str, problem: str) -> None:
    code = "from numcrc import store; store.scan('.', formats={})"
    for chosen in ("None", "['sealed']"):
        found = run_python(code.format(chosen), cwd=str(tmp_path), **installed(tmp_path, value))
        assert problem in found.stderr
    # Formats of numcrc need none of this.
    found = run_python(code.format("['zip']"), cwd=str(tmp_path), **installed(tmp_path, value))
    assert found.returncode == 0, found.stderr


def test_formats_are_imported_only_for_a_scan() -> None:
    code = "import numcrc.cli.verify, sys; print([m for m in sys.modules if 'formats.' in m])"
    found = run_python(code)
    assert [m for m in found.stdout.split("'") if m.startswith("numcrc.store.formats")] == []
