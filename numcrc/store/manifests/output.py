"""Write files that replace older ones only once they are whole."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BufferedWriter, FileIO, RawIOBase
from typing import Any, BinaryIO, TextIO, cast

from numcrc.checkfiles.names import naming, on_terminal, write_all
from numcrc.store.sources import StrPath

PARTIAL = ".numcrc-part"
"""The suffix of a file that is being written. Its name is fixed, so that the next run of the
command takes over the file that a killed one has left."""
# A link in place of the file is not followed.
_FLAGS = os.O_RDWR | os.O_CREAT
for _flag in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK"):
    _FLAGS |= getattr(os, _flag, 0)


def partial_path(path: StrPath) -> str:
    """Return the path of the file that is written before it replaces *path*.

    Examples
    --------
    >>> partial_path("/none/a.csv")
    '/none/a.csv.numcrc-part'
    """
    return os.path.realpath(path) + PARTIAL


@contextmanager
def written(
    path: StrPath | None,
    *,
    seekable: bool = False,
    keep: Callable[[BaseException], bool] | None = None,
    compress: bool = True,
) -> Iterator[BinaryIO]:
    """Yield a file to write, which replaces *path* once the block has ended.

    Until then, the file is at `partial_path`. If the block raises, or the process is killed,
    *path* stays as it was.

    Parameters
    ----------
    path : path
        ``-`` and None are standard output. A pipe or a device is written as a stream. A path that
        ends with ``.gz`` is compressed, unless *compress* is false.
    seekable : bool
        Whether the file must be seekable.
    keep : callable, optional
        Returns whether the file at `partial_path` stays there after an exception of the block.

    Raises
    ------
    OSError
        The file cannot be written, or another process is writing it.
    """
    packing = _compressed if compress else _plain
    stream = _stream(path)
    if stream is None:
        assert path is not None
        with _replacing(os.path.realpath(path), keep) as plain, packing(path, plain) as file:
            yield file
        return
    with stream as out, packing(path, out) as packed:
        with tempfile.TemporaryFile() if seekable else nullcontext(packed) as file:
            yield file
            if seekable:
                file.seek(0)
                shutil.copyfileobj(file, packed)
        out.flush()


def _stream(path: StrPath | None) -> AbstractContextManager[BinaryIO] | None:
    """Return the stream at *path*; None if it is a regular file, or does not exist."""
    if path is None or path == "-":
        return nullcontext(_standard_output())
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    # /dev/stdout may be a regular file that must be appended to, not replaced.
    with suppress(AttributeError, OSError, ValueError):
        if os.path.samestat(found, os.fstat(sys.stdout.fileno())):
            return nullcontext(_standard_output())
    return None if stat.S_ISREG(found.st_mode) else BufferedWriter(_File(path, "wb"))


def _standard_output() -> BinaryIO:
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    return cast("BinaryIO", _StandardOutput(sys.stdout))


class _StandardOutput(RawIOBase):
    """Standard output: errors name it, and keys do not control a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._file, self._is_terminal = stream.buffer, stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = len(data)
        if self._is_terminal:
            data = os.fsencode(on_terminal(os.fsdecode(bytes(data))))
        with naming("standard output"):
            write_all(self._file, data)
        return size

    def flush(self) -> None:
        with naming("standard output"):
            self._file.flush()

    def close(self) -> None:
        """Leave it open for what is printed later."""


class _File(FileIO):
    """A file whose errors name it."""

    def write(self, data: Any) -> int:
        with naming(os.fspath(self.name)):
            return super().write(data)


def _compressed(path: StrPath | None, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
    if path is None or not os.fspath(path).endswith(".gz"):
        return nullcontext(file)
    return cast("AbstractContextManager[BinaryIO]", gzip.GzipFile("", "wb", fileobj=file))


def _plain(_path: StrPath | None, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
    return nullcontext(file)


@contextmanager
def _replacing(target: str, keep: Callable[[BaseException], bool] | None) -> Iterator[BinaryIO]:
    partial = target + PARTIAL
    with _opened(partial) as file:
        try:
            _copy_mode(target, partial, stat.S_IWUSR)  # so that the next run can open it
            yield file
            file.flush()
            _copy_mode(target, partial)
            with naming(partial):
                os.fsync(file.fileno())
        except BaseException as error:
            if keep is None or not keep(error):
                if os.name == "nt":
                    file.close()
                with suppress(FileNotFoundError):
                    os.remove(partial)
            raise
        # Before it is closed, which unlocks it.
        if os.name == "nt":
            file.close()
        os.replace(partial, target)
    _sync_folder(os.path.dirname(target))


def _opened(path: str) -> BinaryIO:
    """Open and lock the regular file *path* to write it from its beginning."""
    while True:
        file = BufferedWriter(_File(path, "wb", opener=_open))
        try:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise FileExistsError(errno.EEXIST, "not a file of an earlier run", path)
            if not locked(file.fileno()):
                why = "another process is writing this file"
                raise BlockingIOError(errno.EAGAIN, why, path)
            with suppress(FileNotFoundError):
                # Another process may just have renamed it.
                if os.path.samestat(found, os.lstat(path)):
                    file.truncate()
                    return file
        except BaseException:
            file.close()
            raise
        file.close()


def _open(path: str, _flags: int) -> int:
    (fd,) = map(os.open, (path,), (_FLAGS,), (0o666,))  # as in `numcrc.files.Reader.path`
    return fd


def locked(fd: int) -> bool:
    """Lock an open file, where that is possible; return False if another process has locked it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def _copy_mode(target: str, partial: str, more: int = 0) -> None:
    """Give *partial* the permissions of *target*, if that exists, and *more*."""
    with suppress(OSError):  # such as a file system without permissions
        os.chmod(partial, stat.S_IMODE(os.stat(target).st_mode) | more)


def _sync_folder(path: str) -> None:
    """Write the names in a folder to disk, where that is possible."""
    with suppress(OSError):
        (fd,) = map(os.open, (path,), (os.O_RDONLY,))  # as in `numcrc.files.Reader.path`
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
