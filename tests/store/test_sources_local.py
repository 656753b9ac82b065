"""Test local folders and files as sources."""

from __future__ import annotations

import os
import socket
import urllib.parse
from pathlib import Path

import pytest

from numcrc.store.objects import Entry
from numcrc.store.source import ChangedError, MissingError, StoreError
from numcrc.store.sources import open_source
from numcrc.store.sources.local import Excluded, LocalSource, file_id
from store.source_support import in_order, keys_of, space


def test_local_walks_in_the_order_of_keys(tmp_path: Path) -> None:
    names = ["a-b", "a/b", "a/c/d", "a0", "Ame\u0301", "new\nline", "%41", "b" * 200, "sp ace+"]
    raw = os.fsencode(tmp_path) + b"/\xff\xfe"
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    Path(os.fsdecode(raw)).write_bytes(b"raw")
    (tmp_path / "empty").mkdir()
    source = open_source(str(tmp_path))
    entries = list(source.entries())
    assert [entry.key for entry in entries] == in_order([*names, "\udcff\udcfe"])
    for entry in entries:
        data = b"raw" if entry.key == "\udcff\udcfe" else entry.key.encode()
        assert entry.size == len(data)
        fetched, found = source.fetch(entry, space())
        assert (fetched, bytes(found)) == (entry, data)
        assert source.stat(entry.key) == entry
        assert bytes(source.read(entry, 1, space())) == data[1:]
        assert bytes(source.read(entry, 0, space(2))) == data[:2]
        assert not source.read(entry, len(data), space())


def test_local_by_url_and_one_file(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"x")
    url = f"file://{urllib.parse.quote(str(tmp_path))}"
    assert keys_of(open_source(url)) == ["a b"]
    one = open_source(f"{url}/a%20b")
    assert keys_of(one) == ["a b"]
    (tmp_path / "c").write_bytes(b"y")
    with pytest.raises(MissingError):
        one.stat("c")
    for wrong in ("file://elsewhere/a", "file://", ""):
        with pytest.raises(ValueError, match=r"path|file"):
            LocalSource(wrong)
    with pytest.raises(StoreError):
        keys_of(open_source(str(tmp_path / "none")))


