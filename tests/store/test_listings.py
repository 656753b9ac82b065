"""Listings that end early, never end, or are not listings."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from numcrc.store import verify
from numcrc.store.source import RetryError, StoreError
from numcrc.store.sources import bucket as bucket_module
from numcrc.store.sources import open_source
from store import stub_azure, stub_gcs, stub_s3
from store.faults import Fault, Reply
from store.faulty import FaultyServer, Stub
from store.source_support import keys_of

STUBS = {"s3": stub_s3, "gcs": stub_gcs, "azure": stub_azure}
NAMES = {"a": b"1", "b": b"22", "c/": b"", "c/d": b"333"}
LAST = {
    "s3": "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
    "gcs": '{"kind": "storage#objects"}',
    "azure": "<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>",
}
MORE = {
    "s3": "<ListBucketResult><IsTruncated>true</IsTruncated>"
    "<NextContinuationToken>TOKEN</NextContinuationToken></ListBucketResult>",
    "gcs": '{"kind": "storage#objects", "nextPageToken": "TOKEN"}',
    "azure": "<EnumerationResults><Blobs/><NextMarker>TOKEN</NextMarker></EnumerationResults>",
}


@pytest.fixture(params=STUBS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of a kind of store that has listings."""
    name: str = request.param
    return name


@pytest.fixture
def store(kind: str, use: Callable[..., None]) -> Iterator[FaultyServer]:
    """Run a store of a few objects."""
    stub: Stub = STUBS[kind]
    with FaultyServer(stub) as server:
        use(server.env)
        for key, body in NAMES.items():
            server.put(key, body)
        yield server


@dataclass
class Page(Fault):
    """An answer with this text instead of a page."""

    text: str
    status: int = 200

    def after(self, reply: Reply) -> Reply:
        """Return the answer."""
        return Reply(self.status, {"Content-Type": "application/xml"}, self.text.encode())


@dataclass
class Changed(Fault):
    """A page whose text is changed."""

    change: Callable[[str], str]

    def after(self, reply: Reply) -> Reply:
        """Return the answer."""
        reply.body = self.change(reply.body.decode()).encode()
        return reply


@dataclass
class Pages(Fault):
    """Pages without objects, each with the next of some tokens, in base64 as those of S3."""

    text: str
    tokens: Iterator[str]

    def after(self, reply: Reply) -> Reply:
        """Return the answer."""
        token = base64.urlsafe_b64encode(next(self.tokens).encode()).decode()
        return Reply(200, {}, self.text.replace("TOKEN", token).encode())


def error_of(store: FaultyServer, *faults: Fault) -> str:
    """Return the error of a listing whose pages have these faults, which names the source."""
    for fault in faults:
        store.inject("", fault, on=["ListObjectsV2"])
    source = open_source(f"{store.url}/")
    with pytest.raises(StoreError) as caught:
        keys_of(source)
    assert str(caught.value).startswith(f"{source.url}: page {len(faults)} of the listing: ")
    return str(caught.value)


def test_right_pages_are_listed(store: FaultyServer, kind: str) -> None:
    store.inject("", Pages(MORE[kind], iter("1")), on=["ListObjectsV2"])
    assert keys_of(open_source(f"{store.url}/")) == list(NAMES)
    assert len(store.requests) == 2


def test_a_listing_cut_short_is_an_error(store: FaultyServer, kind: str) -> None:
    """A page that says that it is not the last one, but not how to go on."""
    if kind == "gcs":
        pytest.skip("a page says so by its token only")
    without_token = {
        "s3": lambda text: text.replace(">false</IsTruncated>", ">true</IsTruncated>"),
        "azure": lambda text: text.replace("<NextMarker></NextMarker>", ""),
    }
    assert "IsTruncated" in error_of(store, Changed(without_token[kind])) or kind == "azure"
    report = None
    store.inject("", Changed(without_token[kind]), on=["ListObjectsV2"])
    with pytest.raises(StoreError, match="page 1 of the listing"):
        report = verify(f"{store.url}/")
    assert report is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("<IsTruncated>false</IsTruncated>", ""),
        lambda text: text.replace(">false<", ">maybe<"),
        lambda text: text.replace(
            "</ListBucketResult>",
            "<NextContinuationToken>x</NextContinuationToken></ListBucketResult>",
        ),
        lambda text: text.replace("<KeyCount>4</KeyCount>", "<KeyCount>5</KeyCount>"),
        lambda text: text.replace("<KeyCount>4</KeyCount>", "<KeyCount>many</KeyCount>"),
        lambda text: text.replace(
            "<Contents>", "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes><Contents>", 1
        ),
    ],
)
def test_s3_says_consistently_whether_a_listing_is_complete(
    stub: FaultyServer, change: Callable[[str], str]
) -> None:
    for key, body in NAMES.items():
        stub.put(key, body)
    error_of(stub, Changed(change))


