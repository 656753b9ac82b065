"""Open sources: folders, object stores and web servers, each by the scheme of its URL."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TypeAlias

from numcrc._light import NamedTuple
from numcrc.process import imported
from numcrc.store.source import Source

StrPath: TypeAlias = str | os.PathLike[str]


class Scheme(NamedTuple):
    """A scheme of URLs, and the class of its sources.

    To add a scheme, add a module with a class that fulfils `Source`, and a line to `SCHEMES`.
    """

    name: str
    """The part of a URL before ``://``."""
    home: str
    """Module in this package and class: ``module:Class``, called with the URL."""
    form: str
    """The form of its URLs, for help texts."""
    summary: str
    """The kind of store, in a few words."""


SCHEMES = (
    Scheme("file", "local:LocalSource", "file:///PATH", "a local folder or file"),
    Scheme("s3", "s3:S3Source", "s3://BUCKET/PREFIX", "Amazon S3 and compatible stores"),
    Scheme("gs", "gcs:GcsSource", "gs://BUCKET/PREFIX", "Google Cloud Storage"),
    Scheme("az", "azure:AzureSource", "az://CONTAINER/PREFIX", "Azure Blob Storage"),
    Scheme("http", "web:WebSource", "http://SERVER/FOLDER", "a web server, which has no listing"),
    Scheme("https", "web:WebSource", "https://SERVER/FOLDER", "the same, encrypted"),
)
_HOMES = {scheme.name: scheme.home for scheme in SCHEMES}


def open_source(url: str, *, allow_outside: bool = False) -> Source:
    """Return the source at *url*.

    Parameters
    ----------
    url : str
        A path, or a URL that begins with ``file://``, ``s3://``, ``gs://``, ``az://``, ``http://``
        or ``https://``.
    allow_outside : bool
        Whether keys may lead out of a local folder, by ``..`` or as absolute paths.

    Raises
    ------
    ValueError
        The scheme is unknown, the URL is invalid, or *allow_outside* is true and *url* is not a
        local folder.
    ImportError
        The client of the store is not installed; the message names the extra that brings it.
    StoreError
        The store is not configured.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, opened(folder) as source:
    ...     list(source.entries())
    []
    """
    name, separator, _ = url.partition("://")
    scheme = name if separator else "file"
    if scheme not in _HOMES:
        known = ", ".join(f"{known}://" for known in _HOMES)
        raise ValueError(f"unknown scheme {scheme!r}: expected a path, or one of {known}")
    if allow_outside:
        if scheme != "file":
            shown = without_login(url)
            raise ValueError(f"keys cannot lead out of {shown}: it is not a local folder")
        from numcrc.store.sources.local import LocalSource

        return LocalSource(url, allow_outside=True)
    # Imported on demand: each store has its own optional dependencies.
    module, _, kind = _HOMES[scheme].partition(":")
    try:
        source: Source = getattr(imported(f"{__name__}.{module}"), kind)(url)
    except ImportError as error:
        if error.name != "pycurl":
            raise
        needs = f"{scheme}:// needs pycurl 7.48 or later: pip install 'numcrc[{module}]'"
        raise ImportError(needs) from error
    return source


def opened(
    source: StrPath | Source, *, allow_outside: bool = False
) -> AbstractContextManager[Source]:
    """Return a context manager for a source, which it closes if *source* is a path or a URL.

    Raises
    ------
    ValueError
        As for `open_source`; or *allow_outside* is true and *source* is already open.
    """
    if isinstance(source, (str, os.PathLike)):
        return closing(open_source(os.fspath(source), allow_outside=allow_outside))
    if allow_outside:
        raise ValueError(f"keys cannot lead out of {source.url}: it must be given as a path")
    return nullcontext(source)


def folder_finder(source: Source | None, listed: bool) -> Callable[[str], bool] | None:
    """Return a function that says whether a source has a folder, or None.

    A store has the folders of the keys that it lists; so it need not be asked if all its keys
    are *listed*. A local folder may be empty.
    """
    if source is None or (listed and not source.local):
        return None
    found: Callable[[str], bool] | None = getattr(source, "has_folder", None)
    return found


def without_login(url: str) -> str:
    """Return *url* without user and password, for messages.

    Examples
    --------
    >>> without_login("https://user:secret@server/a")
    'https://server/a'
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
