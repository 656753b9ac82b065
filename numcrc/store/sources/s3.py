"""Amazon S3 and what speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator

from numcrc.store.objects import Checksum, Entry, Part
from numcrc.store.source import MissingError, StoreError
from numcrc.store.sources import s3_answers
from numcrc.store.sources.bodies import failure, unchanged
from numcrc.store.sources.bucket import Bucket
from numcrc.store.sources.s3_access import Access
from numcrc.store.sources.wire import TIMEOUT, Answer

_CHECKED = {"x-amz-checksum-mode": "ENABLED"}


class S3Source(Bucket):
    """``s3://bucket`` or ``s3://bucket/prefix``, as `Bucket` has it.

    Credentials, profile, region and endpoint are found as the AWS command line finds them; without
    credentials, or with AWS_NO_SIGN_REQUEST=YES, requests are anonymous. With an endpoint of one's
    own, the bucket is part of the path.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        super().__init__(url)
        self._access = Access(self._bucket, timeout)

    def stat(self, key: str) -> Entry:
        """Return what HEAD tells, and of a composite checksum its parts."""
        answer = self._ask("HEAD", key, {}, _CHECKED)
        with answer:
            size = answer.headers.get("content-length", "")
        if not size.isdecimal():
            raise StoreError(f"{key}: the store does not tell its size")
        return self._told(key, answer, int(size))

    def close(self) -> None:
        """Close the connections."""
        self._access.close()

    def _get(self, entry: Entry, headers: dict[str, str]) -> Answer:
        checked = {} if headers else _CHECKED  # no checksum is of a range
        return self._ask("GET", entry.key, {}, {**headers, **checked, **unchanged(entry)})

    def _told(self, key: str, answer: Answer, size: int) -> Entry:
        headers = answer.headers
        found = self._version(headers)
        known = tuple(
            checksum._replace(parts=self._parts(key, checksum, size, found))
            if checksum.composite
            else checksum
            for checksum in s3_answers.checksums(headers)
        )
        return Entry(key, size, known, found, s3_answers.archived(headers), True)

    def _parts(self, key: str, checksum: Checksum, size: int, tag: str) -> tuple[Part, ...]:
        """Return the parts of an object: all, or none where the store does not tell."""
        if checksum.composite == 1:
            return (Part(size),)
        try:
            found = self._attributes(key, checksum.algorithm)
            if len(found) != checksum.composite:
                found = self._heads(key, checksum, tag)
        except MissingError:
            raise
        except StoreError as error:
            if type(error) is not StoreError:
                raise
            found = self._heads(key, checksum, tag)  # perhaps only the attributes are forbidden
        right = len(found) == checksum.composite and sum(part.size for part in found) == size
        return tuple(found) if right else ()

    def _attributes(self, key: str, algorithm: str) -> list[Part]:
        parts: list[Part] = []
        marker = ""
        while True:
            headers = {"x-amz-object-attributes": "ObjectParts"}
            if marker:
                headers["x-amz-part-number-marker"] = marker
            with self._ask("GET", key, {"attributes": ""}, headers) as answer:
                found = s3_answers.parts(answer.text(), algorithm)
            parts += found.parts
            if not found.marker or found.marker == marker:
                return parts
            marker = found.marker

    def _heads(self, key: str, checksum: Checksum, tag: str) -> list[Part]:
        parts = []
        for number in range(1, checksum.composite + 1):
            conditions = {**_CHECKED, **unchanged(Entry(key, version=tag))}
            query = {"partNumber": str(number)}
            try:
                with self._ask("HEAD", key, query, conditions) as answer:
                    headers = answer.headers
            except StoreError as error:
                if type(error) is StoreError:
                    return []
                raise
            if headers.get("x-amz-mp-parts-count") != str(checksum.composite):
                return []
            value = headers.get(f"x-amz-checksum-{checksum.algorithm}", "")
            known = s3_answers.decoded(value) if value and "-" not in value else None
            parts.append(Part(int(headers["content-length"]), known))
        return parts

    def _listed(self, prefix: str) -> Iterator[Entry]:
        query = {"list-type": "2", "encoding-type": "url"}
        if prefix:
            query["prefix"] = prefix
        headers = {"x-amz-optional-object-attributes": "RestoreStatus"}
        while True:
            with self._checked(self._access.ask("GET", "", query, headers), "GET", "") as answer:
                found = s3_answers.page(answer.text())
            yield from found.entries
            if not found.token:
                return
            query["continuation-token"] = found.token

    def _exists(self, name: str) -> bool:
        with self._access.ask("HEAD", name) as answer:
            status = answer.status
        if status in (403, 404):  # without the right to list, a missing object is forbidden
            return False
        if status != 200:
            raise failure(answer, self.url)
        return True

    def _ask(self, method: str, key: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        name = self._name(key)
        answer = self._access.ask(method, name, query, headers)
        if method == "HEAD" and answer.status == 404:
            # Without a body, nobody tells whether it is the bucket that is missing.
            with answer:
                pass
            answer = self._access.ask("GET", name, {}, {"range": "bytes=0-0"})
            if answer.status < 400:
                with answer:
                    raise MissingError(f"{key}: it was missing a moment ago")
        return self._checked(answer, method, key)

    def _checked(self, answer: Answer, method: str, key: str) -> Answer:
        """Return an answer that is one, or raise what else it is."""
        if answer.status in (200, 206) or (answer.status == 416 and method == "GET"):
            return answer
        with answer:
            error = failure(answer, key or self.url)
        if answer.status == 403 and self._access.anonymous:
            raise StoreError(f"{error} (there are no AWS credentials: the request was anonymous)")
        raise error
