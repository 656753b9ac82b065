"""Read the texts of stores' answers, and report invalid ones as `StoreError`, with their object."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from xml.etree import ElementTree

from numcrc.checkfiles.names import visible
from numcrc.store.objects import Entry
from numcrc.store.source import ArchivedError, ChangedError, MissingError, RetryError, StoreError

LARGEST_PAGE = 16 << 20
"""Bytes of a page of a listing: 1000 objects with keys of 1024 characters take half of that."""
MOST_TAGS = 1 << 19
"""Tags of an XML document; so parsing one takes less than 100 MB."""
LARGEST_SIZE = (1 << 63) - 1
"""Bytes of an object."""
LONGEST_ETAG = 1024
"""Characters."""
_BUSY = {
    *("SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestTimeoutException"),
    *("InternalError", "ServiceUnavailable", "OperationAborted", "ServerBusy", "rateLimitExceeded"),
    *("PriorRequestNotComplete", "BandwidthLimitExceeded", "RequestLimitExceeded"),
}
_ARCHIVED = {"InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"}
_NUMBER = re.compile("[0-9]{1,19}")
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)""")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def named(error: Exception, name: str, where: str = "") -> StoreError:
    """Return *error* as a `StoreError` whose text begins with *name*, a key or a URL.

    Control characters in the rest of the text, which a store may have sent, are escaped.

    Parameters
    ----------
    error : Exception
        A `StoreError`, whose type is kept; or any other error, which an answer caused that the
        code does not expect.
    name : str
        The object or the source that the answer is about.
    where : str
        The part of it, such as a page of a listing.

    Examples
    --------
    >>> named(RetryError("timed out"), "a/b")
    RetryError('a/b: timed out')
    >>> named(KeyError("Size"), "s3://bucket", "page 2 of the listing")
    StoreError("s3://bucket: page 2 of the listing: invalid answer: KeyError('Size')")
    """
    kind, text = StoreError, f"invalid answer: {error!r:.500}"
    if isinstance(error, StoreError):
        kind, text = type(error), str(error).removeprefix(f"{name}: ")
    elif isinstance(error, OSError):
        kind, text = RetryError, str(error) or type(error).__name__
    return kind(": ".join(filter(None, (name, where, visible(text)))))


def naming(method: Callable[Concatenate[Any, T, P], R]) -> Callable[Concatenate[Any, T, P], R]:
    """Make a source's method, whose first argument is a key or an entry, raise only `StoreError`.

    The text of the error begins with the key.
    """

    @wraps(method)
    def call(self: Any, about: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, about, *args, **kwargs)
        except Exception as error:
            key = about.key if isinstance(about, Entry) else str(about)
            raise named(error, key or self.url) from error

    return call


def decimal(text: object) -> int:
    """Return the size or count that *text* states in decimal digits.

    Examples
    --------
    >>> decimal("10")
    10
    >>> decimal("-1")
    Traceback (most recent call last):
    numcrc.store.source.StoreError: expected a number, got '-1'
    """
    if isinstance(text, str) and _NUMBER.fullmatch(text) and int(text) <= LARGEST_SIZE:
        return int(text)
    raise StoreError(f"expected a number, got {text!r:.80}")


