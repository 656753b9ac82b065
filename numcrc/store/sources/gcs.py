"""Read Google Cloud Storage by its JSON API, which lists CRC-32C and MD5 of every object."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from numcrc.store.keys import KeyRange, key_bytes, quoted, utf8_start
from numcrc.store.objects import Checksum, Entry
from numcrc.store.source import StoreError
from numcrc.store.sources.answers import base64_bytes, decimal, json_object, naming
from numcrc.store.sources.bucket import Bucket, Page
from numcrc.store.sources.transport import TIMEOUT, Answer, Body, Pool

_FIELDS = "kind,name,size,generation,crc32c,md5Hash"
_OBJECT, _PAGE = "storage#object", "storage#objects"
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

    @naming
    def stat(self, key: str) -> Entry:
        """Return the entry of one object, from its metadata."""
        name = self._name(key)
        entry = _entry(self._json(f"{self._target(name)}?fields={_FIELDS}", _OBJECT))
        if entry.key != name:
            raise StoreError(f"the store answers about {entry.key!r:.200}")
        return entry._replace(key=key)

    def _page(self, prefix: str, token: str, names: KeyRange) -> Page:
        target = f"{self._objects}?maxResults=1000&fields=kind,nextPageToken,items({_FIELDS})"
        target += f"&prefix={quoted(prefix, '~')}"
        if (first := utf8_start(names.first)) > prefix:
            target += f"&startOffset={quote(first, '~')}"
        if names.end is not None and names.end == utf8_start(names.end).encode():
            target += f"&endOffset={quote(names.end, '~')}"
        if token:
            target += f"&pageToken={quote(token, '~')}"
        page = self._json(target, _PAGE)
        items, token = page.get("items", []), page.get("nextPageToken", "")
        if not isinstance(items, list) or not isinstance(token, str):
            raise StoreError(f"invalid items or nextPageToken: {items!r:.80}, {token!r:.80}")
        # Google's pages are sorted, those of emulators are not.
        return Page(sorted(map(_entry, items), key=lambda entry: key_bytes(entry.key)), token)

    def _pools(self) -> Iterable[Pool]:
        return (self._pool,)

    def _probe(self, name: str) -> Answer:
        return self._ask(f"{self._target(name)}?fields=name", {})

    def _get(self, entry: Entry, headers: dict[str, str], into: Body) -> Answer:
        target = f"{self._target(self._name(entry.key))}?alt=media"
        if entry.version:
            target += f"&ifGenerationMatch={quote(entry.version, '')}"
        # Without it, an object uploaded in gzip is sent decompressed and without its checksum.
        return self._accepted(self._ask(target, {**headers, "accept-encoding": "gzip"}, into))

    def _described(self, key: str, answer: Answer, size: int) -> Entry:
        if "x-goog-hash" not in answer.headers:
            return self.stat(key)
        found = dict(
            pair.strip().split("=", 1) for pair in answer.headers["x-goog-hash"].split(",")
        )
        checksums = _checksums(found.get("crc32c", ""), found.get("md5", ""))
        return Entry(key, size, checksums, self._version(answer.headers), complete=True)

    def _version(self, headers: dict[str, str]) -> str:
        return headers.get("x-goog-generation", "")

    def _target(self, name: str) -> str:
        return f"{self._objects}/{quoted(name, '~')}"

    def _json(self, target: str, kind: str) -> dict[str, Any]:
        """Return a JSON object of this kind."""
        return json_object(self._text(self._ask(target, {})), kind)

    def _ask(self, target: str, headers: dict[str, str], into: Body = None) -> Answer:
        if self._credentials is not None:
            self._authorize(headers)
        return self._pool.ask("GET", target, headers, into)

    def _advice(self) -> str:
        if self._credentials is not None or "STORAGE_EMULATOR_HOST" in os.environ:
            return ""
        return "run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS"

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


def _entry(item: Any) -> Entry:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"]:
        raise StoreError(f"expected an object with a name, got {item!r:.200}")
    texts = [item.get(name, "") for name in ("crc32c", "md5Hash", "generation")]
    if not all(isinstance(text, str) for text in texts):
        raise StoreError(f"invalid crc32c, md5Hash or generation of {item['name']!r:.200}")
    crc32c, md5, generation = texts
    size = decimal(str(item.get("size")))
    return Entry(item["name"], size, _checksums(crc32c, md5), generation, complete=True)


def _checksums(crc32c: str, md5: str) -> tuple[Checksum, ...]:
    """Return the checksums that an object has; composed objects have no MD5."""
    pairs = (("crc32c", crc32c), ("md5", md5))
    return tuple(Checksum(name, base64_bytes(text)) for name, text in pairs if text)
