r"""How lists of CRCs are written.

======  ==================================  ==============================================
format  line                                remarks
======  ==================================  ==============================================
gnu     ``HEX  path``                       as sha256sum; does not name its algorithm
bsd     ``CRC32C (path) = HEX``             as sha256sum --tag
sfv     ``path HEX``                        as cksfv; CRC-32 by convention
json    ``{"path": ..., "size": ...,        JSON Lines; a name that is not UTF-8 is given
        "crc": {"CRC-32/ISCSI": "HEX"}}``   exactly by ``"path_base64"``, "path" only shows it
======  ==================================  ==============================================

In gnu and bsd lines, a backslash in front tells that the name has newlines, carriage
returns and backslashes written as ``\n``, ``\r`` and ``\\``.
"""

from __future__ import annotations

import os
from binascii import b2a_base64
from contextlib import suppress
from typing import TYPE_CHECKING

from numcrc.checkfiles.names import escaped
from numcrc.checkfiles.values import writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from numcrc.checksums import ChecksumAlgorithm

    LineWriter: TypeAlias = Callable[[str, int, list[int]], str]


def line(form: str, crcs: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    """Return what makes the lines of *form* for a path, its size and its CRCs."""
    return {"gnu": _gnu, "bsd": _bsd, "sfv": _sfv, "json": _json}[form](crcs, base64)


def _gnu(crcs: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    (write,) = (writer(crc, base64) for crc in crcs)

    def gnu(path: str, _size: int, values: list[int]) -> str:
        mark, name = escaped(path)
        return f"{mark}{write(values[0])}  {name}\n"

    return gnu


def _bsd(crcs: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    columns = [(crc.tag, writer(crc, base64)) for crc in crcs]

    def bsd(path: str, _size: int, values: list[int]) -> str:
        mark, name = escaped(path)
        return "".join(
            f"{mark}{tag} ({name}) = {write(value)}\n"
            for (tag, write), value in zip(columns, values, strict=True)
        )

    return bsd


# What in front of a list would tell of JSON, of a byte order mark, of Parquet, gzip or zstd.
_BEGINNINGS = (b"{", b"\xef\xbb\xbf", b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


def _sfv(crcs: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    from numcrc.checkfiles.lines import Parser

    (crc,) = crcs
    write, parse = writer(crc, base64), Parser(crc)

    def sfv(path: str, _size: int, values: list[int]) -> str:
        # SFV has no escapes: a name that looks like something else may still pass as "./name".
        plain = not os.fsencode(path).startswith(_BEGINNINGS)
        for name in (path, f"./{path}") if plain else (f"./{path}",):
            text = f"{name} {write(values[0])}"
            with suppress(ValueError):
                if "\n" not in name and parse(text) == (name, (crc,), values):
                    return f"{text}\n"
        raise ValueError("an SFV list cannot hold this name")

    return sfv


def _json(crcs: Sequence[ChecksumAlgorithm], base64: bool) -> LineWriter:
    from json import dumps

    columns = [(crc.official_name, writer(crc, base64)) for crc in crcs]

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
