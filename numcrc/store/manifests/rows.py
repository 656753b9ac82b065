"""Convert entries and results to rows, the content of JSON Lines, CSV and Parquet, and back.

A row is a dictionary without empty values. A key that is not UTF-8 is in ``key_base64``, and
``key`` has replacement characters.

The ``checksums`` of an entry are ``{"crc32c": "e3069283", ...}``. A checksum with parts is
``{"value": "e3069283", "composite": 2, "part_sizes": [8388608, 17], "part_values": ["...",
"..."]}``, with ``composite`` if its value is the checksum of the parts' values. Several checksums
of one algorithm are a list.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from contextlib import suppress
from typing import Any, TypeAlias

from numcrc._light import NamedTuple
from numcrc.checkfiles.values import read
from numcrc.checksums import known
from numcrc.store.keys import KeyRange, check_key, key_bytes, key_text
from numcrc.store.objects import Checksum, Entry, Part, Result, State

Row: TypeAlias = dict[str, Any]


class Table(NamedTuple):
    """The columns of a file."""

    kind: str
    """The kind of the file: "manifest" or "report"."""
    columns: dict[str, str]
    """The type of each column, by name: text, int, bool, ints or checksums."""
    about: Row = {}  # noqa: RUF012
    """What the file says of itself, if its format has a place for that."""

    @property
    def mark(self) -> str:
        """The mark of files written by numcrc, which ends with their version.

        Files with version 2 end with the number of their rows.
        """
        return f"numcrc {self.kind} 2"

    def is_counted(self, mark: object) -> bool:
        """Return whether a file with *mark* ends with the number of its rows.

        Raises
        ------
        ValueError
            *mark* is not a mark of this table.
        """
        if mark == self.mark:
            return True
        if mark == f"numcrc {self.kind} 1":
            return False
        raise ValueError(f"expected the mark {self.mark!r}, got {str(mark)[:80]!r}")


ENTRIES = Table(
    "manifest",
    {
        "key": "text",
        "key_base64": "text",
        "size": "int",
        "checksums": "checksums",
        "version": "text",
        "archived": "bool",
        "complete": "bool",
    },
)
RESULTS = Table(
    "report",
    {
        "state": "text",
        "key": "text",
        "key_base64": "text",
        "size": "int",
        "algorithm": "text",
        "expected": "text",
        "actual": "text",
        "parts": "ints",
        "detail": "text",
        "version": "text",
    },
)
# The columns of a report that a result may leave empty.
_RESULT_TEXTS = ("algorithm", "expected", "actual", "detail", "version")
_LARGEST = (1 << 63) - 1
# The columns of a manifest that most rows have, and no others.
_USUAL = {"key", "size", "checksums", "version"}


def entry_to_row(entry: Entry) -> Row:
    """Return the row of *entry*; ValueError if its key is invalid."""
    row = _key_to_row(check_key(entry.key))
    if entry.size is not None:
        row["size"] = entry.size
    if entry.checksums:
        found: dict[str, list[Any]] = {}
        for checksum in entry.checksums:
            found.setdefault(checksum.algorithm, []).append(_checksum_to_value(checksum))
        row["checksums"] = {
            name: values if len(values) > 1 else values[0] for name, values in found.items()
        }
    if entry.version:
        row["version"] = _utf8(entry.version)
    if entry.archived:
        row["archived"] = True
    if entry.complete:
        row["complete"] = True
    return row


def may_be_in(row: Row, keys: KeyRange) -> bool:
    """Return whether the key of *row* may be in a range; false only if that is certain."""
    key = row.get("key")
    if type(key) is not str or not key.isascii() or "key_base64" in row:
        return True
    return keys.has(key.encode())


def row_to_entry(row: Row) -> Entry:
    """Return the entry in *row*, or raise ValueError with the problem.

    A column whose name is an algorithm has values of it, as in tables of other programs.
    """
    return _usual_entry(row) or _any_entry(row)


def _usual_entry(row: Row) -> Entry | None:
    """Return the entry in a row of the form that most have; None if `_any_entry` must check it.

    This takes a quarter of the time.
    """
    key, size, version = row.get("key"), row.get("size"), row.get("version", "")
    named = row.get("checksums")
    if not (
        type(key) is type(version) is str
        and type(size) is int
        and type(named) is dict
        and row.keys() <= _USUAL
        and key.isascii()
        and version.isascii()
        and key
        and "\0" not in key
        and 0 <= size <= _LARGEST
    ):
        return None
    checksums = []
    for algorithm, text in named.items():
        found = known(algorithm)
        if found is None or type(text) is not str or 4 * len(text) != found.width:
            return None
        try:
            value = bytes.fromhex(text)
        except ValueError:
            return None
        if 2 * len(value) != len(text):  # white space
            return None
        checksums.append(Checksum._make((algorithm, value, 0, (), False, False)))
    return Entry._make((key, size, tuple(checksums), version, False, False))


def _any_entry(row: Row) -> Entry:
    key = check_key(_row_to_key(row))
    checksums: list[Checksum] = []
    for algorithm, values in _typed(row, "checksums", dict, {}).items():
        several = values if isinstance(values, list) else (values,)
        checksums += [_value_to_checksum(algorithm, value) for value in several]
    if not row.keys() <= ENTRIES.columns.keys():
        for name, value in row.items():
            if name not in ENTRIES.columns and value is not None:
                if known(name) is None:
                    raise ValueError(f"unknown column {name[:80]!r}")
                checksums.append(_value_to_checksum(name, value))
    return Entry(
        key,
        _size(row),
        tuple(checksums),
        _typed(row, "version", str, ""),
        _typed(row, "archived", bool, False),
        _typed(row, "complete", bool, False),
    )


def result_to_row(result: Result) -> Row:
    """Return the row of *result*."""
    row: Row = {"state": result.state.value, **_key_to_row(result.key)}
    if result.size is not None:
        row["size"] = result.size
    if result.parts:
        row["parts"] = list(result.parts)
    for name in _RESULT_TEXTS:
        if text := getattr(result, name):
            row[name] = _utf8(text)
    return row


def row_to_result(row: Row) -> Result:
    """Return the result in *row*, or raise ValueError with the problem."""
    parts = _typed(row, "parts", list, [])
    if not all(type(part) is int and 0 <= part <= _LARGEST for part in parts):
        raise ValueError("invalid 'parts': expected numbers of parts")
    state = State(_typed(row, "state", str, ""))
    texts = {name: _typed(row, name, str, "") for name in _RESULT_TEXTS}
    return Result(_row_to_key(row), state, _size(row), parts=tuple(parts), **texts)


def _key_to_row(key: str) -> Row:
    if key.isascii():
        return {"key": key}
    raw = key_bytes(key)
    text = raw.decode(errors="replace")
    if text == key:
        return {"key": key}
    return {"key": text, "key_base64": b2a_base64(raw, newline=False).decode()}


def _row_to_key(row: Row) -> str:
    key: str = _typed(row, "key", str, "")
    if encoded := _typed(row, "key_base64", str, ""):
        try:
            raw = a2b_base64(encoded)
        except ValueError:
            raw = b""
        if b2a_base64(raw, newline=False).decode() != encoded:  # a2b_base64 skips other characters
            raise ValueError(f"invalid base64: {encoded[:80]!r}")
        return key_text(raw)
    if not key:
        raise ValueError("invalid key: it is empty")
    _check_unicode(key, "'key'", "; such keys belong in 'key_base64'")
    return key


def _utf8(text: str) -> str:
    """Return *text* with backslash escapes for surrogates: messages may contain any key."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _typed(row: Row, name: str, kind: type, default: Any) -> Any:
    """Return the value called *name*, or *default*; ValueError if it is not of the type *kind*."""
    value = row.get(name)
    if value is None:
        return default
    if type(value) is not kind:
        raise ValueError(f"invalid {name!r}: expected {kind.__name__}, got {repr(value)[:80]}")
    if isinstance(value, str) and name not in ("key", "key_base64"):
        _check_unicode(value, repr(name))
    return value


