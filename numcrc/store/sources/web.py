"""Web servers: files whose names come from a manifest."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, urljoin, urlsplit

from numcrc.store.objects import Entry
from numcrc.store.source import StoreError
from numcrc.store.sources.bodies import Bodies, failure, unchanged
from numcrc.store.sources.wire import TIMEOUT, Answer, Pool

_LEAVES = re.compile(r"(?:\A|/)\.{1,2}(?:/|\Z)|\A/|\A\Z")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST = 5


class WebSource(Bodies):
    """``http://server/folder`` or ``https://``: keys are paths below it, not yet quoted.

    Nothing is listed, and nothing is known but size and ETag. Redirects are followed, but the
    user and password of a URL go to its own server only.
    """

    listable = False

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url}: the URL of a folder has a server, and neither ? nor #")
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._path = quote(parts.path.removesuffix("/"), "/%~") + "/"
        self.url = origin + self._path
        self._timeout = timeout
        self._origin = origin
        self._pools = {origin: Pool(origin, timeout)}
        self._login: dict[str, str] = {}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._login["authorization"] = f"Basic {base64.b64encode(login).decode()}"

    def entries(self) -> Iterator[Entry]:
        """Raise: web servers do not list."""
        raise StoreError(f"{self.url}: a web server does not list its files: give a manifest")

    def stat(self, key: str) -> Entry:
        """Return size and version."""
        with self._ask("HEAD", key, {}) as answer:
            size = answer.headers.get("content-length", "")
        return self._told(key, answer, int(size) if size.isdecimal() else None)

    def close(self) -> None:
        """Close the connections."""
        for pool in list(self._pools.values()):
            pool.close()

    def _get(self, entry: Entry, headers: dict[str, str]) -> Answer:
        return self._ask("GET", entry.key, {**headers, **unchanged(entry)})

    def _told(self, key: str, answer: Answer, size: int | None) -> Entry:
        return Entry(key, size, (), self._version(answer.headers), False, True)

    def _ask(self, method: str, key: str, headers: dict[str, str]) -> Answer:
        if _LEAVES.search(key):
            raise StoreError(f"{key!r} names no file below {self.url}")
        url = self.url + quote(key, "/~", errors="surrogateescape")
        for _ in range(_MOST):
            parts = urlsplit(url)
            origin = f"{parts.scheme}://{parts.netloc}"
            if origin not in self._pools:
                self._pools[origin] = Pool(origin, self._timeout)
            login = self._login if origin == self._origin else {}
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            asked = {**headers, **login, "accept-encoding": "identity"}
            answer = self._pools[origin].ask(method, target, asked)
            if answer.status in (200, 206) or (answer.status == 416 and method == "GET"):
                return answer
            with answer:
                if answer.status not in _REDIRECTS or "location" not in answer.headers:
                    raise failure(answer, key)
                answer.text()
            url = urljoin(url, answer.headers["location"])
            if urlsplit(url).scheme not in ("http", "https"):
                raise StoreError(f"{key}: it redirects to {url}")
        raise StoreError(f"{key}: more than {_MOST} redirects")
