"""Test ranges of keys: listings, manifests, runs, and shards of array jobs."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numcrc import store
from numcrc.cli.arguments import ArgumentTypeError, key_range, key_range_text, shard
from numcrc.store.keys import EVERY_KEY, KeyRange, key_bytes, key_text, quoted
from numcrc.store.manifests import ManifestError, arrow, read_manifest, write_manifest
from numcrc.store.manifests.cuts import open_cuts
from numcrc.store.manifests.parquet_pages import footer, groups
from numcrc.store.objects import Checksum, Entry, State
from numcrc.store.schedulers import array_task
from numcrc.store.selection import Selection
from numcrc.store.source import entries_in
from numcrc.store.sources import open_source
from store import stub_azure, stub_gcs, stub_s3
from store.clients import s3_client
from store.fakes import NASTY, FakeSource
from store.faulty import FaultyServer, Stub
from store.servers import GcsEmulator, LocalStack, RcloneS3
from store.test_sources_gcs import upload
from store.test_store_cli import Outcome, run

__all__ = ["run"]

CRC = (Checksum("crc32c", b"1234"),)
TREE = [
    "a",
    "a-b",
    "a/b",
    "a/b/c",
    "a/c",
    "a0",
    "b",
    "b/é",
    "b/\uff5e",
    "b/\U0001f4be",
    "c/d/e/f",
    "c/d0",
]


def ranges(keys: list[str], seed: int = 1) -> Iterator[KeyRange]:
    """Yield ranges with ends at, before and after *keys*."""
    yield EVERY_KEY
    yield KeyRange(b"", b"")
    ends = [key_bytes(key) for key in keys]
    ends += [end + b"\0" for end in ends] + [end[:-1] for end in ends] + [b"\xff"]
    generator = random.Random(seed)
    for _ in range(100):
        first, end = generator.choice(ends), generator.choice([*ends, None])
        yield KeyRange(first, end)


def inside(keys: list[str], wanted: KeyRange) -> list[str]:
    """Return sorted *keys* that are in a range."""
    return sorted(filter(lambda key: wanted.has(key_bytes(key)), keys), key=key_bytes)


def listed(source: object, keys: KeyRange) -> list[str]:
    """Return the keys that a source lists."""
    return [entry.key for entry in entries_in(source, keys)]  # type: ignore[arg-type]


def test_ranges_tile() -> None:
    first, second = Selection(keys=(None, "b")), Selection(keys=("b", None))
    for key in [*TREE, *NASTY, "b\0", "b\udc80"]:
        assert first(key) != second(key)
    assert repr(Selection(keys=("a", "b"))).endswith("keys=('a', 'b'))")
    assert not first.everything
    assert Selection(keys=(None, None)).everything


@pytest.mark.parametrize("keys", [("b", "a"), ("a", "a"), (None, ""), ("", "")])
def test_ranges_without_keys_are_refused(keys: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="invalid range of keys"):
        Selection(keys=keys)


def test_ranges_are_pairs() -> None:
    with pytest.raises(TypeError, match="a first key and a key after the last one"):
        Selection(keys="ab")  # type: ignore[arg-type]


def test_folders_list_ranges(tmp_path: Path) -> None:
    names = [
        name for name in (*TREE, *(f"z/{name}" for name in NASTY)) if name not in ("a", "b", "a/b")
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    source = open_source(str(tmp_path))
    for wanted in ranges(names):
        assert listed(source, wanted) == inside(names, wanted), wanted


def test_folders_outside_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1", "b/1", "b/c/1", "d/1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    read = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: read.append(path) or scan(path))
    source = open_source(str(tmp_path))
    assert listed(source, KeyRange(b"b/", b"b/c/")) == ["b/1"]
    assert [os.path.relpath(os.fsdecode(path), tmp_path) for path in read] == [".", "b"]


@pytest.mark.parametrize("stub", [stub_s3, stub_gcs, stub_azure], ids=["s3", "gcs", "azure"])
def test_stores_list_ranges(stub: Stub, use: Callable[..., None]) -> None:
    with FaultyServer(stub) as server:
        use(server.env)
        for name in TREE:
            server.put(f"x/{name}", b"1")
            server.put(name, b"1")
        everything = [*TREE, *(f"x/{name}" for name in TREE)]
        for url, names in ((server.url, everything), (f"{server.url}/x/", TREE)):
            source = open_source(url)
            for wanted in ranges(names):
                assert listed(source, wanted) == inside(names, wanted), wanted
        one = open_source(f"{server.url}/a/b/c")
        assert listed(one, KeyRange(b"c", b"d")) == ["c"]
        assert listed(one, KeyRange(b"d")) == []


@pytest.mark.parametrize("stub", [stub_s3, stub_gcs], ids=["s3", "gcs"])
def test_a_listing_begins_and_ends_with_its_range(stub: Stub, use: Callable[..., None]) -> None:
    with FaultyServer(stub) as server:
        use(server.env)
        for number in range(5000):
            server.put(f"k{number:04}", b"")
        source = open_source(server.url)
        assert len(listed(source, KeyRange(b"k3000", b"k3100"))) == 100
        assert len(server.requests) == 1


def test_other_sources_list_ranges() -> None:
    source = FakeSource(dict.fromkeys(TREE, b"1"))
    for wanted in ranges(TREE):
        keys = [entry.key for entry in entries_in(source, wanted)]
        assert keys == inside(TREE, wanted)


def entries(count: int = 1000) -> list[Entry]:
    """Return entries in the order of their keys."""
    return [Entry(f"k{number:05}", number, CRC) for number in range(count)]


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write row groups of 50 rows."""
    monkeypatch.setattr(arrow, "_GROUP", 50)


