"""Sources against real servers, folders and a server whose answers go wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from numcrc.store.objects import Checksum, Entry, Part
from numcrc.store.source import (
    ArchivedError,
    ChangedError,
    MissingError,
    RetryError,
    Source,
    StoreError,
)
from numcrc.store.sources import open_source
from numcrc.store.sources.local import LocalSource
from numcrc.store.sources.s3 import S3Source
from numcrc.store.sources.wire import Pool
from store.clients import fetch, s3_client
from store.faults import (
    ARCHIVED,
    MISSING,
    SLOW_DOWN,
    UNAVAILABLE,
    Fault,
    Overwrite,
    Refuse,
    Reset,
    Stall,
    Truncate,
    WrongChecksum,
)
from store.faulty import FaultyServer
from store.servers import GcsEmulator, LocalStack, RcloneS3, s3_environment
from store.stub_objects import StubObject, digest
from store.uploads import SMALLEST_PART, put, put_parts

BODY = bytes(range(256)) * 40
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


def in_order(keys: list[str]) -> list[str]:
    return sorted(keys, key=os.fsencode)


def space(size: int = 1 << 16) -> memoryview:
    return memoryview(bytearray(size))


def keys_of(source: Source) -> list[str]:
    return [entry.key for entry in source.entries()]


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every source of a test."""
    pools: list[Pool] = []
    made = Pool.__init__

    def remembered(self: Pool, *arguments: Any, **named: Any) -> None:
        pools.append(self)
        made(self, *arguments, **named)

    monkeypatch.setattr(Pool, "__init__", remembered)
    yield
    for pool in pools:
        pool.close()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Set environment variables, after removing those that would lead elsewhere."""

    def set_all(variables: dict[str, str]) -> None:
        for name in list(os.environ):
            if name.startswith(("AWS_", "GOOGLE_", "STORAGE_")) or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


@pytest.fixture
def stub(faulty: FaultyServer, use: Callable[[dict[str, str]], None]) -> Iterator[FaultyServer]:
    use(faulty.env)
    return faulty


@pytest.fixture
def bucket(stub: FaultyServer) -> Iterator[S3Source]:
    source = S3Source("s3://any")
    yield source
    source.close()


# Local


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
        told, found = source.fetch(entry, space())
        assert (told, bytes(found)) == (entry, data)
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
        with pytest.raises(StoreError, match="names no file below"):
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


def test_local_what_is_no_file(tmp_path: Path) -> None:
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
    with pytest.raises(ChangedError, match="5 bytes"):
        source.fetch(Entry("a"), space(4))
    path.unlink()
    with pytest.raises(MissingError):
        source.read(entry, 0, space())


# S3: keys, ranges, checksums


def test_s3_odd_keys(stub: FaultyServer, bucket: S3Source) -> None:
    for key in STRANGE:
        stub.put(key, key.encode())
    entries = list(bucket.entries())
    assert [entry.key for entry in entries] == in_order(STRANGE)
    for entry in entries:
        told, found = bucket.fetch(entry, space())
        assert bytes(found) == entry.key.encode()
        assert told == bucket.stat(entry.key)
        assert told.version == entry.version


def test_localstack_odd_keys(localstack: LocalStack, use: Callable[..., None]) -> None:
    use(localstack.env)
    client = s3_client(localstack.env)
    client.create_bucket(Bucket="odd")
    stored = [key for key in STRANGE if key != "."]  # its HTTP server resolves this one
    for key in stored:
        put(client, "odd", key, key.encode(), "crc32c")
    source = open_source("s3://odd")
    entries = list(source.entries())
    assert [entry.key for entry in entries] == in_order(stored)
    for entry in entries:
        told, found = source.fetch(entry, space())
        assert bytes(found) == entry.key.encode()
        assert told.checksums == (Checksum("crc32c", digest("crc32c", entry.key.encode())),)


@pytest.mark.parametrize("told", ["environment", "files"])
def test_rclone_keys_and_ranges(
    rclone_s3: RcloneS3, use: Callable[..., None], tmp_path: Path, told: str
) -> None:
    """Whose server checks signatures: of what variables tell alone, and of what botocore finds."""
    env = rclone_s3.env | {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    if told == "files":
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
    assert source._access._place.fixed == (told == "environment")
    entries = list(source.entries())
    assert [entry.key for entry in entries] == in_order(names)
    for entry in entries:
        assert bytes(source.read(entry, 100, space(1000))) == BODY[100:1100]
        assert bytes(source.read(entry, len(BODY) - 9, space(1000))) == BODY[-9:]
        assert bytes(source.fetch(entry, space())[1]) == BODY
    assert not source.read(entries[0], len(BODY), space(1))
    with pytest.raises(ChangedError):  # there are no ETags: it goes by the time
        source.read(entries[0]._replace(version="time 1"), 0, space(1))
    with pytest.raises(MissingError):
        source.stat("none")


@pytest.mark.parametrize("heeds", [True, False])
def test_ranges(stub: FaultyServer, bucket: S3Source, heeds: bool) -> None:
    stub.put("key", BODY)
    if not heeds:

        class Whole(Fault):
            def after(self, reply):
                reply.status, reply.body = 200, BODY
                reply.headers.pop("Content-Range")
                return reply

        stub.inject("key", Whole(), times=3)
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
    with pytest.raises(StoreError, match="other bytes"):
        bucket.read(Entry("key"), 5, space(10))


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "sha256", "md5"])
def test_one_request_brings_body_and_checksum(
    stub: FaultyServer, bucket: S3Source, algorithm: str
) -> None:
    stored = stub.put("key", StubObject.of(BODY, algorithm))
    entry, found = bucket.fetch(Entry("key"), space())
    assert bytes(found) == BODY
    known = (Checksum(algorithm, digest(algorithm, BODY)),)
    assert entry == Entry("key", len(BODY), known, stored.etag, False, True)
    assert len(stub.requests) == 1
    stub.inject("key", WrongChecksum())
    assert bucket.fetch(entry, space())[0].checksums != known


def test_nothing_is_told_where_nothing_is(stub: FaultyServer, bucket: S3Source) -> None:
    stub.put("empty", StubObject.of(b"", None))
    entry, found = bucket.fetch(Entry("empty"), space(0))
    assert (entry.size, entry.checksums, entry.complete, bytes(found)) == (0, (), True, b"")


def composite(body: bytes, part_size: int) -> Checksum:
    pieces = [body[at : at + part_size] for at in range(0, len(body), part_size)]
    values = [digest("crc32c", piece) for piece in pieces]
    parts = tuple(Part(len(p), v) for p, v in zip(pieces, values, strict=True))
    return Checksum("crc32c", digest("crc32c", b"".join(values)), len(parts), parts)


def test_parts(stub: FaultyServer, bucket: S3Source) -> None:
    body = bytes(5001)
    stub.put("key", StubObject.of(body, "crc32c", part_size=2, kind="COMPOSITE"))
    expected = (composite(body, 2),)
    assert bucket.stat("key").checksums == expected
    assert len(stub.seen("GetObjectAttributes")) == 3
    assert bucket.fetch(Entry("key"), space())[0].checksums == expected


def test_parts_by_head(stub: FaultyServer, bucket: S3Source) -> None:
    body = bytes(10)
    stub.put("key", StubObject.of(body, "crc32c", part_size=4, kind="COMPOSITE"))
    stub.inject("key", Refuse(403, "AccessDenied"), on=["GetObjectAttributes"])
    assert bucket.stat("key").checksums == (composite(body, 4),)
    stub.inject("key", SLOW_DOWN, on=["GetObjectAttributes"])
    with pytest.raises(RetryError):
        bucket.stat("key")
    stub.inject("key", Refuse(403, "AccessDenied"), on=["GetObjectAttributes"])
    stub.inject("key", Fault(), on=["HeadObject"])
    stub.inject("key", Refuse(400, "BadRequest"), on=["HeadObject"])
    assert bucket.stat("key").checksums == (composite(body, 4)._replace(parts=()),)


def test_localstack_parts(localstack: LocalStack, use: Callable[..., None]) -> None:
    use(localstack.env)
    client = s3_client(localstack.env)
    client.create_bucket(Bucket="parts")
    parts = [bytes(SMALLEST_PART), b"tail"]
    put_parts(client, "parts", "composite", parts, "crc32c", "COMPOSITE")
    put_parts(client, "parts", "full", parts, "crc64nvme", "FULL_OBJECT")
    source = open_source("s3://parts")
    body = b"".join(parts)
    assert source.stat("composite").checksums == (composite(body, SMALLEST_PART),)
    assert source.stat("full").checksums == (Checksum("crc64nvme", digest("crc64nvme", body)),)
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


# S3: errors


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (MISSING, MissingError),
        (Refuse(404, "NoSuchBucket"), StoreError),
        (ARCHIVED, ArchivedError),
        (Refuse(412, "PreconditionFailed"), ChangedError),
        (SLOW_DOWN, RetryError),
        (UNAVAILABLE, RetryError),
        (Refuse(500, "InternalError"), RetryError),
        (Refuse(429, "TooMany"), RetryError),
        (Refuse(400, "RequestTimeout"), RetryError),
        (Refuse(403, "AccessDenied"), StoreError),
        (Refuse(501, "NotImplemented"), StoreError),
        (Truncate(4), RetryError),
        (Reset(4), RetryError),
        (Truncate(0), RetryError),
    ],
    ids=repr,
)
def test_errors(stub: FaultyServer, bucket: S3Source, fault: Fault, kind: type[StoreError]) -> None:
    stub.put("key", BODY)
    entry = bucket.stat("key")
    for call in (lambda: bucket.fetch(entry, space()), lambda: bucket.read(entry, 0, space(100))):
        stub.inject("key", fault)
        with pytest.raises(StoreError) as caught:
            call()
        assert type(caught.value) is kind
        if isinstance(fault, Refuse):
            assert fault.code in str(caught.value)
        call()
    assert len(stub.seen("GetObject")) == 4


def test_timeout(stub: FaultyServer) -> None:
    stub.put("key", BODY)
    source = S3Source("s3://any", timeout=0.2)
    for at in (None, 4):
        stub.inject("key", Stall(5, at))
        with pytest.raises(RetryError, match="timed out"):
            source.fetch(Entry("key"), space())
    assert bytes(source.fetch(Entry("key"), space())[1]) == BODY


def test_head_errors(stub: FaultyServer, bucket: S3Source) -> None:
    with pytest.raises(MissingError):
        bucket.stat("none")
    stub.put("key", BODY)
    stub.inject("key", SLOW_DOWN, on=["HeadObject"])
    with pytest.raises(RetryError):
        bucket.stat("key")
    stub.inject("", SLOW_DOWN, on=["ListObjectsV2"])
    with pytest.raises(RetryError):
        keys_of(bucket)
    assert keys_of(bucket) == ["key"]


def test_changed(stub: FaultyServer, bucket: S3Source) -> None:
    stub.put("key", BODY)
    (entry,) = bucket.entries()
    with pytest.raises(ChangedError):
        bucket.fetch(Entry("key"), space(10))
    stub.inject("key", Overwrite(StubObject.of(b"other")))
    for call in (lambda: bucket.fetch(entry, space()), lambda: bucket.read(entry, 0, space(3))):
        with pytest.raises(ChangedError):
            call()
    with pytest.raises(ChangedError, match="5 bytes"):
        bucket.read(Entry("key", 9), 0, space(3))
    with pytest.raises(StoreError, match="version"):
        bucket.read(entry._replace(version='"a"\r\nx-amz-evil: 1'), 0, space(3))


def test_nobody_listens(use: Callable[..., None], faulty: FaultyServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        use(faulty.env | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{taken.getsockname()[1]}"})
        with pytest.raises(RetryError):
            open_source("s3://any").stat("key")


def test_connections_that_the_server_gave_up(stub: FaultyServer, bucket: S3Source) -> None:
    stub.put("key", BODY)
    bucket.fetch(Entry("key"), space())
    for connection in list(stub._server.connections):
        connection.shutdown(socket.SHUT_RDWR)
    assert bytes(bucket.fetch(Entry("key"), space())[1]) == BODY


def test_threads_share_connections(stub: FaultyServer, bucket: S3Source) -> None:
    bodies = {f"{n:03}": os.urandom(2000 + n) for n in range(200)}
    for key, body in bodies.items():
        stub.put(key, body)
    local = threading.local()

    def right(entry: Entry) -> bool:
        local.space = getattr(local, "space", None) or space()
        return bytes(bucket.fetch(entry, local.space)[1]) == bodies[entry.key]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, bucket.entries()))
    assert len(stub._server.connections) <= 9
    bucket.close()
    assert not bucket._access._place.pool._idle


def test_anonymous(stub: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.put("key", BODY)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    source = open_source("s3://any")
    source.stat("key")
    assert "authorization" not in stub.requests[0].headers
    stub.inject("key", Refuse(403, "AccessDenied"))
    with pytest.raises(StoreError, match="anonymous"):
        source.fetch(Entry("key"), space())


def test_region_of_the_bucket(stub: FaultyServer, bucket: S3Source) -> None:
    class Elsewhere(Fault):
        def after(self, reply):
            reply.status, reply.headers["x-amz-bucket-region"] = 301, "eu-west-1"
            return reply

    stub.put("key", BODY)
    stub.inject("key", Elsewhere(), on=["HeadObject"])
    assert bucket.stat("key").size == len(BODY)
    signed = [request.headers["authorization"] for request in stub.seen("HeadObject")]
    assert ["/us-east-1/s3/" in signed[0], "/eu-west-1/s3/" in signed[1]] == [True, True]


def test_signature() -> None:
    botocore_auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    from numcrc.store.sources.sigv4 import Signer

    keys = Credentials("key", "secret", "token")
    ours = Signer(keys.get_frozen_credentials, "eu-west-1").sign(
        "GET", "host", "/b/%C3%BC~", "a=1&b=%2F", {"x-amz-checksum-mode": "ENABLED"}
    )
    request = AWSRequest("GET", "http://host/b/%C3%BC~?a=1&b=%2F")
    request.headers["x-amz-checksum-mode"] = "ENABLED"
    request.context["timestamp"] = ours["x-amz-date"]
    for name in ("x-amz-content-sha256", "x-amz-date", "x-amz-security-token"):
        request.headers[name] = ours[name]
    auth = botocore_auth.S3SigV4Auth(keys, "s3", "eu-west-1")
    signature = auth.signature(
        auth.string_to_sign(request, auth.canonical_request(request)), request
    )
    assert ours["authorization"].endswith(signature)


MILLION = """
from pathlib import Path
from numcrc.store.sources import open_source

