"""Test S3 as a source: keys, ranges, checksums, prefixes and long listings."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from numcrc.store.objects import Checksum, Entry, Part
from numcrc.store.source import ChangedError, MissingError, RetryError, Source, StoreError
from numcrc.store.sources import open_source
from numcrc.store.sources.s3 import S3Source
from store.clients import s3_client
from store.faults import SLOW_DOWN, Fault, Refuse, WrongChecksum
from store.faulty import ALWAYS, FaultyServer
from store.servers import LocalStack, RcloneS3, s3_environment
from store.source_support import BODY, in_order, keys_of, space
from store.stub_objects import StubObject, digest
from store.uploads import SMALLEST_PART, put, put_parts

ODD = [
    *(
        "plain",
        "a-b",
        "a/b",
        "a0",
        "new\nline",
        "sp ace",
        "plus+",
        "per%25cent",
        "%41",
        "Ame\u0301",
    ),
    *("quote'\"&<>", "tilde~", "ü/日本", "q?x=1#y", "\U0001f600", "n" * 1024, "semi;colon="),
]
STRANGE = [*ODD, "../up", "a/../b", "/lead", "a//b", "trail/", ".", "tab\tand\r"]


def test_s3_odd_keys(stub: FaultyServer, bucket: S3Source) -> None:
    for key in STRANGE:
        stub.put(key, key.encode())
    entries = list(bucket.entries())
    assert [entry.key for entry in entries] == in_order(STRANGE)
    for entry in entries:
        fetched, found = bucket.fetch(entry, space())
        assert bytes(found) == entry.key.encode()
        assert fetched == bucket.stat(entry.key)
        assert fetched.version == entry.version


def test_localstack_odd_keys(localstack: LocalStack, use: Callable[..., None]) -> None:
    use(localstack.env)
    client = s3_client(localstack.env)
    client.create_bucket(Bucket="odd")
    stored = [key for key in STRANGE if key != "."]  # the server's HTTP library removes it
    for key in stored:
        put(client, "odd", key, key.encode(), "crc32c")
    source = open_source("s3://odd")
    entries = list(source.entries())
    assert [entry.key for entry in entries] == in_order(stored)
    for entry in entries:
        fetched, found = source.fetch(entry, space())
        assert bytes(found) == entry.key.encode()
        body = entry.key.encode()
        assert fetched.checksums == (Checksum("crc32c", digest("crc32c", body)), md5(body))


@pytest.mark.parametrize("configured", ["environment", "files"])
def test_rclone_keys_and_ranges(
    rclone_s3: RcloneS3, use: Callable[..., None], tmp_path: Path, configured: str
) -> None:
    """The server checks signatures, with credentials from variables or configuration files."""
    env = rclone_s3.env | {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    if configured == "files":
        keys = "aws_access_key_id = test\naws_secret_access_key = test"
        where = f"region = us-east-1\nendpoint_url = {env['AWS_ENDPOINT_URL']}"
        (tmp_path / "config").write_text(f"[profile mine]\n{keys}\n{where}\n")
        of_profile = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
        env = {name: env[name] for name in of_profile} | {"AWS_PROFILE": "mine"}
    use(env)
    folder = rclone_s3.folder / "sources" / "sub"
    names = ["a-b", "a/b", "a0", "sp ace", "plus+", "per%25", "ü", "tilde~"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(BODY)
    source = S3Source("s3://sources/sub")
    assert source._access._place.fixed == (configured == "environment")
    entries = list(source.entries())
    assert [entry.key for entry in entries] == in_order(names)
    for entry in entries:
        assert bytes(source.read(entry, 100, space(1000))) == BODY[100:1100]
        assert bytes(source.read(entry, len(BODY) - 9, space(1000))) == BODY[-9:]
        assert bytes(source.fetch(entry, space())[1]) == BODY
    assert not source.read(entries[0], len(BODY), space(1))
    with pytest.raises(ChangedError):  # without ETags, versions are times
        source.read(entries[0]._replace(version="time 1"), 0, space(1))
    with pytest.raises(MissingError):
        source.stat("none")


@pytest.mark.parametrize("honoured", [True, False])
def test_ranges(stub: FaultyServer, bucket: S3Source, honoured: bool) -> None:
    stub.put("key", BODY)
    if not honoured:

        class Whole(Fault):
            def after(self, reply):
                reply.status, reply.body = 200, BODY
                reply.headers.pop("Content-Range", None)
                return reply

        stub.inject("key", Whole(), times=ALWAYS)
    entry = bucket.stat("key")
    assert bytes(bucket.read(entry, 5, space(10))) == BODY[5:15]
    assert bytes(bucket.read(entry, 0, space(3))) == BODY[:3]
    assert bytes(bucket.read(entry, len(BODY) - 3, space(10))) == BODY[-3:]
    assert not bucket.read(entry, len(BODY), space(10))
    assert not bucket.read(entry, 0, space(0))
    assert stub.seen("GetObject")[0].headers["if-match"] == entry.version
    assert stub.seen("GetObject")[0].headers["range"] == "bytes=5-14"


def test_other_bytes_than_asked_for(stub: FaultyServer, bucket: S3Source) -> None:
    class Elsewhere(Fault):
        def after(self, reply):
            reply.headers["Content-Range"] = f"bytes 0-9/{len(BODY)}"
            return reply

    stub.put("key", BODY)
    stub.inject("key", Elsewhere())
    with pytest.raises(StoreError, match="expected bytes from 5 on and the size, got bytes 0-9/"):
        bucket.read(Entry("key"), 5, space(10))


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "sha256", "md5"])
def test_one_request_brings_body_and_checksum(
    stub: FaultyServer, bucket: S3Source, algorithm: str
) -> None:
    stored = stub.put("key", StubObject.of(BODY, algorithm))
    entry, found = bucket.fetch(Entry("key"), space())
    assert bytes(found) == BODY
    known = (Checksum(algorithm, digest(algorithm, BODY)), md5(BODY))
    assert entry == Entry("key", len(BODY), known, stored.etag, False, True)
    assert len(stub.requests) == 1
    stub.inject("key", WrongChecksum())
    assert bucket.fetch(entry, space())[0].checksums != known


def test_an_object_without_bytes_and_checksum(stub: FaultyServer, bucket: S3Source) -> None:
    stub.put("empty", StubObject.of(b"", None))
    entry, found = bucket.fetch(Entry("empty"), space(0))
    assert (entry.size, entry.complete, bytes(found)) == (0, True, b"")
    assert entry.checksums == (md5(b""),)


def md5(body: bytes) -> Checksum:
    return Checksum("md5", hashlib.md5(body).digest(), etag=True)


def kept(source: Source, key: str = "key") -> tuple[Checksum, ...]:
    """Return the checksums that a store keeps, but the ETag."""
    return tuple(found for found in source.stat(key).checksums if not found.etag)


def composite(body: bytes, part_size: int) -> Checksum:
    pieces = [body[at : at + part_size] for at in range(0, len(body), part_size)]
    values = [digest("crc32c", piece) for piece in pieces]
    parts = tuple(Part(len(p), v) for p, v in zip(pieces, values, strict=True))
    return Checksum("crc32c", digest("crc32c", b"".join(values)), len(parts), parts)


def test_parts(stub: FaultyServer, bucket: S3Source) -> None:
    body = bytes(5001)
    stub.put("key", StubObject.of(body, "crc32c", part_size=2, kind="COMPOSITE"))
    assert kept(bucket) == (composite(body, 2),)
    assert len(stub.seen("GetObjectAttributes")) == 3
    assert bucket.fetch(Entry("key"), space())[0] == bucket.stat("key")
    assert len(stub.seen("HeadObject")) == 2, "the parts of the ETag are not asked for"


def test_parts_by_head(stub: FaultyServer, bucket: S3Source) -> None:
    body = bytes(10)
    stub.put("key", StubObject.of(body, "crc32c", part_size=4, kind="COMPOSITE"))
    stub.inject("key", Refuse(403, "AccessDenied"), on=["GetObjectAttributes"])
    assert kept(bucket) == (composite(body, 4),)
    stub.inject("key", SLOW_DOWN, on=["GetObjectAttributes"])
    with pytest.raises(RetryError):
        bucket.stat("key")
    stub.inject("key", Refuse(403, "AccessDenied"), on=["GetObjectAttributes"])
    stub.inject("key", Fault(), on=["HeadObject"])
    stub.inject("key", Refuse(400, "BadRequest"), on=["HeadObject"])
    assert kept(bucket) == (composite(body, 4)._replace(parts=()),)


def test_localstack_parts(localstack: LocalStack, use: Callable[..., None]) -> None:
    use(localstack.env)
    client = s3_client(localstack.env)
    client.create_bucket(Bucket="parts")
    parts = [bytes(SMALLEST_PART), b"tail"]
    put_parts(client, "parts", "composite", parts, "crc32c", "COMPOSITE")
    put_parts(client, "parts", "full", parts, "crc64nvme", "FULL_OBJECT")
    source = open_source("s3://parts")
    body = b"".join(parts)
    assert kept(source, "composite") == (composite(body, SMALLEST_PART),)
    assert kept(source, "full") == (Checksum("crc64nvme", digest("crc64nvme", body)),)
    entry = next(source.entries())
    assert bytes(source.read(entry, SMALLEST_PART - 1, space(9))) == b"\0tail"
    with pytest.raises(ChangedError):
        source.read(entry._replace(version='"other"'), 0, space(9))
    with pytest.raises(MissingError):
        source.fetch(Entry("none"), space())
    with pytest.raises(StoreError, match="NoSuchBucket") as caught:
        open_source("s3://no-such-bucket").stat("key")
    assert not isinstance(caught.value, MissingError)


def test_prefixes(stub: FaultyServer) -> None:
    for key in ("a/b", "a/b/", "a/b/c", "a/bc", "a/b/d/e", "f/g"):
        stub.put(key, key.encode())
    assert keys_of(open_source("s3://any/a")) == ["b", "b/", "b/c", "b/d/e", "bc"]
    assert keys_of(open_source("s3://any/a/b/")) == ["c", "d/e"]
    one = open_source("s3://any/a/b")
    assert keys_of(one) == ["b"]
    assert bytes(one.fetch(Entry("b"), space())[1]) == b"a/b"
    with pytest.raises(MissingError):
        one.stat("c")
    assert bytes(open_source("s3://any/f").fetch(Entry("g"), space())[1]) == b"f/g"
    with pytest.raises(StoreError):
        open_source("s3://any").stat("")
    for wrong in ("s3://", "s3:///key", "s3://key:secret@bucket"):
        with pytest.raises(ValueError, match="s3://bucket"):
            open_source(wrong)


LISTING = """
from pathlib import Path
from numcrc.store.sources import open_source