@pytest.mark.parametrize(
    "text",
    [
        "<html><body>Log in to the network</body></html>",
        "<html><p>not closed",
        "<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
        "",
        " ",
        "null",
        "[]",
        "{}",
        '{"error": {"code": 401, "message": "no"}}',
        '{"kind": "storage#object", "name": "a", "size": "1"}',
        "<ListAllMyBucketsResult/>",
        "<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>",
        "<Blobs/>",
    ],
)
@pytest.mark.parametrize("page", [1, 2])
def test_what_is_not_a_listing_is_an_error(
    store: FaultyServer, kind: str, page: int, text: str
) -> None:
    error_of(store, *[Pages(MORE[kind], iter("1"))] * (page - 1), Page(text))


def test_an_error_in_place_of_a_page_is_named(store: FaultyServer, kind: str) -> None:
    if kind == "gcs":
        text = json.dumps({"error": {"code": 403, "message": "AccessDenied"}})
    else:
        text = "<Error><Code>AccessDenied</Code></Error>"
    assert "AccessDenied" in error_of(store, Page(text))


@pytest.mark.parametrize("status", [201, 204, 206, 301, 304, 404, 416, 500])
def test_a_listing_has_status_200(store: FaultyServer, kind: str, status: int) -> None:
    error_of(store, Page(LAST[kind], status))


def test_a_busy_store_may_say_so_with_status_200(stub: FaultyServer) -> None:
    stub.inject("", Page("<Error><Code>SlowDown</Code></Error>"), on=["ListObjectsV2"])
    with pytest.raises(RetryError, match="SlowDown"):
        keys_of(open_source(stub.url))


@pytest.mark.parametrize("tokens", ["aaa", "ababab", "abcabc"])
def test_a_repeated_token_is_an_error(store: FaultyServer, kind: str, tokens: str) -> None:
    before = len(set(tokens))
    pages = Pages(MORE[kind], iter(tokens))
    assert "is repeated" in error_of(store, *[pages] * (before + 1))


def test_a_token_that_repeats_a_page_is_an_error(store: FaultyServer, kind: str) -> None:
    """The page has objects, and leads to itself."""
    ends = {
        "s3": (
            "<IsTruncated>false</IsTruncated>",
            "<IsTruncated>true</IsTruncated><NextContinuationToken>YQ==</NextContinuationToken>",
        ),
        "gcs": ('"items"', '"nextPageToken": "YQ==", "items"'),
        "azure": ("<NextMarker></NextMarker>", "<NextMarker>YQ==</NextMarker>"),
    }
    again = Changed(lambda text: text.replace(*ends[kind]))
    assert "is repeated" in error_of(store, again, again)


def test_endless_pages_without_objects_are_an_error(
    store: FaultyServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "MOST_EMPTY", 20)
    pages = Pages(MORE[kind], map(str, count()))
    assert "without objects" in error_of(store, *[pages] * 21)
    store.inject("", pages, times=19, on=["ListObjectsV2"])
    assert keys_of(open_source(f"{store.url}/")) == list(NAMES)


def test_an_endless_token_is_an_error(store: FaultyServer, kind: str) -> None:
    assert "characters" in error_of(store, Pages(MORE[kind], iter(["x" * (1 << 20)])))


def test_pages_that_are_not_in_order_are_an_error(store: FaultyServer, kind: str) -> None:
    swapped = {
        "s3": lambda text: text.replace("<Key>b</Key>", "<Key>zzz</Key>"),
        "gcs": lambda text: text.replace('"name": "b"', '"name": "a"'),
        "azure": lambda text: text.replace(">b</Name>", ">zzz</Name>"),
    }
    assert "out of order" in error_of(store, Changed(swapped[kind]))


