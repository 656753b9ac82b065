"""Decode JSON whose objects have unique names."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def loads(text: str) -> Any:
    """Return the value of JSON text.

    Raises
    ------
    ValueError
        The text is not JSON, is nested too deep, or an object has a name twice.

    Examples
    --------
    >>> loads('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: duplicate name 'a'
    """
    try:
        if text.startswith("{"):  # the usual line; `decode` also skips white space before it
            value, end = _DECODER.raw_decode(text)
            if not text[end:].strip(" \t\n\r"):
                return value
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("invalid JSON: nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON: {error.msg}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        check_unique([name for name, _ in pairs])
    return found


def check_unique(names: Iterable[str]) -> None:
    """Raise ValueError if a name occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"duplicate name {name[:80]!r}")
        seen.add(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
