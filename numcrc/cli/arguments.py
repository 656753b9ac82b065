"""Make the parsers of commands, with the options that several commands have."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

    from numcrc.checksums import ChecksumAlgorithm


def new_parser(command: str, description: str, epilog: str) -> ArgumentParser:
    """Return the parser of *command*, without options."""
    return ArgumentParser(
        prog=f"numcrc {command}",
        description=description,
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
    )


def add_jobs(parser: ArgumentParser, things: str) -> None:
    """Add ``--jobs``, the number of *things* at a time."""
    parser.add_argument(
        *("-j", "--jobs"),
        metavar="N",
        type=positive,
        help=f"number of {things}, or parts of one, to read at a time "
        "(default: one per CPU, at most NUMCRC_NUM_THREADS)",
    )


def parsed(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Return the options and the paths in *arguments*, in any order; only paths follow ``--``."""
    from numcrc.threads import thread_count

    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_intermixed_args(arguments[:end])
    options.paths += arguments[end + 1 :]
    try:
        thread_count(options.jobs)
    except ValueError as error:  # an invalid NUMCRC_NUM_THREADS is wrong usage too
        parser.error(str(error))
    return options


def crc_algorithm(name: str) -> ChecksumAlgorithm:
    """Return the CRC algorithm called *name*."""
    from numcrc.checksums import known

    found = known(name)
    if found is None or found.crc is None:
        from numcrc.crc import catalogue

        raise ArgumentTypeError(catalogue.not_found(name))
    return found


def positive(text: str) -> int:
    """Return the positive integer *text*."""
    if not (text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"must be a positive integer, not {text!r}")
    return int(text)
