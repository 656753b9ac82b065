"""``numcrc explore reverse``: find the parameters of any CRC that made checksums."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from functools import partial

from numcrc.checkfiles.names import quoted
from numcrc.cli.arguments import new_parser
from numcrc.cli.explore.samples import (
    KEYS,
    RESULTS,
    SAMPLES,
    add_samples,
    parsed_samples,
    run_search,
)
from numcrc.explore import reverse, reverse_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

EPILOG = f"""\
{SAMPLES}
Four messages of different lengths determine a CRC. If all have one length, the polynomial is found,
but init and xorout are not determined. In messages above 64 KiB, only polynomials of the catalogue
are found.

{RESULTS}
{KEYS}
examples:
  numcrc explore reverse -i samples.txt
  numcrc explore reverse -i samples.txt --widths 16 --ignore 1
  numcrc explore reverse --frames -i frames.txt --max-start 2 --max-tail 0

exit status: 0 a CRC matches; 1 none does; 2 wrong usage, or a sample that cannot be parsed; 3 a
file cannot be read.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc explore reverse`` and return its exit status: 1 if nothing matches."""
    options = parsed_samples(build_parser(), arguments)
    chosen = {
        "widths": options.widths,
        "crossed": options.crossed or None,
        "ignore": options.ignore,
    }
    hint = "" if options.ignore else "; a damaged sample is left out by --ignore 1"
    return run_search(options, partial(reverse, **chosen), partial(reverse_frames, **chosen), hint)


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc explore reverse``."""
    description = "Find the parameters of any CRC of up to 64 bits that made checksums."
    parser = new_parser("explore reverse", description, EPILOG)
    add_samples(parser)
    add = parser.add_argument
    add(
        "--widths",
        metavar="BITS",
        type=widths,
        help="only these widths, such as 16, 8,16 or 9..16 (default: all that the CRCs can have)",
    )
    add("--crossed", action="store_true", help="try refin other than refout even if others match")
    add(
        "--ignore",
        metavar="N",
        type=int,
        choices=(0, 1),
        default=0,
        help="how many samples may be damaged: 0 or 1 (default: 0)",
    )
    return parser


def widths(text: str) -> list[int]:
    """Return the widths in *text*.

    Examples
    --------
    >>> widths("16"), widths("8,16"), widths("9..12,16")
    ([16], [8, 16], [9, 10, 11, 12, 16])
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,3})(?:\.\.(\d{1,3}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 64:
            problem = f"must be widths from 1 to 64, such as 16, 8,16 or 9..16, not {quoted(text)}"
            raise ArgumentTypeError(problem)
        found.update(range(first, last + 1))
    return sorted(found)