def base64_bytes(text: str) -> bytes:
    """Return the bytes of a checksum in base64, or raise StoreError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise StoreError(f"invalid checksum in base64: {text[:80]!r}") from None


def xml_root(text: bytes, tag: str) -> tuple[ElementTree.Element, str]:
    """Return the root of an XML document, and the namespace in front of its tags.

    Parameters
    ----------
    text : bytes
        The document, in UTF-8. Document types are rejected, since their entities may expand to
        any size.
    tag : str
        The tag that the root must have.

    Examples
    --------
    >>> xml_root(b"<Listing><Key>a</Key></Listing>", "Listing")[0].findtext("Key")
    'a'
    >>> xml_root(b"<Error><Code>SlowDown</Code></Error>", "Listing")
    Traceback (most recent call last):
    numcrc.store.source.RetryError: expected <Listing>, got <Error>: SlowDown
    """
    _check_length(text)
    encoding = _ENCODING.match(text)
    if encoding is not None and encoding[1].lower() not in (b"utf-8", b"us-ascii"):
        raise StoreError(f"expected XML in UTF-8, got {encoding[1]!r:.80}")
    if b"\0" in text or b"<!DOCTYPE" in text or text.count(b"<") > MOST_TAGS:
        raise StoreError("expected plain XML, got a document type, null bytes or too many tags")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise StoreError(f"the answer is not XML: {error}") from None
    space, brace, name = root.tag.rpartition("}")
    space += brace
    if name != tag:
        found = {child.tag.rpartition("}")[2]: child.text for child in root}
        code, message = found.get("Code") or "", found.get("Message") or ""
        texts = (f"expected <{tag}>, got <{name:.80}>", code, message)
        raise error_type(200, code)(": ".join(filter(None, texts))[:500])
    return root, space


def json_object(text: bytes, kind: str) -> dict[str, Any]:
    """Return a JSON object whose "kind" is *kind*.

    Examples
    --------
    >>> json_object(b'{"kind": "page", "items": []}', "page")["items"]
    []
    """
    _check_length(text)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"the answer is not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("kind") != kind:
        reason = found.get("error", found) if isinstance(found, dict) else found
        raise StoreError(f"expected a JSON object of kind {kind}, got {reason!r:.200}")
    return found


def _check_length(text: bytes) -> None:
    if len(text) > LARGEST_PAGE:
        raise StoreError(f"expected at most {LARGEST_PAGE} bytes in a page, got {len(text)}")


def version_of(etag: str, modified: str) -> str:
    """Return the ETag in quotes; without one, the time in seconds of an HTTP or ISO date.

    Some stores leave out the quotes in listings.

    Examples
    --------
    >>> version_of("abc", ""), version_of("", "Wed, 01 Jan 2025 00:00:00 GMT")
    ('"abc"', 'time 1735689600')
    """
    if len(etag) > LONGEST_ETAG:
        raise StoreError(f"expected at most {LONGEST_ETAG} characters in an ETag, got {len(etag)}")
    if tag := bare_etag(etag):
        return f'W/"{tag}"' if etag.startswith("W/") else f'"{tag}"'
    return _time(modified[:40])


@lru_cache(1024)
def _time(modified: str) -> str:
    if not modified:
        return ""
    try:
        if "T" in modified[:11]:
            from datetime import datetime

            return f"time {datetime.fromisoformat(modified[:19] + '+00:00').timestamp():.0f}"
        return f"time {parsedate_to_datetime(modified).timestamp():.0f}"
    except (ValueError, OverflowError):
        return ""


def bare_etag(etag: str) -> str:
    """Return an ETag without quotes and ``W/``; two versions with the same one are equal.

    Examples
    --------
    >>> bare_etag('W/"abc"'), bare_etag("abc")
    ('abc', 'abc')
    """
    return etag.removeprefix("W/").strip('"')


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


def head(lines: Sequence[bytes]) -> tuple[int, dict[str, str] | None]:
    r"""Return status and headers of the last of several responses; None: they are not complete.

    Informational responses and requests for a login precede it; trailers, which follow its body,
    are left out. Headers of one name are joined by commas.

    Examples
    --------
    >>> head([b"HTTP/1.1 200 OK\r\n", b"ETag: a\r\n", b"\r\n"])
    (200, {'etag': 'a'})
    """
    start, count = 0, len(lines)
    for at, line in enumerate(lines):
        if line == b"\r\n" or line == b"\n":
            if at + 1 == count or not lines[at + 1].startswith(b"HTTP/"):
                break
            start = at + 1
    else:
        at = count
    try:
        status = int(lines[start].split(None, 2)[1])
    except (IndexError, ValueError):
        status = 0
    if at == count:
        return status, None
    text = b"".join(lines[start + 1 : at]).decode("latin-1")
    pairs = [line.partition(":") for line in text.split("\n")[:-1]]
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if len(headers) < len(pairs):
        joined: dict[str, list[str]] = {}
        for name, _, value in pairs:
            joined.setdefault(name.lower(), []).append(value.strip())
        headers = {name: ",".join(values) for name, values in joined.items()}
    return status, headers
