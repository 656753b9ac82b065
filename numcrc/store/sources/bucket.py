"""List and name the objects of a bucket, or of a prefix in it, for all stores with listings."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import count

from numcrc._light import NamedTuple
from numcrc.store.keys import EVERY_KEY, KeyRange, key_bytes
from numcrc.store.objects import Entry
from numcrc.store.source import MissingError, StoreError, in_range
from numcrc.store.sources import without_login
from numcrc.store.sources.answers import named
from numcrc.store.sources.http import HttpSource
from numcrc.store.sources.transport import Answer

MOST_EMPTY = 10_000
"""Pages without objects, one after another: stores send some where many objects were deleted."""
LONGEST_TOKEN = 8 << 10
"""Characters."""
# The statuses with which stores refuse anonymous requests.
_REFUSALS = {400, 401, 403, 409}


class Page(NamedTuple):
    """A page of a listing."""

    entries: Sequence[Entry]
    """The objects, whose keys are their names in the bucket."""
    token: str
    """The token for the next page; empty: this is the last."""


class Bucket(HttpSource):
    """A source at ``scheme://bucket`` or ``scheme://bucket/prefix``.

    A prefix is a folder: ``s3://bucket/a/b`` has the keys below ``a/b/``. If there is an object
    ``a/b``, the source is that object only, with the key ``b``. A prefix that ends with ``/`` is
    always a folder. An object with the name of the folder, ``a/b/``, is left out.
    """

    listable = True
    local = False
    inventory_prefix = ""

    def __init__(self, url: str) -> None:
        super().__init__()
        scheme, _, rest = url.partition("://")
        self._bucket, self._prefix = self._split(rest)
        if not self._bucket or "@" in self._bucket:
            raise ValueError(
                f"invalid URL {without_login(url)}: expected {scheme}://bucket or "
                f"{scheme}://bucket/prefix, and credentials in the environment"
            )
        self.url = url
        self._only = ""
        self._resolved = not self._prefix or self._prefix.endswith("/")
        self._lock = threading.Lock()

    @staticmethod
    def _split(rest: str) -> tuple[str, str]:
        """Return bucket and prefix from a URL without its scheme."""
        bucket, _, prefix = rest.partition("/")
        return bucket, prefix

    @abstractmethod
    def stat(self, key: str) -> Entry:
        """Return the entry of one object, with all checksums that the store keeps."""

    @abstractmethod
    def _probe(self, name: str) -> Answer:
        """Return any answer that shows whether the bucket has an object of that name."""

    @abstractmethod
    def _page(self, prefix: str, token: str, names: KeyRange) -> Page:
        """Return a page of the objects whose names begin with *prefix*.

        Those that are not in the range *names* may be left out. *token* is that of the page before;
        empty: return the first page.
        """

    def entries(self) -> Iterator[Entry]:
        """Yield every object, one page of the store's listing at a time."""
        return self.entries_in(EVERY_KEY)

    def entries_in(self, keys: KeyRange) -> Iterator[Entry]:
        """Yield every object in a range of keys; the pages after it are not asked for."""
        try:
            self._resolve_prefix()
        except Exception as error:
            raise named(error, self.url) from error
        if self._only:
            if keys.has(key_bytes(self._only)):
                yield self.stat(self._only)
            return
        if keys.ends_before(keys.first):  # stores may refuse this
            return
        prefix = self._prefix
        start = key_bytes(prefix)
        names = KeyRange(start + keys.first, None if keys.end is None else start + keys.end)
        everything = keys == EVERY_KEY
        for page in self._pages(prefix, names):
            entries = page.entries if everything else in_range(page.entries, names)
            for entry in entries:
                if entry.key != prefix:
                    yield entry._replace(key=entry.key[len(prefix) :])
            if page.entries and names.ends_before(key_bytes(page.entries[-1].key)):
                return

    def has_folder(self, key: str) -> bool:
        """Return whether there are objects in a folder, whose key ends with ``/``."""
        try:
            return bool(self._page(self._name(key), "", EVERY_KEY).entries)
        except StoreError:
            return False

    def _pages(self, prefix: str, names: KeyRange) -> Iterator[Page]:
        """Yield the pages of a listing; every error names the page.

        Pages may be empty, but a listing that makes no progress ends with an error: one that
        repeats a token, or has too many empty pages in a row.
        """
        token, last = "", b""
        seen = set[int]()  # hashes of the tokens since the last page with objects
        for number in count(1):
            try:
                page = self._page(prefix, token, names)
                if page.entries:
                    seen.clear()
                seen.add(hash(token))
                if page.token and hash(page.token) in seen:
                    raise StoreError(f"the token {page.token!r:.80} is repeated")
                if len(page.token) > LONGEST_TOKEN:
                    raise StoreError(f"the next token has {len(page.token)} characters")
                if len(seen) > MOST_EMPTY:
                    raise StoreError(f"{len(seen)} pages without objects follow each other")
                last = _last_key(page, prefix, last)
            except Exception as error:
                raise named(error, self.url, f"page {number} of the listing") from error
            yield page
            token = page.token
            if not token:
                return

    def _name(self, key: str) -> str:
        """Return the name in the bucket of the object with a key."""
        if not self._resolved:
            self._resolve_prefix()
        if not key:
            raise StoreError("invalid key: it is empty")
        if self._only and key != self._only:
            raise MissingError(f"{self.url} is one object")
        return self._prefix + key

    def _resolve_prefix(self) -> None:
        """Find out whether the prefix is an object or a folder."""
        with self._lock:
            if self._resolved:
                return
            if self._exists(self._prefix):
                folder, slash, self._only = self._prefix.rpartition("/")
                self._prefix = folder + slash
            else:
                self._prefix += "/"
            self._resolved = True

    def _exists(self, name: str) -> bool:
        with self._probe(name) as answer:
            # Without the right to list, a missing object is forbidden.
            if answer.status in (403, 404):
                return False
            if answer.status != 200:
                raise self._failure(answer)
        return True

    def _failure(self, answer: Answer) -> StoreError:
        """Return the exception for an error response, with what to do about it."""
        error, advice = super()._failure(answer), self._advice()
        # Azure hides what anonymous requests may not see.
        if advice and (answer.status in _REFUSALS or "ResourceNotFound" in str(error)):
            return StoreError(f"{error} (the request was anonymous: {advice})")
        return error

    def _advice(self) -> str:
        """Return what to do if the store refuses requests because they are anonymous, or nothing.

        Subclasses override this.
        """
        return ""


def _last_key(page: Page, prefix: str, last: bytes) -> bytes:
    """Return the last key of a page, or *last*; raise StoreError if its keys are not in order."""
    for entry in page.entries:
        key = key_bytes(entry.key)
        if key <= last or not entry.key.startswith(prefix):
            raise StoreError(f"{entry.key!r:.200} is out of order")
        last = key
    return last
