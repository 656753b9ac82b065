"""Run the code blocks of a page of the documentation: ``python tests/pages.py PAGE``.

All blocks of a page run in order in one temporary folder, those in HTML comments too, which
readers do not see:

- ``python`` in one namespace, that of ``__main__``;
- ``console``: bash runs each line that begins with ``$ ``, and the lines below it, if any, equal
  its output, where ``...`` stands for any text. A command without output shown may have found a
  difference (status 1 or 3), but must not fail otherwise;
- ``yaml``, ``json`` and ``toml`` are parsed, ``sh`` is checked by ``bash -n``.

Blocks in other languages are not run.
"""

from __future__ import annotations

import ast
import doctest
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<language>[^\s`]*)[^`]*")
OPTIONS = doctest.ELLIPSIS | doctest.REPORT_NDIFF


class Block(NamedTuple):
    """The text of a code block, its language, and the number of its first line, from 1."""

    language: str
    text: str
    line: int


class BlockError(Exception):
    """A block that does not run, or prints something else than the page shows."""


def blocks(text: str) -> Iterator[Block]:
    """Yield the code blocks of a page; those inside directives (``{note}``) too."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        fence = FENCE.fullmatch(lines[number])
        number += 1
        if fence is None or not fence["language"] or fence["language"].startswith("{"):
            continue
        start = number
        end = re.compile(rf" *{fence['marks']}{fence['marks'][0]}* *")
        while not end.fullmatch(lines[number]):  # IndexError: the block does not end
            number += 1
        block = textwrap.dedent("\n".join(lines[start:number])) + "\n"
        yield Block(fence["language"], block, start + 1)
        number += 1


def imported(page: list[Block]) -> set[str]:
    """Return the packages that the Python blocks of a page import."""
    found = set()
    for block in page:
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.partition(".")[0])
    return found


def run(path: Path) -> None:
    """Run the blocks of a page in the working folder; the first that fails raises."""
    main = ModuleType("__main__")  # whose classes can be pickled
    sys.modules["__main__"] = main
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "python":
            lines = "\n" * (block.line - 1) + block.text  # so that tracebacks show the page
            exec(compile(lines, str(path), "exec", dont_inherit=True), main.__dict__)
        elif block.language == "console":
            _run_commands(path, block)
        elif block.language in _CHECKS:
            try:
                _CHECKS[block.language](block.text)
            except Exception as error:
                raise BlockError(f"{path}:{block.line}: {error}") from error


def _run_commands(path: Path, block: Block) -> None:
    shown: list[str] = []
    command, line = "", block.line
    for number, text in enumerate([*block.text.splitlines(), "$ "], block.line):
        if command.endswith("\\"):
            command += "\n" + text
        elif text.startswith("$ "):
            _run_command(f"{path}:{line}", command, shown)
            command, line, shown = text.removeprefix("$ "), number, []
        elif command:
            shown.append(text.rstrip())
        else:
            raise BlockError(f"{path}:{number}: not a command: {text}")


def _run_command(where: str, command: str, shown: list[str]) -> None:
    done = subprocess.run(
        ["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=-1, stderr=subprocess.STDOUT
    )
    got = "".join(line.rstrip() + "\n" for line in done.stdout.decode().splitlines())
    while shown and not shown[-1]:
        shown.pop()
    want = "".join(line + "\n" for line in shown)
    if not shown:
        if done.returncode not in (0, 1, 3) or "Traceback (most recent" in got:
            raise BlockError(f"{where}: {command}: status {done.returncode}\n{got}")
    elif not doctest.OutputChecker().check_output(want, got, OPTIONS):
        difference = doctest.OutputChecker().output_difference(
            doctest.Example("", want), got, OPTIONS
        )
        raise BlockError(f"{where}: {command}: status {done.returncode}\n{difference}")


def _check_yaml(text: str) -> None:
    import yaml

    list(yaml.safe_load_all(text))


def _check_toml(text: str) -> None:
    if sys.version_info >= (3, 11):
        import tomllib

        tomllib.loads(text)


def _check_sh(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
    if done.returncode:
        raise ValueError(done.stderr)


_CHECKS = {"json": json.loads, "sh": _check_sh, "toml": _check_toml, "yaml": _check_yaml}


def _set_environment(home: str) -> None:
    """Let commands of this Python be found, and this package, and write nothing elsewhere."""
    paths = {
        "PATH": [str(Path(sys.executable).parent), os.environ["PATH"]],
        "PYTHONPATH": [os.environ.get("PYTHONPATH"), str(Path(__file__).resolve().parents[1])],
    }
    found = {name: os.pathsep.join(filter(None, each)) for name, each in paths.items()}
    os.environ.update(found, COLUMNS="80", HOME=home)


if __name__ == "__main__":
    page = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        home, work = Path(temporary, "home"), Path(temporary, "work")
        home.mkdir()
        work.mkdir()
        _set_environment(str(home))
        os.chdir(work)
        try:
            run(page)
        finally:
            os.chdir("/")