@pytest.fixture
def parquet(tmp_path: Path, small_groups: None) -> Path:
    """Write a sorted manifest."""
    path = tmp_path / "m.parquet"
    write_manifest(path, entries())
    return path


def keys_of(path: object, wanted: KeyRange) -> list[str]:
    """Return the keys of the entries in a range."""
    found = read_manifest(path, keys=wanted)
    return [entry.key for entry in found if wanted.has(key_bytes(entry.key))]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv", "gnu"])
def test_manifests_lose_no_row_of_a_range(suffix: str, tmp_path: Path, small_groups: None) -> None:
    keys = sorted(
        {*TREE, *(key for key in NASTY if suffix != "gnu" or "\n" not in key)}, key=key_bytes
    )
    keys += [f"z{number:03}" for number in range(200)]
    path = tmp_path / "list"
    for name in (keys, keys[::-1], random.Random(3).sample(keys, len(keys))):
        write_manifest(path, [Entry(key, 1, CRC) for key in name], suffix)
        for wanted in ranges(keys):
            assert sorted(keys_of(path, wanted), key=key_bytes) == inside(keys, wanted)


def test_row_groups_outside_are_not_read(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    plan = arrow._plan
    monkeypatch.setattr(arrow, "_plan", lambda *given: read.append(given[2]) or plan(*given))
    assert keys_of(parquet, KeyRange(b"k00149", b"k00151")) == ["k00149", "k00150"]
    assert read == [2, 3]


def test_row_numbers_count_rows_that_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    table = pa.table({"key": ["a", "b", "c", "d"], "size": [1, 2, -3, 4]})
    pq.write_table(table, path, row_group_size=2)
    with pytest.raises(ManifestError, match="row 3: invalid size"):
        keys_of(path, KeyRange(b"c"))
    assert keys_of(path, KeyRange(b"d")) == ["d"]


def test_keys_that_are_not_utf8_are_never_left_out(tmp_path: Path) -> None:
    """Their text has replacement characters, which the statistics describe."""
    keys = [key_text(raw) for raw in (b"a", b"\x80", b"\xf0\x9f", b"\xff")]
    path = tmp_path / "m.parquet"
    write_manifest(path, [Entry(key, 1, CRC) for key in keys])
    with open(path, "rb") as file:
        assert groups(footer(file) or b"")[0].keys is None
    for wanted in ranges(keys):
        assert keys_of(path, wanted) == inside(keys, wanted)
    with open_cuts(path) as cuts:
        assert cuts is None


def changed_bounds(path: Path, bounds: bytes, changed: bytes) -> None:
    """Replace the statistics of a row group in the footer."""
    data = path.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    start = len(data) - 8 - size
    assert bounds in data[start:]
    path.write_bytes(data[:start] + data[start:].replace(bounds, changed))


def test_wrong_statistics_are_noticed(tmp_path: Path) -> None:
    """By the range that reads the row group, in every division into ranges."""
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"key": ["b", "m", "y"]}), path)
    changed_bounds(path, b"\x01y", b"\x01n")
    assert keys_of(path, KeyRange(b"x")) == []
    with pytest.raises(ManifestError, match="outside of the bounds"):
        keys_of(path, KeyRange(b"", b"x"))


