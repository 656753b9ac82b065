"""Read Azure Blob Storage, which keeps and lists the MD5 of objects uploaded in one request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote
from xml.etree.ElementTree import Element

from numcrc.store.keys import KeyRange, quoted, unquoted
from numcrc.store.objects import Checksum, Entry
from numcrc.store.source import StoreError
from numcrc.store.sources.answers import base64_bytes, decimal, naming, version_of, xml_root
from numcrc.store.sources.azure_access import Access
from numcrc.store.sources.bucket import Bucket, Page
from numcrc.store.sources.http import if_match, whole_size
from numcrc.store.sources.transport import TIMEOUT, Answer, Body, Pool


class AzureSource(Bucket):
    """A source at ``az://container`` or ``az://container/prefix``; see `Bucket`.

    Account and credentials are those of AZURE_STORAGE_CONNECTION_STRING, or of
    AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or azure-identity.
    Without credentials, requests are anonymous.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        super().__init__(url)
        self._access = Access(url, timeout)
        self._container = quote(self._bucket, "$")

    @naming
    def stat(self, key: str) -> Entry:
        """Return the entry of one object, from HEAD."""
        with self._ask("HEAD", key, {}) as answer:
            return self._described(key, answer, whole_size(answer))

    def _pools(self) -> Iterable[Pool]:
        return (self._access.pool,)

    def _get(self, entry: Entry, headers: dict[str, str], into: Body) -> Answer:
        return self._ask("GET", entry.key, {**headers, **if_match(entry.version)}, into)

    def _described(self, key: str, answer: Answer, size: int) -> Entry:
        headers = answer.headers
        archived = headers.get("x-ms-access-tier") == "Archive"
        checksums = _md5(headers.get("content-md5"))
        return Entry(key, size, checksums, self._version(headers), archived, complete=True)

    def _page(self, prefix: str, token: str, names: KeyRange) -> Page:
        # A listing cannot begin at a name in the versions of the API that emulators have.
        query = {"restype": "container", "comp": "list", "prefix": prefix, "maxresults": "1000"}
        if token:
            query["marker"] = token
        text = self._text(self._access.ask("GET", self._container, query, {}))
        root, _ = xml_root(text, "EnumerationResults")
        blobs, marker = root.find("Blobs"), root.find("NextMarker")
        if blobs is None or marker is None:
            raise StoreError("it has no Blobs or no NextMarker")
        if blobs.find("BlobPrefix") is not None:
            raise StoreError("it has prefixes instead of all objects")
        found = (_listed(blob) for blob in blobs.iterfind("Blob"))
        return Page([entry for entry in found if entry is not None], marker.text or "")

    def _probe(self, name: str) -> Answer:
        return self._access.ask("HEAD", self._path(name), {}, {})

    def _ask(self, method: str, key: str, headers: Mapping[str, str], into: Body = None) -> Answer:
        path = self._path(self._name(key))
        return self._accepted(self._access.ask(method, path, {}, headers, into))

    def _advice(self) -> str:
        if not self._access.anonymous:
            return ""
        return "set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or install numcrc[azure]"

    def _path(self, name: str) -> str:
        return f"{self._container}/{quoted(name, '~')}"


def _listed(blob: Element) -> Entry | None:
    """Return the entry of a blob; None for the folders of a hierarchical namespace."""
    name, properties = blob.find("Name"), blob.find("Properties")
    key = "" if name is None else name.text or ""
    if name is None or properties is None or not key:
        raise StoreError(f"a blob has no name or no properties: {key!r:.200}")
    found = {child.tag: child.text or "" for child in properties}
    if found.get("ResourceType") == "directory":
        return None
    return Entry(
        unquoted(key) if name.get("Encoded") == "true" else key,
        decimal(found.get("Content-Length")),
        _md5(found.get("Content-MD5")),
        version_of(found.get("Etag", ""), ""),
        found.get("AccessTier") == "Archive",
        complete=True,
    )


def _md5(text: str | None) -> tuple[Checksum, ...]:
    return (Checksum("md5", base64_bytes(text)),) if text else ()
