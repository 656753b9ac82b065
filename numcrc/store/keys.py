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

from numcrc._light import NamedTuple

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


def utf8_start(raw: bytes) -> str:
    r"""Return the beginning of *raw* that is UTF-8.

    Examples
    --------
    >>> utf8_start(b"caf\xc3"), utf8_start(b"caf\xc3\xa9")
    ('caf', 'café')
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        return raw[: error.start].decode()


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


class KeyRange(NamedTuple):
    """The keys from *first* up to, but without, *end*: ranges that follow each other share none."""

    first: bytes = b""
    """The lowest key, which need not exist."""
    end: bytes | None = None
    """The key that follows the range, which need not exist; None: there is none."""

    def has(self, raw: bytes) -> bool:
        """Return whether the key with the bytes *raw* is in the range.

        Examples
        --------
        >>> [KeyRange(b"b", b"d").has(raw) for raw in (b"a", b"b", b"c", b"d")]
        [False, True, True, False]
        """
        return self.first <= raw and (self.end is None or raw < self.end)

    def ends_before(self, raw: bytes) -> bool:
        """Return whether the range ends before a key."""
        return self.end is not None and raw >= self.end

    def has_some(self, lowest: bytes, highest: bytes) -> bool:
        """Return whether a key between two others, both included, may be in the range."""
        return highest >= self.first and not self.ends_before(lowest)

    def has_below(self, folder: bytes) -> bool:
        """Return whether a key that begins with *folder* may be in the range.

        Examples
        --------
        >>> [KeyRange(b"b/c", b"b/d").has_below(raw) for raw in (b"a/", b"b/", b"b/d/")]
        [False, True, False]
        """
        return (folder >= self.first or self.first.startswith(folder)) and not self.ends_before(
            folder
        )

    def common(self, other: KeyRange) -> KeyRange:
        """Return the range of the keys that are in both.

        Examples
        --------
        >>> KeyRange(b"a", b"c").common(KeyRange(b"b"))
        KeyRange(first=b'b', end=b'c')
        """
        ends = [end for end in (self.end, other.end) if end is not None]
        return KeyRange(max(self.first, other.first), min(ends, default=None))


EVERY_KEY = KeyRange()
"""The range of all keys."""
