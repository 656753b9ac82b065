"""Parse lines of check files; each line has its own format."""

from __future__ import annotations

import os
import re
from binascii import a2b_base64
from contextlib import suppress
from enum import Enum

from numcrc._light import NamedTuple
from numcrc.checkfiles import values
from numcrc.checkfiles.names import quoted, unescaped
from numcrc.checksums import ChecksumAlgorithm, find, known, unknown

BY_DIGITS = {
    8: ("crc32c", "crc32", "xxhash32", "adler32"),
    32: ("md5", "xxhash128", "md4", "blake2b-128"),
    40: ("sha1", "ripemd160", "blake2b-160"),
    56: ("sha224", "sha3-224", "sha512-224"),
    64: ("sha256", "sha3-256", "blake2s", "blake2b-256", "blake3", "sha512-256", "sm3"),
    96: ("sha384", "sha3-384", "blake2b-384"),
    128: ("sha512", "sha3-512", "blake2b", "whirlpool"),
}
"""The algorithms of values by their number of hexadecimal digits, the usual one first."""

_GNU = re.compile(r"[ \t]*(\\?)([0-9A-Za-z+/]+=*) [ *](.+)", re.DOTALL)
_BSD = re.compile(r"[ \t]*(\\?)([^\s(\0]+) ?\((.+)\) ?= ([0-9A-Za-z+/]+=*)", re.DOTALL)
_SFV = re.compile(r"(.*[^ \t])[ \t]+([0-9A-Za-z+/]+=*)", re.DOTALL)
# ``md5 -r`` writes one space where GNU has two characters.
_REVERSED = re.compile(r"[ \t]*(\\?)([0-9A-Fa-f]+)[ \t](.+)", re.DOTALL)
# rclone writes this if it has no checksum of a file.
_RCLONE = re.compile(r" *(?:ERROR|UNSUPPORTED)  (.+)", re.DOTALL)
# Titles of ``Get-FileHash | Export-Csv`` in PowerShell, in any order, and lines as it writes
# them by default, which are read without titles, too.
_TITLES = ("hash", "path")
_DELIMITERS = ",;\t"
_POWERSHELL = re.compile(r'"([^"]+)","([0-9A-Fa-f]+)","((?:[^"]|"")+)"', re.DOTALL)
# Lines of lists that are not read. A CRC of POSIX's cksum also covers the size that follows it.
_CFV = re.compile(r".+,\d+,[0-9A-Fa-f]{8},", re.DOTALL)
_UNREAD = (
    (re.compile(r"\d{9,10} \d+ .+", re.DOTALL), "CRCs by POSIX cksum are not supported"),
    (_CFV, "CSV by cfv is not supported"),
)
_BLAKE2 = ("blake2b", "blake2s")  # of any length, which the value shows
_MOST_UNKNOWN = 100  # bounds the memory that a hostile list takes


class UnsupportedListError(ValueError):
    """A line shows that its list has a format that is not read."""


class Basis(Enum):
    """How the algorithm of a checksum is known."""

    NAMED = "named"
    """By its name: in the line, as an option, or in the name of the list."""
    CONVENTION = "convention"
    """A line without a name has CRC-32C, or in SFV CRC-32."""
    DIGITS = "digits"
    """A guess from the number of digits, which several algorithms share."""


class Expected(NamedTuple):
    """The expected value of one checksum of a file."""

    algorithm: ChecksumAlgorithm
    value: int
    basis: Basis = Basis.NAMED

    @property
    def assumed(self) -> bool:
        """Whether the algorithm is not named."""
        return self.basis is not Basis.NAMED


class Line(NamedTuple):
    """A path and its expected checksums."""

    path: str
    checksums: tuple[Expected, ...]
    windows_path: str = ""
    """The path if its backslashes separate folders, as on Windows; empty if they cannot."""


