"""``numcrc info``: what this machine's CPU allows and which kernels are used."""

from __future__ import annotations

from argparse import ArgumentParser

import numcrc


def run(arguments: list[str]) -> int:
    """Run ``numcrc info`` and return its exit status."""
    parser = ArgumentParser(prog="numcrc info", description=__doc__.partition(": ")[2].capitalize())
    parser.add_argument("--json", action="store_true", help="as a JSON object")
    options = parser.parse_args(arguments)
    info = numcrc.info()
    if options.json:
        from json import dumps

        print(dumps(info.as_dict(), indent=2))
    else:
        print(info)
    return 0