def test_bounds_the_wrong_way_round_are_not_used(tmp_path: Path) -> None:
    """A range between them would not read the row group, nor would any other."""
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"key": ["b", "m", "y"]}), path)
    changed_bounds(path, b"\x01b\x11", b"\x01z\x11")
    assert keys_of(path, KeyRange(b"", b"z")) == ["b", "m", "y"]


def test_a_number_in_place_of_statistics_is_an_error() -> None:
    column = b"\x3c\x56\x00\x26\x00\x26\x00\x36\x00\x00\x00"
    with pytest.raises(ValueError, match="invalid footer"):
        groups(b"\x49\x1c\x19\x1c" + column + b"\x26\x02\x00\x00")


def test_wrong_counts_of_keys_that_are_not_utf8_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    table = pa.table({"key": ["b", "\ufffd"], "key_base64": [None, "/w=="]})
    pq.write_table(table, path, row_group_size=2)
    changed_bounds(path, b"6\x02(\x04/w==", b"6\x04(\x04/w==")  # two nulls, not one
    with open(path, "rb") as file:
        assert groups(footer(file) or b"")[0].keys == (b"b", b"\xef\xbf\xbd")
    with pytest.raises(ManifestError, match="a key that is not UTF-8, and the footer says"):
        keys_of(path, KeyRange(b"b", b"c"))


def test_statistics_in_another_order_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"key": ["b", "m", "y"]}), path, write_statistics=False)
    assert keys_of(path, KeyRange(b"m")) == ["m", "y"]
    pq.write_table(pa.table({"key": pa.array([b"b", b"m"])}), path)
    with open(path, "rb") as file:
        data = footer(file) or b""
    assert groups(data)[0].keys == (b"b", b"m")
    assert groups(data.replace(b"\x1c\x1c\x00\x00", b"\x1c\x2c\x00\x00"))[0].keys is None


