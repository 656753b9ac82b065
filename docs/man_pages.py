"""Write the manual pages, which are made from the parsers of the commands.

    python docs/man_pages.py

The pages are in docs/man, and a test compares them with the parsers.
"""

from __future__ import annotations

import re
from argparse import Action, ArgumentParser
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from numcrc import __version__
from numcrc.cli.parsers import help_text, operands, options, parsers

DOCS = Path(__file__).parent
FOLDER = DOCS / "man"
SITE = "https://numcrc.readthedocs.io"
_SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
_PARSERS = parsers()
# Paragraphs of a help text that have a section of their own.
_SECTIONS = {"examples:": "EXAMPLES", "exit status:": "EXIT STATUS"}


def main() -> None:
    """Write the pages, and remove those of commands that do not exist."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    return {f"{_name(words)}.1": _page(words) for words in _PARSERS}


def _name(words: str) -> str:
    return "-".join(["numcrc", *words.split()])


def _page(words: str) -> str:
    parser, summary = _PARSERS[words]
    name = _name(words)
    intro, *_ = (parser.description or "").split("\n\n")
    lines = [f'.TH {name.upper()} 1 "{_date()}" "numcrc {__version__}" "User Commands"']
    lines += [".nh", ".ad l"]
    lines += [".SH NAME", f"{_text(name)} \\- {_text(summary)}", ".SH SYNOPSIS"]
    lines += [*_synopsis(words, parser), ".SH DESCRIPTION", _text(" ".join(intro.split()))]
    below = _below(words)
    others, sections = _epilog(parser.epilog or "")
    if below:
        lines.append(".SH COMMANDS")
        for each in below:
            lines += [".TP", f".BR {_text(_name(each))} (1)", _text(_PARSERS[each][1])]
    lines += [*others, *_options(parser, bool(below)), *sections]
    outer = words.rpartition(" ")[0]
    related = [outer] if words else []
    lines += [".SH SEE ALSO", *(f".BR {_text(_name(each))} (1)," for each in related)]
    return "\n".join([*lines, _text(SITE), ""])


def _below(words: str) -> list[str]:
    """Return the words of the commands, or actions, of a command."""
    start = f"{words} " if words else ""
    return [w for w in _PARSERS if w and w.startswith(start) and " " not in w[len(start) :]]


def _date() -> str:
    """Return the date of the last release."""
    changes = (DOCS.parent / "CHANGELOG.md").read_text("utf-8")
    found = re.search(r"^## \[\S+\] - (\S+)$", changes, re.MULTILINE)
    return found[1] if found else ""


def _synopsis(words: str, parser: ArgumentParser) -> Iterator[str]:
    yield f".B {_text(' '.join(['numcrc', *words.split()]))}"
    if _below(words):
        yield _text(f"[-h] {'ACTION' if words else '[--version] COMMAND'} ...")
        return
    for option in options(parser):
        value = f" {_italic(_value(option))}" if option.nargs != 0 else ""
        form = f"{_bold(option.option_strings[0])}{value}".replace(" ", r"\ ")
        yield form if option.required else f"[{form}]"
    if parser.prog == "numcrc report":
        yield _bold("merge")
    for operand in operands(parser):
        name = _italic(str(operand.metavar))
        many = " ..." if operand.nargs in ("*", "+") else ""
        yield f"[{name}{many}]" if operand.nargs in ("*", "?") else f"{name}{many}"


def _options(parser: ArgumentParser, overview: bool) -> Iterator[str]:
    for group in parser._action_groups:
        actions = group._group_actions
        if overview:
            actions = [action for action in actions if action.option_strings]
        if not actions:
            continue
        title = (group.title or "").upper()
        yield f".SH {_text({'POSITIONAL ARGUMENTS': 'ARGUMENTS'}.get(title, title))}"
        for action in actions:
            yield ".TP"
            yield _head(action)
            yield _text(help_text(parser, action) or "")


def _head(action: Action) -> str:
    if not action.option_strings:
        return _italic(str(action.metavar))
    forms = ", ".join(map(_bold, action.option_strings))
    return f"{forms} {_italic(_value(action))}" if action.nargs != 0 else forms


def _value(action: Action) -> str:
    if action.metavar is None and action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def _epilog(text: str) -> tuple[list[str], list[str]]:
    """Return the paragraphs of a help text, and the sections at its end."""
    others, sections = list[str](), list[str]()
    for paragraph in text.strip("\n").split("\n\n"):
        start = next((start for start in _SECTIONS if paragraph.startswith(start)), None)
        if start is None:
            others += [".PP", *_blocks(paragraph)] if others else _blocks(paragraph)
        else:
            rest = paragraph.removeprefix(start).removeprefix("\n")
            rest = rest if rest.startswith("  ") else rest.lstrip()
            sections += [f".SH {_SECTIONS[start]}", *_blocks(rest)]
    return ([".SH DETAILS", *others] if others else []), sections


def _blocks(paragraph: str) -> list[str]:
    """Return lines of text as one, and indented ones as they are."""
    lines = list[str]()
    for indented, group in groupby(paragraph.split("\n"), lambda line: line.startswith("  ")):
        if indented:
            lines += [".RS 2", ".nf", *(_text(line[2:]) for line in group), ".fi", ".RE"]
        else:
            lines.append(_text(" ".join(group)))
    return lines


def _text(text: str) -> str:
    """Return *text* without meaning for roff."""
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _bold(text: str) -> str:
    return rf"\fB{_text(text)}\fR"


def _italic(text: str) -> str:
    return rf"\fI{_text(text)}\fR"


if __name__ == "__main__":
    main()