def peak():  # of this program: getrusage counts what forked it too
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("VmHWM"))

source = open_source("s3://any/")
for count, entry in enumerate(source.entries(), 1):
    if count == 100_000:
        base = peak()
print(count, entry.key, base, peak())
"""
LISTED = "<Contents><Key>PAGE{:03d}</Key><ETag>&quot;0123&quot;</ETag><Size>1</Size></Contents>"


class Pages(BaseHTTPRequestHandler):
    """A listing of a million keys, made faster than the client reads it."""

    protocol_version = "HTTP/1.1"
    page = "".join(map(LISTED.format, range(1000)))

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        """Answer one page; the token is its number."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        number = int(query.get("continuation-token", ["0"])[0])
        token = f"<NextContinuationToken>{number + 1}</NextContinuationToken>"
        text = self.page.replace("PAGE", f"{number:04d}") + (token if number < 999 else "")
        body = f"<ListBucketResult>{text}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it has no VmHWM")
def test_a_million_keys_in_little_memory(capsys: pytest.CaptureFixture[str]) -> None:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        variables = os.environ | s3_environment(f"http://127.0.0.1:{server.server_port}")
        try:
            command = [sys.executable, "-c", MILLION]
            found = subprocess.run(
                command, env=variables, stdout=subprocess.PIPE, text=True, check=True
            )
        finally:
            server.shutdown()
            thread.join()
    count, key, base, peak = found.stdout.split()
    assert (count, key) == ("1000000", "0999999")
    with capsys.disabled():
        print(f"\n10^6 keys: {int(base) >> 10} MiB after a tenth, {int(peak) >> 10} MiB at the end")
    assert int(peak) - int(base) < 8 << 10


