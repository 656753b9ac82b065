"""Test Google Cloud Storage as a source, against an emulator."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

import pytest

from numcrc.store.objects import Checksum, Entry
from numcrc.store.source import MissingError
from numcrc.store.sources import open_source
from store.clients import fetch
from store.servers import GcsEmulator
from store.source_support import BODY, in_order, keys_of, space
from store.stub_objects import digest


def upload(gcs: GcsEmulator, name: str, body: bytes) -> None:
    query = urllib.parse.urlencode({"uploadType": "media", "name": name})
    path = f"/upload/storage/v1/b/{gcs.bucket}/o?{query}"
    kind = {"Content-Type": "application/octet-stream"}
    assert fetch(gcs.endpoint, "POST", path, body, kind)[0] == 200


def test_gcs(gcs: GcsEmulator, use: Callable[..., None]) -> None:
    use(gcs.env)
    names = ["b", "a/b", "a-b", "sp ace+", "per%25", "ü~"]
    for name in names:
        upload(gcs, f"dir/{name}", BODY)
    source = open_source(f"gs://{gcs.bucket}/dir")
    entries = list(source.entries())
    assert [entry.key for entry in entries] == in_order(names)
    known = (Checksum("crc32c", digest("crc32c", BODY)), Checksum("md5", digest("md5", BODY)))
    for entry in entries:
        assert (entry.size, entry.checksums, entry.complete) == (len(BODY), known, True)
        assert source.stat(entry.key) == entry
        fetched, found = source.fetch(entry, space())
        assert (fetched.checksums, bytes(found)) == (known, BODY)
        assert bytes(source.read(entry, 7, space(9))) == BODY[7:16]
    with pytest.raises(MissingError):
        source.stat("none")
    with pytest.raises(MissingError):
        source.fetch(Entry("none"), space())
    assert keys_of(open_source(f"gs://{gcs.bucket}/dir/b")) == ["b"]
    source.close()