class Parser:
    """Parses lines of check files: the formats of `numcrc.checkfiles.formats`, and a few others.

    Parameters
    ----------
    chosen : ChecksumAlgorithm, optional
        The algorithm of lines that name none. By default SFV lines have CRC-32, other lines with
        8 digits CRC-32C, and for those with more digits the usual hash is assumed.
    sfv : bool, optional
        Whether the list is SFV: values may lack leading zeros, and paths may begin with ``#``.

    Examples
    --------
    >>> path, [(algorithm, value, basis)], _ = Parser()("CRC32 (a) = cbf43926")
    >>> path, algorithm.name, hex(value), basis.value
    ('a', 'crc32', '0xcbf43926', 'named')
    """

    def __init__(self, chosen: ChecksumAlgorithm | None = None, *, sfv: bool = False) -> None:
        self._chosen = chosen
        basis = Basis.CONVENTION if chosen is None else Basis.NAMED
        self._default, self._sfv_default = (
            (chosen or find(name), basis) for name in ("crc32c", "crc32")
        )
        self._sfv = sfv
        self._unknown: dict[str, ChecksumAlgorithm] = {}
        self._table: _Table | None = None

    def __call__(self, line: str) -> Line | None:
        """Return the parsed *line*, None for a comment or an empty line.

        Raises
        ------
        UnsupportedListError
            No line of the list can be parsed.
        ValueError
            The line is malformed.
        """
        if not line or line.isspace():
            return None
        # Rows come before comments: one whose first field is empty may begin with ";".
        if self._table is not None and (row := self._table.row(line)) is not None:
            return self._of_row(row)
        if line.startswith(";"):
            if self._table is not None and self._table.delimiter == ";":
                raise ValueError("not a line of checksums")
            return None
        if (table := _table(line)) is not None:
            self._table = table
            return None
        parse = self._json if line.startswith("{") and line.endswith("}") else self._text
        parsed = parse(line)
        if parsed is not None and "\0" in parsed.path:
            raise ValueError(f"invalid path {quoted(parsed.path)}: it contains a null character")
        return parsed

    def _text(self, line: str) -> Line | None:
        problem = "not a line of checksums"
        if match := _GNU.fullmatch(line):
            try:
                return self._untagged(*match.groups())
            except ValueError as error:
                problem = str(error)  # the line may still be SFV with spaces in the path
        if match := _BSD.fullmatch(line):
            mark, tag, name, text = match.groups()
            return _line(mark, name, self._tagged(tag, text))
        if match := _POWERSHELL.fullmatch(line):
            tag, text, name = match.groups()
            return _line("", name.replace('""', '"'), self._tagged(tag, text))
        if not self._sfv and (match := _RCLONE.fullmatch(line)):
            raise ValueError(f"rclone found no checksum of {quoted(match[1])}")
        if (self._sfv or not line.startswith("#")) and (match := _SFV.fullmatch(line)):
            name, text = match.groups()
            with suppress(ValueError):
                return _line("", name, self._sfv_expected(text))
        for pattern, why in _UNREAD:
            if self._chosen is None and pattern.fullmatch(line):
                raise UnsupportedListError(why)
        if match := _REVERSED.fullmatch(line):
            with suppress(ValueError):
                return self._untagged(*match.groups())
        if line.startswith("#"):
            return None
        raise ValueError(problem)

    def _of_row(self, row: dict[str, str]) -> Line | None:
        """Return the line of a row of CSV; None if it repeats the titles."""
        path, text = row["path"], row["hash"]
        if (text.lower(), path.lower()) == _TITLES:
            return None
        for title in ("path", "hash", "algorithm"):
            if not row.get(title, "-"):
                raise ValueError(f"the row has no {title}")
        if "\0" in path:
            raise ValueError(f"invalid path {quoted(path)}: it contains a null character")
        if "algorithm" in row:
            return _line("", path, self._tagged(row["algorithm"], text))
        return self._untagged("", text, path)

    def _untagged(self, mark: str, text: str, name: str) -> Line:
        """Return the line of a format that does not name the algorithm."""
        algorithm, basis = self._default
        if len(text) > 8:
            if self._chosen is None and not text.strip(values.HEX_DIGITS):
                if len(text) not in BY_DIGITS:
                    raise ValueError(f"cannot tell the algorithm of {quoted(text)}; pass -a")
                algorithm, basis = find(BY_DIGITS[len(text)][0]), Basis.DIGITS
            elif algorithm.name in _BLAKE2 and 4 * len(text) < algorithm.width:
                algorithm = known(f"{algorithm.name}-{4 * len(text)}") or algorithm
        return _line(mark, name, Expected(algorithm, values.read(text, algorithm), basis))

    def _sfv_expected(self, text: str) -> Expected:
        algorithm, basis = self._sfv_default
        digits = -(-algorithm.width // 4)
        if self._sfv and len(text) < digits and not text.strip(values.HEX_DIGITS):
            text = text.zfill(digits)  # cksfv omits leading zeros
        return Expected(algorithm, values.read(text, algorithm), basis)

    def _json(self, line: str) -> Line:
        from numcrc.checkfiles.strict_json import loads  # json takes time to import

        row = loads(line)
        try:
            path = row["path"]
            if "path_base64" in row:
                path = os.fsdecode(a2b_base64(row["path_base64"]))
            os.fsencode(path)  # fails for surrogates that fsdecode does not make
            texts = row["crc"].items()
            if not (path and texts):
                raise ValueError
        except (LookupError, TypeError, AttributeError, ValueError):
            raise ValueError('expected JSON with a "path" and a "crc"') from None
        return Line(path, tuple(self._tagged(tag, text) for tag, text in texts))

    def _tagged(self, tag: str, text: object) -> Expected:
        """Return the value *text* of the algorithm called *tag*."""
        algorithm = known(tag) or self._unknown.get(tag.lower()) or self._new_unknown(tag, text)
        return Expected(algorithm, values.read(str(text), algorithm))

    def _new_unknown(self, name: str, text: object) -> ChecksumAlgorithm:
        """Return a new unknown algorithm, as wide as its value *text*."""
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"invalid algorithm {quoted(name)}: not valid Unicode") from None
        if not isinstance(text, str) or len(text) % 2 or text.strip(values.HEX_DIGITS):
            raise ValueError(f"{quoted(str(text))} is not a value in hexadecimal")
        if len(self._unknown) == _MOST_UNKNOWN:
            raise ValueError(f"more than {_MOST_UNKNOWN} unknown algorithms in one list")
        found = unknown(name, 4 * len(text))
        self._unknown[found.name] = found
        return found


