r"""Write lines of check files.

======  ==================================  ==============================================
format  line                                remarks
======  ==================================  ==============================================
gnu     ``HEX  path``                       as sha256sum; does not name its algorithm
bsd     ``CRC32C (path) = HEX``             as sha256sum --tag
sfv     ``path HEX``                        as cksfv; CRC-32 by convention
json    ``{"path": ..., "size": ...,        JSON Lines; "path" has replacement characters if
        "crc": {"CRC-32/ISCSI": "HEX"}}``   it is not UTF-8, and "path_base64" has its bytes
======  ==================================  ==============================================

A gnu or bsd line that begins with a backslash has newlines, carriage returns and backslashes
in its path written as ``\n``, ``\r`` and ``\\``.
"""

from __future__ import annotations

import os
import re
from binascii import b2a_base64
from contextlib import suppress

from numcrc.checkfiles.names import escaped
from numcrc.checkfiles.values import writer
from numcrc.checksums import known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from numcrc.checksums import ChecksumAlgorithm

    LineWriter: TypeAlias = Callable[[str, int, list[int]], str]


def line_writer(form: str, algorithms: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    r"""Return a function that writes lines in a format.

    Parameters
    ----------
    form : str
        The format, one of `FORMATS`.
    algorithms : sequence of ChecksumAlgorithm
        The algorithms, in the order of their values; a gnu or sfv line has one.
    base64 : bool
        Whether values are written in base64 instead of hexadecimal.

    Returns
    -------
    callable
        Takes a path, the size of the file in bytes and a list of values; returns the line, or
        lines, with the newline at the end. For sfv it raises ValueError if the format cannot
        hold the path.

    Raises
    ------
    ValueError
        A bsd line cannot hold the name of an algorithm.

    Examples
    --------
    >>> from numcrc.checksums import find
    >>> line_writer("gnu", [find("crc32c")], False)("a", 9, [0xE3069283])
    'e3069283  a\n'
    """
    return FORMATS[form](algorithms, base64)


def _gnu(algorithms: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    (write,) = (writer(algorithm, base64) for algorithm in algorithms)

    def gnu(path: str, _size: int, values: list[int]) -> str:
        mark, name = escaped(path)
        return f"{mark}{write(values[0])}  {name}\n"

    return gnu


# How other files begin: JSON, text with a byte order mark, Parquet, gzip, zstd.
_BEGINNINGS = (
    *(b"{", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"),
    *(b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"),
)
# A line that begins with one of the excluded characters would be read as another kind of line.
_TAG = re.compile(r"[^\s(\0;\\{-][^\s(\0]*")


def _bsd(algorithms: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    columns = [(algorithm.tag, writer(algorithm, base64)) for algorithm in algorithms]
    for algorithm in algorithms:
        lost = known(algorithm.name) is None and algorithm.tag.lower() != algorithm.name
        misread = algorithm.tag.encode().startswith(_BEGINNINGS)
        if lost or misread or not _TAG.fullmatch(algorithm.tag):
            raise ValueError(f"a BSD list cannot hold the algorithm {algorithm.name!r}")

    def bsd(path: str, _size: int, values: list[int]) -> str:
        mark, name = escaped(path)
        return "".join(
            f"{mark}{tag} ({name}) = {write(value)}\n"
            for (tag, write), value in zip(columns, values, strict=True)
        )

    return bsd


def _sfv(algorithms: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    from numcrc.checkfiles.lines import Expected, Parser

    (algorithm,) = algorithms
    write, parse = writer(algorithm, base64), Parser(algorithm)

    def sfv(path: str, _size: int, values: list[int]) -> str:
        # SFV has no escapes, but "./" in front of a path can make the line unambiguous.
        plain = not os.fsencode(path).startswith(_BEGINNINGS)
        for name in (path, f"./{path}") if plain else (f"./{path}",):
            text = f"{name} {write(values[0])}"
            with suppress(ValueError):
                parsed = None if "\n" in name else parse(text)
                if parsed and parsed[:2] == (name, (Expected(algorithm, values[0]),)):
                    return f"{text}\n"
        raise ValueError("an SFV list cannot hold this name")

    return sfv


def _json(algorithms: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    from json import dumps

    columns = [(algorithm.official_name, writer(algorithm, base64)) for algorithm in algorithms]

    def json(path: str, size: int, values: list[int]) -> str:
        raw = os.fsencode(path)
        row: dict[str, object] = {"path": raw.decode(errors="replace")}
        if row["path"] != path:
            row["path_base64"] = b2a_base64(raw, newline=False).decode()
        row["size"] = size
        row["crc"] = {
            name: write(value) for (name, write), value in zip(columns, values, strict=True)
        }
        return dumps(row) + "\n"

    return json


FORMATS = {"gnu": _gnu, "bsd": _bsd, "sfv": _sfv, "json": _json}
"""The function behind `line_writer` for each format."""
