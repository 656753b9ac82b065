"""``numcrc list``: list the algorithms of the catalogue."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from re import fullmatch

from numcrc.checkfiles.names import quoted
from numcrc.cli.arguments import new_parser
from numcrc.cli.output import print_text
from numcrc.crc.catalogue import entries, spelling
from numcrc.crc.gf2 import reflect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from numcrc.crc.catalogue import CatalogueEntry

COLUMNS = (
    *("name", "width", "poly", "init", "refin", "refout", "xorout"),
    *("check", "residue", "aliases"),
)
EPILOG = """\
examples:
  numcrc list                   all algorithms
  numcrc list castagnoli        those with this in their name or in an alias
  numcrc list "crc-16/*"        those with 16 bits
  numcrc list 0xedb88320        those with this poly, in either notation, or this check

exit status: 0 success; 1 no algorithm matches; 2 wrong usage.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc list`` and return its exit status: 1 if nothing matches, as grep does."""
    options = build_parser().parse_args(arguments)
    rows = [_row(entry) for entry in entries().values() if _matches(entry, options.pattern)]
    if options.json:
        from json import dumps

        print_text(dumps(rows, indent=2))
    elif rows:
        print_text(_fitting(rows))
    if not (rows or options.json):
        print(f"numcrc: no algorithm matches {quoted(options.pattern)}", file=sys.stderr)
    return 0 if rows else 1


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc list``."""
    parser = new_parser("list", "List the algorithms of the RevEng catalogue.", EPILOG)
    parser.add_argument(
        "pattern",
        metavar="PATTERN",
        nargs="?",
        default="",
        help="part of a name, a pattern with * and ? for a whole name, or a poly or check as 0x...",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    return parser


def _matches(entry: CatalogueEntry, pattern: str) -> bool:
    if fullmatch("0[xX][0-9a-fA-F]+", pattern):
        model = entry.model
        return int(pattern, 16) in (model.poly, reflect(model.poly, model.width), entry.check)
    wanted = spelling(pattern)
    if not set(wanted) & set("*?["):
        wanted = f"*{wanted}*"
    return any(fnmatchcase(spelling(name), wanted) for name in (entry.name, *entry.aliases))


def _row(entry: CatalogueEntry) -> dict[str, object]:
    digits = -(-entry.model.width // 4)
    values = {**entry._asdict(), **entry.model._asdict()}
    row = {column: values[column] for column in COLUMNS}
    for column in ("poly", "init", "xorout", "check", "residue"):
        row[column] = f"0x{row[column]:0{digits}x}"  # a number would exceed many JSON readers
    return row


def _fitting(rows: list[dict[str, object]]) -> str:
    """Return a table, or paragraphs if standard output is a terminal that is too narrow for it."""
    table = _table(rows)
    if not sys.stdout.isatty():
        return table
    from shutil import get_terminal_size

    columns = get_terminal_size().columns
    if max(map(len, table.splitlines())) <= columns:
        return table
    return "\n".join(_paragraph(row, columns) for row in rows)


def _paragraph(row: dict[str, object], columns: int) -> str:
    """Return the name of an algorithm, and below it the other cells as RevEng writes them."""
    from textwrap import fill

    lines = ["  ".join(f"{name}={_cell(row[name])}" for name in COLUMNS[1:-1])]
    if row["aliases"]:
        lines.append(f"aliases: {_cell(row['aliases'])}")
    indent = "    "
    texts = [
        fill(
            line,
            max(columns, 2 * len(indent)),
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        for line in lines
    ]
    return "\n".join([str(row["name"]), *texts])


def _table(rows: list[dict[str, object]]) -> str:
    lines = [COLUMNS, *(tuple(map(_cell, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
