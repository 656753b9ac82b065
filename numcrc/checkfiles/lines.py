"""How lists of CRCs are read back: every line tells by itself which format it has."""

from __future__ import annotations

import os
import re
from binascii import a2b_base64
from contextlib import suppress
from string import hexdigits
from typing import NamedTuple

from numcrc.checkfiles import values
from numcrc.checkfiles.names import unescaped
from numcrc.checksums import ChecksumAlgorithm, find, known, unknown
from numcrc.crc import catalogue


class Line(NamedTuple):
    """A path, and what its checksums should be."""

    path: str
    algorithms: tuple[ChecksumAlgorithm, ...]
    values: list[int]


_GNU = re.compile(r"(\\?)([0-9A-Za-z+/]+=*) [ *](.+)", re.DOTALL)
_BSD = re.compile(r"(\\?)([^\s(]+) ?\((.+)\) ?= ([0-9A-Za-z+/]+=*)", re.DOTALL)
_SFV = re.compile(r"(.*[^ \t])[ \t]+([0-9A-Za-z+/]+=*)", re.DOTALL)


# The algorithm of a line that names none, by its digits. 8 of them are as in lists of CRCs.
_BY_DIGITS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_MOST_ALGORITHMS = 1000


class Parser:
    """Reads lines; *chosen* is the algorithm of those that name none.

    Without it the number of digits says which hash a line has. A gnu line of 8 digits has
    CRC-32C, an SFV line the CRC-32 of every SFV program. With *crcs_only*, a hash is an error.
    """

    def __init__(self, chosen: ChecksumAlgorithm | None = None, *, crcs_only: bool = False) -> None:
        self._chosen = chosen
        self._crcs_only = crcs_only
        self._gnu = chosen or find("crc32c")
        self._sfv = chosen or find("crc32")
        self._by_name: dict[str, ChecksumAlgorithm] = {}

    def __call__(self, line: str) -> Line | None:
        """Return what *line* asks for (None: nothing), or raise ValueError saying what is wrong."""
        if not line or line.startswith(";") or line.isspace():
            return None
        parse = self._json if line.startswith("{") and line.endswith("}") else self._text
        entry = parse(line)
        if entry is not None and "\0" in entry.path:
            raise ValueError("a path with a null character")
        return entry

    def _text(self, line: str) -> Line | None:
        problem = "not a line of CRCs" if self._crcs_only else "not a line of checksums"
        if match := _GNU.fullmatch(line):
            mark, text, name = match.groups()
            crc = self._unnamed(text)
            try:
                return Line(unescaped(mark, name), (crc,), [values.read(text, crc)])
            except ValueError as error:
                problem = str(error)  # it may still be SFV, with spaces in its name
        if match := _BSD.fullmatch(line):
            mark, tag, name, text = match.groups()
            crc = self._named(tag, text)
            return Line(unescaped(mark, name), (crc,), [values.read(text, crc)])
        if match := _SFV.fullmatch(line):
            name, text = match.groups()
            with suppress(ValueError):
                return Line(name, (self._sfv,), [values.read(text, self._sfv)])
        if line.startswith("#"):
            return None
        raise ValueError(problem)

    def _json(self, line: str) -> Line:
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
        return Line(
            path, tuple(crc for crc, _ in crcs), [values.read(text, crc) for crc, text in crcs]
        )

    def _unnamed(self, text: str) -> ChecksumAlgorithm:
        """Return the algorithm of a gnu line with the value *text*."""
        hashes = self._chosen is None and not self._crcs_only
        if hashes and len(text) in _BY_DIGITS and not text.strip(hexdigits):
            return self._named(_BY_DIGITS[len(text)], text)
        return self._gnu

    def _named(self, name: str, text: str) -> ChecksumAlgorithm:
        """Return the algorithm called *name*, one of whose values is *text*."""
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = self._found(name, text)
            if len(self._by_name) > _MOST_ALGORITHMS:
                raise ValueError(f"more than {_MOST_ALGORITHMS} algorithms in one list")
        return found

    def _found(self, name: str, text: str) -> ChecksumAlgorithm:
        found = known(name)
        if self._crcs_only:
            if found is None or found.crc is None:
                raise ValueError(catalogue.not_found(name))
        elif found is None:
            if not isinstance(text, str) or len(text) % 2 or text.strip(hexdigits):
                raise ValueError(f"{text!r} is not a value in hexadecimal")
            found = unknown(name, 4 * len(text))
        return found
