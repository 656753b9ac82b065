"""Test `numcrc.dask.verify`: results, resumption, and workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

import numcrc
from numcrc import store
from numcrc.cli import main
from numcrc.dask import _verify
from numcrc.store import Progress, Selection, State, StoreError, write_manifest
from numcrc.store.keys import key_bytes
from numcrc.store.manifests import read_manifest
from numcrc.store.objects import Entry, Result
from numcrc.store.report_folder import ReportFolder
from store import stub_s3
from store.faulty import FaultyServer
from store.test_store_cli import Outcome, run

__all__ = ["run"]

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

FILES = 300


@pytest.fixture(scope="module")
def client() -> Iterator[object]:
    """Run two workers."""
    with (
        distributed.LocalCluster(
            2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as connection,
    ):
        yield connection


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make files, and a manifest that some contradict."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    for number in range(FILES):
        path = folder / str(number % 7) / f"{number:04}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    assert store.manifest(folder, tmp_path / "m.parquet").ok
    (folder / "3" / "0003").write_bytes(b"?")
    (folder / "4" / "0004").unlink()
    (folder / "0").joinpath("x").touch()
    return folder


def parts(folder: Path) -> list[str]:
    """Return the names of the results in the folder of a report."""
    return sorted(path.name for path in folder.glob("part-*.parquet"))


def test_parts_have_the_results_of_one_run(client: object, data: Path, tmp_path: Path) -> None:
    whole = list(store.verify(data, manifest="m.parquet"))
    failures: list[Result] = []
    progress = Progress()
    report = numcrc.dask.verify(
        "data",
        manifest="m.parquet",
        report="report",
        client=client,
        keys_per_task=40,
        progress=progress,
        on_failure=failures.append,
    )
    assert list(report) == whole
    assert failures == [result for result in whole if result.state is not State.MATCH]
    assert report.counts == {State.MATCH: 298, State.MISSING: 1, State.EXTRA: 1, State.DIFFER: 1}
    assert (report.exit_code, report.stopped, progress.objects) == (1, "", FILES + 1)
    assert len(parts(tmp_path / "report")) == 8
    assert list(store.merge_reports(["report"])) == whole
    # Without a cluster: nothing is left to do.
    again = numcrc.dask.verify(
        data, manifest="m.parquet", report="report", client="tcp://x", keys_per_task=40
    )
    assert (again.counts, list(again)) == (report.counts, whole)


@pytest.mark.parametrize("suffix", ["jsonl", "gnu", "csv"])
def test_other_manifests_are_copied(
    client: object, data: Path, tmp_path: Path, suffix: str
) -> None:
    entries = list(read_manifest("m.parquet"))
    write_manifest(tmp_path / "list", entries[::-1], suffix)
    arguments = {"manifest": "list", "report": "report", "client": client}
    report = numcrc.dask.verify(data, algorithm="crc64nvme", keys_per_task=100, **arguments)
    assert [result.key for result in report] == [
        result.key for result in store.verify(data, manifest="m.parquet")
    ]
    assert len(parts(tmp_path / "report")) == 3
    (tmp_path / "list").write_text(f"{16 * '12'}  a\n")
    with pytest.raises(ValueError, match="list: the algorithm of 'a' is a guess: pass algorithm"):
        numcrc.dask.verify(data, manifest="list", report="other", client=client)


def test_another_manifest_leaves_the_copy_of_a_job(client: object, data: Path) -> None:
    """Its tasks may still run."""
    entries = list(read_manifest("m.parquet"))
    write_manifest("list.jsonl", entries)
    arguments = {"manifest": "list.jsonl", "report": "report", "client": client}
    numcrc.dask.verify(data, **arguments)
    copy = Path("report", ".manifest.parquet").read_bytes()
    write_manifest("list.jsonl", entries[:-1])
    with pytest.raises(ValueError, match="the report of another job: its manifest is"):
        numcrc.dask.verify(data, **arguments)
    assert Path("report", ".manifest.parquet").read_bytes() == copy
    assert len(os.listdir("report")) == 4
    with pytest.raises(ValueError, match="not the folder of a report: it has '0'"):
        numcrc.dask.verify("report", **arguments | {"report": "data"})
    assert not [name for name in os.listdir("data") if name.startswith(".")]


def test_a_manifest_at_a_url(client: object, data: Path, use: Callable[..., None]) -> None:
    """It may change, and is then that of another job: its ranges are others."""
    entries = list(read_manifest("m.parquet"))
    with FaultyServer(stub_s3) as server:
        use(server.env)
        url = f"{server.url}/m.jsonl"
        arguments = {"manifest": url, "report": "report", "client": client}
        for first, last in ((0, -1), (0, -1), (1, None)):
            write_manifest("m.jsonl", entries[first:last])
            server.put("m.jsonl", Path("m.jsonl").read_bytes())
            if first:
                with pytest.raises(ValueError, match="its manifest is"):
                    numcrc.dask.verify(data, **arguments)
            else:
                assert numcrc.dask.verify(data, **arguments).objects == FILES + 1
        with pytest.raises(ValueError, match="it is an object of the source: exclude it"):
            numcrc.dask.verify(server.url, **arguments)


def test_backslashes_in_a_check_file(client: object, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "a"
    folder.mkdir(parents=True)
    (folder / "b").write_bytes(b"123456789")
    listed = tmp_path / "SHA256SUMS"
    listed.write_text("15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225 *a\\b\n")
    expected = store.verify(tmp_path / "data", manifest=listed)
    assert [result.key for result in expected] == ["a/b"]
    report = numcrc.dask.verify(
        tmp_path / "data", manifest=listed, report=tmp_path / "r", client=client
    )
    assert list(report) == list(expected)


def test_keys_that_are_not_utf8(client: object, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for raw in (b"a", b"\x80", b"\x81", b"b", b"\xc3\xa9", b"\xff"):
        path = os.path.join(os.fsencode(data), raw)
        with open(path, "wb") as file:
            file.write(raw)
    manifest = tmp_path / "m.parquet"
    store.manifest(data, manifest)
    report = numcrc.dask.verify(
        data, manifest=manifest, report=tmp_path / "r", client=client, keys_per_task=2
    )
    assert [key_bytes(result.key) for result in report] == sorted(
        (b"a", b"\x80", b"\x81", b"b", b"\xc3\xa9", b"\xff")
    )
    assert report.ok
    assert len(parts(tmp_path / "r")) == 3


def test_selections_and_modes(client: object, data: Path) -> None:
    selection = Selection(["/1/", "/4/"], sample=0.5, keys=("1/01", "4/02"))
    expected = list(store.verify(data, manifest="m.parquet", mode="stored", selection=selection))
    report = numcrc.dask.verify(
        data,
        manifest="m.parquet",
        report="report",
        client=client,
        mode="stored",
        selection=selection,
        one_way=True,
        keys_per_task=20,
    )
    assert list(report) == expected
    none = Selection(["nothing"])
    for selection, status in ((none, 3), (Selection(["nothing"], allow_empty=True), 0)):
        report = numcrc.dask.verify(
            data, manifest="m.parquet", report="none", client=client, selection=selection
        )
        assert (report.objects, report.exit_code) == (0, status)


def test_parts_know_the_shard(client: object, data: Path) -> None:
    selection = Selection(shard=(1, 2))
    numcrc.dask.verify(
        data, manifest="m.parquet", report="report", client=client, selection=selection
    )
    assert store.merge_reports(["report"]).stopped == "shard 2/2 missing"


def test_a_folder_belongs_to_a_job(client: object, data: Path) -> None:
    numcrc.dask.verify(data, manifest="m.parquet", report="report", client=client)
    for arguments, name in (
        ({"mode": "stored"}, "mode"),
        ({"keys_per_task": 100}, "keys per task"),
        ({"selection": Selection(keys=("a", None))}, "keys"),
    ):
        with pytest.raises(ValueError, match=f"the report of another job: its {name} is"):
            numcrc.dask.verify(
                data, manifest="m.parquet", report="report", client=client, **arguments
            )
    with pytest.raises(ValueError, match="not the folder of a report"):
        numcrc.dask.verify(data, manifest="m.parquet", report=data.parent, client=client)


def test_errors_are_tried_again(client: object, data: Path, tmp_path: Path) -> None:
    folder = data / "5"
    hidden = folder.rename(tmp_path / "hidden")
    folder.symlink_to(hidden)  # links to folders are not followed
    arguments = {"manifest": "m.parquet", "report": "report", "client": client}
    report = numcrc.dask.verify(data, one_way=True, keys_per_task=100, **arguments)
    assert (report.counts[State.ERROR], report.exit_code) == (43, 1)
    folder.unlink()
    hidden.rename(folder)
    times = {
        name: os.stat(tmp_path / "report" / name).st_mtime_ns for name in parts(tmp_path / "report")
    }
    report = numcrc.dask.verify(data, one_way=True, keys_per_task=100, **arguments)
    assert State.ERROR not in report.counts
    changed = [
        name
        for name, time in times.items()
        if os.stat(tmp_path / "report" / name).st_mtime_ns != time
    ]
    assert changed == parts(tmp_path / "report")[2:]


class Killer(Progress):
    """Kills a worker each time that some objects are finished."""

    def __init__(self, cluster: object, times: int) -> None:
        super().__init__()
        self.cluster, self.times = cluster, times

    def add(self, objects: int, size: int) -> None:
        """Count, and kill."""
        super().add(objects, size)
        if self.times and self.objects > FILES // 10 * (6 - self.times):
            for nanny in self.cluster.workers.values():  # type: ignore[attr-defined]
                if nanny.pid:
                    os.kill(nanny.pid, signal.SIGKILL)
                    self.times -= 1
                    return


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
def test_nothing_is_lost_or_doubled_when_workers_are_killed(data: Path, tmp_path: Path) -> None:
    whole = list(store.verify(data, manifest="m.parquet"))
    with (
        distributed.LocalCluster(
            2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        killer = Killer(cluster, 5)
        report = numcrc.dask.verify(
            data,
            manifest="m.parquet",
            report="report",
            client=client,
            keys_per_task=5,
            progress=killer,
        )
    assert killer.times == 0
    assert list(report) == whole
    assert len(parts(tmp_path / "report")) == FILES // 5
    assert len(list(store.merge_reports(["report"]))) == FILES + 1


class Deadly(Selection):
    """Ends the process that selects one key, unless it is this one."""

    home = os.getpid()
    survives = False

    def __call__(self, key: str) -> bool:
        """Return whether *key* is selected."""
        if key == "2/0009" and os.getpid() != self.home and not self.survives:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(key)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "home": self.home}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
def test_a_part_that_kills_its_workers_is_an_error(data: Path) -> None:
    arguments = {"manifest": "m.parquet", "report": "report", "keys_per_task": 30}
    deadly = Deadly()
    deadly._bounded = True
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        report = numcrc.dask.verify(data, client=client, selection=deadly, **arguments)
        assert report.counts[State.ERROR] == 30
        assert report.stopped.startswith("1 part was not checked: the worker died each time")
        errors = [result.key for result in report if result.state is State.ERROR]
        assert "2/0009" in errors
        assert report.objects == FILES + 1
        deadly.survives = True
        report = numcrc.dask.verify(data, client=client, selection=deadly, **arguments)
    assert list(report) == list(store.verify(data, manifest="m.parquet"))


def test_a_stop_keeps_what_is_done(client: object, data: Path, tmp_path: Path) -> None:
    stop = Event()

    class Stopping(Progress):
        def add(self, objects: int, size: int) -> None:
            super().add(objects, size)
            stop.set()

    arguments = {"manifest": "m.parquet", "report": "report", "client": client, "keys_per_task": 10}
    report = numcrc.dask.verify(data, stop=stop, progress=Stopping(), **arguments)
    assert report.stopped.startswith("stopped early; 1 of 30 parts are done")
    assert (report.objects, len(list(report))) in [(10, 10), (11, 11)]
    assert report.exit_code in (1, 3)
    report = numcrc.dask.verify(data, **arguments)
    assert list(report) == list(store.verify(data, manifest="m.parquet"))
    assert [path.name for path in (tmp_path / "report").iterdir() if path.name[0] == "."] == []


def test_workers_must_see_the_source(
    client: object, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_manifest("gone.parquet", [Entry("a", 1), Entry("b", 1)])
    arguments = {"manifest": "gone.parquet", "report": "report", "client": client}
    monkeypatch.setattr(_verify, "_sizes", Seeing(os.getpid()))
    with pytest.raises(StoreError, match="does not see the objects of the source: a: No such file"):
        numcrc.dask.verify(data, **arguments)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    report = numcrc.dask.verify(data, **arguments)
    assert report.counts[State.MISSING] == 2
    with pytest.raises(StoreError, match=r"a worker cannot use the source: .*connect"):
        numcrc.dask.verify(
            "http://127.0.0.1:9",
            manifest="gone.parquet",
            report="other",
            client=client,
            limits=store.Limits(attempts=1),
        )


def test_an_object_that_cannot_be_asked_for_is_an_error(client: object, data: Path) -> None:
    loop = data / "0" / "0000"
    loop.unlink()
    loop.symlink_to(loop)
    expected = list(store.verify(data, manifest="m.parquet", one_way=True))
    assert expected[0].state is State.ERROR
    report = numcrc.dask.verify(data, manifest="m.parquet", report="r", client=client, one_way=True)
    assert list(report) == expected


class Strange:
    """A worker cannot load it."""

    def __call__(self, source: str, keys: list[str]) -> object:
        """Return sizes."""
        return [1] * len(keys)

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return fail, ()


def fail() -> None:
    """Fail as the import of what a worker lacks."""
    raise ModuleNotFoundError("No module named 'numcrc'")


def test_workers_without_numcrc(
    client: object, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_verify, "_sizes", Strange())
    with pytest.raises(StoreError, match=r"^a worker cannot run tasks: .*Error"):
        numcrc.dask.verify(data, manifest="m.parquet", report="r", client=client)


class Seeing:
    """Sees all objects in one process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.__name__ = "seeing"

    def __call__(self, source: str, keys: list[str]) -> object:
        """Return sizes."""
        return [1] * len(keys) if os.getpid() == self.pid else SIZES(source, keys)


