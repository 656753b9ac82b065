"""Paths inside a line, whatever characters they are made of."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_MEANING = {"n": "\n", "r": "\r", "\\": "\\"}


def escaped(path: str) -> tuple[str, str]:
    """Return the mark in front of a gnu or bsd line and the name inside it, as coreutils does."""
    if "\\" in path or "\n" in path or "\r" in path:
        return "\\", path.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")
    return "", path


def unescaped(mark: str, name: str) -> str:
    """Return the path that `escaped` makes into *mark* and *name*, or raise ValueError."""
    if not mark:
        return name

    def meaning(match: re.Match[str]) -> str:
        try:
            return _MEANING[match[1]]
        except KeyError:
            raise ValueError(f"unknown escape {match[0]!r} in a name") from None

    return _ESCAPE.sub(meaning, name)


def shown(path: str) -> str:
    """Return *path* for a message: on one line and without a terminal's control characters."""
    return path if path.isprintable() else repr(path)
