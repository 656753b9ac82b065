"""Answer requests that read or list objects as S3 without faults does."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from store.faults import Reply, refusal
from store.servers import s3_environment as env
from store.stub_objects import LAST_MODIFIED, Objects, Part, StubObject

__all__ = ["answer", "env", "parse", "url"]

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True)
class Request:
    """A request; the names of headers are lower-case."""

    method: str
    operation: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]


def url(_endpoint: str) -> str:
    """Return the URL of a source."""
    return "s3://any"


def parse(method: str, target: str, headers: dict[str, str]) -> Request:
    """Return the request for a path-style URL."""
    url = urlsplit(target)
    query = {k: v[-1] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
    bucket, _, key = unquote(url.path).removeprefix("/").partition("/")
    operation = "Unknown"
    if method == "HEAD" and key:
        operation = "HeadObject"
    elif method == "GET" and key:
        operation = "GetObjectAttributes" if "attributes" in query else "GetObject"
    elif method == "GET" and bucket and query.get("list-type") == "2":
        operation = "ListObjectsV2"
    return Request(method, operation, bucket, key, query, headers)


def span(request: Request, stored: StubObject) -> tuple[int, int, Part | None] | None:
    """Return the range of a request and its part, if any; None if the range is invalid."""
    size = len(stored.body)
    if number := request.query.get("partNumber"):
        parts = stored.parts or (Part(0, size, stored.checksum),)
        if not 1 <= int(number) <= len(parts):
            return None
        part = parts[int(number) - 1]
        return part.start, part.start + part.size, part
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if match is None or match[0] == "bytes=-":
        return 0, size, None
    if not match[1]:
        start, stop = max(size - int(match[2]), 0), size
    else:
        start = int(match[1])
        stop = min(int(match[2]) + 1, size) if match[2] else size
    return (start, stop, None) if start < stop else None


def answer(request: Request, stored: StubObject | None, objects: Objects) -> Reply:
    """Return the right answer."""
    if request.operation == "ListObjectsV2":
        return list_objects(request, objects)
    if request.operation == "Unknown":
        return refusal(501, "NotImplemented")
    if stored is None:
        return refusal(404, "NoSuchKey")
    if request.operation == "GetObjectAttributes":
        return attributes(request, stored)
    return read(request, stored)


def read(request: Request, stored: StubObject) -> Reply:
    """Answer GetObject and HeadObject; the checksum is of exactly the bytes sent."""
    if request.headers.get("if-match", stored.etag) not in (stored.etag, "*"):
        return refusal(412, "PreconditionFailed")
    found = span(request, stored)
    if found is None:
        by_part = "partNumber" in request.query
        return refusal(416, "InvalidPartNumber" if by_part else "InvalidRange")
    start, stop, part = found
    partial = part is not None or "range" in request.headers
    headers = {
        "Content-Type": "binary/octet-stream",
        "Accept-Ranges": "bytes",
        "ETag": stored.etag,
        "Last-Modified": LAST_MODIFIED,
    }
    if partial:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(stored.body)}"
    if part is not None and stored.parts:
        headers["x-amz-mp-parts-count"] = str(len(stored.parts))
    checksum = part.checksum if part is not None else None if partial else stored.checksum
    if checksum and request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        headers[f"x-amz-checksum-{stored.algorithm}"] = checksum
        headers["x-amz-checksum-type"] = stored.kind
    return Reply(206 if partial else 200, headers, stored.body[start:stop], start)


def attributes(request: Request, stored: StubObject) -> Reply:
    """Answer GetObjectAttributes: without ``-N``, and with a page of parts with checksums."""
    asked = {name.strip() for name in request.headers.get("x-amz-object-attributes", "").split(",")}
    tag = f"Checksum{(stored.algorithm or '').upper()}"
    text = ""
    if "ETag" in asked:
        text += element("ETag", stored.etag.strip('"'))
    if "Checksum" in asked and stored.checksum:
        digest = stored.checksum.partition("-")[0]
        text += f"<Checksum>{element(tag, digest)}{element('ChecksumType', stored.kind)}</Checksum>"
    if "ObjectParts" in asked and stored.parts:
        text += f"<ObjectParts>{some_parts(request, stored, tag)}</ObjectParts>"
    if "StorageClass" in asked:
        text += element("StorageClass", "STANDARD")
    if "ObjectSize" in asked:
        text += element("ObjectSize", len(stored.body))
    return xml("GetObjectAttributesResponse", text, {"Last-Modified": LAST_MODIFIED})


def some_parts(request: Request, stored: StubObject, tag: str) -> str:
    """Return the content of ObjectParts; parts without checksums are only counted."""
    text = element("PartsCount", len(stored.parts))
    if stored.parts[0].checksum is None:
        return text
    limit = int(request.headers.get("x-amz-max-parts", 1000))
    marker = int(request.headers.get("x-amz-part-number-marker", 0))
    last = min(marker + limit, len(stored.parts))
    text += element("PartNumberMarker", marker) + element("NextPartNumberMarker", last)
    text += element("MaxParts", limit)
    text += element("IsTruncated", "true" if last < len(stored.parts) else "false")
    for number, part in enumerate(stored.parts[marker:last], marker + 1):
        inside = element("PartNumber", number) + element("Size", part.size)
        text += f"<Part>{inside}{element(tag, part.checksum)}</Part>"
    return text


def list_objects(request: Request, objects: Objects) -> Reply:
    """Answer ListObjectsV2; a continuation token is the last key of the previous page."""
    query = request.query
    prefix = query.get("prefix", "")
    limit = min(int(query.get("max-keys", 1000)), 1000)
    after = query.get("start-after", "")
    if token := query.get("continuation-token"):
        after = base64.urlsafe_b64decode(token).decode()
    keys, more = objects.keys_after(prefix, after, limit)
    url_encoded = query.get("encoding-type") == "url"
    text = element("Name", request.bucket) + element("MaxKeys", limit)
    text += element("Prefix", quote(prefix) if url_encoded else prefix)
    text += element("KeyCount", len(keys)) + element("IsTruncated", "true" if more else "false")
    if url_encoded:
        text += element("EncodingType", "url")
    if more:
        next_token = base64.urlsafe_b64encode(keys[-1].encode()).decode()
        text += element("NextContinuationToken", next_token)
    return xml("ListBucketResult", text + "".join(contents(keys, objects, url_encoded)))


def contents(keys: Sequence[str], objects: Objects, url_encoded: bool) -> list[str]:
    """Return a Contents element for each key, with the algorithm of its checksum."""
    entries = []
    for key in keys:
        stored = objects.get(key)
        if stored is None:
            continue
        text = element("Key", quote(key) if url_encoded else key) + element("ETag", stored.etag)
        text += element("LastModified", "2025-01-01T00:00:00.000Z")
        if stored.algorithm:
            text += element("ChecksumAlgorithm", stored.algorithm.upper())
            text += element("ChecksumType", stored.kind)
        text += element("Size", len(stored.body)) + element("StorageClass", "STANDARD")
        entries.append(f"<Contents>{text}</Contents>")
    return entries


def element(tag: str, value: object) -> str:
    """Return ``<tag>value</tag>``."""
    return f"<{tag}>{escape(str(value))}</{tag}>"


def xml(tag: str, inside: str, headers: dict[str, str] | None = None) -> Reply:
    """Return an answer in XML."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{tag} xmlns="{XMLNS}">{inside}</{tag}>'
    return Reply(200, {"Content-Type": "application/xml"} | (headers or {}), text.encode())
