"""Escape paths for lines of check files and for messages."""

from __future__ import annotations

import re

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
    return path if path.isprintable() else repr(path)


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
