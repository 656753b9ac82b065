"""Folder markers, the empty objects whose keys end with a slash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from numcrc.store import Selection, manifest, verify
from numcrc.store.merge import Pair, full_join
from numcrc.store.objects import Checksum, Entry, State
from numcrc.store.sources import open_source
from store import stub_azure, stub_gcs, stub_s3
from store.fakes import FakeSource, check, kept, states
from store.faulty import FaultyServer

FILES = {"photos/a": b"1", "photos/b/c": b"2", "top": b"3"}
MARKERS = ("photos/", "photos/b/")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with files."""
    for name, body in FILES.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return tmp_path / "folder"


@pytest.fixture(params=[stub_s3, stub_gcs, stub_azure], ids=["s3", "gcs", "azure"])
def store(request: pytest.FixtureRequest, use: Callable[..., None]) -> Iterator[FaultyServer]:
    """Run a store with the same objects, and markers of their folders."""
    with FaultyServer(request.param) as server:
        use(server.env)
        for name, body in FILES.items():
            server.put(name, body)
        for name in MARKERS:
            server.put(name, b"")
        yield server


def test_a_marker_matches_a_folder_of_another_source(store: FaultyServer, folder: Path) -> None:
    report = verify(store.url, against=folder)
    assert states(report) == dict.fromkeys(sorted({*FILES, *MARKERS}), "match")
    details = {result.key: result.detail for result in report}
    assert details["photos/"] == "a folder"
    assert verify(folder, against=store.url).counts == {State.MATCH: 5}
    assert not [request for request in store.requests if request.key.endswith("/")]


def test_a_marker_matches_a_folder_of_a_manifest(store: FaultyServer, folder: Path) -> None:
    listed = folder.parent / "m.jsonl"
    manifest(folder, listed)
    assert verify(store.url, manifest=listed).counts == {State.MATCH: 5}
    manifest(store.url, listed)
    assert verify(folder, manifest=listed).counts == {State.MATCH: 5}
    assert verify(folder, manifest=listed, one_way=True).counts == {State.MATCH: 5}
    assert verify(store.url, manifest=listed).counts == {State.MATCH: 5}


def test_empty_folders_match_on_disks_only(store: FaultyServer, folder: Path) -> None:
    """A store has a folder only if it has a key in it."""
    store.put("empty/", b"")
    listed = folder.parent / "m.jsonl"
    manifest(folder, listed)
    assert states(verify(store.url, manifest=listed))["empty/"] == "extra"
    assert states(verify(store.url, against=folder))["empty/"] == "extra"
    manifest(store.url, listed)
    assert states(verify(folder, manifest=listed))["empty/"] == "missing"
    (folder / "empty").mkdir()
    assert verify(folder, manifest=listed).ok
    assert verify(folder, against=store.url).ok
    assert verify(store.url, against=folder).ok
    (folder / "empty").rmdir()
    (folder / "empty").touch()
    assert not verify(folder, manifest=listed).ok


def test_markers_are_looked_for_where_nothing_is_listed(store: FaultyServer, folder: Path) -> None:
    listed = folder.parent / "m.jsonl"
    manifest(store.url, listed)
    for name in MARKERS:
        del store.objects[name]
    assert verify(store.url, manifest=listed).counts == {State.MATCH: 5}
    assert verify(store.url, manifest=listed, one_way=True).counts == {State.MATCH: 5}
    assert verify(f"{store.url}/", manifest=listed, one_way=True).counts == {State.MATCH: 5}


def test_markers_match_in_any_shard(store: FaultyServer, folder: Path) -> None:
    for shard in [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]:
        selection = Selection(shard=shard)
        for source, other in ((store.url, folder), (folder, store.url)):
            counts = verify(source, against=other, selection=selection).counts
            assert set(counts) <= {State.MATCH}


def test_an_object_with_bytes_is_not_a_marker() -> None:
    source = FakeSource({"a/": b"1", "a/b": b"2"})
    extra, good = check(source, Entry("a/b", 1, (Checksum("crc32", b"1234"),)))
    assert (extra.key, extra.state) == ("a/", State.EXTRA)
    assert good.state is State.DIFFER
    joined = list(full_join([Entry("a/", 1), Entry("a/b")], [Entry("a/b")]))
    assert joined[0] == Pair("a/", Entry("a/", 1), None)
    source = FakeSource({"a/b": b"2"})
    missing, _ = check(source, Entry("a/", None), Entry("a/b", 1))
    assert (missing.key, missing.state) == ("a/", State.MISSING)


def test_markers_on_both_sides_are_compared() -> None:
    source, other = kept(**{"a/": b""}), kept(**{"a/": b""})
    assert verify(source).counts == {State.MATCH: 1}
    assert verify(source, against=other).counts == {State.MATCH: 1}
    expected = Entry("a/", 0, (Checksum("crc32c", bytes(4)),))
    assert check(source, expected)[0].state is State.MATCH
    expected = Entry("a/", 0, (Checksum("crc32c", b"\1\1\1\1"),))
    assert check(source, expected)[0].state is State.DIFFER


@pytest.mark.parametrize(
    ("pattern", "excluded"),
    [
        ("*/", {"photos/", "photos/b/", "photos/b/c/"}),
        ("photos/*/", {"photos/b/"}),
        ("/*/", {"photos/"}),
        ("photos/", {"photos/", "photos/a", "photos/b/", "photos/b/c/", "photos/b/c/d"}),
        ("b*/", {"photos/b/", "photos/b/c/", "photos/b/c/d"}),
    ],
)
def test_a_pattern_for_markers_only(pattern: str, excluded: set[str]) -> None:
    keys = {"top", "photos/", "photos/a", "photos/b/", "photos/b/c/", "photos/b/c/d"}
    assert {key for key in keys if not Selection(exclude=[pattern])(key)} == excluded
    assert {key for key in keys if Selection(include=[pattern])(key)} == excluded


def test_sources_say_whether_they_have_a_folder(store: FaultyServer, folder: Path) -> None:
    for source in (open_source(str(folder)), open_source(store.url), open_source(f"{store.url}/")):
        found = [source.has_folder(f"{name}/") for name in ("photos", "photos/b", "top", "none")]
        assert found == [True, True, False, False]
        source.close()
