"""Fuzz what stores answer: listings, descriptions of objects, and whole HTTP answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from unittest import mock
from urllib.parse import quote

from store import stub_azure, stub_gcs, stub_s3
from store.stub_objects import DictOfObjects, StubObject

from fuzz.kinds import ByteTarget
from numcrc.checksums import find, reason
from numcrc.store.compare import Comparison
from numcrc.store.hashing import Tally
from numcrc.store.keys import key_bytes
from numcrc.store.merge import Pair
from numcrc.store.objects import Entry, State
from numcrc.store.source import StoreError
from numcrc.store.sources import web
from numcrc.store.sources.azure import AzureSource
from numcrc.store.sources.bucket import Bucket
from numcrc.store.sources.gcs import GcsSource
from numcrc.store.sources.http import HttpSource
from numcrc.store.sources.s3 import S3Source
from numcrc.store.sources.transport import Pool
from numcrc.store.sources.web import WebSource

T = TypeVar("T")

KEY, BODY = "a/b", b"123456789"
START, COUNT = 3, 4
"""The range that is read."""
ROOM = 64
"""Bytes of memory for a whole object."""
PATIENCE = 5.0
"""Seconds without a byte; the server ends every answer at once."""
KINDS = ("s3", "gcs", "azure", "web")
STUBS: dict[str, Any] = {"s3": stub_s3, "gcs": stub_gcs, "azure": stub_azure}
TOKENS = (
    *(b"<ListBucketResult", b"<EnumerationResults", b"<Blobs>", b"</Blobs>", b"<NextMarker/>"),
    *(b"<IsTruncated>true</IsTruncated>", b"<NextContinuationToken>", b"<KeyCount>", b"<Contents>"),
    *(b"<Key>", b"<Size>", b"<EncodingType>url</EncodingType>", b"<CommonPrefixes>", b"<Error>"),
    *(b"<RestoreStatus><RestoreExpiryDate>", b"<StorageClass>GLACIER</StorageClass>", b"xmlns="),
    *(b"<Code>SlowDown</Code>", b"<Message>", b'<Name Encoded="true">', b"<Properties>"),
    *(b"<!DOCTYPE", b"<![CDATA[", b"&lt;", b"&#0;", b"%00", b"%FF", b"-1", b"9223372036854775808"),
    *(b'"kind": "storage#objects"', b'"items": [', b'"nextPageToken": "', b'"size": ', b"NaN"),
    *(b'"name": "', b'"generation": "', b'"crc32c": "', b'"md5Hash": "', b"\\ud800", b"1e400"),
)
HEADERS = (
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b" 206 ", b" 416 ", b" 302 ", b" 404 ", b" 503 "),
    *(
        b"Content-Length: ",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n\r\n",
    ),
    *(b"Content-Range: bytes 3-6/9", b"bytes */9", b"ETag: ", b'W/"', b"Location: http://", b"%"),
    *(b"x-amz-checksum-crc32c: 4waSgw==", b"x-amz-checksum-type: COMPOSITE", b"-2", b"FULL_OBJECT"),
    *(b"x-amz-checksum-sha256: ", b'"e807f1fcf82d132f9bb018ca6738a19f-1"', b"x-amz-mp-parts-count"),
    *(b"x-goog-hash: crc32c=4waSgw==", b"x-goog-generation: 1", b"x-goog-stored-content-encoding"),
    *(b"Content-MD5: ", b"x-ms-error-code: ", b"x-ms-access-tier: Archive", b"Last-Modified: "),
    *(b"Content-Encoding: gzip", b"HTTP/1.1 100 Continue\r\n\r\n", b"0\r\n\r\n", b"1;a=b\r\n"),
)


class Answer:
    """An answer that has arrived."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, into: Any = None) -> None:
        self.status, self.headers, self._rest = status, headers, memoryview(body)
        self.length = len(body)
        self.cut = isinstance(into, memoryview) and len(body) > len(into)
        self.body = self._rest if into is None else self._rest[: len(into)]

    def text(self) -> bytes:
        """Return the rest of the body."""
        return bytes(self._rest)

    def readinto(self, into: memoryview) -> memoryview:
        """Return some of it."""
        found, self._rest = self._rest[: len(into)], self._rest[len(into) :]
        into[: len(found)] = found
        return into[: len(found)]

    def skip(self, count: int) -> None:
        """Drop some of it."""
        self._rest = self._rest[count:]

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class Access:
    """Stands for the connections of a source: the answer to each request comes from *make*."""

    anonymous = False

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def ask(
        self,
        method: str,
        target: str = "",
        *more: Mapping[str, str] | memoryview | str | None,
    ) -> Any:
        """Return an answer; *more* are query and headers, or headers, and perhaps memory."""
        mappings = [each for each in more if isinstance(each, Mapping)]
        memory = [each for each in more if not isinstance(each, Mapping)]
        return self._make(method, target, mappings[-1] if mappings else {}, *memory)

    def close(self) -> None:
        """Do nothing."""


