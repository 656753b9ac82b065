"""Read where the columns of a Parquet file are, and how much memory their pages will take.

The footer says both, but for memory only pages cannot lie: they are decoded by their headers.
Footer and headers are structs in Thrift's compact protocol. pyarrow's metadata has the columns of
the footer too, but for a damaged one it ends the process (`ColumnChunk` in
`pyarrow/_parquet.pxd` is declared without ``except +``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
_DEEPEST = 8
# The fields of a footer: row groups, their columns, and the details of a column.
_GROUPS, _COLUMNS, _COLUMN = 4, 1, 3
_VALUES, _LENGTH, _DATA_START, _DICTIONARY_START = 5, 7, 9, 11
_END = 8  # the length of the footer, and PAR1


class Chunk(NamedTuple):
    """The part of a column that is in a row group."""

    start: int
    size: int
    """Bytes, compressed."""
    values: int


def chunks(file: Any, size: int) -> list[list[Chunk]]:
    """Return the columns of each row group, from the footer of *size* bytes.

    Raises
    ------
    ValueError
        The footer is invalid.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _END - size))
    try:
        footer = _Compact(file.read(size)).struct()
    except IndexError:
        raise ValueError("invalid footer") from None
    return [
        [_chunk(column) for column in _structs(group, _COLUMNS)]
        for group in _structs(footer, _GROUPS)
    ]


def _structs(struct: _Struct, field: int) -> list[_Struct]:
    found = struct.get(field, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError("invalid footer")
    return found


def _chunk(column: _Struct) -> Chunk:
    details = column.get(_COLUMN)
    start = _number(details, _DATA_START)
    if details and _DICTIONARY_START in details:
        # Some writers give 0 if there is none.
        start = min(start, _number(details, _DICTIONARY_START) or start)
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
        reader = _Compact(data)
        try:
            return reader.struct(), reader.at
        except IndexError:
            if len(data) < size or size >= _LONGEST:
                raise ValueError("invalid page header") from None
            size *= 8


class _Compact:
    """Reads Thrift's compact protocol; IndexError is an early end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        self._depth = 0

    def struct(self) -> _Struct:
        """Return the fields of a struct by their numbers; those that are not needed are None."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("invalid page header: nested too deep")
        found: _Struct = {}
        field = 0
        while byte := self._byte():
            field = field + (byte >> 4) if byte >> 4 else self._signed()
            found[field] = self._value(byte & 15)
        self._depth -= 1
        return found

    def _value(self, kind: int) -> Any:
        if kind in (_I16, _I32, _I64):
            return self._signed()
        if kind == _STRUCT:
            return self.struct()
        if kind in (_BYTE, _DOUBLE):
            self._skip(1 if kind == _BYTE else 8)
        elif kind == _BINARY:
            self._skip(self._unsigned())
        elif kind in (_LIST, _SET):
            byte = self._byte()
            return self._values(self._unsigned() if byte >> 4 == 15 else byte >> 4, byte & 15)
        elif kind == _MAP:
            count = self._unsigned()
            kinds = self._byte() if count else 0
            self._values(count, kinds >> 4, kinds & 15)
        elif kind not in (_TRUE, _FALSE):  # a bool is its type
            raise ValueError(f"invalid page header: unknown type {kind}")
        return None

    def _values(self, count: int, *kinds: int) -> list[Any]:
        return [
            self._value(_BYTE if kind in (_TRUE, _FALSE) else kind)
            for _ in range(count)
            for kind in kinds
        ]

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