SIZES = _verify._sizes


def test_errors_of_parts_end_the_run(
    client: object, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table("m.parquet").drop_columns("checksums")
    sizes = [-1] * table.num_rows
    table = table.set_column(table.schema.names.index("size"), "size", [sizes])
    pq.write_table(table.replace_schema_metadata(None), "m.parquet")
    monkeypatch.setattr(distributed, "get_client", lambda: client)
    for given in (client, None):
        with pytest.raises((StoreError, ValueError), match=r"m\.parquet: row 1: invalid size: -1"):
            numcrc.dask.verify(data, manifest="m.parquet", report="report", client=given)


@pytest.mark.parametrize(
    ("source", "arguments", "error"),
    [
        ("data", {"keys_per_task": 0}, "keys_per_task must be at least 1, not 0"),
        ("data", {"mode": "x"}, "mode must be one of full, stored, parts, not 'x'"),
        ("data", {"report": "s3://bucket/r"}, "expected the path of a folder"),
        ("data", {"report": "data/r"}, "it is inside of the source"),
        ("data", {"client": "local:0"}, "invalid number of processes: 'local:0'"),
        ("data", {"client": "local:x"}, "invalid number of processes"),
        ("data", {"client": 5}, "client must be a synchronous"),
        ("data", {"client": None}, "no Dask client: pass client"),
        ("https://me:secret@x/", {}, "https://x/: a login in a URL would be sent"),
        (store.open_source("."), {}, "expected the path or URL of a source, got LocalSource"),
    ],
)
def test_arguments(data: Path, source: object, arguments: dict[str, object], error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        numcrc.dask.verify(source, **{"manifest": "m.parquet", "report": "r"} | arguments)


def test_a_manifest_inside_of_the_source(client: object, data: Path) -> None:
    os.rename("m.parquet", data / "m.parquet")
    report = numcrc.dask.verify(data, manifest=data / "m.parquet", report="r", client=client)
    assert report.objects == FILES + 1
    write_manifest(data / "m.jsonl", [Entry("a")])
    with pytest.raises(ValueError, match="inside of the source, and not sorted Parquet"):
        numcrc.dask.verify(data, manifest=data / "m.jsonl", report="r2", client=client)


def test_command(data: Path, run: Callable[..., Outcome]) -> None:
    command = ("verify", data, "--manifest", "m.parquet", "--report", "r", "--dask", "local:1")
    expected = run("verify", data, "--manifest", "m.parquet")
    found = run(*command, "--keys-per-task", 100)
    assert (found.status, found.out) == (1, expected.out)
    assert found.err.partition(": 298 ")[2] == expected.err.partition(": 298 ")[2]
    assert run(*command, "--keys-per-task", 100, "--combined", "-q").lines[0] == "= 0/0000"
    assert run(*command).status == 2
    for more in (["--state", "s"], ["--max-errors", "1"], ["--allow-outside"]):
        assert "cannot be used with" in run(*command, *more).err
    assert "--dask needs --report" in run(*command[:4], *command[6:]).err
    assert "--dask needs --manifest" in run(*command[:2], *command[4:]).err


def test_an_interrupt_while_workers_start_is_a_stop(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends them, so that Dask's cluster fails to start."""
    stop = Event()

    def interrupted(**_: object) -> None:
        stop.set()
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(distributed, "LocalCluster", interrupted)
    arguments = {"manifest": "m.parquet", "report": "r", "client": "local:1"}
    report = numcrc.dask.verify(data, stop=stop, **arguments)
    assert report.stopped.startswith("stopped early; 0 of 1 parts are done")


@pytest.mark.parametrize("address", ["foo", "tcp://127.0.0.1:x", "tls://127.0.0.1:9"])
def test_schedulers_that_cannot_be_reached(data: Path, address: str) -> None:
    with pytest.raises(StoreError, match=f"^cannot connect to {address}: "):
        numcrc.dask.verify(data, manifest="m.parquet", report="r", client=address)


def test_folders_of_killed_runs_are_cleaned(client: object, data: Path, tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path / "report")
    os.makedirs(folder.path)
    Path(folder.temporary(3)).touch()
    report = numcrc.dask.verify(data, manifest="m.parquet", report=folder.path, client=client)
    assert report.objects == FILES + 1
    assert len(os.listdir(folder.path)) == 3


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
def test_an_interrupted_command_goes_on(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "numcrc", "verify", "data", "--manifest", "m.parquet"]
    command += ["--report", "r", "--dask", "local:1", "--keys-per-task", "2"]
    path = str(Path(numcrc.__file__).parents[1])
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        while process.poll() is None and not (tmp_path / "r" / "part-000002.json").exists():
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "numcrc: interrupted; to go on: numcrc verify data " in err
    assert "Traceback" not in err
    assert len(parts(tmp_path / "r")) < FILES // 2
    assert main([*command[3:]]) == 1
    assert len(parts(tmp_path / "r")) == FILES // 2