# Google Cloud Storage and web servers


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
        told, found = source.fetch(entry, space())
        assert (told.checksums, bytes(found)) == (known, BODY)
        assert bytes(source.read(entry, 7, space(9))) == BODY[7:16]
    with pytest.raises(MissingError):
        source.stat("none")
    with pytest.raises(MissingError):
        source.fetch(Entry("none"), space())
    assert keys_of(open_source(f"gs://{gcs.bucket}/dir/b")) == ["b"]
    source.close()


def test_web(faulty: FaultyServer, use: Callable[..., None]) -> None:
    use({})
    stored = faulty.put("a b/%41ü", BODY)
    source = open_source(f"{faulty.endpoint.replace('//', '//user:pass@')}/any")
    assert not source.listable
    assert "pass" not in source.url
    entry = source.stat("a b/%41ü")
    assert entry == Entry("a b/%41ü", len(BODY), (), stored.etag, False, True)
    assert bytes(source.fetch(entry, space())[1]) == BODY
    assert bytes(source.read(entry, 5, space(4))) == BODY[5:9]
    with pytest.raises(StoreError, match="manifest"):
        keys_of(source)
    for key in ("../x", "a/../../x", "/x", ""):
        with pytest.raises(StoreError, match="names no file"):
            source.stat(key)
    with pytest.raises(MissingError):
        source.stat("none")

    class Moved(Fault):
        def after(self, reply):
            reply.status, reply.body = 302, b"moved"
            reply.headers["Location"] = f"{faulty.endpoint}/any/target"
            return reply

    faulty.put("key", BODY)
    faulty.put("target", b"target")
    faulty.inject("key", Moved())
    assert bytes(source.fetch(Entry("key"), space())[1]) == b"target"


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n4\r\n6789\r\n0\r\n\r\n",
        b"Connection: close\r\n\r\n123456789",
        b"Content-Length: 9\r\n\r\n123456789",
    ],
)
def test_framings(use: Callable[..., None], framing: bytes) -> None:
    use({})
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                # Who has the answer may hang up before the last of these bytes.
                with connection, suppress(ConnectionError):
                    while not connection.recv(1 << 16).endswith(b"\r\n\r\n"):
                        pass
                    answer = b'HTTP/1.1 200 OK\r\nETag: "e"\r\n' + framing
                    for at in range(0, len(answer), 7):
                        connection.sendall(answer[at : at + 7])

        thread = threading.Thread(target=serve)
        thread.start()
        source = open_source(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        entry, found = source.fetch(Entry("key"), space())
        assert (bytes(found), entry.version, entry.size) == (b"123456789", '"e"', 9)
        source.close()
        assert bytes(source.read(Entry("key"), 3, space(2))) == b"45"
        thread.join()
