"""Files that are read in lines of bounded length, and files that appear when they are whole."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from secrets import token_hex
from typing import Any, BinaryIO, TypeAlias, cast

from numcrc.store.manifests.errors import ManifestError, blamed

Path: TypeAlias = str | os.PathLike[str]

# A whole object with ten thousand parts, each with its SHA-512, fits several times.
LONGEST = 8 << 20
# Bytes that tell what a file is.
_START = 1 << 13
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Stream:
    """A binary file being read: its *name* for messages, and its bytes, unpacked."""

    def __init__(self, name: str, file: Any) -> None:
        self.name, self.file = name, file
        self._start: bytes | None = None
        self._packed = False
        start = self.start()
        if start.startswith((_GZIP, _ZSTD)):
            self._start, self._packed = None, True
            if start.startswith(_GZIP):
                unpacked: Any = gzip.GzipFile(fileobj=self.file)
            else:
                from pyarrow import CompressedInputStream

                unpacked = CompressedInputStream(_Rest(b"", self.file), "zstd")
            self.file = io.BufferedReader(unpacked)

    def start(self) -> bytes:
        """Return the first bytes without taking them."""
        if self._start is None:
            with self._unpacking():
                self._start = self.file.read(_START)
            if self._packed or not self.file.seekable():
                self.file = io.BufferedReader(_Rest(self._start, self.file))
            else:
                self.file.seek(-len(self._start), os.SEEK_CUR)
        return self._start

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number, line with its end)."""
        number = 0
        with self._unpacking():
            while line := self.file.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise ManifestError(self.name, f"longer than {LONGEST >> 20} MiB", number)
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line

    def text(self) -> Iterator[tuple[int, str]]:
        """Yield (number, line with its end), which must be UTF-8."""
        for number, line in self.lines():
            try:
                yield number, line.decode()
            except UnicodeDecodeError:
                raise ManifestError(self.name, "not UTF-8", number) from None

    def _unpacking(self) -> AbstractContextManager[None]:
        return blamed(self.name, "gzip or zstd file", EOFError, zlib.error, gzip.BadGzipFile)


class _Rest(io.RawIOBase):
    """Some bytes, and what is left of a file, which nobody here closes."""

    def __init__(self, start: bytes, file: Any) -> None:
        self._start, self._file = start, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start or self._file.read(len(buffer))
        data, self._start = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def opened(source: Any) -> Iterator[Stream]:
    """Open a path, ``-`` for standard input, or take a binary file, which stays open."""
    if source == "-":
        yield Stream("standard input", sys.stdin.buffer)
    elif isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            yield Stream(os.fspath(source), file)
    elif isinstance(source, io.TextIOBase):
        raise TypeError("a manifest must be opened in binary mode, not text mode")
    else:
        name = getattr(source, "name", None)
        yield Stream(name if isinstance(name, str) else "manifest", source)


@contextmanager
def written(
    path: Path | None, *, seekable: bool = False, keep: type[BaseException] | None = None
) -> Iterator[BinaryIO]:
    """Open what becomes the file *path* once the block ends; ``-``, None: standard output.

    When the block fails nothing is there, unless with an error of kind *keep*. A name that ends
    with ``.gz`` is packed.
    """
    if path is None or path == "-":
        with tempfile.TemporaryFile() if seekable else nullcontext(sys.stdout.buffer) as file:
            yield cast(BinaryIO, file)
            if seekable:
                file.seek(0)
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):  # a pipe or a device
        with open(target, "wb") as special:
            yield special
        return
    temporary = f"{target}.{token_hex(4)}.part"
    try:
        with open(temporary, "xb") as plain:
            packed = os.fspath(path).endswith(".gz")
            with gzip.GzipFile("", "wb", fileobj=plain) if packed else nullcontext(plain) as file:
                try:
                    yield cast(BinaryIO, file)
                except BaseException as error:
                    if keep is None or not isinstance(error, keep):
                        raise
                    kept: BaseException | None = error
                else:
                    kept = None
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.remove(temporary)
        raise
    if kept:
        raise kept
