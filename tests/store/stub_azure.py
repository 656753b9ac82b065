"""The reading half of Azure Blob Storage: the answer of a store without faults."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, quote, unquote, urlsplit

from store.faults import Reply, refusal
from store.stub_objects import LAST_MODIFIED, Objects, StubObject
from store.stub_s3 import Request, element, span

KEY = base64.b64encode(bytes(64)).decode()


def env(endpoint: str) -> dict[str, str]:
    """Return the environment variables that lead a client to this server."""
    where = f"AccountName=account;AccountKey={KEY};BlobEndpoint={endpoint}/account"
    return {"AZURE_STORAGE_CONNECTION_STRING": where}


def url(_endpoint: str) -> str:
    """Return the URL of a source."""
    return "az://any"


def parse(method: str, target: str, headers: dict[str, str]) -> Request:
    """Return the request; its operations have the names of those of S3."""
    found = urlsplit(target)
    query = {k: v[-1] for k, v in parse_qs(found.query, keep_blank_values=True).items()}
    container, _, key = found.path.removeprefix("/account/").partition("/")
    operation = "ListObjectsV2" if not key else "HeadObject" if method == "HEAD" else "GetObject"
    return Request(method, operation, unquote(container), unquote(key), query, headers)


def answer(request: Request, stored: StubObject | None, objects: Objects) -> Reply:
    """Return the right answer."""
    if request.operation == "ListObjectsV2":
        return list_objects(request, objects)
    if stored is None:
        return refusal(404, "BlobNotFound")
    if request.headers.get("if-match", stored.etag) != stored.etag:
        return refusal(412, "ConditionNotMet")
    found = span(request, stored)
    if found is None:
        return refusal(416, "InvalidRange")
    start, stop, _ = found
    partial = "range" in request.headers
    headers = {"ETag": stored.etag, "Last-Modified": LAST_MODIFIED, "x-ms-blob-type": "BlockBlob"}
    headers["x-ms-blob-content-md5" if partial else "Content-MD5"] = md5(stored)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(stored.body)}"
    return Reply(206 if partial else 200, headers, stored.body[start:stop], start)


def list_objects(request: Request, objects: Objects) -> Reply:
    """Answer a listing; the marker is the last name of the page before."""
    limit = min(int(request.query.get("maxresults", 5000)), 5000)
    after = request.query.get("marker", "")
    keys, more = objects.keys_after(request.query.get("prefix", ""), after, limit)
    blobs = ""
    for key in keys:
        stored = objects.get(key)
        if stored is not None:
            inside = element("Content-Length", len(stored.body)) + element(
                "Content-MD5", md5(stored)
            )
            inside += element("Etag", stored.etag.strip('"'))
            name = f'<Name Encoded="true">{quote(key)}</Name>'
            blobs += f"<Blob>{name}<Properties>{inside}</Properties></Blob>"
    marker = element("NextMarker", keys[-1] if more else "")
    text = f"<EnumerationResults><Blobs>{blobs}</Blobs>{marker}</EnumerationResults>"
    body = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>' + text.encode()
    return Reply(200, {"Content-Type": "application/xml"}, body)


def md5(stored: StubObject) -> str:
    """Return the checksum that the store keeps."""
    return base64.b64encode(bytes.fromhex(stored.etag.strip('"'))).decode()