SIZES = ["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "\u0663", "9" * 19, "9" * 5000, "1,1", "many"]


@pytest.mark.parametrize("size", [*SIZES, None])
def test_a_size_that_makes_no_sense_is_an_error(
    store: FaultyServer, kind: str, size: str | None
) -> None:
    forms = {
        "s3": ("<Size>2</Size>", "" if size is None else f"<Size>{size}</Size>"),
        "gcs": ('"size": "2"', "" if size is None else f'"size": "{size}"'),
        "azure": (
            "<Content-Length>2</Content-Length>",
            "" if size is None else f"<Content-Length>{size}</Content-Length>",
        ),
    }
    old, new = forms[kind]
    if kind == "gcs" and size is None:
        old, new = f"{old}, ", new
    error_of(store, Changed(lambda text: text.replace(old, new)))


def test_an_object_without_a_name_is_an_error(store: FaultyServer, kind: str) -> None:
    forms: dict[str, list[tuple[str, str]]] = {
        "s3": [("<Key>b</Key>", ""), ("<Key>b</Key>", "<Key/>"), ("<Key>b<", "<Key><k>b</k><")],
        "gcs": [('"name": "b"', '"n": "b"'), ('"name": "b"', '"name": ""')],
        "azure": [
            ('<Name Encoded="true">b</Name>', ""),
            (">b</Name>", "></Name>"),
            ("<Properties>", "<P><Properties>"),
            ("<Properties>", "<P/><Q>"),
        ],
    }
    for old, new in forms[kind]:
        error_of(store, Changed(lambda text, old=old, new=new: text.replace(old, new)))


ITEM: dict[str, Any] = {"kind": "storage#object", "name": "a", "size": "1", "generation": "7"}


@pytest.mark.parametrize(
    "page",
    [
        {"items": {"a": 1}},
        {"items": "a"},
        {"items": None},
        {"items": [1]},
        {"items": [None]},
        {"items": [[]]},
        {"items": [ITEM | {"name": 1}]},
        {"items": [ITEM | {"name": ["a"]}]},
        {"items": [ITEM | {"name": "\ud800"}]},
        {"items": [ITEM | {"size": []}]},
        {"items": [ITEM | {"size": True}]},
        {"items": [ITEM | {"size": 1.5}]},
        {"items": [ITEM | {"crc32c": 7}]},
        {"items": [ITEM | {"crc32c": "%%%"}]},
        {"items": [ITEM | {"md5Hash": {}}]},
        {"items": [ITEM | {"generation": 7.5}]},
        {"items": [ITEM], "nextPageToken": 7},
        {"items": [ITEM], "nextPageToken": ["x"]},
        {"kind": 1},
    ],
)
def test_json_of_wrong_kinds_is_an_error(use: Callable[..., None], page: dict[str, Any]) -> None:
    with FaultyServer(stub_gcs) as server:
        use(server.env)
        error_of(server, Page(json.dumps({"kind": "storage#objects"} | page)))


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<?xml version="1.0" encoding="utf-7"?>',
        '<?xml version="1.0" encoding="cp037"?>',
        "<!--\0-->",
    ],
)
@pytest.mark.parametrize("name", ["s3", "azure"])
def test_xml_has_neither_entities_nor_other_encodings(
    use: Callable[..., None], name: str, text: str
) -> None:
    with FaultyServer(STUBS[name]) as server:
        use(server.env)
        error_of(server, Page(text + LAST[name]))


def test_large_pages_are_an_error(store: FaultyServer, kind: str) -> None:
    padding = " " * (17 << 20)
    assert "bytes in a page" in error_of(store, Changed(lambda text: text + padding))


@pytest.mark.parametrize("name", ["s3", "azure"])
def test_xml_of_many_elements_is_an_error(use: Callable[..., None], name: str) -> None:
    with FaultyServer(STUBS[name]) as server:
        use(server.env)
        tags = LAST[name].replace("><", f">{'<x/>' * (1 << 20)}<", 1)
        assert "tags" in error_of(server, Page(tags))
        error_of(server, Page(LAST[name].replace("><", f">{'<x>' * (1 << 18)}<", 1)))


def test_json_that_is_nested_deeply_is_an_error(use: Callable[..., None]) -> None:
    with FaultyServer(stub_gcs) as server:
        use(server.env)
        error_of(server, Page("[" * 1_000_000))
        error_of(server, Page('{"kind":' * 100_000))
