"""Look up the RevEng catalogue of parametrised CRC algorithms by any spelling of a name.

Source: Greg Cook, "Catalogue of parametrised CRC algorithms". Its parameters, check values
and residues are in ``catalogue.json``.
"""

from __future__ import annotations

import json
from functools import cache
from typing import NamedTuple

from numcrc._resources import read
from numcrc.crc.model import Model


class Entry(NamedTuple):
    """An algorithm of the catalogue."""

    name: str
    model: Model
    check: int
    residue: int
    aliases: tuple[str, ...]


@cache
def entries() -> dict[str, Entry]:
    """Return every entry under its official name, in catalogue order."""
    found = {}
    for row in json.loads(read("crc/catalogue.json"))["algorithms"]:
        init, xorout, poly, check, residue = (
            int(row[key], 16) for key in ("init", "xorout", "poly", "check", "residue")
        )
        model = Model(row["width"], poly, init, row["refin"], row["refout"], xorout)
        found[row["name"]] = Entry(row["name"], model, check, residue, tuple(row["aliases"]))
    return found


def spelling(name: str) -> str:
    """Return *name* in lower case, without ``-``, ``_``, ``/`` and spaces."""
    return name.translate(_IGNORED).casefold()


_IGNORED = dict.fromkeys(map(ord, "-_/ "))


@cache
def spellings() -> dict[str, str]:
    """Return the official name by the `spelling` of every name and alias."""
    table = {}
    for entry in entries().values():
        for name in (*entry.aliases, entry.name):
            table[spelling(name)] = entry.name
    return table


def find(name: str) -> Entry:
    """Return the entry of *name*, or raise KeyError with the closest names.

    >>> find("crc32c").name
    'CRC-32/ISCSI'
    """
    official = spellings().get(spelling(name)) if isinstance(name, str) else None
    if official is None:
        raise KeyError(not_found(name))
    return entries()[official]


def not_found(name: object) -> str:
    """Return the message about an unknown *name*, with the closest names."""
    import difflib

    close = difflib.get_close_matches(spelling(str(name)), spellings(), n=5, cutoff=0.5)
    names = dict.fromkeys(spellings()[key] for key in close)
    hint = f"; close matches: {', '.join(names)}" if names else ""
    return f"no CRC algorithm is called {name!r}{hint}"