@pytest.mark.parametrize(
    "key", ["..", "../secret", "a/../../secret", "/etc/hostname", "", "a//b", "a/", "./a", "a\0b"]
)
def test_local_never_leaves_its_folder(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root" / "a").mkdir(parents=True)
    source = LocalSource(str(tmp_path / "root"))
    for call in (
        lambda: source.stat(key),
        lambda: source.read(Entry(key), 0, space()),
        lambda: source.fetch(Entry(key), space()),
    ):
        with pytest.raises(StoreError, match="is not a file below"):
            call()


def test_local_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_bytes(b"out")
    (root / "folder").symlink_to(tmp_path / "out")
    (root / "link").symlink_to(tmp_path / "out" / "file")
    (root / "lost").symlink_to("nowhere")
    source = LocalSource(str(root))
    entries = list(source.entries())
    assert [(e.key, e.size) for e in entries] == [("link", 3), ("lost", None)]
    assert bytes(source.fetch(entries[0], space())[1]) == b"out"
    with pytest.raises(MissingError):
        source.fetch(entries[1], space())
    with pytest.raises(StoreError, match="not followed"):
        source.fetch(Entry("folder/file"), space())


def test_local_special_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.close()
    source = LocalSource(str(tmp_path))
    assert keys_of(source) == []
    for key, kind in (("pipe", StoreError), ("socket", StoreError), ("folder", MissingError)):
        with pytest.raises(kind) as caught:
            source.fetch(Entry(key), space())
        assert type(caught.value) is kind
    with pytest.raises(StoreError, match="not a regular file"):
        source.stat("pipe")
    with pytest.raises(MissingError):
        source.stat("pipe/below")
    with pytest.raises(MissingError):
        source.stat("x" * 5000)


def test_local_changes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    source = LocalSource(str(tmp_path))
    (entry,) = source.entries()
    path.write_bytes(b"12345")
    for call in (lambda: source.fetch(entry, space()), lambda: source.read(entry, 0, space())):
        with pytest.raises(ChangedError):
            call()
    with pytest.raises(ChangedError, match="got 5"):
        source.fetch(Entry("a"), space(4))
    path.unlink()
    with pytest.raises(MissingError):
        source.read(entry, 0, space())


def test_local_lists_many_files_and_what_is_between_them(tmp_path: Path) -> None:
    names = [f"{n:04}" for n in range(600)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    os.link(tmp_path / "0255", tmp_path / "0255-linked")
    (tmp_path / "0256-folder").mkdir()
    (tmp_path / "0256-folder" / "below").write_bytes(b"")
    (tmp_path / "0400-lost").symlink_to("nowhere")
    names = sorted([*names, "0255-linked", "0256-folder/below", "0400-lost"])
    source = LocalSource(str(tmp_path))
    listed = list(source.entries())
    assert [entry.key for entry in listed] == names
    assert [entry.key for entry in listed if entry.size is None] == ["0400-lost"]
    assert all(entry == source.stat(entry.key) for entry in listed if entry.size is not None)
    excluded = Excluded(linked=frozenset({file_id(os.stat(tmp_path / "0255"))}))
    left = [name for name in names if not name.startswith("0255")]
    assert [entry.key for entry in source.entries(excluded)] == left
    (tmp_path / "0500-loop").symlink_to("0500-loop")
    found = []
    with pytest.raises(StoreError, match="0500-loop"):
        found.extend(entry.key for entry in source.entries())
    assert found == [name for name in names if name < "0500-loop"]


def test_local_reads_together(tmp_path: Path) -> None:
    bodies = {f"{n:02}": os.urandom(n % 7 * 100) for n in range(40)}
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    source = LocalSource(str(tmp_path))
    entries = list(source.entries())
    wanted = [(entry, space(len(bodies[entry.key]))) for entry in entries]
    before = os.listdir("/dev/fd")
    found = source.fetch_together(wanted)
    assert [(one[0], bytes(one[1])) for one in found if one] == [
        (e, bodies[e.key]) for e in entries
    ]
    (tmp_path / "05").write_bytes(b"changed")
    found = source.fetch_together(wanted)
    assert [entry.key for (entry, _), one in zip(wanted, found, strict=True) if not one] == ["05"]
    (tmp_path / "20").unlink()
    assert source.fetch_together(wanted) == [None] * 40, "each is then read alone"
    assert source.fetch_together([(Entry("../a", version="v"), space())]) == [None]
    assert os.listdir("/dev/fd") == before
    assert source.fetch_together([]) == []


def test_local_pipe_in_place_of_a_listed_file(tmp_path: Path) -> None:
    """Nothing is taken from the pipe."""
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    source = LocalSource(str(tmp_path))
    (entry,) = source.entries()
    path.unlink()
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)
    try:
        os.write(pipe, b"5678")
        with pytest.raises(StoreError, match="not a regular file"):
            source.fetch(entry, space())
        assert os.read(pipe, 9) == b"5678"
    finally:
        os.close(pipe)


def test_local_changes_during_a_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    source = LocalSource(str(tmp_path))
    (entry,) = source.entries()
    fstat = os.fstat

    def changing(fd: int) -> os.stat_result:
        os.utime(path, ns=(0, 0))
        return fstat(fd)

    monkeypatch.setattr(os, "fstat", changing)
    with pytest.raises(ChangedError):
        source.fetch(entry, space())


def test_local_outside_if_allowed(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "beside").write_bytes(b"beside")
    source = LocalSource(str(tmp_path / "root"), allow_outside=True)
    for key in ("../beside", str(tmp_path / "beside")):
        assert bytes(source.fetch(Entry(key), space())[1]) == b"beside"
    with pytest.raises(StoreError, match="is not a file below"):
        source.stat("a\0b")
