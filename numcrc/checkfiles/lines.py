"""How lists of CRCs are read back: every line tells by itself which format it has."""

from __future__ import annotations

import os
import re
from binascii import a2b_base64
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numcrc
from numcrc.checkfiles import values
from numcrc.checkfiles.names import unescaped

if TYPE_CHECKING:
    from numcrc.checkfiles.values import Sized


class Entry(NamedTuple):
    """A path, and what its CRCs should be."""

    path: str
    names: tuple[str, ...]
    values: list[int]


_GNU = re.compile(r"(\\?)([0-9A-Za-z+/]+=*) [ *](.+)", re.DOTALL)
_BSD = re.compile(r"(\\?)([^\s(]+) ?\((.+)\) ?= ([0-9A-Za-z+/]+=*)", re.DOTALL)
_SFV = re.compile(r"(.*[^ \t])[ \t]+([0-9A-Za-z+/]+=*)", re.DOTALL)


class Parser:
    """Reads lines; *chosen* is the algorithm of those that name none.

    Without it a gnu line means CRC-32C, and an SFV line the CRC-32 of every SFV program.
    """

    contents = "CRCs"
    """What the lines hold."""

    def __init__(self, chosen: Sized | None = None) -> None:
        self._gnu: Sized = chosen or numcrc.algorithms["CRC-32/ISCSI"]
        self._sfv: Sized = chosen or numcrc.algorithms["CRC-32/ISO-HDLC"]
        self._known: dict[str, Sized] = {}

    def __call__(self, line: str) -> Entry | None:
        """Return what *line* asks for (None: nothing), or raise ValueError saying what is wrong."""
        if not line or line.startswith(";") or line.isspace():
            return None
        parse = self._json if line.startswith("{") and line.endswith("}") else self._text
        entry = parse(line)
        if entry is not None and "\0" in entry.path:
            raise ValueError("a path with a null character")
        return entry

    def _text(self, line: str) -> Entry | None:
        problem = f"not a line of {self.contents}"
        if match := _GNU.fullmatch(line):
            mark, text, name = match.groups()
            crc = self._unnamed(text)
            try:
                return Entry(unescaped(mark, name), (crc.name,), [values.read(text, crc)])
            except ValueError as error:
                problem = str(error)  # it may still be SFV, with spaces in its name
        if match := _BSD.fullmatch(line):
            mark, tag, name, text = match.groups()
            crc = self._named(tag, text)
            return Entry(unescaped(mark, name), (crc.name,), [values.read(text, crc)])
        if match := _SFV.fullmatch(line):
            name, text = match.groups()
            with suppress(ValueError):
                return Entry(name, (self._sfv.name,), [values.read(text, self._sfv)])
        if line.startswith("#"):
            return None
        raise ValueError(problem)

    def _json(self, line: str) -> Entry:
        from json import loads

        try:
            row = loads(line)
            path = row["path"]
            if "path_base64" in row:
                path = os.fsdecode(a2b_base64(row["path_base64"]))
            crcs = [(self._named(name, text), str(text)) for name, text in row["crc"].items()]
            if not (isinstance(path, str) and path and crcs):
                raise TypeError
            os.fsencode(path)  # not every JSON string can be a name
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
            raise ValueError('not JSON with a "path" and a "crc" of known algorithms') from None
        return Entry(
            path, tuple(crc.name for crc, _ in crcs), [values.read(text, crc) for crc, text in crcs]
        )

    def _unnamed(self, _text: str) -> Sized:
        """Return the algorithm of a gnu line with the value *_text*."""
        return self._gnu

    def _named(self, name: str, text: str) -> Sized:
        """Return the algorithm called *name*, one of whose values is *text*."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._found(name, text)
        return known

    def _found(self, name: str, _text: str) -> Sized:
        try:
            return numcrc.algorithms[name]
        except KeyError as error:
            raise ValueError(error.args[0]) from None
