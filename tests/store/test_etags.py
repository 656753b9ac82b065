"""ETags: compared as ETags, and as MD5 where they are one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from numcrc.store import Limits, manifest, verify
from numcrc.store.objects import Checksum, Entry, Part, State
from numcrc.store.source import ChangedError
from numcrc.store.sources import open_source, s3
from store import stub_s3, stub_web
from store.clients import s3_client
from store.conftest import started
from store.fakes import FakeSource, check_one, checksum, flipped
from store.faults import Fault, Flip, Headers, Reply
from store.faulty import ALWAYS, EVERYTHING, FaultyServer
from store.servers import LocalStack, RcloneS3
from store.source_support import BODY, space
from store.stub_objects import StubObject
from store.uploads import MIB, SMALLEST_PART

ONE = Limits(threads=1, attempts=1)


class Unquoted(Fault):
    """A listing whose ETags have no quotes, as rclone's server sends it."""

    def after(self, reply: Reply) -> Reply:
        """Remove the quotes."""
        reply.body = reply.body.replace(b'<ETag>"', b"<ETag>").replace(b'"</ETag>', b"</ETag>")
        return reply


@pytest.fixture
def plain(stub: FaultyServer) -> FaultyServer:
    """Run a store with nothing but ETags."""
    stub.put("parts", StubObject.of(BODY, None, part_size=4000))
    stub.put("whole", StubObject.of(BODY, None))
    return stub


def test_etags_are_equal_with_and_without_quotes(stub: FaultyServer) -> None:
    """One request an object: otherwise each looks changed, and is asked for three times."""
    for number in range(20):
        stub.put(str(number), BODY)
    stub.inject("", Unquoted(), times=ALWAYS, on=["ListObjectsV2"])
    assert verify(stub.url, limits=ONE).counts == {State.MATCH: 20}
    asked = [request for request in stub.requests if request.key]
    assert len(asked) == 20
    assert asked[0].headers["if-match"] == stub.objects["0"].etag


@pytest.mark.parametrize("module", [stub_s3, stub_web])
def test_weak_etags_are_compared_without_w(use: Callable[..., None], module) -> None:
    """A server that compresses some answers sends the ETag of others as weak."""
    with FaultyServer(module) as server:
        use(server.env)
        stored = server.put("key", BODY)
        source = open_source(f"{server.url}/")
        server.inject("key", Headers({"ETag": f"W/{stored.etag}"}), on=["HeadObject"])
        entry = source.stat("key")
        assert entry.version == f"W/{stored.etag}"
        assert bytes(source.fetch(entry, space())[1]) == BODY
        assert bytes(source.read(entry, 3, space(4))) == BODY[3:7]
        assert "if-match" not in server.requests[-1].headers, "it would never match"
        server.inject("key", Headers({"ETag": '"other"'}), on=["GetObject"])
        with pytest.raises(ChangedError):
            source.fetch(entry, space())
        source.close()


def test_an_object_with_nothing_but_an_etag_is_compared_with_it(plain: FaultyServer) -> None:
    report = verify(plain.url)
    found = {result.key: result for result in report}
    assert report.counts == {State.MATCH: 2}
    whole, parts = found["whole"], found["parts"]
    assert whole.algorithm == parts.algorithm == "md5"
    assert whole.actual == hashlib.md5(BODY).hexdigest()
    assert f'"{parts.actual}"' == plain.objects["parts"].etag
    assert "ETag" in whole.detail
    assert "ETag" in parts.detail
    for key in ("whole", "parts"):
        plain.inject(key, Flip(7), times=ALWAYS)
    report = verify(plain.url)
    assert report.counts == {State.DIFFER: 2}
    assert all("ETag" in result.detail for result in report)


