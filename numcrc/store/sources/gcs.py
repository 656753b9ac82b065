"""Google Cloud Storage by its JSON API, whose listings have CRC-32C and MD5 of every object."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from numcrc.store.objects import Checksum, Entry
from numcrc.store.source import StoreError
from numcrc.store.sources.bodies import failure
from numcrc.store.sources.bucket import Bucket
from numcrc.store.sources.s3_answers import decoded
from numcrc.store.sources.wire import TIMEOUT, Answer, Pool

_FIELDS = "name,size,generation,crc32c,md5Hash"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


class GcsSource(Bucket):
    """``gs://bucket`` or ``gs://bucket/prefix``, as `Bucket` has it.

    Credentials are Google's application default ones (GOOGLE_APPLICATION_CREDENTIALS and so on);
    without any, requests are anonymous. STORAGE_EMULATOR_HOST leads elsewhere, without them.
    The version is the generation.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        super().__init__(url)
        host = os.environ.get("STORAGE_EMULATOR_HOST", "")
        self._credentials: Any = None if host else _credentials(url)
        if host and "://" not in host:
            host = f"http://{host}"
        self._pool = Pool(host or "https://storage.googleapis.com", timeout)
        self._objects = f"/storage/v1/b/{quote(self._bucket, '')}/o"
        self._refreshing = threading.Lock()

    def stat(self, key: str) -> Entry:
        """Return what the object's metadata tell."""
        target = f"{self._object(self._name(key))}?fields={_FIELDS}"
        return _entry(self._json(target, key))._replace(key=key)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _listed(self, prefix: str) -> Iterator[Entry]:
        first = f"{self._objects}?maxResults=1000&fields=nextPageToken,items({_FIELDS})"
        first += f"&prefix={quote(prefix, '~', errors='surrogateescape')}"
        target = first
        while True:
            page = self._json(target, self.url)
            # Google sorts, emulators do not.
            yield from sorted(map(_entry, page.get("items", ())), key=lambda entry: entry.key)
            token = page.get("nextPageToken")
            if not token:
                return
            target = f"{first}&pageToken={quote(token, '~')}"

    def _exists(self, name: str) -> bool:
        with self._ask(f"{self._object(name)}?fields=name", {}) as answer:
            if answer.status in (403, 404):
                return False
            if answer.status != 200:
                raise failure(answer, self.url)
        return True

    def _get(self, entry: Entry, headers: dict[str, str]) -> Answer:
        target = f"{self._object(self._name(entry.key))}?alt=media"
        if entry.version:
            target += f"&ifGenerationMatch={quote(entry.version, '')}"
        # Else what was uploaded compressed is sent uncompressed, without its checksum.
        answer = self._ask(target, {**headers, "accept-encoding": "gzip"})
        if answer.status in (200, 206, 416):
            return answer
        with answer:
            raise failure(answer, entry.key)

    def _told(self, key: str, answer: Answer, size: int) -> Entry:
        if "x-goog-hash" not in answer.headers:
            return self.stat(key)
        found = dict(
            pair.strip().split("=", 1) for pair in answer.headers["x-goog-hash"].split(",")
        )
        values = _checksums(found.get("crc32c"), found.get("md5"))
        return Entry(key, size, values, self._version(answer.headers), False, True)

    def _version(self, headers: dict[str, str]) -> str:
        return headers.get("x-goog-generation", "")

    def _object(self, name: str) -> str:
        return f"{self._objects}/{quote(name, '~', errors='surrogateescape')}"

    def _json(self, target: str, what: str) -> dict[str, Any]:
        with self._ask(target, {}) as answer:
            if answer.status != 200:
                raise failure(answer, what)
            text = answer.text()
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise StoreError(f"{what}: the store's answer is no JSON: {error}") from None
        return found

    def _ask(self, target: str, headers: dict[str, str]) -> Answer:
        if self._credentials is not None:
            self._authorize(headers)
        return self._pool.ask("GET", target, headers)

    def _authorize(self, headers: dict[str, str]) -> None:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        try:
            with self._refreshing:
                if not self._credentials.valid:
                    self._credentials.refresh(Request())
            self._credentials.apply(headers)
        except GoogleAuthError as error:
            raise StoreError(f"{self.url}: {error}") from error


def _credentials(url: str) -> Any:
    """Return Google's default credentials, or None where there are none."""
    try:
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError
    except ImportError as error:
        raise ImportError("gs:// needs google-auth: pip install 'numcrc[gcs]'") from error
    try:
        return google.auth.default(scopes=[_SCOPE])[0]
    except DefaultCredentialsError as error:
        if "GOOGLE_APPLICATION_CREDENTIALS" in os.environ:
            raise StoreError(f"{url}: {error}") from error
        return None


def _entry(item: dict[str, Any]) -> Entry:
    values = _checksums(item.get("crc32c"), item.get("md5Hash"))
    return Entry(
        item["name"], int(item["size"]), values, str(item.get("generation", "")), False, True
    )


def _checksums(crc32c: str | None, md5: str | None) -> tuple[Checksum, ...]:
    """Return both; composed objects have no MD5."""
    pairs = (("crc32c", crc32c), ("md5", md5))
    return tuple(Checksum(name, decoded(text)) for name, text in pairs if text)
