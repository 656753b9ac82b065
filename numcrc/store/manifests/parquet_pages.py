"""Read where the columns of a Parquet file are, and how much memory their pages will take.

The footer says both, but for memory only pages cannot lie: they are decoded by their headers. The
footer also has the lowest and the highest key of a row group.
Footer and headers are structs in Thrift's compact protocol. pyarrow's metadata has the columns of
the footer too, but for a damaged one it ends the process (`ColumnChunk` in
`pyarrow/_parquet.pxd` is declared without ``except +``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from numcrc._light import NamedTuple

_Struct: TypeAlias = dict[int, Any]

# Bytes of a header: usually 20 to 100, but more with statistics, which contain values.
_SHORT, _LONGEST = 1 << 9, 1 << 20
# Its fields, and the kinds of pages with the field of their details.
_KIND, _SIZE, _PACKED = 1, 2, 3
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_DETAILS = {_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}
_COUNT = 1  # of values, in all of these
_ENCODING = {_DATA: 2, _DATA_V2: 4}
# The types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_DEEPEST = 16
# The fields of a footer: row groups, their columns, and the details of a column.
_GROUPS, _ORDERS = 4, 7
_COLUMNS, _ROWS = 1, 3
_COLUMN = 3
_TYPE, _PATH, _VALUES, _LENGTH, _DATA_START, _DICTIONARY_START, _STATISTICS = 1, 3, 5, 7, 9, 11, 12
_NULLS, _HIGHEST, _LOWEST = 3, 5, 6
_BYTE_ARRAY, _BY_TYPE = 6, 1
_END = b"PAR1"
_AS_IT_IS: Mapping[int, Callable[[Any], Any]] = {}


class Chunk(NamedTuple):
    """The part of a column that is in a row group."""

    start: int
    size: int
    """Bytes, compressed."""
    values: int


class Group(NamedTuple):
    """A row group."""

    rows: int
    chunks: list[Chunk]
    """Its columns."""
    keys: tuple[bytes, bytes] | None
    """Bounds of its keys, both included; None if they are unknown."""


def footer(file: Any) -> bytes | None:
    """Return the footer of a Parquet file; None if the file does not end with one."""
    end = file.seek(0, os.SEEK_END)
    tail = 4 + len(_END)
    file.seek(max(0, end - tail))
    data = file.read(tail)
    size = int.from_bytes(data[:4], "little")
    if len(data) < tail or data[4:] != _END or size > end - tail:
        return None
    file.seek(end - tail - size)
    found: bytes = file.read(size)
    return found


def groups(data: bytes) -> list[Group]:
    """Return the row groups that the footer *data* describes.

    Raises
    ------
    ValueError
        The footer is invalid.
    """
    try:
        # One after another: the structs of a group take a hundred times its bytes.
        fields = Compact(data).struct({_GROUPS: _group})
    except IndexError:
        raise ValueError("invalid footer") from None
    found: list[Group] = fields.get(_GROUPS) or []
    if not isinstance(found, list) or not all(isinstance(group, Group) for group in found):
        raise ValueError("invalid footer")
    # Bounds are in the order of bytes only if the footer says so.
    orders = fields.get(_ORDERS)
    if isinstance(orders, list) and all(isinstance(o, dict) and _BY_TYPE in o for o in orders):
        return found
    return [group._replace(keys=None) for group in found]


def _group(group: Any) -> Group:
    if not isinstance(group, dict):
        raise ValueError("invalid footer")
    columns = _structs(group, _COLUMNS)
    return Group(_number(group, _ROWS), [_chunk(column) for column in columns], _keys(columns))


def _keys(columns: list[_Struct]) -> tuple[bytes, bytes] | None:
    """Return the bounds of the column ``key``, if it has all keys of a row group.

    Those that are not UTF-8 are in ``key_base64``. Bounds may be cut, but are bounds then, too.
    """
    found = None
    for column in columns:
        details = _struct(column, _COLUMN)
        path, statistics = details.get(_PATH), _struct(details, _STATISTICS)
        nulls = statistics.get(_NULLS)
        if path == [b"key_base64"] and nulls != details.get(_VALUES):
            return None
        if path == [b"key"] and details.get(_TYPE) == _BYTE_ARRAY and nulls == 0:
            lowest, highest = statistics.get(_LOWEST), statistics.get(_HIGHEST)
            # No range would read a row group whose bounds are the wrong way round.
            if isinstance(lowest, bytes) and isinstance(highest, bytes) and lowest <= highest:
                found = lowest, highest
    return found


def _struct(struct: _Struct, field: int) -> _Struct:
    found = struct.get(field, {})
    if not isinstance(found, dict):
        raise ValueError("invalid footer")
    return found


def _structs(struct: _Struct, field: int) -> list[_Struct]:
    found = struct.get(field, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError("invalid footer")
    return found


def first_page(data: int, dictionary: int) -> int:
    """Return where the first page of a column chunk begins; 0 if it has none.

    The arguments are where its first page of data and that of its dictionary begin. Writers give
    0 for a page that does not exist, as that of data in a row group without rows.
    """
    return min(data or dictionary, dictionary or data)


def _chunk(column: _Struct) -> Chunk:
    details = column.get(_COLUMN)
    start = _number(details, _DATA_START)
    if details and _DICTIONARY_START in details:
        start = first_page(start, _number(details, _DICTIONARY_START))
    return Chunk(start, _number(details, _LENGTH), _number(details, _VALUES))


class Page(NamedTuple):
    """A page of a column."""

    size: int
    """Bytes, uncompressed."""
    dictionary: bool = False
    """Whether it is the dictionary of the column chunk, rather than data."""
    values: int = 0
    """The number of values in a page of data."""
    encoding: int = 0
    """The number of the encoding of these values."""


def pages(file: Any, start: int, size: int) -> Iterator[Page]:
    """Yield the pages of the column chunk of *size* bytes at *start*.

    Raises
    ------
    ValueError
        A header is invalid.
    """
    end = start + size
    if start < 0 or size < 0 or end > file.seek(0, os.SEEK_END):
        raise ValueError("a column is outside of the file")
    while start < end:
        header, length = _header(file, start, end)
        kind, size, packed = (_number(header, field) for field in (_KIND, _SIZE, _PACKED))
        if kind == _DICTIONARY:
            if _number(header.get(_DETAILS[kind]), _COUNT) > size:
                raise ValueError("a dictionary has more values than bytes")
            yield Page(size, dictionary=True)
        elif kind in _DETAILS:
            details = header.get(_DETAILS[kind])
            values, encoding = (_number(details, field) for field in (_COUNT, _ENCODING[kind]))
            yield Page(size, False, values, encoding)
        start += length + packed


def _number(struct: Any, field: int) -> int:
    number = struct.get(field) if isinstance(struct, dict) else None
    if not isinstance(number, int) or number < 0:
        raise ValueError("invalid header or footer")
    return number


def _header(file: Any, start: int, end: int) -> tuple[_Struct, int]:
    """Return the header at *start*, and its length."""
    size = _SHORT
    while True:
        file.seek(start)
        data = file.read(min(size, end - start))
        reader = Compact(data)
        try:
            return reader.struct(), reader.at
        except IndexError:
            if len(data) < size or size >= _LONGEST:
                raise ValueError("invalid page header") from None
            size *= 8


class Compact:
    """Reads Thrift's compact protocol; IndexError is an early end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        self._depth = 0

    def struct(self, each: Mapping[int, Callable[[Any], Any]] = _AS_IT_IS) -> _Struct:
        """Return the fields of a struct by their numbers; those that are not needed are None.

        *each* has functions that replace every item of a list, by the number of its field.
        """
        self._enter()
        found: _Struct = {}
        field = 0
        while byte := self._byte():
            field = field + (byte >> 4) if byte >> 4 else self._signed()
            found[field] = self._value(byte & 15, each.get(field))
        self._depth -= 1
        return found

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("invalid page header: nested too deep")

    def _value(self, kind: int, each: Callable[[Any], Any] | None = None) -> Any:
        if kind in (_I16, _I32, _I64):
            return self._signed()
        if kind == _STRUCT:
            return self.struct()
        if kind in (_BYTE, _DOUBLE):
            self._skip(1 if kind == _BYTE else 8)
        elif kind == _BINARY:
            size = self._unsigned()
            self._skip(size)
            return self._data[self.at - size : self.at]
        elif kind in (_LIST, _SET):
            byte = self._byte()
            count = self._unsigned() if byte >> 4 == 15 else byte >> 4
            return self._values(count, byte & 15, each=each)
        elif kind == _MAP:
            count = self._unsigned()
            kinds = self._byte() if count else 0
            self._values(count, kinds >> 4, kinds & 15)
        elif kind not in (_TRUE, _FALSE):  # a bool is its type
            raise ValueError(f"invalid page header: unknown type {kind}")
        return None

    def _values(
        self, count: int, *kinds: int, each: Callable[[Any], Any] | None = None
    ) -> list[Any]:
        self._enter()
        found = []
        for _ in range(count):
            for kind in kinds:
                value = self._value(_BYTE if kind in (_TRUE, _FALSE) else kind)
                found.append(value if each is None else each(value))
        self._depth -= 1
        return found

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _unsigned(self) -> int:
        found = shift = 0
        while shift < 70:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7
        raise ValueError("invalid page header: a number has more than 64 bits")

    def _signed(self) -> int:
        found = self._unsigned()
        return (found >> 1) ^ -(found & 1)
