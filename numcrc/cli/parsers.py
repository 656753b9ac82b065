"""Collect the parsers of all commands, for their completion in shells and for manual pages."""

from __future__ import annotations

import sys

from numcrc import cli
from numcrc.cli import explore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action, ArgumentParser
    from typing import Any


def parsers() -> dict[str, tuple[ArgumentParser, str]]:
    """Return the parser and a summary of each command and action by its words.

    Examples
    --------
    >>> list(parsers())[:4]
    ['', 'sum', 'check', 'manifest']
    >>> parsers()["explore hd"][1]
    'find the Hamming distances of CRCs, by the length of data'
    """
    found = {"": (cli.build_parser(), "compute and check CRCs of files and object stores")}
    for command, (module, summary) in cli.COMMANDS.items():
        found[command] = _module(module).build_parser(), summary
        if command == "explore":
            for action, summary in explore.ACTIONS.items():
                parser = _module(f"explore.{action}").build_parser()
                found[f"{command} {action}"] = parser, summary
    return found


def _module(name: str) -> Any:
    __import__(f"numcrc.cli.{name}")
    return sys.modules[f"numcrc.cli.{name}"]


def options(parser: ArgumentParser) -> list[Action]:
    """Return the options of *parser*, ``--help`` first."""
    return [action for action in parser._actions if action.option_strings]


def operands(parser: ArgumentParser) -> list[Action]:
    """Return what *parser* takes beside options."""
    return [action for action in parser._actions if not action.option_strings]


def help_text(parser: ArgumentParser, action: Action) -> str:
    """Return the help of *action*, with its values filled in."""
    return parser._get_formatter()._expand_help(action) if action.help else ""
