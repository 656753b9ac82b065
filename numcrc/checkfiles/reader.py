"""Read check files: their encoding, signatures around the text, and lines of any format."""

from __future__ import annotations

import io
import os
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from itertools import groupby
from operator import attrgetter

from numcrc.checkfiles.lines import Expected, Line, Parser, UnsupportedListError
from numcrc.checksums import of_list_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO

    from numcrc.checksums import ChecksumAlgorithm

LONGEST_LINE = 8 << 20
"""Bytes: several times the size of an object with ten thousand parts, each with its SHA-512."""
MOST_SHOWN = 10
"""Malformed lines of a list that messages name one by one; the rest is counted."""

_UTF16 = (BOM_UTF16_LE, BOM_UTF16_BE)
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
# The lines of a clear-signed message: OpenPGP, RFC 9580, section 7.
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE, _END = "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"


class ListError(ValueError):
    """A list of checksums cannot be read.

    Parameters
    ----------
    why : str
        The problem.
    line : int, optional
        The number of the line, from 1. None: the problem is not in one line.

    Examples
    --------
    >>> print(ListError("longer than 8 MiB", 7))
    line 7: longer than 8 MiB
    """

    def __init__(self, why: str, line: int | None = None) -> None:
        self.why, self.line = why, line
        super().__init__(why if line is None else f"line {line}: {why}")


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    r"""Yield (number, line with its end) of a text in UTF-8, or in UTF-16 with a byte order mark.

    The lines are in UTF-8, without a byte order mark. Bytes that are not UTF-8 stay as they are.

    Raises
    ------
    ListError
        A line is longer than `LONGEST_LINE`, the text is compressed, or it is not UTF-16 although
        it begins so.

    Examples
    --------
    >>> list(lines(io.BytesIO("1\n2".encode("utf-16"))))
    [(1, b'1\n'), (2, b'2')]
    """
    number = 0
    try:
        line = file.readline(LONGEST_LINE + 1)
        if line.startswith(_UTF16):
            file = utf8(file, line)
            line = file.readline(LONGEST_LINE + 1)
        if line.startswith(_COMPRESSED):
            raise ListError("compressed; decompress it first")
        line = line.removeprefix(BOM_UTF8)
        while line:
            number += 1
            if len(line) > LONGEST_LINE:
                raise ListError(f"longer than {LONGEST_LINE >> 20} MiB", number)
            yield number, line
            line = file.readline(LONGEST_LINE + 1)
    except UnicodeError:
        raise ListError("invalid UTF-16", number + 1) from None


def utf8(file: Any, start: bytes = b"") -> BinaryIO:
    """Return *start* and the rest of *file*, a text in UTF-16, as a file in UTF-8."""
    return io.BufferedReader(_Utf8(file, start))


class _Utf8(io.RawIOBase):
    """A text in UTF-16 as UTF-8; the file with it stays open."""

    def __init__(self, file: Any, start: bytes) -> None:
        self._file, self._start = file, start
        self._decoder = getincrementaldecoder("utf-16")()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._start or self._file.read(io.DEFAULT_BUFFER_SIZE)
            self._start = b""
            self._ready = self._decoder.decode(data, final=not data).encode()
            if not data:
                break
        data, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def read(
    numbered: Iterable[tuple[int, bytes]],
    name: str,
    algorithm: ChecksumAlgorithm | None = None,
    on_malformed: Callable[[int, str], object] | None = None,
    decode: Callable[[bytes], str] = os.fsdecode,
) -> Iterator[tuple[int, Line]]:
    r"""Yield (number, parsed line) for each line of checksums in a list.

    A clear-signed text is taken from its signature, which is not verified.

    Parameters
    ----------
    numbered : iterable of (int, bytes)
        The lines with their numbers, as from `lines`.
    name : str
        The name or the path of the list, which may say its algorithm: SHA256SUMS, a.crc32, a.sfv.
    algorithm : ChecksumAlgorithm, optional
        The algorithm of lines that name none, before what the name of the list says.
    on_malformed : callable, optional
        Called with the number of a malformed line and the problem. By default it is an error.
    decode : callable
        Turns the bytes of a line into text.

    Raises
    ------
    ListError
        The list has no line of checksums or is of an unsupported format, a signed text ends
        early, or a line is malformed.

    Examples
    --------
    >>> text = io.BytesIO(b"cbf43926  a\n")
    >>> [(number, line)] = read(lines(text), "folder/list.crc32")
    >>> number, line.path, line.checksums[0].algorithm.name
    (1, 'a', 'crc32')
    """
    name = os.path.basename(name)
    sfv = name.lower().removesuffix(".gz").endswith(".sfv")
    parser: Parser | None = None
    signed = _Signed()
    found = False
    for number, raw in numbered:
        text = decode(raw.rstrip(b"\r\n"))
        if signed.skip_to is not None or text.startswith("-"):
            text = signed.content(text)
        if parser is None:
            if not text or text.isspace():
                continue
            if "\0" in text:
                raise ListError("lines must end with a newline, not a null character", number)
            parser = Parser(algorithm or of_list_name(name), sfv=sfv or text.startswith(";"))
        try:
            line = parser(text)
        except ValueError as error:
            if on_malformed is None or isinstance(error, UnsupportedListError):
                raise ListError(str(error), number) from None
            on_malformed(number, str(error))
            continue
        if line is not None:
            found = True
            yield number, line
    if signed.inside or signed.skip_to is not None:
        raise ListError("the signed text ends early, before its PGP signature does")
    if not found:
        raise ListError("no line of checksums found")


class _Signed:
    """Finds the text in a clear-signed message.

    Attributes
    ----------
    inside : bool
        Whether the signed text is open: its start was read, its end was not.
    skip_to : str or None
        The line that ends headers or a signature, None outside of these.
    """

    def __init__(self) -> None:
        self.inside = False
        self.skip_to: str | None = None

    def content(self, text: str) -> str:
        """Return the content of a line that begins with ``-``, or is to be skipped."""
        line = text.rstrip()
        if self.skip_to is not None:
            if line == self.skip_to:
                self.skip_to = None
            return ""
        if line == (_SIGNATURE if self.inside else _SIGNED):
            self.inside, self.skip_to = not self.inside, _END if self.inside else ""
            return ""
        return text.removeprefix("- ") if self.inside else text


def merged(parsed: Iterable[Line]) -> Iterator[Line]:
    """Yield lines, consecutive ones with the same path as one, so that the file is read once.

    A merged line has at most two values of an algorithm: no file has both.
    """
    for _, same in groupby(parsed, attrgetter("path")):
        yield _united(same)


def _united(lines: Iterator[Line]) -> Line:
    first = next(lines)
    values: dict[ChecksumAlgorithm, list[Expected]] = {}
    for line in lines:
        if not values:
            _add(values, first)
        _add(values, line)
    if not values:
        return first
    return first._replace(checksums=tuple(one for known in values.values() for one in known))


def _add(values: dict[ChecksumAlgorithm, list[Expected]], line: Line) -> None:
    for expected in line.checksums:
        known = values.setdefault(expected.algorithm, [])
        same = [other for other in known if other.value == expected.value]
        if not same and len(known) < 2:
            known.append(expected)
        elif same and same[0].assumed:
            known[known.index(same[0])] = expected
