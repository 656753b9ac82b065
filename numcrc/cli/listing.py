"""``numcrc list``: list the algorithms of the catalogue."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from numcrc.cli.arguments import new_parser
from numcrc.crc.catalogue import entries, spelling

if TYPE_CHECKING:
    from numcrc.crc.catalogue import Entry

COLUMNS = (
    *("name", "width", "poly", "init", "refin", "refout", "xorout"),
    *("check", "residue", "aliases"),
)
EPILOG = """\
examples:
  numcrc list                   all algorithms
  numcrc list castagnoli        those with this in their name or in an alias
  numcrc list "crc-16/*"        those with 16 bits

exit status: 0 success; 1 no algorithm matches; 2 wrong usage.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc list`` and return its exit status: 1 if nothing matches, as grep does."""
    parser = new_parser("list", "List the algorithms of the RevEng catalogue.", EPILOG)
    parser.add_argument(
        "pattern",
        metavar="PATTERN",
        nargs="?",
        default="",
        help="part of a name, or a pattern with * and ? for a whole name",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")
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
        row[column] = f"0x{row[column]:0{digits}x}"  # a number would exceed many JSON readers
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
