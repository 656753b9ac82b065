"""Read objects with HTTP's GET, from any kind of store."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable

from numcrc.store.objects import Entry
from numcrc.store.source import ChangedError, RetryError, StoreError
from numcrc.store.sources.answers import bare_etag, decimal, error_type, naming, version_of
from numcrc.store.sources.sequences import Sequences
from numcrc.store.sources.transport import Answer, Body, Pool, Stream

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
# Of errors in XML, or in the JSON of Google.
_CODE = re.compile(rb"<Code>([^<]*)</Code>|\"reason\": *\"([^\"]*)\"")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>|\"message\": *\"([^\"]*)\"")


class HttpSource(ABC):
    """The reading that all sources by HTTP share."""

    url: str

    def __init__(self) -> None:
        self._sequences = Sequences(self._from_start)
        self._ranges: bool | None = None
        """Whether the server sends ranges; None: none was requested yet."""
        self._first = threading.Lock()
        """Held while the first range is being requested."""
        self._interruptions = 0
        """How often `interrupt` was called."""

    @abstractmethod
    def _get(self, entry: Entry, headers: dict[str, str], into: Body) -> Answer:
        """Return the `_accepted` answer to a GET of the object in the version of *entry*."""

    @abstractmethod
    def _pools(self) -> Iterable[Pool]:
        """Return all pools of connections."""

    @abstractmethod
    def _described(self, key: str, answer: Answer, size: int) -> Entry:
        """Return the entry of an object of *size* bytes from the headers of an answer."""

    def _accepted(self, answer: Answer) -> Answer:
        """Return an answer that describes an object, or says that a range is beyond its end.

        Raises
        ------
        StoreError
            It is any other answer.
        """
        if answer.status in (200, 206, 416):
            return answer
        with answer:
            raise self._failure(answer)

    def _text(self, answer: Answer) -> bytes:
        """Return the text of an answer with status 200, or raise the error that it is."""
        with answer:
            if answer.status != 200:
                raise self._failure(answer)
            return answer.text()

    def _failure(self, answer: Answer) -> StoreError:
        """Return the exception for an error response."""
        text = answer.text()
        code, message = (
            (match[1] or match[2] or b"").decode(errors="replace").partition("\n")[0]
            if match
            else ""
            for match in (_CODE.search(text), _MESSAGE.search(text))
        )
        code = code or answer.headers.get("x-ms-error-code", "")
        reason = ": ".join(filter(None, (code, message if message != code else "")))[:500]
        return error_type(answer.status, code)(reason or f"HTTP status {answer.status}")

    def _version(self, headers: dict[str, str]) -> str:
        """Return the version in the headers of an answer; empty: none."""
        return version_of(headers.get("etag", ""), headers.get("last-modified", ""))

    def interrupt(self) -> None:
        """End the requests in progress, in all threads: they raise RetryError."""
        self._interruptions += 1
        for pool in self._pools():
            pool.interrupt()
        self._sequences.interrupt()

    def close(self) -> None:
        """Close the connections."""
        self._sequences.close()
        for pool in self._pools():
            pool.close()

    @naming
    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return bytes of an object.

        If the server does not send ranges, each object is read from its start, in one answer.
        """
        if not into:
            return into
        asked = {"range": f"bytes={start}-{start + len(into) - 1}"}
        answer: Answer | None = self._first_range(entry, asked) if self._ranges is None else None
        if answer is None:
            if not self._ranges:
                return self._sequences.read(entry, start, into)
            answer = self._get(entry, asked, into)
        if is_whole(answer):
            self._ranges = False
            self._check_whole(entry, answer)
            return self._sequences.read(entry, start, into, answer)
        with answer:
            return self._range(entry, start, into, answer)

    def _range(self, entry: Entry, start: int, into: memoryview, answer: Answer) -> memoryview:
        """Return the bytes in the answer to a request for a range."""
        match = _RANGE.match(answer.headers.get("content-range", ""))
        size = decimal(match[2]) if match is not None and match[2] != "*" else None
        if answer.status == 416:
            if size is None:
                size = entry.size
            if size is None or size > start:
                raise StoreError(f"the store has no bytes from {start} on")
            self._check_unchanged(entry, answer, size)
            return into[:0]
        self._check_unchanged(entry, answer, size)
        if match is None or match[1] is None or size is None or decimal(match[1]) != start:
            # Without the size, the object may go on after its last range.
            found = answer.headers.get("content-range", "no range")
            raise StoreError(f"expected bytes from {start} on and the size, got {found[:80]}")
        data = answer.readinto(into)
        if answer.cut or (answer.length or 0) > len(into):
            raise StoreError(f"expected {len(into)} bytes, got more")
        if len(data) < len(into) and start + len(data) < size:
            raise RetryError(f"expected {len(into)} bytes, got {len(data)}")
        return data

    def _first_range(self, entry: Entry, asked: dict[str, str]) -> Answer | None:
        """Return the answer to the first request for a range; None: another thread has it."""
        interruptions = self._interruptions
        with self._first:
            if self._ranges is not None:
                return None
            if self._interruptions != interruptions:
                raise RetryError("interrupted")
            answer = self._get(entry, asked, "stream")
            self._ranges = not is_whole(answer)
            return answer

    @naming
    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return a whole object, and its entry from the headers of the same answer."""
        answer = self._get(entry, {}, into)
        require_whole(answer)
        self._check_unchanged(entry, answer, None)
        if answer.cut:
            raise ChangedError(f"expected {len(into)} bytes, got more")
        data = answer.body
        if entry.size is not None and len(data) != entry.size:
            raise ChangedError(f"expected {entry.size} bytes, got {len(data)}")
        return self._described(entry.key, answer, len(data)), data

    def _from_start(self, entry: Entry) -> Stream:
        """Return an object to read from its start."""
        answer = self._get(entry, {}, "stream")
        assert isinstance(answer, Stream)
        self._check_whole(entry, answer)
        return answer

    def _check_whole(self, entry: Entry, answer: Answer) -> None:
        """Raise the error that an answer is if it is not about the whole object, and close it."""
        try:
            require_whole(answer)
            self._check_unchanged(entry, answer, answer.length)
        except BaseException:
            answer.close()
            raise

    def _check_unchanged(self, entry: Entry, answer: Answer, size: int | None) -> None:
        """Raise ChangedError if the object is another: not every server honours If-Match."""
        found = self._version(answer.headers)
        if entry.version and found and bare_etag(found) != bare_etag(entry.version):
            raise ChangedError(f"expected version {entry.version}, got {found}")
        if entry.size is not None and size is not None and size != entry.size:
            raise ChangedError(f"expected {entry.size} bytes, got {size}")


def is_whole(answer: Answer) -> bool:
    """Return whether an answer is about a whole object, rather than a range or an error."""
    return answer.status == 200 and "content-range" not in answer.headers


def require_whole(answer: Answer) -> None:
    """Raise StoreError unless `is_whole`."""
    if not is_whole(answer):
        raise StoreError(f"expected a whole object, got HTTP status {answer.status}")


def whole_size(answer: Answer) -> int:
    """Return the size of a whole object from the answer to HEAD."""
    require_whole(answer)
    if "content-length" not in answer.headers:
        raise StoreError("the store did not send its size")
    return decimal(answer.headers["content-length"])


def if_match(version: str) -> dict[str, str]:
    """Return the header with which a server rejects another version; none without an ETag."""
    return {"if-match": version} if version.startswith('"') else {}