def test_shares_tile_a_manifest(parquet: Path) -> None:
    with open_cuts(parquet) as cuts:
        assert cuts is not None
        for count in (1, 2, 3, 7, 999, 1000, 1003):
            shares = [cuts.share(number, count) for number in range(1, count + 1)]
            assert [share.first for share in shares] == [b"", *(s.end for s in shares[:-1])]
            assert shares[-1].end is None
        sizes = [len(keys_of(parquet, cuts.share(number, 7))) for number in range(1, 8)]
        assert sum(sizes) == 1000
        assert max(sizes) - min(sizes) <= 1
        for size in (1, 49, 50, 51, 130, 1000, 2000):
            found = list(cuts.ranges(size))
            assert [each.first for each in found] == [b"", *(each.end for each in found[:-1])]
            assert found[-1].end is None
            assert len(found) == -(-1000 // size)
        assert [len(keys_of(parquet, each)) for each in cuts.ranges(130)] == [130] * 7 + [90]


def test_a_file_url_is_cut(parquet: Path) -> None:
    assert store.key_ranges(parquet.as_uri(), 900) == [(None, "k00900"), ("k00900", None)]


def test_an_empty_manifest_has_one_share(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(path, [])
    with open_cuts(path) as cuts:
        assert cuts is not None
        assert [cuts.share(k, 3) for k in (1, 2, 3)] == [KeyRange(b"", b"")] * 2 + [EVERY_KEY]
        assert list(cuts.ranges(5)) == [EVERY_KEY]


def test_manifests_that_are_not_sorted_are_not_cut(tmp_path: Path, small_groups: None) -> None:
    path = tmp_path / "m"
    for each, name in ((entries()[::-1], "parquet"), (entries(), "jsonl")):
        write_manifest(path, each, name)
        with open_cuts(path) as cuts:
            assert cuts is None
    with open_cuts("s3://bucket/m.parquet") as cuts:
        assert cuts is None


def test_keys_within_a_row_group_may_be_in_any_order(tmp_path: Path, small_groups: None) -> None:
    path = tmp_path / "m"
    first, second = entries(100)[:50], entries(100)[50:]
    for mixed in (first, second):
        random.Random(4).shuffle(mixed)
    write_manifest(path, first + second, "parquet")
    with open_cuts(path) as cuts:
        assert cuts is not None
        found = [cuts.share(number, 3) for number in (1, 2, 3)]
        assert [each.end for each in found] == [b"k00033", b"k00066", None]
        assert [each.end for each in cuts.ranges(40)] == [b"k00040", b"k00080", None]
    assert [len(keys_of(path, each)) for each in found] == [33, 33, 34]


def test_row_counts_that_the_footer_has_wrong(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"key": ["b", "m", "y"]}), path)
    changed_bounds(path, b"\x16\x06&\x08", b"\x16\x0e&\x08")
    with open_cuts(path) as cuts:
        assert cuts is not None
        with pytest.raises(ManifestError, match="row group 0 has 3 rows, and 7 in the footer"):
            cuts.share(1, 2)


@pytest.mark.parametrize("nested", [b"\x19", b"\x1b\x01\x99"], ids=["lists", "maps"])
def test_nested_lists_in_a_footer_are_an_error(nested: bytes) -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        groups(nested * 10_000 + bytes(9))


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """Make 60 files in folders, one of them missing, one changed and one extra."""
    folder = tmp_path / "data"
    for number in range(60):
        path = folder / f"{number // 10}" / f"{number:02}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    assert store.manifest(folder, tmp_path / "m.parquet").ok
    (folder / "1" / "11").unlink()
    (folder / "3" / "33").write_bytes(b"99")
    (folder / "4" / "4x").write_bytes(b"")
    return folder


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_runs_over_ranges_find_what_one_run_does(
    objects: Path, suffix: str, small_groups: None
) -> None:
    path = objects.parent / f"list.{suffix}"
    write_manifest(path, read_manifest(objects.parent / "m.parquet"))
    whole = list(store.verify(objects, manifest=path))
    assert sum(result.state is not State.MATCH for result in whole) == 3
    found = []
    for keys in (None, "1/1"), ("1/1", "3/33"), ("3/33", "4"), ("4", "4/4y"), ("4/4y", None):
        found += store.verify(objects, manifest=path, selection=Selection(keys=keys))
    assert found == whole
    found = []
    for keys in (None, "3"), ("3", None):
        found += store.verify(objects, against=objects, selection=Selection(keys=keys))
    assert [result.state for result in found] == [State.MATCH] * 60


def test_a_state_file_belongs_to_a_range(objects: Path, tmp_path: Path) -> None:
    manifest, state = tmp_path / "m.parquet", tmp_path / "state"
    store.verify(objects, manifest=manifest, state=state, selection=Selection(keys=("1", "2")))
    with pytest.raises(ValueError, match=r"its keys are 1\.\.2, not 1\.\.3"):
        store.verify(objects, manifest=manifest, state=state, selection=Selection(keys=("1", "3")))


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_marker_at_the_end_of_a_range_matches_its_folder(suffix: str, tmp_path: Path) -> None:
    source = FakeSource({"a/": b"", "a/b": b"1", "b/": b"", "b/c/": b"", "c": b"1"})
    path = tmp_path / "m"
    write_manifest(path, [Entry("a/b", 1), Entry("b/c/d", 1), Entry("c", 1)], suffix)
    for keys in ("a/", "a/b"), ("b/", "b/c"), ("b/c/", "b/c/d"), ("b/", "b/c/d"):
        for manifest in (path, path.as_uri()):
            report = store.verify(source, manifest=manifest, selection=Selection(keys=keys))
            assert {result.state for result in report} == {State.MATCH}, keys
    report = store.verify(source, manifest=path, selection=Selection(["/b/"], keys=("a/", "a/b")))
    assert report.objects == 0


