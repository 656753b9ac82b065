"""``numcrc explore``: describe, compare, identify and forge CRCs.

Each action is a module with ``build_parser()`` and ``run(arguments) -> exit status``.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from numcrc.cli.arguments import Formatter

# A summary of each action, which has a module of its name.
ACTIONS = {
    "describe": "write a polynomial in every notation, with its factors and order",
    "hd": "find the Hamming distances of CRCs, by the length of data",
    "identify": "find the algorithm that made checksums, in the catalogue",
    "reverse": "find the parameters of any CRC that made checksums",
    "forge": "write a file with a chosen CRC",
}

EPILOG = """\
'numcrc explore ACTION --help' describes an action. --json prints JSON: numbers that are bit
patterns are hexadecimal strings.

examples:
  numcrc explore describe crc32c
  numcrc explore hd crc32c crc32
  numcrc explore identify --text 123456789:cbf43926
  numcrc explore reverse --frames -i frames.txt
  numcrc explore forge crc32 --target deadbeef file -o forged

exit status: 0 success; 1 no CRC matches; 2 wrong usage; 3 something could not be read or written.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc explore`` and return its exit status."""
    if not arguments or arguments[0] not in ACTIONS:
        build_parser().parse_args(arguments[:1])
        raise AssertionError("a known action is not dispatched here")
    name = f"numcrc.cli.explore.{arguments[0]}"
    __import__(name)
    status: int = sys.modules[name].run(arguments[1:])
    return status


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc explore`` without an action."""
    width = max(map(len, ACTIONS))
    actions = "\n".join(f"  {name:{width}}  {text}" for name, text in ACTIONS.items())
    parser = ArgumentParser(
        prog="numcrc explore",
        usage="numcrc explore [-h] ACTION ...",
        description=f"Describe, compare, identify and forge CRCs.\n\nactions:\n{actions}",
        epilog=EPILOG,
        formatter_class=Formatter,
    )
    parser.add_argument("action", metavar="ACTION", choices=list(ACTIONS))
    return parser
