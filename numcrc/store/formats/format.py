"""Define what a file format is for a scan: where its records are, and their checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from numcrc._light import NamedTuple
from numcrc.store.formats.body import Body
from numcrc.store.formats.body import crc_of as crc_of
from numcrc.store.objects import State

if TYPE_CHECKING:
    import numpy.typing as npt


class Records(NamedTuple):
    """Records of an object that are stored as they are, each with the checksum that it should have.

    The scan reads them and computes their checksums, all that are in memory by one call. They may
    be of any size, and in any order, but those that one `Body.window` holds belong together.
    """

    algorithm: str
    """A CRC of at most 64 bits, by any name that `numcrc.algorithms` knows."""
    offsets: Sequence[int] | npt.NDArray[Any]
    """Where each record begins in the object, in bytes."""
    lengths: Sequence[int] | npt.NDArray[Any]
    """Bytes of each record."""
    stored: Sequence[int] | npt.NDArray[Any]
    """The checksum that each record should have, as an unsigned integer."""
    name: Callable[[int], str]
    """Returns the name of record i for a message, such as ``member 'a.npy'``."""


class Batch:
    """Collects records for one `Records`.

    Parameters
    ----------
    algorithm : str
        Their CRC.

    Examples
    --------
    >>> batch = Batch("crc32")
    >>> batch.add("member 'a'", 0, 9, 0xCBF43926)
    >>> [(records.lengths, records.name(0)) for records in batch.records()], len(batch)
    ([([9], "member 'a'")], 0)
    """

    def __init__(self, algorithm: str) -> None:
        self._algorithm = algorithm
        self._clear()

    def _clear(self) -> None:
        self.names = list[str]()
        self.starts = list[int]()
        self.lengths = list[int]()
        self.stored = list[int]()

    def __len__(self) -> int:
        return len(self.starts)

    def add(self, name: str, start: int, length: int, stored: int) -> None:
        """Add a record."""
        self.names.append(name)
        self.starts.append(start)
        self.lengths.append(length)
        self.stored.append(stored)

    def records(self) -> Iterator[Records]:
        """Yield the records since the last call, if there are any."""
        if self.starts:
            names = self.names
            yield Records(
                self._algorithm, self.starts, self.lengths, self.stored, names.__getitem__
            )
            self._clear()


class Finding(NamedTuple):
    """A record that the format has checked itself, or cannot check."""

    state: State
    record: str = ""
    """The name of the record; empty for the object as a whole."""
    algorithm: str = ""
    expected: str = ""
    """In hexadecimal."""
    actual: str = ""
    detail: str = ""
    """An explanation, if the checksums are none."""
    records: int = 1
    """How many records this is about."""


Found: TypeAlias = Records | Finding


class Format(NamedTuple):
    """A file format whose files contain checksums of their own contents.

    To add one to numcrc, add a module with a `Format`, and a line to ``OWN`` of
    ``numcrc.store.formats``. Other packages register theirs as entry points of the group
    ``numcrc.formats``.
    """

    name: str
    """In lower case, as ``--format`` takes it."""
    summary: str
    """The format and its checksums in a few words, for help texts."""
    recognises: Callable[[Body], bool]
    """Whether an object has this format, from its key, its beginning or another object.

    It is called for every object that no format before it recognises. So it should look at the key
    first if that is enough: `Body.head` is read only when it is asked for.
    """
    check: Callable[[Body], Iterable[Found]]
    """Yields what is in an object: `Records` for the scan to judge, and any `Finding`.

    It may raise `FormatError`. If it yields nothing, the object has no checksum.
    """


def verdict(record: str, algorithm: str, expected: int, actual: int, width: int = 32) -> Finding:
    """Return the finding for a record whose checksum the format has computed itself.

    Examples
    --------
    >>> verdict("member 'a'", "crc32", 0xCBF43926, 0xCBF43926).state.value
    'match'
    >>> verdict("member 'a'", "crc32", 1, 0xCBF43926)[:5]
    (<State.DIFFER: 'differ'>, "member 'a'", 'crc32', '00000001', 'cbf43926')
    """
    state = State.MATCH if expected == actual else State.DIFFER
    digits = (width + 3) // 4
    return Finding(state, record, algorithm, f"{expected:0{digits}x}", f"{actual:0{digits}x}")


def nearly(head: bytes, magic: bytes) -> bool:
    """Return whether *head* begins with *magic*, or with all but one byte of it.

    So a damaged first byte does not make a file one of an unknown format, if its name fits.

    Examples
    --------
    >>> nearly(b"PK.4abc", b"PK34"), nearly(b"PX.4abc", b"PK34")
    (True, False)
    """
    same = sum(map(int.__eq__, head, magic))
    return len(magic) <= len(head) and same >= len(magic) - 1


def ends_with(key: str, *suffixes: str) -> bool:
    """Return whether *key* ends with one of *suffixes*, in upper or lower case."""
    return key.lower().endswith(suffixes)
