"""Define a directive that shows the ``--help`` of every command of numcrc."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from numcrc import cli

WIDTH = 88


def help_of(*command: str) -> str:
    """Return what ``numcrc COMMAND --help`` prints."""
    output = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        with contextlib.redirect_stdout(output):
            status = cli.main([*command, "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    assert status == 0, command
    return output.getvalue()


def commands() -> Iterator[tuple[str, ...]]:
    """Yield every command, and the subcommands that its help lists."""
    for name in cli.COMMANDS:
        yield (name,)
        listed = re.search(r"^(?:actions|commands):\n((?:  .*\n)+)", help_of(name), re.MULTILINE)
        for line in re.findall(r"^  (\w+)  ", listed[1], re.MULTILINE) if listed else ():
            yield name, line


class Commands(SphinxDirective):
    """A section with the help of each command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        sections: list[nodes.Node] = []
        for command in commands():
            title = " ".join(("numcrc", *command))
            section = nodes.section(ids=[title.replace(" ", "-")], names=[title])
            section += nodes.title(title, "", nodes.literal(title, title))
            text = help_of(*command)
            section += nodes.literal_block(text, text, language="none")
            self.state.document.note_explicit_target(section)
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive ``numcrc-commands``."""
    app.add_directive("numcrc-commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
