"""The reading half of Google Cloud Storage's JSON API: the answer of a store without faults."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from store.faults import Reply
from store.stub_objects import Objects, StubObject, base64_digest
from store.stub_s3 import Request, span

PATH = "/storage/v1/b/"


def env(endpoint: str) -> dict[str, str]:
    """Return the environment variables that lead a client to this server."""
    return {"STORAGE_EMULATOR_HOST": endpoint}


def url(_endpoint: str) -> str:
    """Return the URL of a source."""
    return "gs://any"


def parse(method: str, target: str, headers: dict[str, str]) -> Request:
    """Return the request; its operations have the names of those of S3."""
    found = urlsplit(target)
    query = {k: v[-1] for k, v in parse_qs(found.query, keep_blank_values=True).items()}
    bucket, _, key = found.path.removeprefix(PATH).partition("/o")
    operation = "ListObjectsV2"
    if key:
        operation = "GetObject" if query.get("alt") == "media" else "HeadObject"
    return Request(method, operation, bucket, unquote(key[1:]), query, headers)


def answer(request: Request, stored: StubObject | None, objects: Objects) -> Reply:
    """Return the right answer."""
    if request.operation == "ListObjectsV2":
        return list_objects(request, objects)
    if stored is None:
        return refusal(404, "notFound")
    if request.operation == "HeadObject":
        return json_reply(described(request.key, stored))
    if request.query.get("ifGenerationMatch", generation(stored)) != generation(stored):
        return refusal(412, "conditionNotMet")
    found = span(request, stored)
    if found is None:
        return refusal(416, "requestedRangeNotSatisfiable")
    start, stop, _ = found
    headers = {"x-goog-generation": generation(stored)}
    if "range" in request.headers:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(stored.body)}"
    headers["x-goog-hash"] = f"crc32c={crc32c(stored)},md5={md5(stored)}"
    status = 206 if "range" in request.headers else 200
    return Reply(status, headers, stored.body[start:stop], start)


def list_objects(request: Request, objects: Objects) -> Reply:
    """Answer a listing; the token is the last name of the page before."""
    after = request.query.get("pageToken", "")
    start, end = request.query.get("startOffset", ""), request.query.get("endOffset")
    if start and not after:
        last = ord(start[-1])
        after = start[:-1] + (chr(last - 1) + "\U0010ffff" if last else "")
    keys, more = objects.keys_after(request.query.get("prefix", ""), after, 1000)
    keys = [key for key in keys if key >= start]
    if end and any(key >= end for key in keys):
        keys, more = [key for key in keys if key < end], False
    found = [(key, objects.get(key)) for key in keys]
    page: dict[str, Any] = {"kind": "storage#objects"}
    page["items"] = [described(key, stored) for key, stored in found if stored is not None]
    if more:
        page["nextPageToken"] = keys[-1]
    return json_reply(page)


def described(key: str, stored: StubObject) -> dict[str, Any]:
    """Return the metadata of an object."""
    found = {"kind": "storage#object", "name": key, "size": str(len(stored.body))}
    found["generation"] = generation(stored)
    return found | {"crc32c": crc32c(stored), "md5Hash": md5(stored)}


def generation(stored: StubObject) -> str:
    """Return a number that changes with the content."""
    return str(int(stored.etag.strip('"')[:12], 16))


def crc32c(stored: StubObject) -> str:
    """Return the checksum that the store keeps, or that of the body."""
    kept = stored.checksum if stored.algorithm == "crc32c" else None
    return kept or base64_digest("crc32c", stored.body)


def md5(stored: StubObject) -> str:
    """Return the checksum that the store keeps."""
    return base64.b64encode(bytes.fromhex(stored.etag.strip('"'))).decode()


def refusal(status: int, reason: str) -> Reply:
    """Return an error."""
    errors = [{"reason": reason, "message": reason}]
    return json_reply({"error": {"code": status, "errors": errors, "message": reason}}, status)


def json_reply(value: object, status: int = 200) -> Reply:
    """Return an answer in JSON."""
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())
