"""Checksums of multipart uploads by stores that do not say whether they are composite."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from numcrc.store import manifest, verify
from numcrc.store.objects import Checksum, State
from numcrc.store.sources import open_source
from store.fakes import FakeSource, check_one, checksum, composite, expect, flipped
from store.faults import Fault, Refuse, Reply
from store.faulty import ALWAYS, FaultyServer
from store.source_support import BODY
from store.stub_objects import StubObject

PART = -(-len(BODY) // 3)
KINDS = ["COMPOSITE", "FULL_OBJECT"]


@dataclass(frozen=True)
class Untyped(Fault):
    """An answer without the number of parts behind a checksum, and with this type or none."""

    kind: str = ""
    parts: bool = True
    """Whether HEAD shows the parts."""

    def after(self, reply: Reply) -> Reply:
        """Change the headers."""
        headers = reply.headers
        headers.pop("x-amz-checksum-type", None)
        for name, value in headers.items():
            if name.startswith("x-amz-checksum-"):
                headers[name] = value.partition("-")[0]
        if self.kind:
            headers["x-amz-checksum-type"] = self.kind
        if not self.parts:
            headers.pop("x-amz-mp-parts-count", None)
        return reply


@pytest.fixture(params=["crc32", "crc32c", "sha1", "sha256"])
def algorithm(request: pytest.FixtureRequest) -> str:
    """Return the name of an algorithm."""
    name: str = request.param
    return name


def put(stub: FaultyServer, stored: StubObject, fault: Untyped) -> None:
    """Store an object with a fault of each answer about it."""
    stub.put("key", stored)
    stub.inject("key", fault, times=ALWAYS, on=["HeadObject", "GetObject"])
    if not fault.parts:
        stub.inject("key", Refuse(403, "AccessDenied"), times=ALWAYS, on=["GetObjectAttributes"])


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_either_kind_is_a_match(stub: FaultyServer, algorithm: str, kind: str, parts: bool) -> None:
    stored = StubObject.of(BODY, algorithm, part_size=PART, kind=kind)
    put(stub, stored, Untyped(parts=parts))
    (result,) = verify(stub.url)
    assert (result.state, result.algorithm, result.detail) == (State.MATCH, algorithm, "")
    assert result.actual.endswith("-3") == (kind == "COMPOSITE")


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mismatch_is_unsure(stub: FaultyServer, algorithm: str, kind: str, parts: bool) -> None:
    stored = StubObject.of(flipped(BODY), algorithm, part_size=PART, kind=kind)
    put(stub, replace(stored, body=BODY), Untyped(parts=parts))
    (result,) = verify(stub.url)
    assert result.state is State.UNSUPPORTED
    assert f"neither its {algorithm} nor that of its parts" in result.detail


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_makes_it_certain(stub: FaultyServer, algorithm: str, kind: str) -> None:
    """The number of parts is that of the ETag."""
    stored = StubObject.of(BODY, algorithm, part_size=PART, kind=kind)
    put(stub, stored, Untyped(kind))
    found = open_source(stub.url).stat("key").checksums[0]
    assert (found.guessed, found.composite) == (False, 3 * (kind == "COMPOSITE"))
    assert verify(stub.url).counts == {State.MATCH: 1}
    stub.put("key", replace(stored, body=flipped(BODY)))
    assert verify(stub.url).counts == {State.DIFFER: 1}


@pytest.mark.parametrize("etag", ['"abc-3"', 'W/"abc-3"'])
def test_any_etag_may_count_the_parts(stub: FaultyServer, etag: str) -> None:
    stored = StubObject.of(BODY, "crc32c", part_size=PART, kind="COMPOSITE")
    put(stub, replace(stored, etag=etag), Untyped(parts=False))
    assert verify(stub.url).counts == {State.MATCH: 1}


@pytest.mark.parametrize("etag", ['"abc-0"', '"abc-10001"', '"abc-99999999"', '"a-b-c"', '"abc"'])
def test_other_objects_are_whole(stub: FaultyServer, etag: str) -> None:
    put(stub, replace(StubObject.of(BODY, "crc32c"), etag=etag), Untyped())
    assert verify(stub.url).counts == {State.MATCH: 1}
    stub.put("key", replace(stub.objects["key"], body=flipped(BODY)))
    assert verify(stub.url).counts == {State.DIFFER: 1}


def test_crc64nvme_is_always_of_the_whole_object(stub: FaultyServer) -> None:
    stored = StubObject.of(BODY, "crc64nvme", part_size=PART)
    put(stub, stored, Untyped())
    assert not open_source(stub.url).stat("key").checksums[0].guessed
    stub.put("key", replace(stored, body=flipped(BODY)))
    assert verify(stub.url).counts == {State.DIFFER: 1}


def test_stored_checksums_of_unknown_type_never_differ(data: bytes) -> None:
    source = FakeSource({"a": data})
    half = len(data) // 2
    parts = composite("crc32", data, [half, len(data) - half])
    untyped = Checksum("crc32", parts.value)
    source.stored["a"] = tuple(each._replace(guessed=True) for each in (untyped, parts))
    whole, other = expect(data, "crc32"), expect(flipped(data), "crc32")
    for expected in (whole, other):
        result = check_one(source, expected, mode="stored")
        assert result.state is State.UNSUPPORTED
        assert "neither its crc32 nor that of its parts" in result.detail
    same = whole._replace(checksums=(parts,))
    assert check_one(source, same, mode="stored").state is State.MATCH
    source.stored["a"] = (checksum("crc32", data)._replace(guessed=True),)
    assert check_one(source, whole, mode="stored").state is State.MATCH


def test_manifests_take_no_checksum_of_unknown_type(stub: FaultyServer, tmp_path: Path) -> None:
    put(stub, StubObject.of(BODY, "crc32", part_size=PART, kind="COMPOSITE"), Untyped())
    assert manifest(stub.url, tmp_path / "m.jsonl", stored=True).ok
    assert "crc32" not in (tmp_path / "m.jsonl").read_text()
