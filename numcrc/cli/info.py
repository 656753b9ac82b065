"""``numcrc info``: show what the CPU supports and which kernels are used."""

from __future__ import annotations

import json

import numcrc
from numcrc.cli.arguments import new_parser
from numcrc.cli.output import print_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

EPILOG = """\
examples:
  numcrc info
  NUMCRC_TIER=table numcrc info       the kernels of a lower tier
  numcrc info --verbose               where the code of kernels is
  numcrc info --json                  for a program, or a bug report
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc info`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    if options.verbose:
        for crc in (numcrc.crc32, numcrc.crc32c, numcrc.crc64nvme):
            crc(b"")
    info = numcrc.info(options.verbose)
    if options.json:
        print_text(json.dumps(info.as_dict(), indent=2))
    else:
        print_text(str(info))
    return 0


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc info``."""
    description = "Show what the CPU supports and which kernels are used."
    parser = new_parser("info", description, EPILOG)
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="load the kernels of crc32, crc32c and crc64nvme, and show where their code is",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    return parser