def test_key_ranges_on_the_command_line() -> None:
    assert key_range("..") == (None, None)
    assert key_range("%2E..caf%E9") == (".", "caf\udce9")
    assert key_range("100%25..") == ("100%", None)
    for wanted in ranges([*NASTY, "a..b", ".", "..", "a.", ".a"]):
        first, end = key_range(key_range_text(wanted))
        assert (key_bytes(first or ""), end and key_bytes(end)) == (
            wanted.first,
            wanted.end or None,
        )
    for text in ("a", "a...b", "a..b..c", "100%..", "%zz.."):
        with pytest.raises(ArgumentTypeError, match=r"must be FIRST\.\.END"):
            key_range(text)
    for text in ("auto/", "auto/x", "1", "/3", "1/", "²/3"):
        with pytest.raises(ArgumentTypeError, match="or auto or auto/N"):
            shard(text)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_shards_of_array_jobs_add_up(
    objects: Path,
    suffix: str,
    small_groups: None,
    run: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(objects.parent)
    write_manifest(f"list.{suffix}", read_manifest("m.parquet"))
    parts = []
    for number in range(7):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(number))
        part = f"{number}.{suffix}"
        command = ("verify", objects, "--manifest", f"list.{suffix}", "--shard", "auto/7")
        found = run(*command, "--report", part)
        assert found.err.startswith(f"numcrc: shard {number + 1} of 7")
        assert ("--keys" in found.err) == (suffix == "parquet")
        parts.append(part)
    merged = run("report", "merge", *parts, "-o", f"all.{suffix}")
    whole = run("verify", objects, "--manifest", f"list.{suffix}", "--report", f"whole.{suffix}")
    assert (merged.status, merged.out) == (whole.status, whole.out) == (1, whole.out)
    whole_results = list(store.read_results(f"whole.{suffix}"))
    assert list(store.read_results(f"all.{suffix}")) == whole_results
    lost = run("report", "merge", *parts[:3], *parts[4:], "-o", "lost.csv")
    assert (lost.status, "shard 4/7 missing" in lost.err) == (1, True)
    monkeypatch.delenv("JOB_COMPLETION_INDEX")
    none = run("verify", objects, "--manifest", f"list.{suffix}", "--shard", "auto")
    assert (none.status, "not a task of an array job" in none.err) == (2, True)


def test_a_shard_without_rows_is_said(
    objects: Path, run: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--keys`` cannot say its range."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    manifest = str(objects.parent / "m.parquet")
    command = ("verify", objects, "--manifest", manifest, "--allow-empty", "--shard")
    found = run(*command, "auto/999")
    assert (found.status, "--keys" in found.err) == (0, False)
    assert found.err.startswith("numcrc: shard 2 of 999, which has no keys: the manifest has fewer")


def test_manifests_of_ranges(objects: Path, run: Callable[..., Outcome]) -> None:
    assert (
        run("manifest", objects, "--keys", "2..3/3", "-o", objects.parent / "part.csv").status == 0
    )
    found = [entry.key for entry in read_manifest(objects.parent / "part.csv")]
    assert found == [f"2/{number}" for number in range(20, 30)]


SLURM = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "10",
    "SLURM_ARRAY_TASK_STEP": "3",
    "SLURM_ARRAY_TASK_COUNT": "4",
}


