"""Escape paths for lines of check files, and shorten and escape texts for messages."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

# Characters of messages: of a text in quotes, more than a checksum has; of a name or the whole, as
# many as a key of S3 has, since an object is found by its name.
_LONGEST_TEXT, _LONGEST = 200, 1024

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_MEANING = {"n": "\n", "r": "\r", "\\": "\\"}


def escaped(path: str) -> tuple[str, str]:
    r"""Return the mark at the start of a gnu or bsd line, and *path* escaped as by coreutils.

    Examples
    --------
    >>> escaped("a b"), escaped("a\nb")
    (('', 'a b'), ('\\', 'a\\nb'))
    """
    if "\\" in path or "\n" in path or "\r" in path:
        return "\\", path.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")
    return "", path


def unescaped(mark: str, name: str) -> str:
    r"""Return the path that `escaped` turns into *mark* and *name*.

    Raises
    ------
    ValueError
        *name* has an escape other than ``\n``, ``\r`` and ``\\``.
    """
    if not mark:
        return name

    def meaning(match: re.Match[str]) -> str:
        try:
            return _MEANING[match[1]]
        except KeyError:
            raise ValueError(f"unknown escape {match[0]!r} in a name") from None

    return _ESCAPE.sub(meaning, name)


def shown(path: str) -> str:
    r"""Return *path* for a message: on one line, without control characters of a terminal.

    Examples
    --------
    >>> print(shown("a b"), shown("a\nb"))
    a b 'a\nb'
    """
    path = shortened(path)
    return path if path and path.isprintable() else repr(path)


def quoted(text: str) -> str:
    r"""Return *text* in quotes for a message, `shortened`.

    Examples
    --------
    >>> print(quoted("a\n"), len(quoted("a" * 10_000)))
    'a\n' 205
    """
    return repr(shortened(text, _LONGEST_TEXT))


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return *text*, without its middle if it is longer than *longest*.

    Examples
    --------
    >>> shortened("ab"), shortened(500 * "a" + 500 * "b", 10)
    ('ab', 'aaaaa...bbbbb')
    """
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def visible(text: str) -> str:
    r"""Return *text* with escapes for characters that are not printable.

    Examples
    --------
    >>> print(visible("a \x1b[2J\u202e"))
    a \x1b[2J\u202e
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def on_terminal(text: str) -> str:
    r"""Return lines without control characters of a terminal, which paths may have.

    Examples
    --------
    >>> print(on_terminal("a\nb\x1b[2J\n"), end="")
    a
    b\x1b[2J
    """
    return "".join(
        part if part.endswith("\n") else visible(part) for part in re.split("(\r?\n)", text)
    )


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Let an OSError in the ``with`` block name *path*; one of a write names no file.

    Examples
    --------
    >>> with naming("a.csv"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    OSError: [Errno 28] No space left on device: 'a.csv'
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write *data* to a file that may take a part at a time.

    Raw files do if a disk is nearly full; with PYTHONUNBUFFERED standard output is one.
    """
    left = memoryview(data)
    while left:
        count = file.write(left)
        if count is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        left = left[count:]


def named_message(error: OSError) -> str:
    """Return the message of *error*, after the name of the file if it has one.

    Examples
    --------
    >>> named_message(FileNotFoundError(2, "No such file or directory", "a.csv"))
    'a.csv: No such file or directory'
    """
    name = f"{shown(str(error.filename))}: " if error.filename else ""
    return f"{name}{error.strerror or error}"
