"""Arguments that several commands take."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

import numcrc
from numcrc.threads import thread_count

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from numcrc.algorithm import Algorithm


def parsed(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Return what *parser* makes of *arguments*: options and paths in any order until ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_intermixed_args(arguments[:end])
    options.paths += arguments[end + 1 :]
    try:
        thread_count(options.jobs)
    except ValueError as error:  # NUMCRC_NUM_THREADS, which is part of the command line's meaning
        parser.error(str(error))
    return options


def algorithm(name: str) -> Algorithm:
    """Return the algorithm called *name*."""
    try:
        return numcrc.algorithms[name]
    except KeyError as error:
        raise ArgumentTypeError(error.args[0]) from None


def jobs(text: str) -> int:
    """Return how many jobs *text* asks for."""
    if not (text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"must be a positive integer, not {text!r}")
    return int(text)
