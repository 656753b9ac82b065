"""``numcrc explore hd``: find Hamming distances."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from json import dumps

from numcrc.cli import USAGE
from numcrc.cli.arguments import new_parser, positive
from numcrc.cli.explore.crcs import CRCS, add_parameters, chosen, crc, parameters
from numcrc.cli.output import print_text
from numcrc.explore import Undecided, example, hd_limits
from numcrc.explore.hd import BUDGET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from contextlib import AbstractContextManager

    from numcrc.algorithm import Algorithm
    from numcrc.explore import Limit

EPILOG = f"""\
The Hamming distance (HD) of a CRC is the least number of flipped bits that it may not detect. It
falls with the length of the data: the table has the greatest number of data bits, without those of
the CRC, for each distance. ">=" marks a number where the search ended before its answer.

With --bits or --bytes, the distance for data of that length, and an error of so few bits that is
not detected: their positions, from 0, the last bit of the CRC.

{CRCS}
With --json, an array of objects: those of "numcrc explore describe" up to residue, and limits, an
array of objects with hd, bits and exact; or bits, hd, exact (if it is false, the distance is at
least hd) and example (null then).

examples:
  numcrc explore hd crc32c crc32
  numcrc explore hd crc32c --bytes 1500
  numcrc explore hd 0x1021 --width 16 --max-hd 6

exit status: 0 success; 2 wrong usage, or a CRC that is too wide, or has no constant term.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc explore hd`` and return its exit status."""
    parser = build_parser()
    options = parser.parse_intermixed_args(arguments)
    if options.bytes:
        options.bits = 8 * options.bytes
    if options.max_hd is not None and (options.bits or options.max_hd < 3):
        parser.error("--max-hd must be at least 3, and is for the table of all lengths")
    crcs = chosen(parser, options, options.crcs)
    progress = _Progress(crcs)
    found: list[dict[int, Limit]] = []
    rows: list[dict[str, object]] = []
    show: AbstractContextManager[object] = nullcontext()
    if not options.no_progress and sys.stderr is not None:
        show = progress.bar()
    with show:
        for each in crcs:
            progress.start(each)
            try:
                if options.bits:
                    rows.append(_row(each, options, progress))
                else:
                    found.append(hd_limits(each, options.max_hd, options.budget, progress))
            except (ValueError, NotImplementedError, MemoryError) as error:
                why = str(error) or "not enough memory"
                print(f"numcrc: {each.name}: {why}", file=sys.stderr)
                return USAGE
    if options.json:
        rows = rows or list(map(_limits, crcs, found))
        print_text(dumps(rows, indent=2))
    elif options.bits:
        print_text("\n".join(map(_sentence, rows)))
    else:
        print_text(_table(crcs, found))
    return 0


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc explore hd``."""
    description = "Find the Hamming distances of CRCs, by the length of data."
    parser = new_parser("explore hd", description, EPILOG)
    add = parser.add_argument
    add("crcs", metavar="CRC", nargs="+", type=crc, help="what to compare; at most 64 bits wide")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--bits", metavar="N", type=positive, help="only for N data bits")
    length.add_argument("--bytes", metavar="N", type=positive, help="only for N data bytes")
    add("--max-hd", metavar="N", type=positive, help="the greatest distance of interest")
    add(
        "--budget",
        metavar="N",
        type=positive,
        help="steps that a search may take, and look nothing up (default: the limits that numcrc "
        f"has of the catalogue's polynomials; of others {BUDGET} steps, some ten seconds)",
    )
    add("--json", action="store_true", help="print a JSON array")
    add("--no-progress", action="store_true", help="show no progress")
    add_parameters(parser)
    return parser


class _Progress:
    """What part of its budget the present search has spent."""

    def __init__(self, crcs: list[Algorithm]) -> None:
        self._crc, self._spent = crcs[0], 0.0

    def start(self, crc: Algorithm) -> None:
        self._crc, self._spent = crc, 0.0

    def __call__(self, spent: float) -> None:
        self._spent = spent

    def bar(self) -> AbstractContextManager[object]:
        from numcrc.cli.progress import Bar

        def text() -> str:
            return f"{self._crc.name}: {self._spent:.0%} of the budget"

        return Bar(lambda: 0, lambda: None, text, sized=False)


def _row(crc: Algorithm, options: Namespace, progress: _Progress) -> dict[str, object]:
    """Return the distance for data of one length."""
    flips: list[int] | None = None
    try:
        flips = example(crc, options.bits, options.budget, progress)
        hd, exact = len(flips), True
    except Undecided as undecided:
        hd, exact = undecided.at_least, False
    found = {"bits": options.bits, "hd": hd, "exact": exact, "example": flips}
    return {**parameters(crc), **found}


def _sentence(row: dict[str, object]) -> str:
    text = f"{row['algorithm']}: HD {'' if row['exact'] else '>= '}{row['hd']}"
    flips = row["example"]
    if isinstance(flips, list):
        return f"{text}; these flipped bits are not detected: {' '.join(map(str, flips))}"
    return f"{text}; the search ended there (--budget)"


def _limits(crc: Algorithm, found: dict[int, Limit]) -> dict[str, object]:
    limits = [{"hd": hd, **limit._asdict()} for hd, limit in found.items()]
    return {**parameters(crc), "limits": limits}


def _table(crcs: list[Algorithm], found: list[dict[int, Limit]]) -> str:
    lines = [["HD", *(each.name for each in crcs)]]
    for hd in sorted({hd for limits in found for hd in limits}):
        cells = (limits.get(hd) for limits in found)
        lines.append([str(hd), *map(_cell, cells)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = (
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(["greatest number of data bits for each Hamming distance (HD):", *rows])


def _cell(limit: Limit | None) -> str:
    if limit is None:
        return "-"
    return f"{'' if limit.exact else '>='}{limit.bits}"
