"""Read files of a web server, whose names come from a manifest."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote, unquote, urljoin, urlsplit

from numcrc.store.keys import is_url_path, quoted
from numcrc.store.objects import Entry
from numcrc.store.source import StoreError
from numcrc.store.sources import without_login
from numcrc.store.sources.answers import naming
from numcrc.store.sources.http import (
    HttpSource,
    accepted,
    failure,
    if_match,
    whole_size,
)
from numcrc.store.sources.wire import TIMEOUT, Answer, Pool

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5


class WebSource(HttpSource):
    """A source at ``http://server/folder`` or ``https://``; keys are unquoted paths below it.

    It has no listing, and only size and ETag of a file are known. Redirects are followed, but the
    user and password in a URL are sent to its own server only.
    """

    listable = local = False
    inventory_prefix = ""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment)
        except ValueError:  # its text may have the login
            valid = False
        if not valid:
            shown = without_login(url)
            raise ValueError(f"invalid URL {shown}: expected a server and a path without ? and #")
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
        """Raise StoreError: web servers have no listing."""
        raise StoreError(f"cannot list {self.url}: a web server has no listing; pass a manifest")

    @naming
    def stat(self, key: str) -> Entry:
        """Return the entry of one file, with its size if the server sends it."""
        with self._ask("HEAD", key, {}) as answer:
            size = whole_size(answer) if "content-length" in answer.headers else None
        return self._described(key, answer, size)

    def close(self) -> None:
        """Close the connections."""
        for pool in list(self._pools.values()):
            pool.close()

    def _get(self, entry: Entry, headers: dict[str, str]) -> Answer:
        return self._ask("GET", entry.key, {**headers, **if_match(entry.version)})

    def _described(self, key: str, answer: Answer, size: int | None) -> Entry:
        return Entry(key, size, (), self._version(answer.headers), False, True)

    def _ask(self, method: str, key: str, headers: dict[str, str]) -> Answer:
        if not is_url_path(key):
            raise StoreError(f"invalid key {key!r}: it is not a file below {self.url}")
        url = self.url + quoted(key)
        for _ in range(_MOST_REDIRECTS):
            parts = urlsplit(url)
            origin = f"{parts.scheme}://{parts.netloc}"
            if origin not in self._pools:
                self._pools[origin] = Pool(origin, self._timeout)
            login = self._login if origin == self._origin else {}
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            sent = {**headers, **login, "accept-encoding": "identity"}
            answer = self._pools[origin].ask(method, target, sent)
            if accepted(answer, method):
                return answer
            with answer:
                if answer.status not in _REDIRECTS or "location" not in answer.headers:
                    raise self._failure(answer, key)
                answer.text()
            url = urljoin(url, answer.headers["location"])
            if urlsplit(url).scheme not in ("http", "https"):
                raise StoreError(f"it is redirected to {without_login(url)!r:.200}")
        raise StoreError(f"{key}: more than {_MOST_REDIRECTS} redirects")

    def _failure(self, answer: Answer, key: str) -> StoreError:
        error = failure(answer, key)
        if answer.status == 401 and not self._login:
            return StoreError(f"{error} (pass the user and password as https://USER:PASSWORD@...)")
        return error
