"""``numcrc list``: the catalogue."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from numcrc.crc.catalogue import entries, spelling

if TYPE_CHECKING:
    from numcrc.crc.catalogue import Entry

COLUMNS = (
    *("name", "width", "poly", "init", "refin", "refout", "xorout"),
    *("check", "residue", "aliases"),
)


def run(arguments: list[str]) -> int:
    """Run ``numcrc list`` and return its exit status: 1 when nothing matches, as grep's."""
    parser = ArgumentParser(
        prog="numcrc list", description="List the algorithms of the RevEng catalogue."
    )
    parser.add_argument(
        "pattern",
        metavar="PATTERN",
        nargs="?",
        default="",
        help="only those with a name like this: a part of it, or a pattern of * and ?",
    )
    parser.add_argument("--json", action="store_true", help="as a JSON array")
    options = parser.parse_args(arguments)
    rows = [_row(entry) for entry in entries().values() if _matches(entry, options.pattern)]
    if options.json:
        from json import dumps

        print(dumps(rows, indent=2))
    elif rows:
        print(_table(rows))
    else:
        print(f"numcrc: no algorithm matches {options.pattern!r}", file=sys.stderr)
    return 0 if rows else 1


def _matches(entry: Entry, pattern: str) -> bool:
    wanted = spelling(pattern)
    if not set(wanted) & set("*?["):
        wanted = f"*{wanted}*"
    return any(fnmatchcase(spelling(name), wanted) for name in (entry.name, *entry.aliases))


def _row(entry: Entry) -> dict[str, object]:
    digits = -(-entry.model.width // 4)
    values = {**entry._asdict(), **entry.model._asdict()}
    row = {column: values[column] for column in COLUMNS}
    for column in ("poly", "init", "xorout", "check", "residue"):
        row[column] = f"0x{row[column]:0{digits}x}"  # wider than what many JSON readers hold
    return row


def _table(rows: list[dict[str, object]]) -> str:
    lines = [COLUMNS, *(tuple(map(_cell, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