def opened(kind: str, make: Callable[..., Any]) -> Bucket:
    """Return a bucket whose requests are answered by *make*."""
    kinds: dict[str, type[Bucket]] = {"s3": S3Source, "gcs": GcsSource, "azure": AzureSource}
    source: Any = kinds[kind].__new__(kinds[kind])
    Bucket.__init__(source, f"{kind}://bucket/")
    source._access = source._pool = Access(make)
    source._credentials, source._objects, source._container = None, "/o", "bucket"
    return source  # type: ignore[no-any-return]


def outcome(call: Callable[[], T], name: str) -> T | None:
    """Return what *call* returns, or None if it raises a `StoreError` about *name*."""
    try:
        return call()
    except StoreError as error:
        text = str(error)
        assert text.startswith(f"{name}: "), f"{name!r} is not named: {text!r}"
        assert text.removeprefix(f"{name}: ").isprintable(), text
        return None


def check_entry(entry: Entry) -> None:
    """Check that all of *entry* is as its classes say."""
    assert type(entry.key) is str
    assert key_bytes(entry.key)
    assert entry.size is None or (type(entry.size) is int and 0 <= entry.size < 2**63)
    assert type(entry.version) is str
    assert type(entry.archived) is type(entry.complete) is bool
    for checksum in entry.checksums:
        assert type(checksum.algorithm) is str
        assert type(checksum.value) is bytes
        assert 0 <= checksum.composite <= 10_000
        assert all(type(part.size) is int and part.size >= 0 for part in checksum.parts)


def list_pages(data: bytes) -> None:
    """Read a listing, each page of which is the input."""
    kind = KINDS[data[0] % 3] if data else "s3"
    source = opened(kind, lambda *_request: Answer(200, {}, data[1:]))
    last = b""
    for entry in outcome(lambda: list(islice(source.entries(), 5000)), source.url) or ():
        check_entry(entry)
        assert last < key_bytes(entry.key)
        last = key_bytes(entry.key)


def describe(data: bytes) -> None:
    """Read an object, or what the store knows of it; every answer is the input."""
    kind = KINDS[data[0] % 3] if data else "s3"
    head, _, body = data[1:].partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = int(first) if first.isascii() and first.isdecimal() and len(first) == 3 else 200
    ask(opened(kind, lambda _m, _t, _h, into=None: Answer(status, headers, body, into)), body)


def ask(source: HttpSource, body: bytes | None) -> None:
    """Read an object in three ways; if its body is known, it is that, and a match is right."""
    source_of: Any = source
    if (entry := outcome(lambda: source_of.stat(KEY), KEY)) is not None:
        assert entry.key == KEY
        check_entry(entry)
    view = outcome(
        lambda: source.read(Entry(KEY), START, memoryview(bytearray(COUNT))),
        KEY,
    )
    assert view is None or len(view) <= COUNT
    found = outcome(lambda: source.fetch(Entry(KEY), memoryview(bytearray(ROOM))), KEY)
    if found is not None:
        assert body is None or bytes(found[1]) == body
        check_entry(found[0])
        check_verdict(*found)


def check_verdict(entry: Entry, view: memoryview) -> None:
    """Check that an object matches only if one of its own checksums is right."""
    comparison = Comparison("full", own=True, listed=False, against=False)
    pair = Pair(KEY, None, None)
    wanted = comparison.wanted(pair, entry)
    tally = Tally(len(view), wanted, entry.checksums)
    tally.add(0, iter((view,)))
    result = comparison.verdict(pair, entry, wanted, tally.found())
    if result.state is State.MATCH:
        known = [each for each in wanted if not reason(each.algorithm)]
        right = [each for each in known if find(each.algorithm).of(view) == each.value]
        assert right or any(each.composite for each in known), result


def converse(data: bytes) -> None:
    """Read from a server whose every answer is the input, after which it hangs up."""
    kind = KINDS[data[0] % 4] if data else "web"
    with serving(data[1:]) as endpoint, mock.patch.object(web, "Pool", partial(_pool, endpoint)):
        if kind == "web":
            source: HttpSource = WebSource(endpoint, PATIENCE)
        else:
            pool = Pool(endpoint, PATIENCE)

            def make(method: str, target: str, headers: Mapping[str, str], *into: Any) -> Any:
                return pool.ask(method, f"/{quote(target)}", headers, *into)

            source = opened(kind, make)
            source._pools = lambda: (pool,)  # type: ignore[attr-defined]
        try:
            ask(source, None)
            if isinstance(source, Bucket):
                outcome(partial(list, islice(source.entries(), 100)), source.url)
        finally:
            source.close()  # type: ignore[attr-defined]
            if kind != "web":
                pool.close()