def peak():  # getrusage counts the parent process too
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("VmHWM"))

source = open_source("s3://any/")
for count, entry in enumerate(source.entries(), 1):
    if count == 20_000:
        base = peak()
print(count, entry.key, base, peak())
"""
LISTED = "<Contents><Key>PAGE{:03d}</Key><ETag>&quot;0123&quot;</ETag><Size>1</Size></Contents>"


class Pages(BaseHTTPRequestHandler):
    """A listing of 200,000 keys in 200 pages, sent faster than the client reads it."""

    protocol_version = "HTTP/1.1"
    page = "".join(map(LISTED.format, range(1000)))

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        """Send a page, whose number is the token."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        number = int(query.get("continuation-token", ["0"])[0])
        token = f"<NextContinuationToken>{number + 1}</NextContinuationToken>"
        more = f"{token}<IsTruncated>true</IsTruncated>"
        text = self.page.replace("PAGE", f"{number:04d}")
        text += more if number < 199 else "<IsTruncated>false</IsTruncated>"
        body = f"<ListBucketResult>{text}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs VmHWM")
def test_long_listings_take_little_memory() -> None:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        variables = os.environ | s3_environment(f"http://127.0.0.1:{server.server_port}")
        try:
            command = [sys.executable, "-c", LISTING]
            found = subprocess.run(
                command, env=variables, stdout=subprocess.PIPE, text=True, check=True
            )
        finally:
            server.shutdown()
            thread.join()
    count, key, base, peak = found.stdout.split()
    assert (count, key) == ("200000", "0199999")
    assert int(peak) - int(base) < 4 << 10  # KiB: 23 bytes for each key after the first tenth
