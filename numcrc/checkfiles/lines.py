"""Parse lines of check files; each line has its own format."""

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
    """A path and its expected checksums."""

    path: str
    algorithms: tuple[ChecksumAlgorithm, ...]
    values: list[int]


_GNU = re.compile(r"(\\?)([0-9A-Za-z+/]+=*) [ *](.+)", re.DOTALL)
_BSD = re.compile(r"(\\?)([^\s(]+) ?\((.+)\) ?= ([0-9A-Za-z+/]+=*)", re.DOTALL)
_SFV = re.compile(r"(.*[^ \t])[ \t]+([0-9A-Za-z+/]+=*)", re.DOTALL)

# Hashes by the number of their hexadecimal digits, for lines that name no algorithm.
_BY_DIGITS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_MOST_UNKNOWN = 1000


class Parser:
    """Parses lines of check files, in any of the formats of `numcrc.checkfiles.formats`.

    Parameters
    ----------
    chosen : ChecksumAlgorithm, optional
        The algorithm of lines that name none. By default the number of digits decides for
        hashes; other gnu lines have CRC-32C, and SFV lines have CRC-32.
    crcs_only : bool, optional
        Whether a hash is an error.

    Examples
    --------
    >>> path, [algorithm], [value] = Parser()("CRC32 (a) = cbf43926")
    >>> path, algorithm.name, hex(value)
    ('a', 'crc32', '0xcbf43926')
    """

    def __init__(self, chosen: ChecksumAlgorithm | None = None, *, crcs_only: bool = False) -> None:
        self._chosen = chosen
        self._crcs_only = crcs_only
        self._gnu = chosen or find("crc32c")
        self._sfv = chosen or find("crc32")
        self._unknown: dict[str, ChecksumAlgorithm] = {}

    def __call__(self, line: str) -> Line | None:
        """Return the parsed *line*, None for a comment or an empty line.

        Raises
        ------
        ValueError
            The line is malformed.
        """
        if not line or line.startswith(";") or line.isspace():
            return None
        parse = self._json if line.startswith("{") and line.endswith("}") else self._text
        parsed = parse(line)
        if parsed is not None and "\0" in parsed.path:
            raise ValueError(f"invalid path {parsed.path!r}: it contains a null character")
        return parsed

    def _text(self, line: str) -> Line | None:
        problem = "not a line of CRCs" if self._crcs_only else "not a line of checksums"
        if match := _GNU.fullmatch(line):
            mark, text, name = match.groups()
            algorithm = self._unnamed(text)
            try:
                return Line(unescaped(mark, name), (algorithm,), [values.read(text, algorithm)])
            except ValueError as error:
                problem = str(error)  # the line may still be SFV with spaces in the path
        if match := _BSD.fullmatch(line):
            mark, tag, name, text = match.groups()
            algorithm = self._named(tag, text)
            return Line(unescaped(mark, name), (algorithm,), [values.read(text, algorithm)])
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
            found = [(self._named(name, text), str(text)) for name, text in row["crc"].items()]
            if not (isinstance(path, str) and path and found):
                raise TypeError
            os.fsencode(path)  # fails for surrogates that fsdecode does not make
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
            raise ValueError('not JSON with a "path" and a "crc" of known algorithms') from None
        return Line(
            path,
            tuple(algorithm for algorithm, _ in found),
            [values.read(text, algorithm) for algorithm, text in found],
        )

    def _unnamed(self, text: str) -> ChecksumAlgorithm:
        """Return the algorithm of a gnu line with the value *text*."""
        guess = self._chosen is None and not self._crcs_only
        if guess and len(text) in _BY_DIGITS and not text.strip(hexdigits):
            return find(_BY_DIGITS[len(text)])
        return self._gnu

    def _named(self, name: str, text: object) -> ChecksumAlgorithm:
        """Return the algorithm called *name*; *text* is one of its values."""
        found = known(name)
        if self._crcs_only:
            if found is None or found.crc is None:
                raise ValueError(catalogue.not_found(name))
        elif found is None:
            found = self._unknown.get(name) or self._added(name, text)
        return found

    def _added(self, name: str, text: object) -> ChecksumAlgorithm:
        """Return a new unknown algorithm, as wide as its value *text*."""
        if not isinstance(text, str) or len(text) % 2 or text.strip(hexdigits):
            raise ValueError(f"{text!r} is not a value in hexadecimal")
        if len(self._unknown) == _MOST_UNKNOWN:
            raise ValueError(f"more than {_MOST_UNKNOWN} unknown algorithms in one list")
        found = self._unknown[name] = unknown(name, 4 * len(text))
        return found
