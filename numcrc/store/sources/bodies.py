"""Objects read by HTTP's GET, whatever store they are in."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from email.utils import parsedate_to_datetime
from functools import lru_cache

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


class Bodies(ABC):
    """What reading has in common."""

    @abstractmethod
    def _get(self, entry: Entry, headers: dict[str, str]) -> Answer:
        """Return the answer to a GET of the object as it was when *entry* was made.

        Of status 200, 206 or 416; `failure` tells what to raise for others.
        """

    @abstractmethod
    def _told(self, key: str, answer: Answer, size: int) -> Entry:
        """Return what the headers of an answer tell of an object of that size."""

    def _version(self, headers: dict[str, str]) -> str:
        """Return the version that headers tell; empty: none."""
        return version(headers.get("etag", ""), headers.get("last-modified", ""))

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return some bytes of an object; of a server that sends all of it, after skipping."""
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
                self._check(entry, answer, size)
                return into[:0]
            self._check(entry, answer, size)
            if whole:
                answer.skip(start)
            elif match is None or match[1] is None or int(match[1]) != start:
                raise StoreError(f"{entry.key}: the store answered with other bytes than asked for")
            data = answer.readinto(into)
        if len(data) < len(into) and size is not None and start + len(data) < size:
            raise RetryError(f"{entry.key}: the store sent {len(data)} of {len(into)} bytes")
        return data

    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return a whole object, and what the headers tell of it."""
        with self._get(entry, {}) as answer:
            self._check(entry, answer, None)
            data = answer.readinto(into)
            if (answer.length or 0) > len(into) or (
                answer.length is None and answer.readinto(memoryview(bytearray(1)))
            ):
                raise ChangedError(f"{entry.key}: it is longer than {len(into)} bytes")
        return self._told(entry.key, answer, len(data)), data

    def _check(self, entry: Entry, answer: Answer, size: int | None) -> None:
        """Raise if the object is another: not every server heeds If-Match."""
        found = self._version(answer.headers)
        if entry.version and found and found != entry.version:
            raise ChangedError(f"{entry.key}: it is not the object that was listed")
        if entry.size is not None and size is not None and size != entry.size:
            raise ChangedError(f"{entry.key}: it has {size} bytes, no longer {entry.size}")


@lru_cache(1024)
def version(etag: str, modified: str) -> str:
    """Return an ETag, or where there is none the time, in seconds, of an HTTP or ISO date."""
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


def unchanged(entry: Entry) -> dict[str, str]:
    """Return the header that makes a server refuse another version, where there can be one."""
    return {"if-match": entry.version} if entry.version.startswith('"') else {}


def failure(answer: Answer, what: str) -> StoreError:
    """Return what a refusal means, once its body is read."""
    text = answer.text()
    code, message = (
        (match[1] or match[2] or b"").decode(errors="replace").partition("\n")[0] if match else ""
        for match in (_CODE.search(text), _MESSAGE.search(text))
    )
    code = code or answer.headers.get("x-ms-error-code", "")
    said = ": ".join(filter(None, (code, message if message != code else "")))[:500]
    return kind_of(answer.status, code)(f"{what}: {said or f'HTTP status {answer.status}'}")


def kind_of(status: int, code: str) -> type[StoreError]:
    """Return the exception for a status and a store's own word for it."""
    if code in _ARCHIVED:
        return ArchivedError
    if code in _BUSY or status in (408, 425, 429) or (status >= 500 and status not in (501, 505)):
        return RetryError
    if status == 412:
        return ChangedError
    if status in (404, 410) and code not in ("NoSuchBucket", "ContainerNotFound"):
        return MissingError
    return StoreError
