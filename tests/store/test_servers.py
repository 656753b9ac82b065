"""Test that the servers behave like the stores that they replace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from store.clients import error_of, fetch, s3_client
from store.servers import GcsEmulator, LocalStack, RcloneS3
from store.stub_objects import StubObject, base64_digest
from store.uploads import SMALLEST_PART, put, put_parts

BODY = b"123456789"
PARTS = [bytes(SMALLEST_PART), bytes(range(256)) * (SMALLEST_PART // 256), b"tail"]
ATTRIBUTES = ["ETag", "Checksum", "ObjectParts", "ObjectSize"]


@pytest.fixture(scope="module")
def bucket(localstack: LocalStack) -> tuple[Any, str]:
    """Make a bucket of LocalStack, and return a client and its name."""
    client = s3_client(localstack.env)
    client.create_bucket(Bucket="servers")
    return client, "servers"


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme"])
def test_localstack_rejects_a_wrong_checksum_and_keeps_a_right_one(
    bucket: tuple[Any, str], algorithm: str
) -> None:
    client, name = bucket
    argument = f"Checksum{algorithm.upper()}"
    wrong = {argument: base64_digest(algorithm, b"12345678X")}
    there = {"Bucket": name, "Key": algorithm}
    assert error_of(client.put_object, Body=BODY, **there, **wrong) == "BadDigest"
    put(client, name, algorithm, BODY, algorithm)
    head = client.head_object(ChecksumMode="ENABLED", **there)
    assert head[argument] == base64_digest(algorithm, BODY)
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert argument not in client.head_object(**there)


def test_localstack_adds_crc64nvme_where_none_is_sent(bucket: tuple[Any, str]) -> None:
    client, name = bucket
    client.put_object(Bucket=name, Key="plain", Body=BODY)
    head = client.head_object(Bucket=name, Key="plain", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == base64_digest("crc64nvme", BODY)


def test_localstack_composite(bucket: tuple[Any, str]) -> None:
    client, name = bucket
    put_parts(client, name, "composite", PARTS, "crc32c", "COMPOSITE")
    there = {"Bucket": name, "Key": "composite"}
    expected = StubObject.of(b"".join(PARTS), "crc32c", part_size=SMALLEST_PART, kind="COMPOSITE")

    head = client.head_object(ChecksumMode="ENABLED", **there)
    assert head["ChecksumCRC32C"] == expected.checksum
    assert expected.checksum is not None
    assert expected.checksum.endswith("-3")
    assert head["ChecksumType"] == "COMPOSITE"

    found = client.get_object_attributes(ObjectAttributes=ATTRIBUTES, **there)
    assert found["Checksum"]["ChecksumCRC32C"] == expected.checksum[:-2]
    assert found["Checksum"]["ChecksumType"] == "COMPOSITE"
    parts = found["ObjectParts"]["Parts"]
    assert [part["Size"] for part in parts] == [len(part) for part in PARTS]
    checksums = [part["ChecksumCRC32C"] for part in parts]
    assert checksums == [base64_digest("crc32c", part) for part in PARTS]

    last = client.head_object(ChecksumMode="ENABLED", PartNumber=3, **there)
    assert (last["ContentLength"], last["PartsCount"]) == (4, 3)
    assert last["ChecksumCRC32C"] == checksums[2]


@pytest.mark.parametrize("algorithm", ["crc32", "crc64nvme"])
def test_localstack_full_object(bucket: tuple[Any, str], algorithm: str) -> None:
    client, name = bucket
    put_parts(client, name, "full", PARTS, algorithm, "FULL_OBJECT")
    head = client.head_object(Bucket=name, Key="full", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm.upper()}"] == base64_digest(algorithm, b"".join(PARTS))
    assert head["ChecksumType"] == "FULL_OBJECT"


def test_rclone_serves_folders_without_checksums(rclone_s3: RcloneS3) -> None:
    folder = rclone_s3.folder / "servers" / "sub"
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(BODY)
    client = s3_client(rclone_s3.env)
    listed = client.list_objects_v2(Bucket="servers")["Contents"]
    assert [(entry["Key"], entry["Size"]) for entry in listed] == [("sub/file", 9)]
    there = {"Bucket": "servers", "Key": "sub/file", "ChecksumMode": "ENABLED"}
    found = client.get_object(**there)
    assert found["Body"].read() == BODY
    assert not [name for name in found if name.startswith("Checksum")]
    ranged = client.get_object(Range="bytes=2-3", **there)
    assert ranged["ResponseMetadata"]["HTTPStatusCode"] == 200  # S3 says 206
    assert ranged["Body"].read() == BODY[2:4]


def test_gcs_checks_crc32c_and_lists_it(gcs: GcsEmulator) -> None:
    def upload(name: str, crc32c: str) -> int:
        metadata = json.dumps({"name": name, "crc32c": crc32c}).encode()
        kinds = b"application/json", b"application/octet-stream"
        body = b"".join(
            b"--X\r\nContent-Type: " + kind + b"\r\n\r\n" + part + b"\r\n"
            for kind, part in zip(kinds, (metadata, BODY), strict=True)
        )
        path = f"/upload/storage/v1/b/{gcs.bucket}/o?uploadType=multipart"
        kind = "multipart/related; boundary=X"
        return fetch(gcs.endpoint, "POST", path, body + b"--X--\r\n", {"Content-Type": kind})[0]

    right = base64_digest("crc32c", BODY)
    assert upload("wrong", base64_digest("crc32c", b"12345678X")) == 400
    assert upload("right", right) == 200
    status, _, listing = fetch(gcs.endpoint, "GET", f"/storage/v1/b/{gcs.bucket}/o")
    entries = {entry["name"]: entry["crc32c"] for entry in json.loads(listing)["items"]}
    assert (status, entries.get("right"), entries.get("wrong")) == (200, right, None)