@pytest.mark.parametrize(
    ("variables", "count", "task"),
    [
        (SLURM, None, (3, 4)),
        (SLURM, 4, (3, 4)),
        ({"PBS_ARRAY_INDEX": "8"}, 8, (8, 8)),
        ({"LSB_JOBINDEX": "2", "LSB_JOBINDEX_END": "9"}, None, (2, 9)),
        ({"SGE_TASK_ID": "1", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "3"}, None, (1, 3)),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "5"}, None, (1, 5)),
        ({"JOB_COMPLETION_INDEX": "4", "SGE_TASK_ID": "undefined"}, 5, (5, 5)),
        ({"BATCH_TASK_INDEX": "1", "BATCH_TASK_COUNT": "3"}, None, (2, 3)),
        ({"CLOUD_RUN_TASK_INDEX": "1", "CLOUD_RUN_TASK_COUNT": "3"}, None, (2, 3)),
    ],
)
def test_array_tasks(variables: dict[str, str], count: int | None, task: tuple[int, int]) -> None:
    assert array_task(count, variables) == task


@pytest.mark.parametrize(
    ("variables", "count", "problem"),
    [
        ({}, None, "not a task of an array job: none of SLURM_ARRAY_TASK_ID, "),
        ({"LSB_JOBINDEX": "0"}, 3, "not a task of an array job"),
        ({"PBS_ARRAY_INDEX": "1"}, None, "PBS does not say the number of tasks N: pass auto/N"),
        ({"PBS_ARRAY_INDEX": "0"}, 3, "PBS_ARRAY_INDEX is 0, expected 1 to 3"),
        ({"JOB_COMPLETION_INDEX": "3"}, 3, "JOB_COMPLETION_INDEX is 3, expected 0 to 2"),
        (SLURM, 5, "the SLURM array has 4 tasks, not 5"),
        (SLURM | {"SLURM_ARRAY_TASK_ID": "8"}, None, "is 8, expected 1 to 10 in steps of 3"),
        (SLURM | {"SLURM_ARRAY_TASK_COUNT": "3"}, None, "do not have consecutive numbers"),
        (SLURM | {"SLURM_ARRAY_TASK_ID": "x"}, None, "SLURM_ARRAY_TASK_ID is 'x', expected a n"),
        (SLURM | {"PBS_ARRAY_INDEX": "1"}, None, "SLURM_ARRAY_TASK_ID and PBS_ARRAY_INDEX are set"),
    ],
)
def test_array_tasks_that_are_unknown(
    variables: dict[str, str], count: int | None, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        array_task(count, variables)


SERVED = ["a", "a-b", "ab", "b/c", "b/d e", "b/é", "b/\U0001f4be", "b0", "b1", "c+", "c%25", "c~"]


def test_localstack_lists_ranges(localstack: LocalStack, use: Callable[..., None]) -> None:
    """It compares encoded keys with start-after, so only keys without escapes are right."""
    use(localstack.env)
    client = s3_client(localstack.env)
    client.create_bucket(Bucket="ranges")
    keys = [key for key in SERVED if quoted(key) == key]
    assert len(keys) == 7
    for key in keys:
        client.put_object(Bucket="ranges", Key=key, Body=b"1")
        client.put_object(Bucket="ranges", Key=f"x/{key}", Body=b"1")
    check_ranges("s3://ranges/x/", keys)
    check_ranges("s3://ranges", [*keys, *(f"x/{key}" for key in keys)])


def test_rclone_lists_ranges(rclone_s3: RcloneS3, use: Callable[..., None]) -> None:
    use(rclone_s3.env)
    for key in SERVED:
        path = Path(rclone_s3.folder, "ranges", "x", key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
    check_ranges("s3://ranges/x/", SERVED)


def test_gcs_lists_ranges(gcs: GcsEmulator, use: Callable[..., None]) -> None:
    use(gcs.env)
    for key in SERVED:
        upload(gcs, f"ranges/{key}", b"1")
    check_ranges(f"gs://{gcs.bucket}/ranges/", SERVED)


def check_ranges(url: str, keys: list[str]) -> None:
    """Check that the source at *url* lists the right ones of *keys*."""
    source = open_source(url)
    for wanted in islice(ranges(keys), 40):
        assert listed(source, wanted) == inside(keys, wanted), wanted