def _pool(endpoint: str, base: str, *options: Any) -> Pool:
    """Return connections to a server, or raise StoreError if it is another one."""
    if not base.startswith(endpoint):
        raise StoreError("another server")
    return Pool(base, *options)


@contextmanager
def serving(data: bytes) -> Iterator[str]:
    """Answer every request with *data*, and hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(PATIENCE)
                    request = b""
                    while not request.endswith(b"\r\n\r\n"):
                        request += (piece := connection.recv(1 << 16))
                        if not piece:
                            break
                    else:
                        connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            ended.set()
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), PATIENCE).close()
            thread.join()


def _objects() -> DictOfObjects:
    objects = DictOfObjects()
    for key in ("a", KEY, "caf\u00e9", "z z"):
        objects[key] = StubObject.of(BODY, "crc32c")
    return objects


def _request(kind: str, method: str, key: str, **headers: str) -> Any:
    """Return the request of a source of this *kind*."""
    if kind == "gcs":
        path = f"/storage/v1/b/bucket/o{'/' if key else ''}{quote(key, '')}"
        target = path if method == "HEAD" or not key else f"{path}?alt=media"
    else:
        target = f"{'/account' if kind == 'azure' else ''}/bucket/{quote(key)}"
        target += "" if key else "?list-type=2&encoding-type=url"
    return STUBS[kind].parse(method, target, headers)


def page_seeds() -> Iterator[bytes]:
    """Yield right listings, one with a token, and errors."""
    objects = _objects()
    for number, kind in enumerate(STUBS):
        reply = STUBS[kind].answer(_request(kind, "GET", ""), None, objects)
        yield bytes([number]) + reply.body
        more = {
            "s3": reply.body.replace(
                b"<IsTruncated>false</IsTruncated>",
                b"<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>",
            ),
            "gcs": json.dumps(json.loads(reply.body or b"{}") | {"nextPageToken": "x"}).encode()
            if kind == "gcs"
            else b"",
            "azure": reply.body.replace(b"<NextMarker>", b"<NextMarker>x"),
        }
        yield bytes([number]) + more[kind]
        yield bytes([number]) + b"<Error><Code>SlowDown</Code><Message>busy</Message></Error>"


def _replies() -> Iterator[tuple[int, Any]]:
    objects = _objects()
    body = StubObject.of(BODY, "crc32c", part_size=5, kind="COMPOSITE")
    for number, kind in enumerate(STUBS):
        for key, stored in ((KEY, objects[KEY]), ("none", None)):
            for headers in ({}, {"range": "bytes=3-6"}, {"range": "bytes=30-36"}):
                headers = {"x-amz-checksum-mode": "ENABLED", **headers}
                request = _request(kind, "GET", key, **headers)
                yield number, STUBS[kind].answer(request, stored, objects)
        if kind != "azure":
            yield number, STUBS[kind].answer(_request(kind, "HEAD", KEY), objects[KEY], objects)
    request = _request("s3", "GET", KEY, **{"x-amz-checksum-mode": "ENABLED"})
    yield 0, stub_s3.answer(request, body, objects)
    attributes = stub_s3.parse(
        "GET", f"/bucket/{KEY}?attributes", {"x-amz-object-attributes": "ObjectParts"}
    )
    yield 0, stub_s3.answer(attributes, body, objects)


def object_seeds() -> Iterator[bytes]:
    """Yield right answers about objects: status, headers and body."""
    for number, reply in _replies():
        lines = [f"{name}: {value}" for name, value in reply.headers.items()]
        if not any("ontent-Length" in line for line in lines):
            lines.append(f"Content-Length: {len(reply.body)}")
        head = "\n".join([str(reply.status), *lines])
        yield bytes([number]) + head.encode() + b"\n\n" + reply.body


def http_seeds() -> Iterator[bytes]:
    """Yield whole answers, in each framing, and a redirect."""
    for number, reply in _replies():
        lines = [f"HTTP/1.1 {reply.status} Status"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        head = "".join(f"{line}\r\n" for line in lines).encode()
        size = len(reply.body)
        yield bytes([number]) + head + b"Content-Length: %d\r\n\r\n" % size + reply.body
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (size, reply.body)
        yield bytes([3]) + head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        yield bytes([3]) + head + b"Connection: close\r\n\r\n" + reply.body
    for page in page_seeds():
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(page) - 1)
        yield page[:1] + head + page[1:]
    yield b"\3HTTP/1.1 302 Found\r\nLocation: /x?y=z\r\nContent-Length: 0\r\n\r\n"
    yield b"\3HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + BODY


TARGETS = (
    ByteTarget("listings", "listings of S3, Google and Azure", list_pages, page_seeds, TOKENS),
    ByteTarget(
        "objects",
        "headers and bodies of objects of S3, Google and Azure",
        describe,
        object_seeds,
        TOKENS + HEADERS,
    ),
    ByteTarget(
        "http", "whole HTTP answers through a socket", converse, http_seeds, TOKENS + HEADERS
    ),
)