class _Table(NamedTuple):
    """The titles of CSV, in lower case, and its delimiter."""

    titles: list[str]
    delimiter: str

    def row(self, line: str) -> dict[str, str] | None:
        """Return the fields of *line* by their titles; None if their number is another."""
        fields = _fields(line, self.delimiter)
        if len(fields) != len(self.titles):
            return None
        return dict(zip(self.titles, fields, strict=True))


def _table(line: str) -> _Table | None:
    """Return the table that *line* begins, None if it is not a line of titles."""
    lower = line.lower()
    if not all(title in lower for title in _TITLES):
        return None
    for delimiter in _DELIMITERS:
        titles = _fields(lower, delimiter)
        if set(_TITLES) <= set(titles) and len(set(titles)) == len(titles):
            return _Table(titles, delimiter)
    return None


def _fields(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line of CSV; none if its quotes are not balanced."""
    import csv  # takes time to import

    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def is_csv_of_others(first_line: str) -> bool:
    """Return whether a list is CSV by PowerShell, whose old versions begin with a type, or cfv.

    Examples
    --------
    >>> is_csv_of_others("Path;Hash;Algorithm"), is_csv_of_others("key,size,crc32c")
    (True, False)
    """
    if first_line.startswith("#TYPE ") or _CFV.fullmatch(first_line):
        return True
    return _table(first_line.rstrip("\r\n")) is not None


def _line(mark: str, name: str, expected: Expected) -> Line:
    if "\\" not in name:
        return Line(name, (expected,))
    return Line(unescaped(mark, name), (expected,), "" if mark else name.replace("\\", "/"))
