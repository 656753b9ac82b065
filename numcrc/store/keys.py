r"""Define the keys of objects: their bytes, their order, and which of them are valid where.

A key is the name of an object below the root of its source, with ``/`` between folders. It is
text; bytes that are not UTF-8 are represented by surrogates, as `os.fsdecode` does on Linux.
Keys are ordered by their bytes, which is the order in which stores list them.
"""

from __future__ import annotations

import os
import posixpath
import re
from urllib.parse import quote, unquote

_ERRORS = "surrogateescape"
# ``a//b`` is another name of the file ``a/b``, which has one key.
_NOT_FILE = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)|\0" + (r"|[\\:]" if os.name == "nt" else ""))
_NOT_URL = re.compile(r"(?:\A|/)\.{1,2}(?:/|\Z)|\A/|\A\Z")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def key_bytes(key: str) -> bytes:
    r"""Return the bytes of *key*, by which keys are ordered.

    Examples
    --------
    >>> key_bytes("caf\udce9")
    b'caf\xe9'
    >>> sorted(["\U0001f4be", "\uff5e"], key=key_bytes) == ["\uff5e", "\U0001f4be"]
    True
    """
    return key.encode("utf-8", _ERRORS)


def key_text(raw: bytes) -> str:
    r"""Return the key with the bytes *raw*; the inverse of `key_bytes`.

    Examples
    --------
    >>> key_text(b"caf\xe9")
    'caf\udce9'
    """
    return raw.decode("utf-8", _ERRORS)


def quoted(key: str, safe: str = "/~") -> str:
    r"""Return *key* percent-encoded for a URL, except letters, digits, ``_.-`` and *safe*.

    Examples
    --------
    >>> quoted("a b/caf\udce9")
    'a%20b/caf%E9'
    """
    return quote(key, safe, errors=_ERRORS)


def unquoted(text: str, *, plus: bool = False) -> str:
    r"""Return the key that *text* percent-encodes; with *plus*, ``+`` stands for a space.

    Examples
    --------
    >>> unquoted("a%20b/caf%E9"), unquoted("a+b", plus=True)
    ('a b/caf\udce9', 'a b')
    """
    return unquote(text.replace("+", " ") if plus else text, errors=_ERRORS)


def check_key(key: str) -> str:
    r"""Return *key*, or raise ValueError if it is empty or contains a null character.

    Examples
    --------
    >>> check_key("a\0")
    Traceback (most recent call last):
    ValueError: invalid key 'a\x00': it contains a null character
    """
    if not key:
        raise ValueError("invalid key: it is empty")
    if "\0" in key:
        raise ValueError(f"invalid key {key!r}: it contains a null character")
    return key


def is_file_path(key: str) -> bool:
    r"""Return whether *key* is a normalised path that stays inside a folder on a local disk.

    On Windows, keys with ``\`` or ``:`` are not.

    Examples
    --------
    >>> [key for key in ("a/b", "", "/a", "a//b", "a/", "a/../b") if is_file_path(key)]
    ['a/b']
    """
    return not _NOT_FILE.search(key)


def is_url_path(key: str) -> bool:
    """Return whether *key*, appended to a URL that ends with ``/``, stays below that URL.

    Examples
    --------
    >>> [key for key in ("a/b", "", "/a", "a//b", "a/", "a/../b") if is_url_path(key)]
    ['a/b', 'a//b', 'a/']
    """
    return not _NOT_URL.search(key)


def key_of_path(path: str, allow_outside: bool = False) -> str:
    """Return the key of the file at *path*, which is relative to a source's root.

    Raises
    ------
    ValueError
        *path* is a folder, or leads out of the root although *allow_outside* is false.

    Examples
    --------
    >>> key_of_path("./a//b")
    'a/b'
    """
    key = posixpath.normpath(path)
    leaves = (
        key.startswith("/")
        or ".." in path.split("/")
        or _DRIVE.match(path)
        or (os.name == "nt" and ("\\" in path or ":" in path))
    )
    if leaves and not allow_outside:
        raise ValueError(f"{path!r} leads out of the folder")
    if path.endswith("/") or key == ".":
        raise ValueError(f"{path!r} is a folder")
    return key


def is_folder(key: str) -> bool:
    """Return whether *key* is that of a folder: in stores, an empty object may mark one.

    Examples
    --------
    >>> is_folder("photos/"), is_folder("photos")
    (True, False)
    """
    return key.endswith("/")