def test_parts_that_the_store_does_not_show_are_tried(
    plain: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytes(range(250)) * (MIB // 25)
    plain.put("parts", StubObject.of(body, None, part_size=5 * MIB))
    monkeypatch.setattr(s3, "MOST_ASKED", 1)
    assert verify(plain.url).counts == {State.MATCH: 2}
    assert not [request for request in plain.requests if "partNumber" in request.query]
    plain.inject("parts", Flip(7), times=ALWAYS)
    report = verify(plain.url)
    assert report.counts == {State.MATCH: 1, State.UNSUPPORTED: 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption": "aws:kms:dsse"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"ETag": '"0123456789abcdef"'},
        {"ETag": f'"{"g" * 32}"'},
        {"ETag": f'W/"{"0" * 32}"'},
        {"ETag": f'"{"0" * 32}-0"'},
        {"ETag": f'"{"0" * 32}-10001"'},
        {"ETag": f'"{"0" * 32}-99999999999999"'},
        {"ETag": f'"{"0" * 40}"'},
        {"ETag": None},
    ],
    ids=str,
)
def test_other_etags_are_not_md5(plain: FaultyServer, changes: dict[str, str | None]) -> None:
    plain.inject("whole", Headers(changes), times=ALWAYS, on=EVERYTHING)
    assert open_source(plain.url).stat("whole").checksums == ()
    for key in ("whole", "parts"):
        plain.inject(key, Headers(changes), times=ALWAYS, on=EVERYTHING)
    report = verify(plain.url, limits=ONE)
    assert State.DIFFER not in report.counts


def test_encryption_with_keys_of_s3_keeps_the_md5(plain: FaultyServer) -> None:
    encrypted = Headers({"x-amz-server-side-encryption": "AES256"})
    plain.inject("whole", encrypted, times=ALWAYS, on=EVERYTHING)
    assert verify(plain.url).counts == {State.MATCH: 2}


def test_the_etag_is_the_last_choice(data: bytes) -> None:
    """MD5 is slow, and a store's own checksum is certain."""
    source = FakeSource({"a": data})
    etag = Checksum("md5", bytes(16), etag=True)
    source.stored["a"] = (checksum("crc64nvme", data), etag)
    result = check_one(source, own=True)
    assert (result.state, result.algorithm, result.detail) == (State.MATCH, "crc64nvme", "")
    source.stored["a"] = (Checksum("sum-17", b"ab"), etag)
    assert check_one(source, own=True).state is State.DIFFER
    right = checksum("md5", data)
    source.stored["a"] = (checksum("crc64nvme", data), right._replace(etag=True))
    expected = Entry("a", len(data), (right,))
    result = check_one(source, expected, mode="stored")
    assert (result.state, result.algorithm) == (State.MATCH, "md5")
    other = Entry("a", len(data), (checksum("md5", flipped(data)),))
    assert check_one(source, other, mode="stored").state is State.DIFFER


def test_manifests_take_the_etag_if_there_is_nothing_else(
    plain: FaultyServer, tmp_path: Path
) -> None:
    plain.put("z", BODY)
    assert manifest(plain.url, tmp_path / "m.jsonl", stored=True).ok
    lines = (tmp_path / "m.jsonl").read_text()
    assert lines.count("md5") == 2
    assert lines.count("crc64nvme") == 1
    assert verify(plain.url, manifest=tmp_path / "m.jsonl").counts == {State.MATCH: 3}
    report = verify(plain.url, manifest=tmp_path / "m.jsonl", mode="stored")
    assert report.counts == {State.MATCH: 3}
    details = {result.key: result.detail for result in report}
    assert details == {"parts": "the ETag as MD5", "whole": "the ETag as MD5", "z": ""}


def test_rclone_sends_md5s_as_etags(tmp_path: Path, use: Callable[..., None]) -> None:
    """Without quotes in listings, by default."""
    folder = tmp_path / "etags"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}").write_bytes(BODY + bytes([number]))
    for server in started(RcloneS3(tmp_path, "MD5")):
        use(server.env)
        report = verify("s3://etags")
        assert report.counts == {State.MATCH: 5}
        assert {result.detail for result in report} == {"the ETag as MD5"}
        source = open_source("s3://etags")
        for entry in source.entries():
            assert source.fetch(entry, space())[0].version == entry.version


def test_localstack_etags(localstack: LocalStack, use: Callable[..., None]) -> None:
    use(localstack.env)
    client = s3_client(localstack.env)
    client.create_bucket(Bucket="etags")
    parts = [bytes(SMALLEST_PART), b"tail"]
    upload = client.create_multipart_upload(Bucket="etags", Key="parts")
    where = {"Bucket": "etags", "Key": "parts", "UploadId": upload["UploadId"]}
    done = [
        {"PartNumber": n, "ETag": client.upload_part(PartNumber=n, Body=part, **where)["ETag"]}
        for n, part in enumerate(parts, 1)
    ]
    client.complete_multipart_upload(MultipartUpload={"Parts": done}, **where)
    md5s = [hashlib.md5(part).digest() for part in parts]
    etag = Checksum("md5", hashlib.md5(b"".join(md5s)).digest(), 2, etag=True)
    found = open_source("s3://etags").stat("parts").checksums
    assert found[-1]._replace(parts=()) == etag
    if len(found) == 1:
        assert found[0].parts == (Part(SMALLEST_PART), Part(4))
    assert verify("s3://etags").counts == {State.MATCH: 1}


def test_replaced_objects_keep_their_etag(plain: FaultyServer) -> None:
    """A store that damages a body keeps the ETag of the right one."""
    stored = plain.objects["whole"]
    plain.objects["whole"] = replace(stored, body=flipped(stored.body))
    assert verify(plain.url).counts == {State.MATCH: 1, State.DIFFER: 1}
