"""``numcrc explore describe``: write polynomials in every notation."""

from __future__ import annotations

from json import dumps

from numcrc.cli.arguments import new_parser
from numcrc.cli.explore.crcs import CRCS, add_parameters, chosen, crc, parameters
from numcrc.cli.output import print_text
from numcrc.explore import Polynomial, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from numcrc.algorithm import Algorithm

EPILOG = f"""\
{CRCS}
With --json, an array of objects: algorithm, width, poly, init, refin, refout, xorout, check,
residue, aliases, terms, reversed, reciprocal, koopman, factors (each with terms, value, which has
the leading term, and multiplicity), order, primitive, and detects_odd_errors. A polynomial without
a constant term has null for reciprocal, koopman and order.

examples:
  numcrc explore describe crc32c
  numcrc explore describe 0x1021 --width 16
  numcrc explore describe 0x82608edb --notation koopman
  numcrc explore describe --json crc-16/arc crc-16/modbus

exit status: 0 success; 2 wrong usage.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc explore describe`` and return its exit status."""
    parser = build_parser()
    options = parser.parse_intermixed_args(arguments)
    crcs = chosen(parser, options, options.crcs)
    if options.json:
        print_text(dumps(list(map(_as_dict, crcs)), indent=2))
    else:
        print_text("\n\n".join(str(describe(each)) for each in crcs))
    return 0


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc explore describe``."""
    description = "Write the polynomials of CRCs in every notation, with their factors and order."
    parser = new_parser("explore describe", description, EPILOG)
    parser.add_argument("crcs", metavar="CRC", nargs="+", type=crc, help="what to describe")
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    add_parameters(parser)
    return parser


def _as_dict(algorithm: Algorithm) -> dict[str, object]:
    p = Polynomial.of(algorithm)
    digits = -(-p.width // 4)
    odd = not p.even
    return {
        **parameters(algorithm),
        "aliases": list(algorithm.aliases),
        "terms": p.terms,
        "reversed": f"0x{p.reversed:0{digits}x}",
        "reciprocal": f"0x{p.reciprocal.normal:0{digits}x}" if odd else None,
        "koopman": f"0x{p.koopman:0{digits}x}" if odd else None,
        "factors": [
            {"terms": each.terms, "value": hex(each.value), "multiplicity": count}
            for each, count in p.factors
        ],
        "order": p.order if odd else None,
        "primitive": p.primitive,
        "detects_odd_errors": p.parity,
    }
