"""Azure Blob Storage, which keeps MD5 of what was uploaded at once, and lists it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

from numcrc.store.objects import Checksum, Entry
from numcrc.store.source import StoreError
from numcrc.store.sources.azure_access import Access
from numcrc.store.sources.bodies import failure, unchanged
from numcrc.store.sources.bucket import Bucket
from numcrc.store.sources.s3_answers import decoded, parsed
from numcrc.store.sources.wire import TIMEOUT, Answer


class AzureSource(Bucket):
    """``az://container`` or ``az://container/prefix``, as `Bucket` has it.

    The account and the right to read come from AZURE_STORAGE_CONNECTION_STRING, or from
    AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or what azure-identity
    finds; without any, requests are anonymous.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        super().__init__(url)
        self._access = Access(url, timeout)
        self._container = quote(self._bucket, "$")

    def stat(self, key: str) -> Entry:
        """Return what HEAD tells."""
        with self._ask("HEAD", key, {}) as answer:
            size = answer.headers.get("content-length", "")
        return self._told(key, answer, int(size))

    def close(self) -> None:
        """Close the connections."""
        self._access.close()

    def _get(self, entry: Entry, headers: dict[str, str]) -> Answer:
        return self._ask("GET", entry.key, {**headers, **unchanged(entry)})

    def _told(self, key: str, answer: Answer, size: int) -> Entry:
        headers = answer.headers
        away = headers.get("x-ms-access-tier") == "Archive"
        known = _md5(headers.get("content-md5"))
        return Entry(key, size, known, self._version(headers), away, True)

    def _listed(self, prefix: str) -> Iterator[Entry]:
        query = {"restype": "container", "comp": "list", "prefix": prefix}
        while True:
            with self._access.ask("GET", self._container, query, {}) as answer:
                if answer.status != 200:
                    raise failure(answer, self.url)
                root, _ = parsed(answer.text())
            for blob in root.iterfind("Blobs/Blob"):
                name, about = blob.find("Name"), blob.find("Properties")
                if name is None or about is None:
                    raise StoreError(f"{self.url}: a listing without names or sizes")
                found = {child.tag: child.text or "" for child in about}
                if found.get("ResourceType") == "directory":
                    continue
                key = name.text or ""
                yield Entry(
                    unquote(key) if name.get("Encoded") == "true" else key,
                    int(found["Content-Length"]),
                    _md5(found.get("Content-MD5")),
                    f'"{tag}"' if (tag := found.get("Etag", "").strip('"')) else "",
                    found.get("AccessTier") == "Archive",
                    True,
                )
            query["marker"] = root.findtext("NextMarker") or ""
            if not query["marker"]:
                return

    def _exists(self, name: str) -> bool:
        with self._access.ask("HEAD", self._path(name), {}, {}) as answer:
            if answer.status in (403, 404):
                return False
            if answer.status != 200:
                raise failure(answer, self.url)
        return True

    def _ask(self, method: str, key: str, headers: Mapping[str, str]) -> Answer:
        answer = self._access.ask(method, self._path(self._name(key)), {}, headers)
        if answer.status in (200, 206) or (answer.status == 416 and method == "GET"):
            return answer
        with answer:
            raise failure(answer, key)

    def _path(self, name: str) -> str:
        return f"{self._container}/{quote(name, '~', errors='surrogateescape')}"


def _md5(text: str | None) -> tuple[Checksum, ...]:
    return (Checksum("md5", decoded(text)),) if text else ()
