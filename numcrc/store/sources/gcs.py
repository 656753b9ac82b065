"""Read Google Cloud Storage by its JSON API, which lists CRC-32C and MD5 of every object."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from numcrc.store.keys import key_bytes, quoted
from numcrc.store.objects import Checksum, Entry
from numcrc.store.source import StoreError
from numcrc.store.sources.bucket import Bucket
from numcrc.store.sources.http import accepted, base64_bytes, failure
from numcrc.store.sources.wire import TIMEOUT, Answer, Pool

_FIELDS = "name,size,generation,crc32c,md5Hash"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


class GcsSource(Bucket):
    """A source at ``gs://bucket`` or ``gs://bucket/prefix``; see `Bucket`.

    Credentials are Google's application default credentials (GOOGLE_APPLICATION_CREDENTIALS and
    so on); without credentials, requests are anonymous. STORAGE_EMULATOR_HOST names another
    server, which gets no credentials. The version of an object is its generation.
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
        """Return the entry of one object, from its metadata."""
        target = f"{self._target(self._name(key))}?fields={_FIELDS}"
        return _entry(self._json(target, key))._replace(key=key)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _list(self, prefix: str) -> Iterator[Entry]:
        first = f"{self._objects}?maxResults=1000&fields=nextPageToken,items({_FIELDS})"
        first += f"&prefix={quoted(prefix, '~')}"
        target = first
        while True:
            page = self._json(target, self.url)
            # Google's pages are sorted, those of emulators are not.
            entries = map(_entry, page.get("items", ()))
            yield from sorted(entries, key=lambda entry: key_bytes(entry.key))
            token = page.get("nextPageToken")
            if not token:
                return
            target = f"{first}&pageToken={quote(token, '~')}"

    def _probe(self, name: str) -> Answer:
        return self._ask(f"{self._target(name)}?fields=name", {})

    def _get(self, entry: Entry, headers: dict[str, str]) -> Answer:
        target = f"{self._target(self._name(entry.key))}?alt=media"
        if entry.version:
            target += f"&ifGenerationMatch={quote(entry.version, '')}"
        # Without it, an object uploaded in gzip is sent decompressed and without its checksum.
        answer = self._ask(target, {**headers, "accept-encoding": "gzip"})
        if accepted(answer, "GET"):
            return answer
        with answer:
            raise failure(answer, entry.key)

    def _described(self, key: str, answer: Answer, size: int) -> Entry:
        if "x-goog-hash" not in answer.headers:
            return self.stat(key)
        found = dict(
            pair.strip().split("=", 1) for pair in answer.headers["x-goog-hash"].split(",")
        )
        checksums = _checksums(found.get("crc32c"), found.get("md5"))
        return Entry(key, size, checksums, self._version(answer.headers), False, True)

    def _version(self, headers: dict[str, str]) -> str:
        return headers.get("x-goog-generation", "")

    def _target(self, name: str) -> str:
        return f"{self._objects}/{quoted(name, '~')}"

    def _json(self, target: str, name: str) -> dict[str, Any]:
        """Return a JSON object about the object or URL *name*."""
        with self._ask(target, {}) as answer:
            if answer.status != 200:
                raise failure(answer, name)
            text = answer.text()
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise StoreError(f"{name}: the response is not JSON: {error}") from None
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
    """Return Google's application default credentials; None if there are none."""
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
    checksums = _checksums(item.get("crc32c"), item.get("md5Hash"))
    version = str(item.get("generation", ""))
    return Entry(item["name"], int(item["size"]), checksums, version, False, True)


def _checksums(crc32c: str | None, md5: str | None) -> tuple[Checksum, ...]:
    """Return the checksums that an object has; composed objects have no MD5."""
    pairs = (("crc32c", crc32c), ("md5", md5))
    return tuple(Checksum(name, base64_bytes(text)) for name, text in pairs if text)
