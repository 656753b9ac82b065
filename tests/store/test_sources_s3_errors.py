"""Test S3 as a source: errors, connections, signatures and regions."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from numcrc.store.keys import quoted
from numcrc.store.objects import Entry
from numcrc.store.source import (
    ArchivedError,
    ChangedError,
    MissingError,
    RetryError,
    StoreError,
)
from numcrc.store.sources import open_source
from numcrc.store.sources.s3 import S3Source
from store.faults import (
    ARCHIVED,
    MISSING,
    SLOW_DOWN,
    UNAVAILABLE,
    Fault,
    Overwrite,
    Refuse,
    Reply,
    Reset,
    Stall,
    Truncate,
)
from store.faulty import FaultyServer
from store.source_support import BODY, keys_of, space
from store.stub_objects import StubObject

HOSTILE = [
    *("plain", "../up", "a/../b", ".", "./a", "a//b", "/lead", "trail/", "q?x=1#y", "new\nline"),
    *("tab\tand\r", "plus+", "per%25cent", "%2e%2E/a", "ü/日本", "tilde~", "*'()", "a=b&c;d"),
    *("\U0001f600", "caf\udce9", "n" * 1024),
]


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


@pytest.mark.parametrize("at", [None, 4])
def test_timeout(stub: FaultyServer, at: int | None) -> None:
    """The server does not answer until the test ends."""
    stub.put("key", BODY)
    stub.inject("key", Stall(600, at))
    with pytest.raises(RetryError, match="timed out"):
        S3Source("s3://any", timeout=0.1).fetch(Entry("key"), space())
    assert bytes(S3Source("s3://any").fetch(Entry("key"), space())[1]) == BODY


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
    with pytest.raises(ChangedError, match="got 5"):
        bucket.read(Entry("key", 9), 0, space(3))
    with pytest.raises(StoreError, match="version"):
        bucket.read(entry._replace(version='"a"\r\nx-amz-evil: 1'), 0, space(3))


def test_no_server(use: Callable[..., None], faulty: FaultyServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        use(faulty.env | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{taken.getsockname()[1]}"})
        with pytest.raises(RetryError):
            open_source("s3://any").stat("key")


def test_connections_closed_by_the_server(stub: FaultyServer, bucket: S3Source) -> None:
    stub.put("key", BODY)
    bucket.fetch(Entry("key"), space())
    for connection in list(stub._server.connections):
        connection.shutdown(socket.SHUT_RDWR)
    assert bytes(bucket.fetch(Entry("key"), space())[1]) == BODY


def test_threads_share_connections(stub: FaultyServer, bucket: S3Source) -> None:
    rng = random.Random(200)
    bodies = {f"{n:03}": rng.randbytes(2000 + n) for n in range(200)}
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


class Elsewhere(Fault):
    """An answer that the bucket is in another region."""

    def after(self, reply: Reply) -> Reply:
        """Set the status and the region."""
        reply.status, reply.headers["x-amz-bucket-region"] = 301, "eu-west-1"
        return reply


def test_an_interrupt_reaches_requests_in_the_region_before(
    stub: FaultyServer, use: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "config").touch()
    use(stub.env | {"AWS_CONFIG_FILE": str(tmp_path / "config")})
    bucket = S3Source(stub.url)
    for key in ("slow", "key"):
        stub.put(key, BODY)
    stub.inject("slow", Stall(30))
    stub.inject("key", Elsewhere(), on=["HeadObject"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bucket.fetch, Entry("slow"), space())
        while not stub.seen("GetObject", "slow"):
            time.sleep(0.01)
        assert bucket.stat("key").size == len(BODY)
        bucket.interrupt()
        with pytest.raises(RetryError):
            waiting.result(10)
    bucket.close()


def test_region_of_the_bucket(stub: FaultyServer, use: Callable[..., None], tmp_path: Path) -> None:
    """It is followed unless variables give all that a place needs."""
    (tmp_path / "config").touch()
    use(stub.env | {"AWS_CONFIG_FILE": str(tmp_path / "config")})
    bucket = S3Source(stub.url)

    stub.put("key", BODY)
    stub.inject("key", Elsewhere(), on=["HeadObject"])
    assert bucket.stat("key").size == len(BODY)
    signed = [request.headers["authorization"] for request in stub.seen("HeadObject")]
    assert ["/us-east-1/s3/" in signed[0], "/eu-west-1/s3/" in signed[1]] == [True, True]


@pytest.mark.parametrize("key", HOSTILE)
def test_signature(key: str) -> None:
    botocore_auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    from numcrc.store.sources.sigv4 import Signer

    keys = Credentials("key", "secret", "token")
    path = f"/b/{quoted(key)}"
    ours = Signer(keys.get_frozen_credentials, "eu-west-1").sign(
        "GET", "host", path, "a=1&b=%2F", {"x-amz-checksum-mode": "ENABLED"}
    )
    request = AWSRequest("GET", f"http://host{path}?a=1&b=%2F")
    request.headers["x-amz-checksum-mode"] = "ENABLED"
    request.context["timestamp"] = ours["x-amz-date"]
    for name in ("x-amz-content-sha256", "x-amz-date", "x-amz-security-token"):
        request.headers[name] = ours[name]
    auth = botocore_auth.S3SigV4Auth(keys, "s3", "eu-west-1")
    signature = auth.signature(
        auth.string_to_sign(request, auth.canonical_request(request)), request
    )
    assert ours["authorization"].endswith(signature)
