"""Read files in lines of bounded length."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from numcrc.checkfiles import reader
from numcrc.store.manifests.errors import ManifestError, blaming

# Bytes from which the format of a file is recognised.
_START = 1 << 13
_BOM, _UTF16 = b"\xef\xbb\xbf", (BOM_UTF16_LE, BOM_UTF16_BE)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class FileStream:
    """A binary file to read, decompressed if it is gzip or zstd, in UTF-8 if it is UTF-16.

    Parameters
    ----------
    name : str
        The name of the file in messages.
    file : binary file
        It stays open.

    Attributes
    ----------
    unmarked : bool
        Whether it was read to an end that nothing in it marks: it may have been cut.
    """

    def __init__(self, name: str, file: Any) -> None:
        self.name, self.file = name, file
        self.unmarked = False
        self._start = self._peek(file.seekable())
        if self._start.startswith((_GZIP, _ZSTD)):
            self.file = io.BufferedReader(self._decompressed())
            self._start = self._peek(seekable=False)
        if self._start.startswith(_UTF16):
            self.file = reader.utf8(self.file)
            with blaming(name, "UTF-16", UnicodeError):
                self._start = self._peek(seekable=False)

    def _decompressed(self) -> Any:
        if self._start.startswith(_GZIP):
            return gzip.GzipFile(fileobj=self.file)
        try:
            from pyarrow import CompressedInputStream
        except ImportError as error:
            raise ImportError("zstd needs pyarrow: pip install 'numcrc[store]'") from error
        return _Zstd(b"", CompressedInputStream(_Rest(b"", self.file), "zstd"))

    def _peek(self, seekable: bool) -> bytes:
        """Return the first bytes, which can be read again."""
        with self._decompressing():
            start = b""
            # A read from a pipe may return few bytes.
            while len(start) < _START and (more := self.file.read(_START - len(start))):
                start += more
        if seekable:
            self.file.seek(-len(start), os.SEEK_CUR)
        else:
            self.file = io.BufferedReader(_Rest(start, self.file))
        return start

    def start(self) -> bytes:
        """Return the first bytes, without a byte order mark; they are not consumed."""
        return self._start.removeprefix(_BOM)

    def first_line(self) -> str:
        """Return the beginning of the first line of text, without white space around it."""
        return self.start().partition(b"\n")[0].strip().decode("utf-8", "replace")

    def is_object(self) -> bool:
        """Return whether the file begins like a JSON object."""
        return self.start().lstrip().startswith(b"{")

    def at_end(self) -> bool:
        """Return whether nothing follows, or nothing that can be decompressed."""
        try:
            with self._decompressing():
                return not self.file.read(1)
        except ManifestError:
            return True

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number, line with its end)."""
        try:
            with self._decompressing():
                yield from reader.lines(self.file)
        except reader.ListError as error:
            raise ManifestError(self.name, error.why, error.line) from None

    def text(self) -> Iterator[tuple[int, str]]:
        """Yield (number, line with its end) of a file in UTF-8."""
        for number, line in self.lines():
            try:
                yield number, line.decode()
            except UnicodeDecodeError:
                raise ManifestError(self.name, "not UTF-8", number) from None

    def _decompressing(self) -> AbstractContextManager[None]:
        return blaming(self.name, "gzip or zstd", EOFError, zlib.error, gzip.BadGzipFile)


class _Rest(io.RawIOBase):
    """Some bytes, then the rest of a file, which stays open."""

    def __init__(self, start: bytes, file: Any) -> None:
        self._start, self._file = start, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start or self._file.read(len(buffer))
        data, self._start = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


class _Zstd(_Rest):
    """A file that pyarrow decompresses; its errors about the data are `zlib.error`."""

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            if error.errno is None:
                raise zlib.error(str(error)) from None
            raise


@contextmanager
def open_stream(source: Any) -> Iterator[FileStream]:
    """Open a path, or ``-`` for standard input; or take a binary file, which stays open."""
    if source == "-":
        yield FileStream("standard input", sys.stdin.buffer)
    elif isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            yield FileStream(os.fspath(source), file)
    elif isinstance(source, io.TextIOBase):
        raise TypeError("expected a file in binary mode, got one in text mode")
    else:
        name = getattr(source, "name", None)
        yield FileStream(name if isinstance(name, str) else "manifest", source)
