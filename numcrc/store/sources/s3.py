"""Read Amazon S3 and stores with its protocol."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from numcrc.store.keys import KeyRange, utf8_start
from numcrc.store.objects import Checksum, Entry, Part
from numcrc.store.source import MissingError, StoreError
from numcrc.store.sources import s3_answers
from numcrc.store.sources.answers import base64_bytes, decimal, naming
from numcrc.store.sources.bucket import Bucket, Page
from numcrc.store.sources.http import if_match, whole_size
from numcrc.store.sources.s3_access import Access, bucket_and_prefix
from numcrc.store.sources.transport import TIMEOUT, Answer, Body, Pool

_CHECKED = {"x-amz-checksum-mode": "ENABLED"}
MOST_ASKED = 1000
"""Parts whose sizes are asked for, one by one, to compare an ETag."""


class S3Source(Bucket):
    """A source at ``s3://bucket`` or ``s3://bucket/prefix``; see `Bucket`.

    Credentials, profile, region and endpoint are those of the AWS command line. Without
    credentials, or with AWS_NO_SIGN_REQUEST=YES, requests are anonymous. At an endpoint that is
    not AWS's, the bucket is part of the path, unless ``addressing_style`` is set. The bucket may be
    the ARN of an access point.

    Other environment variables: AWS_REQUEST_PAYER=requester; and AWS_SSE_CUSTOMER_KEY_BASE64, or
    AWS_SSE_CUSTOMER_KEY_FILE with 32 bytes, for objects that are encrypted with a key of their
    owner (SSE-C).
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        super().__init__(url)
        self._access = Access(self._bucket, timeout)
        prefix = self._prefix
        self.inventory_prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"

    _split = staticmethod(bucket_and_prefix)

    @naming
    def stat(self, key: str) -> Entry:
        """Return the entry of one object, from HEAD; a composite checksum has its parts."""
        with self._ask("HEAD", key, _CHECKED) as answer:
            size = whole_size(answer)
        return self._described(key, answer, size)

    def _pools(self) -> Iterable[Pool]:
        return self._access.pools()

    def _get(self, entry: Entry, headers: dict[str, str], into: Body) -> Answer:
        checked = {} if headers else _CHECKED  # ranges have no checksums
        headers = {**headers, **checked, **if_match(entry.version)}
        return self._ask("GET", entry.key, headers, into)

    def _described(self, key: str, answer: Answer, size: int) -> Entry:
        headers = answer.headers
        version = self._version(headers)
        found = s3_answers.checksums(headers)
        # An ETag is compared only if it is the only checksum. Otherwise its parts are not needed.
        checksums = tuple(
            checksum._replace(parts=self._parts(key, checksum, size, version))
            if checksum.composite and (len(found) == 1 or not checksum.etag)
            else checksum
            for checksum in found
        )
        return Entry(key, size, checksums, version, s3_answers.archived(headers), complete=True)

    def _parts(self, key: str, checksum: Checksum, size: int, version: str) -> tuple[Part, ...]:
        """Return all parts of an object, or none if the store does not keep them."""
        if checksum.composite == 1:
            return (Part(size),)
        if checksum.etag and checksum.composite > MOST_ASKED:
            return ()
        found = [] if checksum.etag else self._parts_by_attributes(key, checksum)
        if len(found) != checksum.composite:
            found = self._parts_by_head(key, checksum, version)
        complete = len(found) == checksum.composite and sum(part.size for part in found) == size
        return tuple(found) if complete else ()

    def _parts_by_attributes(self, key: str, checksum: Checksum) -> list[Part]:
        parts: list[Part] = []
        last = 0
        while len(parts) < checksum.composite:
            headers = {"x-amz-object-attributes": "ObjectParts"}
            if last:
                headers["x-amz-part-number-marker"] = str(last)
            try:
                with self._ask("GET", key, headers, query={"attributes": ""}) as answer:
                    found, last = s3_answers.parts(answer.text(), checksum.algorithm, last)
            except StoreError as error:
                if type(error) is StoreError:  # GetObjectAttributes needs a permission of its own
                    return []
                raise
            if not found:
                break
            parts += found
        return parts

    def _parts_by_head(self, key: str, checksum: Checksum, version: str) -> list[Part]:
        parts = []
        conditions = {**_CHECKED, **if_match(version)}
        for number in range(1, checksum.composite + 1):
            query = {"partNumber": str(number)}
            try:
                with self._ask("HEAD", key, conditions, query=query) as answer:
                    headers, size = answer.headers, decimal(answer.headers.get("content-length"))
            except StoreError as error:
                if type(error) is StoreError:  # the store has no parts to show
                    return []
                raise
            if headers.get("x-amz-mp-parts-count") != str(checksum.composite):
                return []
            value = "" if checksum.etag else headers.get(f"x-amz-checksum-{checksum.algorithm}", "")
            digest = base64_bytes(value) if value and "-" not in value else None
            parts.append(Part(size, digest))
        return parts

    def _page(self, prefix: str, token: str, names: KeyRange) -> Page:
        query = {"list-type": "2", "encoding-type": "url"}
        if prefix:
            query["prefix"] = prefix
        if token:
            query["continuation-token"] = token
        elif (after := _before(names.first)) > prefix:
            query["start-after"] = after
        headers = {"x-amz-optional-object-attributes": "RestoreStatus"}
        return s3_answers.page(self._text(self._access.ask("GET", "", query, headers)))

    def _probe(self, name: str) -> Answer:
        return self._access.ask("HEAD", name, {}, {})

    def _ask(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        into: Body = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        name = self._name(key)
        answer = self._access.ask(method, name, query or {}, headers, into)
        if method == "HEAD" and answer.status == 404:
            # The answer to HEAD has no body, which would say if the bucket is missing.
            byte = memoryview(bytearray(1))
            answer = self._access.ask("GET", name, {}, {"range": "bytes=0-0"}, byte)
            if answer.status < 400:
                raise MissingError("not found by HEAD")
        return self._accepted(answer)

    def _advice(self) -> str:
        if not self._access.anonymous:
            return ""
        if "AWS_NO_SIGN_REQUEST" in os.environ:
            return "AWS_NO_SIGN_REQUEST is set"
        return "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


def _before(name: bytes) -> str:
    r"""Return a name shortly before *name*, for listings that begin after a name.

    Examples
    --------
    >>> _before(b"a/b"), _before(b"a/"), _before(b"caf\xc3\xa9"), _before(b"")
    ('a/a~', 'a.~', 'caf', '')
    """
    text = utf8_start(name)
    if text.encode() != name:  # it is shorter
        return text
    head, last = text[:-1], text[-1:]
    return f"{head}{chr(ord(last) - 1)}~" if '"' <= last <= "~" else head