def _size(row: Row) -> int | None:
    size: int | None = _typed(row, "size", int, None)
    return None if size is None else check_size(size)


def check_size(size: int) -> int:
    """Return *size*, or raise ValueError if an object cannot have so many bytes."""
    if not 0 <= size <= _LARGEST:
        raise ValueError(f"invalid size: {size}")
    return size


def _checksum_to_value(checksum: Checksum) -> Any:
    value = checksum.value.hex()
    if not (checksum.composite or checksum.parts):
        return value
    found: Row = {"value": value}
    if checksum.composite:
        found["composite"] = checksum.composite
    if checksum.parts:
        found["part_sizes"] = [part.size for part in checksum.parts]
        if any(part.value is not None for part in checksum.parts):
            found["part_values"] = [
                None if part.value is None else part.value.hex() for part in checksum.parts
            ]
    return found


def _check_unicode(text: str, what: str, advice: str = "") -> None:
    """Raise ValueError if *text* has surrogates."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"invalid {what}: not valid Unicode{advice}") from None


def _value_to_checksum(algorithm: str, value: Any) -> Checksum:
    _check_unicode(algorithm, f"algorithm {algorithm[:80]!r}")
    if isinstance(value, str):
        return Checksum(algorithm, digits(algorithm, value))
    invalid = f"invalid {algorithm[:80]!r}"
    if not isinstance(value, dict) or not isinstance(value.get("value"), str):
        raise ValueError(f"{invalid}: it has no value")
    if unknown := value.keys() - {"value", "composite", "part_sizes", "part_values"}:
        raise ValueError(f"{invalid}: unknown name {min(unknown)[:80]!r}")
    composite = _typed(value, "composite", int, 0)
    sizes = _typed(value, "part_sizes", list, [])
    values = _typed(value, "part_values", list, None)
    if values is None:
        values = [None] * len(sizes)
    if not 0 <= composite <= _LARGEST or not all(
        type(size) is int and 0 <= size <= _LARGEST for size in sizes
    ):
        raise ValueError(f"{invalid}: a number or size of parts is out of range")
    if len(values) != len(sizes) or (composite and sizes and len(sizes) != composite):
        counts = f"{composite} parts, {len(sizes)} sizes and {len(values)} values"
        raise ValueError(f"{invalid}: {counts}")
    parts = tuple(
        Part(size, None if text is None else digits(algorithm, text))
        for size, text in zip(sizes, values, strict=True)
    )
    return Checksum(algorithm, digits(algorithm, value["value"]), composite, parts)


def digits(algorithm: str, text: Any) -> bytes:
    """Return the value in *text*, hexadecimal or, if the algorithm is known, base64.

    Examples
    --------
    >>> digits("crc32c", "4waSgw==") == digits("crc32c", "e3069283")
    True
    """
    found = known(algorithm)
    size = found.size if found else 0
    if type(text) is str:
        with suppress(ValueError):
            value = bytes.fromhex(text)
            # fromhex accepts spaces. A CRC of 12 bits has two bytes, the upper four bits 0.
            if value and 2 * len(value) == len(text) and (not found or len(value) == size):
                if found and int.from_bytes(value, "big") >> found.width:
                    raise ValueError
                return value
        if found:
            with suppress(ValueError):
                return found.encode(read(text, found))
    raise ValueError(f"{str(text)[:80]!r} is not a value of {algorithm[:80]!r}")
