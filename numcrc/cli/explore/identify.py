"""``numcrc explore identify``: find the algorithm of the catalogue that made checksums."""

from __future__ import annotations

from numcrc.cli.arguments import new_parser
from numcrc.cli.explore.samples import (
    KEYS,
    RESULTS,
    SAMPLES,
    add_samples,
    parsed_samples,
    run_search,
)
from numcrc.explore import identify, identify_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

EPILOG = f"""\
{SAMPLES}
{RESULTS}
{KEYS}
examples:
  numcrc explore identify --text 123456789:cbf43926
  numcrc explore identify "01 03 00 00 00 0a:c5 cd"
  numcrc explore identify --frames "7e 01 03 00 00 00 0a c5 cd 7e"
  numcrc explore identify --files firmware.bin:d1e2f3a4
  numcrc explore identify -i samples.txt --json

exit status: 0 an algorithm matches; 1 none does; 2 wrong usage, or a sample that cannot be parsed;
3 a file cannot be read.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc explore identify`` and return its exit status: 1 if nothing matches."""
    options = parsed_samples(build_parser(), arguments)
    hint = "; numcrc explore reverse looks for CRCs that are not in the catalogue"
    return run_search(options, identify, identify_frames, hint)


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc explore identify``."""
    description = "Find the algorithm of the catalogue that made checksums, and their byte order."
    parser = new_parser("explore identify", description, EPILOG)
    add_samples(parser)
    return parser
