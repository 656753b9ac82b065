"""Read objects with HTTP's GET, from any kind of store."""

from __future__ import annotations

import base64
import binascii
import re
from abc import ABC, abstractmethod
from email.utils import parsedate_to_datetime
from functools import lru_cache
from xml.etree import ElementTree

from numcrc.store.objects import Entry
from numcrc.store.source import (
    ArchivedError,
    ChangedError,
    MissingError,
    RetryError,
    StoreError,
)
from numcrc.store.sources.wire import Answer

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_CODE = re.compile(rb"<Code>([^<]*)</Code>|\"reason\": *\"([^\"]*)\"")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>|\"message\": *\"([^\"]*)\"")
_BUSY = {
    *("SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestTimeoutException"),
    *("InternalError", "ServiceUnavailable", "OperationAborted", "ServerBusy", "rateLimitExceeded"),
    *("PriorRequestNotComplete", "BandwidthLimitExceeded", "RequestLimitExceeded"),
}
_ARCHIVED = {"InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"}


class HttpSource(ABC):
    """The reading that all sources by HTTP share."""

    @abstractmethod
    def _get(self, entry: Entry, headers: dict[str, str]) -> Answer:
        """Return the `accepted` answer to a GET of the object in the version of *entry*."""

    @abstractmethod
    def _described(self, key: str, answer: Answer, size: int) -> Entry:
        """Return the entry of an object of *size* bytes from the headers of an answer."""

    def _version(self, headers: dict[str, str]) -> str:
        """Return the version in the headers of an answer; empty: none."""
        return version(headers.get("etag", ""), headers.get("last-modified", ""))

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return bytes of an object; if the server sends all of it, skip those before *start*."""
        if not into:
            return into
        with self._get(entry, {"range": f"bytes={start}-{start + len(into) - 1}"}) as answer:
            whole = answer.status == 200 and "content-range" not in answer.headers
            match = _RANGE.match(answer.headers.get("content-range", ""))
            size = answer.length if whole else None
            if match is not None and match[2] != "*":
                size = int(match[2])
            if answer.status == 416:
                if size is None:
                    size = entry.size
                if size is None or size > start:
                    raise StoreError(f"{entry.key}: the store has no bytes from {start} on")
                self._check_unchanged(entry, answer, size)
                return into[:0]
            self._check_unchanged(entry, answer, size)
            if whole:
                answer.skip(start)
            elif match is None or match[1] is None or int(match[1]) != start:
                found = answer.headers.get("content-range", "no range")
                raise StoreError(f"{entry.key}: expected bytes from {start} on, got {found[:80]}")
            data = answer.readinto(into)
        if len(data) < len(into) and size is not None and start + len(data) < size:
            raise RetryError(f"{entry.key}: expected {len(into)} bytes, got {len(data)}")
        return data

    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return a whole object, and its entry from the headers of the same answer."""
        with self._get(entry, {}) as answer:
            self._check_unchanged(entry, answer, None)
            data = answer.readinto(into)
            if (answer.length or 0) > len(into) or (
                answer.length is None and answer.readinto(memoryview(bytearray(1)))
            ):
                raise ChangedError(f"{entry.key}: expected {len(into)} bytes, got more")
        return self._described(entry.key, answer, len(data)), data

    def _check_unchanged(self, entry: Entry, answer: Answer, size: int | None) -> None:
        """Raise ChangedError if the object is another: not every server honours If-Match."""
        found = self._version(answer.headers)
        if entry.version and found and found != entry.version:
            raise ChangedError(f"{entry.key}: expected version {entry.version}, got {found}")
        if entry.size is not None and size is not None and size != entry.size:
            raise ChangedError(f"{entry.key}: expected {entry.size} bytes, got {size}")


def without_login(url: str) -> str:
    """Return *url* without user and password, for messages.

    Examples
    --------
    >>> without_login("https://user:secret@server/a")
    'https://server/a'
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def accepted(answer: Answer, method: str) -> bool:
    """Return whether an answer describes an object, or says that a range is beyond its end."""
    return answer.status in (200, 206) or (answer.status == 416 and method == "GET")


def content_length(answer: Answer, key: str) -> int:
    """Return the size of an object from the answer to HEAD."""
    size = answer.headers.get("content-length", "")
    if not size.isdecimal():
        raise StoreError(f"{key}: the store did not send its size")
    return int(size)


@lru_cache(1024)
def version(etag: str, modified: str) -> str:
    """Return the ETag; without one, the time in seconds of an HTTP or ISO date.

    Examples
    --------
    >>> version('"abc"', ""), version("", "Wed, 01 Jan 2025 00:00:00 GMT")
    ('"abc"', 'time 1735689600')
    """
    if etag.strip('"'):
        return etag
    if not modified:
        return ""
    try:
        if "T" in modified[:11]:
            from datetime import datetime

            return f"time {datetime.fromisoformat(modified[:19] + '+00:00').timestamp():.0f}"
        return f"time {parsedate_to_datetime(modified).timestamp():.0f}"
    except ValueError:
        return ""


def if_match(version: str) -> dict[str, str]:
    """Return the header with which a server rejects another version; none without an ETag."""
    return {"if-match": version} if version.startswith('"') else {}


def failure(answer: Answer, name: str) -> StoreError:
    """Return the exception for an error response about the object or URL *name*."""
    text = answer.text()
    code, message = (
        (match[1] or match[2] or b"").decode(errors="replace").partition("\n")[0] if match else ""
        for match in (_CODE.search(text), _MESSAGE.search(text))
    )
    code = code or answer.headers.get("x-ms-error-code", "")
    reason = ": ".join(filter(None, (code, message if message != code else "")))[:500]
    return error_type(answer.status, code)(f"{name}: {reason or f'HTTP status {answer.status}'}")


def error_type(status: int, code: str) -> type[StoreError]:
    """Return the exception type for an HTTP status and a store's error code.

    Examples
    --------
    >>> error_type(503, "SlowDown").__name__, error_type(403, "AccessDenied").__name__
    ('RetryError', 'StoreError')
    """
    if code in _ARCHIVED:
        return ArchivedError
    if code in _BUSY or status in (408, 425, 429) or (status >= 500 and status not in (501, 505)):
        return RetryError
    if status == 412:
        return ChangedError
    if status in (404, 410) and code not in ("NoSuchBucket", "ContainerNotFound"):
        return MissingError
    return StoreError


def base64_bytes(text: str) -> bytes:
    """Return the bytes of a checksum in base64, or raise StoreError."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise StoreError(f"invalid checksum in base64: {text[:80]!r}") from None


def xml_root(text: bytes) -> tuple[ElementTree.Element, str]:
    """Return the root of an XML response, and the namespace in front of its tags."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise StoreError(f"the response is not XML: {error}") from None
    return root, root.tag[: root.tag.rindex("}") + 1] if "}" in root.tag else ""
