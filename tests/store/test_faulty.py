"""Test that the stub answers like S3, with the injected faults only."""

from __future__ import annotations

import base64
import http.client
import time

import pytest
from botocore.exceptions import ClientError

from store.clients import error_of, fetch, s3_client
from store.faults import (
    ARCHIVED,
    MISSING,
    SLOW_DOWN,
    Fault,
    Flip,
    Overwrite,
    Refuse,
    Reset,
    Stall,
    Truncate,
    WrongChecksum,
)
from store.faulty import ALWAYS, EVERYTHING, FaultyServer
from store.stub_objects import NumberedObjects, StubObject, base64_digest

BODY = b"123456789"
PARTS = [bytes(1000), bytes(range(250)) * 4, b"tail"]
ATTRIBUTES = ["ETag", "Checksum", "ObjectParts", "ObjectSize"]


def get(faulty: FaultyServer, key: str = "key", **headers: str) -> tuple[int, str, bytes]:
    """Return status, checksum and body; ``_`` in the name of a header is a dash."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["x-amz-checksum-mode"] = "ENABLED"
    status, found, body = fetch(faulty.endpoint, "GET", f"/any/{key}", headers=sent)
    return status, found.get("x-amz-checksum-crc64nvme", ""), body


def test_reads_like_s3(faulty: FaultyServer) -> None:
    client = s3_client(faulty.env)
    body = b"".join(PARTS)
    stored = faulty.put("a&b/ü", StubObject.of(body, "crc32c", part_size=1000, kind="COMPOSITE"))
    there = {"Bucket": "any", "Key": "a&b/ü"}
    found = client.get_object(ChecksumMode="ENABLED", IfMatch=stored.etag, **there)
    assert found["Body"].read() == body
    assert found["ChecksumCRC32C"] == stored.checksum
    assert error_of(client.get_object, IfMatch='"other"', **there) == "PreconditionFailed"
    for asked, start in (("bytes=5-8", 5), ("bytes=-4", len(body) - 4)):
        ranged = client.get_object(Range=asked, ChecksumMode="ENABLED", **there)
        assert ranged["Body"].read() == body[start : start + 4]
        assert ranged["ContentRange"] == f"bytes {start}-{start + 3}/{len(body)}"
        assert "ChecksumCRC32C" not in ranged
    assert error_of(client.get_object, Range=f"bytes={len(body)}-", **there) == "InvalidRange"
    last = client.head_object(PartNumber=3, ChecksumMode="ENABLED", **there)
    assert (last["ContentLength"], last["PartsCount"]) == (4, 3)
    assert last["ChecksumCRC32C"] == base64_digest("crc32c", b"tail")
    assert error_of(client.head_object, PartNumber=4, **there) == "416"
    assert [r.key for r in faulty.seen("HeadObject")] == ["a&b/ü"] * 2
    assert faulty.seen("GetObject")[0].headers["x-amz-checksum-mode"] == "ENABLED"


def test_pages_of_attributes(faulty: FaultyServer) -> None:
    client = s3_client(faulty.env)
    stored = StubObject.of(bytes(5), "crc32", part_size=2, kind="COMPOSITE")
    faulty.put("key", stored)
    there = {"Bucket": "any", "Key": "key", "ObjectAttributes": ATTRIBUTES}
    found = client.get_object_attributes(MaxParts=2, **there)
    assert f"{found['Checksum']['ChecksumCRC32']}-3" == stored.checksum
    assert found["ObjectSize"] == 5
    parts = found["ObjectParts"]
    assert (parts["TotalPartsCount"], parts["IsTruncated"]) == (3, True)
    marker = parts["NextPartNumberMarker"]
    rest = client.get_object_attributes(MaxParts=2, PartNumberMarker=marker, **there)
    parts = parts["Parts"] + rest["ObjectParts"]["Parts"]
    assert [part["Size"] for part in parts] == [2, 2, 1]
    assert [part["ChecksumCRC32"] for part in parts] == [p.checksum for p in stored.parts]


def test_a_million_keys(faulty: FaultyServer) -> None:
    stored = StubObject.of(BODY)
    faulty.objects = NumberedObjects(10**6, lambda number: stored, "keys/")
    pages = s3_client(faulty.env).get_paginator("list_objects_v2")
    where = {"Bucket": "any", "Prefix": "keys/", "StartAfter": "keys/0000997499"}
    listed = [entry["Key"] for page in pages.paginate(**where) for entry in page["Contents"]]
    assert len(faulty.seen("ListObjectsV2")) == 3
    assert listed == [f"keys/{number:010d}" for number in range(997500, 10**6)]
    assert get(faulty, listed[-1]) == (200, stored.checksum, BODY)
    assert get(faulty, "keys/0001000000")[0] == 404


def test_flip(faulty: FaultyServer) -> None:
    right = (200, faulty.put("key", BODY).checksum, BODY)
    wrong = (*right[:2], b"123456799")
    faulty.inject("key", Flip(7))
    assert get(faulty, Range="bytes=0-6")[2] == BODY[:7]
    assert get(faulty, Range="bytes=7-")[2] == b"99"
    assert get(faulty) == right
    faulty.inject("key", Flip(7), times=ALWAYS)
    assert [get(faulty) for _ in range(3)] == [wrong] * 3


def test_a_body_that_ends_early(faulty: FaultyServer) -> None:
    faulty.put("key", BODY)
    faulty.inject("key", Truncate(4))
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(faulty)
    assert caught.value.partial == BODY[:4]
    faulty.inject("key", Reset(4))
    with pytest.raises(ConnectionResetError):
        get(faulty)
    assert get(faulty)[2] == BODY


@pytest.mark.parametrize("fault", [SLOW_DOWN, ARCHIVED, MISSING, Refuse(500, "InternalError")])
def test_refusals(faulty: FaultyServer, fault: Refuse) -> None:
    faulty.put("key", BODY)
    faulty.inject("key", Fault())
    faulty.inject("key", fault, times=2)
    client = s3_client(faulty.env)
    codes = []
    for _ in range(4):
        try:
            client.get_object(Bucket="any", Key="key")
            codes.append("")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
    assert codes == ["", fault.code, fault.code, ""]


def test_refused_listings_and_heads(faulty: FaultyServer) -> None:
    client = s3_client(faulty.env)
    faulty.inject("", SLOW_DOWN, on=EVERYTHING)
    assert error_of(client.list_objects_v2, Bucket="any") == "SlowDown"
    assert client.list_objects_v2(Bucket="any")["KeyCount"] == 0
    faulty.put("key", BODY)
    faulty.inject("key", SLOW_DOWN, on=["HeadObject"])
    assert get(faulty)[0] == 200
    assert error_of(client.head_object, Bucket="any", Key="key") == "503"


def test_wrong_checksum(faulty: FaultyServer) -> None:
    right = faulty.put("key", BODY).checksum
    assert right is not None
    faulty.inject("key", WrongChecksum())
    status, wrong, body = get(faulty)
    assert (status, body) == (200, BODY)
    assert wrong != right
    assert len(base64.b64decode(wrong)) == 8
    assert get(faulty)[1] == right


@pytest.mark.parametrize("at", [None, 4])
def test_stall(faulty: FaultyServer, at: int | None) -> None:
    faulty.put("key", BODY)
    faulty.inject("key", Stall(0.2, at))
    start = time.monotonic()
    assert get(faulty)[2] == BODY
    assert time.monotonic() - start >= 0.2


def test_overwritten_between_requests(faulty: FaultyServer) -> None:
    old = faulty.put("key", BODY)
    faulty.inject("key", Fault())
    faulty.inject("key", Overwrite(StubObject.of(b"other")))
    assert get(faulty, If_Match=old.etag)[0] == 200
    assert get(faulty, If_Match=old.etag)[0] == 412
    assert get(faulty)[2] == b"other"


def test_stopping_closes_kept_connections() -> None:
    """Otherwise stopping would wait for the threads that serve them."""
    with FaultyServer() as server:
        kept = http.client.HTTPConnection(server.endpoint.removeprefix("http://"), timeout=10)
        kept.request("GET", "/any/none")
        assert kept.getresponse().read()
    kept.close()
