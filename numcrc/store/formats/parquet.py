"""Scan Parquet whose pages have a CRC-32, of the page as it is stored. Nothing is decoded.

The footer says where the columns are; in front of each page is a header with its size and, if the
writer was asked for it, its CRC. Footer, headers and indexes have no checksum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numcrc._light import NamedTuple
from numcrc.store.formats.body import Body, FormatError
from numcrc.store.formats.format import Batch, Finding, Format, Found, ends_with, nearly
from numcrc.store.manifests.parquet_pages import Compact, first_page
from numcrc.store.objects import State

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_END = 8
"""Bytes of the footer's length, and the mark."""
_LARGEST_FOOTER = 8 << 20
"""Bytes of a footer to read. A hostile one takes 70 times as much in memory."""
_HEADER, _LONGEST_HEADER = 512, 4 << 20
_TOGETHER = 4096
"""Pages that are judged together."""
_ENOUGH = 256
"""Pages without a CRC at the beginning, after which those behind them are not looked at."""
# The numbers of fields: of a footer, a row group, a column, its details, and a page's header.
_GROUPS, _COLUMNS = 4, 1
_FILE, _DETAILS, _CRYPTO = 1, 3, 8
_PATH, _LENGTH, _DATA_START, _DICTIONARY_START = 3, 7, 9, 11
_KIND, _SIZE, _CRC = 1, 3, 4
_DICTIONARY = 2


class _Column(NamedTuple):
    """A column in one row group."""

    name: str
    """Empty if it is not known."""
    start: int
    size: int
    problem: str
    """Why it cannot be checked."""


def _recognises(body: Body) -> bool:
    start = body.head[:4]
    if start == _MAGIC:
        return True
    if start == _ENCRYPTED and body.size >= _END:  # a text may begin with it
        return bytes(body.view(body.size - 4, 4)) == _ENCRYPTED
    return ends_with(body.key, ".parquet", ".parq") or (
        ends_with(body.key, ".pq") and nearly(body.head, _MAGIC)
    )


def _check(body: Body) -> Iterator[Found]:
    end = body.size - _END
    tail = bytes(body.view(end, _END))
    if tail[4:] == _ENCRYPTED:
        yield Finding(State.UNSUPPORTED, detail="its footer is encrypted")
        return
    if tail[4:] != _MAGIC or body.head[:4] != _MAGIC:
        raise FormatError("it does not begin and end as Parquet does")
    size = int.from_bytes(tail[:4], "little")
    if size > end - 4:
        raise FormatError(f"a footer of {size} bytes is outside of it")
    if size > _LARGEST_FOOTER:
        yield Finding(State.UNSUPPORTED, detail=f"a footer of {size} bytes is too long")
        return
    footer = b"".join(bytes(piece) for piece in body.pieces(end - size, size))
    pages = _Pages(body, end - size)
    for number, group in enumerate(_row_groups(footer)):
        for index, column in enumerate(group):
            if column.problem:
                label = f"row group {number}, column {column.name or index}"
                yield Finding(State.UNSUPPORTED, label, detail=column.problem)
            else:
                yield from pages.check(number, column)
            if pages.hopeless:
                break
    yield from pages.end()


def _row_groups(footer: bytes) -> list[list[_Column]]:
    """Return the columns of each row group."""
    try:
        # One after another: the structs of a group take a hundred times its bytes.
        groups = Compact(footer).struct({_GROUPS: _columns}).get(_GROUPS) or []
    except (ValueError, IndexError):
        raise FormatError("invalid footer") from None
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise FormatError("invalid footer")
    return groups


def _columns(group: Any) -> list[_Column]:
    columns = group.get(_COLUMNS) if isinstance(group, dict) else None
    if not isinstance(columns, list):
        raise ValueError("invalid footer")
    return list(map(_column, columns))


def _column(column: Any) -> _Column:
    """Return a column; an error is a ValueError."""
    if not isinstance(column, dict):
        raise ValueError("invalid footer")
    details = column.get(_DETAILS)
    if column.get(_FILE):
        return _Column("", 0, 0, "it is in another file")
    if column.get(_CRYPTO) or not isinstance(details, dict):
        return _Column("", 0, 0, "it is encrypted")
    path = details.get(_PATH)
    names = path if isinstance(path, list) else []
    name = ".".join(each.decode(errors="replace") for each in names if isinstance(each, bytes))
    size, start = details.get(_LENGTH), details.get(_DATA_START)
    dictionary = details.get(_DICTIONARY_START, start)
    if not (isinstance(start, int) and isinstance(size, int) and isinstance(dictionary, int)):
        raise ValueError("invalid footer")
    return _Column(repr(name), first_page(start, dictionary), size, "")


class _Pages:
    """Checks the pages of columns, those that are in memory together."""

    def __init__(self, body: Body, end: int) -> None:
        self._body = body
        self._end = end
        self._left = end
        self._with = self._without = 0
        self._batch = Batch("crc32")

    @property
    def hopeless(self) -> bool:
        """Whether the writer seems to have written no CRC."""
        return not self._with and self._without >= _ENOUGH

    def check(self, group: int, column: _Column) -> Iterator[Found]:
        """Yield what is in a column of a row group."""
        label = f"row group {group}, column {column.name}"
        at, end = column.start, column.start + column.size
        if not column.size:  # without rows
            return
        if at < len(_MAGIC) or column.size < 0 or end > self._end:
            yield from self._batch.records()
            raise FormatError(f"{label}: {column.size} bytes at {at} are outside of the file")
        self._left -= column.size
        if self._left < 0:
            yield from self._batch.records()
            raise FormatError("its columns overlap")
        number = 0
        while at < end and not self.hopeless:
            if not self._body.holds(at, _HEADER) or len(self._batch) == _TOGETHER:
                yield from self._batch.records()
            place = f"{label}, page {number} at byte {at}"
            try:
                header, length = self._header(at, end, place)
                size, crc = header.get(_SIZE), header.get(_CRC)
                if not isinstance(size, int) or not 0 <= size <= end - at - length:
                    raise FormatError(f"{place}: its size is damaged")
            except FormatError:
                yield from self._batch.records()
                raise
            if isinstance(crc, int):
                self._with += 1
                name = "dictionary" if header.get(_KIND) == _DICTIONARY else f"page {number}"
                self._batch.add(
                    f"{label}, {name} at byte {at}", at + length, size, crc & 0xFFFFFFFF
                )
            else:
                self._without += 1
            number += 1
            at += length + size

    def end(self) -> Iterator[Found]:
        """Yield what is in the last pages, and in those without a CRC."""
        yield from self._batch.records()
        if self.hopeless:
            detail = f"the first {self._without} pages have no CRC"
        else:
            detail = f"{self._without} of {self._with + self._without} pages have no CRC"
        if self._without:
            yield Finding(State.NO_CHECKSUM, detail=detail, records=self._without)

    def _header(self, at: int, end: int, label: str) -> tuple[dict[int, Any], int]:
        """Return the header of a page, and its length."""
        count = _HEADER
        while True:
            count = min(count, end - at)
            if self._with or not self._without:  # the page is going to be read
                data = bytes(self._body.window(at, count)[:count])
            else:
                data = bytes(self._body.view(at, count))
            reader = Compact(data)
            try:
                return reader.struct(), reader.at
            except ValueError:
                raise FormatError(f"{label}: its header is damaged") from None
            except IndexError:
                if count == end - at or count >= _LONGEST_HEADER:
                    raise FormatError(f"{label}: its header is damaged or cut") from None
                count *= 8


FORMAT = Format("parquet", "Parquet with CRC-32 of its pages", _recognises, _check)
