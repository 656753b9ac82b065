"""Check that tables are whole: each of numcrc begins with a mark, and ends with its row count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from numcrc.store.manifests.errors import CutError, ManifestError
from numcrc.store.manifests.rows import Table
from numcrc.store.manifests.streams import FileStream


class _Place(Enum):
    START = 0
    OPEN = 1
    """In a table that must end with its row count."""
    ENDED = 2
    UNMARKED = 3
    """In a table of another program, or of an older numcrc, which may end anywhere."""


class Ends:
    """Follows the marks and rows in a file of text.

    Whole tables may follow one another, as in files that were concatenated. A table that does not
    end with a row count is the only one in its file.

    Parameters
    ----------
    stream : FileStream
        The file.
    table : Table
        The table that the file should have.
    """

    def __init__(self, stream: FileStream, table: Table) -> None:
        self._stream, self._table = stream, table
        self._place = _Place.START
        self._rows = 0

    @property
    def awaited(self) -> bool:
        """Whether a row count must follow."""
        return self._place is _Place.OPEN

    def begin(self, mark: object) -> None:
        """Take the mark of a table, or raise ValueError."""
        counted = self._table.is_counted(mark)
        if self._place in (_Place.OPEN, _Place.UNMARKED):
            raise ValueError("another table begins, but the end mark of the one before is missing")
        self._place = _Place.OPEN if counted else _Place.UNMARKED
        self._rows = 0

    def unmarked(self) -> None:
        """Take the beginning of a table without a mark, or raise ValueError."""
        if self._place is _Place.ENDED:
            raise ValueError("a row after the end mark")
        self._place = _Place.UNMARKED

    def row(self) -> None:
        """Take a row, or raise ValueError."""
        if self._place is not _Place.OPEN:
            self.unmarked()
        self._rows += 1

    def end(self, rows: object) -> None:
        """Take the row count that ends a table, or raise ValueError."""
        if self._place is not _Place.OPEN:
            raise ValueError("an end mark without a table before it")
        self._place = _Place.ENDED
        check_count(rows, self._rows)

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Return a context in which the file is read to its end.

        It raises `CutError` if the row count of a table is missing, also in place of another error
        about the last line.
        """
        try:
            yield
        except ManifestError as error:
            if self.awaited and self._stream.at_end():
                raise CutError(error.name, error.why, error.line) from error
            raise
        if self.awaited:
            raise cut(self._stream.name, self._rows)
        self._stream.unmarked = self._place is _Place.UNMARKED


def check_count(rows: object, found: int) -> None:
    """Raise ValueError unless *rows*, the row count in an end mark, is the number *found*."""
    if type(rows) is not int or rows != found:
        raise ValueError(f"the end mark has the row count {str(rows)[:80]}, but there are {found}")


def cut(name: str, rows: int) -> CutError:
    """Return the error about a file that ends after *rows* rows without an end mark."""
    return CutError(name, f"incomplete: no end mark after {rows} row{'' if rows == 1 else 's'}")
