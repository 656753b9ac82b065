"""Read files of a web server, whose names come from a manifest."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urljoin, urlsplit

from numcrc.store.keys import is_url_path, quoted
from numcrc.store.objects import Entry
from numcrc.store.source import StoreError
from numcrc.store.sources.answers import naming
from numcrc.store.sources.http import HttpSource, if_match, whole_size
from numcrc.store.sources.network import origin, shown_url
from numcrc.store.sources.transport import TIMEOUT, Answer, Body, Pool

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_MOST_SERVERS = 8
"""Other servers to which connections are kept."""
_KEPT = "/%~?:@!$&'()*+,;=[]|"
"""Characters of a redirect's URL that are not quoted."""


class WebSource(HttpSource):
    """A source at ``http://server/folder`` or ``https://``; keys are unquoted paths below it.

    It has no listing, and only size and ETag of a file are known. Redirects are followed, but the
    user and password in a URL are sent to its own server only.
    """

    listable = local = False
    inventory_prefix = ""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        super().__init__()
        try:
            parts = urlsplit(url)
            valid = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment)
        except ValueError:  # its text may have the login
            valid = False
        if not valid:
            shown = shown_url(url)
            raise ValueError(f"invalid URL {shown}: expected a server and a path without ? and #")
        self._timeout = timeout
        self._pool = Pool(url, timeout)
        self.url = self._pool.base + quote(parts.path.removesuffix("/"), "/%~") + "/"
        self._others: dict[str, Pool] = {}
        self._choosing = threading.Lock()
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

    def _pools(self) -> Iterable[Pool]:
        return [self._pool, *self._others.values()]

    def _get(self, entry: Entry, headers: dict[str, str], into: Body) -> Answer:
        return self._ask("GET", entry.key, {**headers, **if_match(entry.version)}, into)

    def _described(self, key: str, answer: Answer, size: int | None) -> Entry:
        return Entry(key, size, (), self._version(answer.headers), complete=True)

    def _ask(self, method: str, key: str, headers: dict[str, str], into: Body = None) -> Answer:
        if not is_url_path(key):
            raise StoreError(f"invalid key {key!r}: it is not a file below {self.url}")
        url = self.url + quoted(key)
        for _ in range(_MOST_REDIRECTS):
            pool = self._pool_of(url)
            login = self._login if pool is self._pool else {}
            sent = {**headers, **login, "accept-encoding": "identity"}
            answer = pool.ask(method, _target(url), sent, into)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return self._accepted(answer)
            answer.close()
            location = answer.headers["location"]
            try:
                url = urljoin(url, location)
                origin(url)
            except ValueError:
                shown = shown_url(location)[:200]
                raise StoreError(f"redirected to an invalid URL: {shown}") from None
        raise StoreError(f"more than {_MOST_REDIRECTS} redirects")

    def _failure(self, answer: Answer) -> StoreError:
        error = super()._failure(answer)
        if answer.status == 401 and not self._login:
            return StoreError(f"{error} (pass the user and password as https://USER:PASSWORD@...)")
        return error

    def _pool_of(self, url: str) -> Pool:
        """Return the connections to the server of *url*."""
        base = "://".join(origin(url))
        if base == self._pool.base:
            return self._pool
        with self._choosing:
            if base not in self._others:
                if len(self._others) == _MOST_SERVERS:
                    self._others.pop(next(iter(self._others))).close()
                self._others[base] = Pool(base, self._timeout)
            return self._others[base]


def _target(url: str) -> str:
    """Return path and query of *url*, with characters quoted that a server should have quoted."""
    _, _, path, query, _ = urlsplit(url)
    path = quote(path or "/", _KEPT, "latin-1", "replace")
    return f"{path}?{quote(query, _KEPT, 'latin-1', 'replace')}" if query else path
