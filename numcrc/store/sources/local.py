"""Folders and files of this machine."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from numcrc.store.objects import Entry
from numcrc.store.source import ChangedError, MissingError, RetryError, StoreError

# Neither a pipe without a writer nor a terminal may hold us up; regular files do not care.
_FLAGS = os.O_RDONLY
for _flag in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"):
    _FLAGS |= getattr(os, _flag, 0)
_LEAVES = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)|\0" + (r"|[\\:]" if os.name == "nt" else ""))
"""Keys that are no path below the root, or another's: ``..``, absolute ones, ``a//b``."""
_FEW = 4096


class LocalSource:
    """The regular files below a folder, or one file.

    Symbolic links to files are followed, wherever they lead, for the walk lists them as files;
    those to folders are not, neither by the walk nor as a part of a key. Pipes, devices and the
    like are not listed, and to read one is an error. What a key names outside of the root is
    never opened, unless *outside*: then a key is any path from the root on, or an absolute one.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a").write_bytes(b"123456789")
    ...     [(entry.key, entry.size) for entry in LocalSource(folder).entries()]
    [('a', 9)]
    """

    listable = True

    def __init__(self, url: str, *, allow_outside: bool = False) -> None:
        self.url = url
        self._allow_outside = allow_outside
        root = path_of(url)
        self._only = ""
        if os.path.isfile(root):
            root, self._only = os.path.split(root)
        self._root = os.path.join(root or os.curdir, "")
        self._folders: set[str] = set()

    def entries(self) -> Iterator[Entry]:
        """Yield every file; of each folder on the way, the names are held."""
        if self._only:
            yield self.stat(self._only)
            return
        root = os.fsencode(self._root)
        waiting = [_listed(root, b"")]
        while waiting:
            for key in waiting[-1]:
                path = root + key
                if key.endswith(b"/"):
                    waiting.append(_listed(path, key))
                    break
                try:
                    found = os.stat(path)
                except FileNotFoundError:  # a link to nowhere, or gone since
                    yield Entry(os.fsdecode(key), complete=True)
                    continue
                except OSError as error:
                    raise _failure(os.fsdecode(key), error) from error
                if stat.S_ISREG(found.st_mode):
                    yield Entry(os.fsdecode(key), found.st_size, (), _version(found), False, True)
            else:
                waiting.pop()

    def stat(self, key: str) -> Entry:
        """Return size and version: there are no checksums."""
        try:
            found = os.stat(self._path(key))
        except OSError as error:
            raise _failure(key, error) from error
        _check_regular(key, found)
        return Entry(key, found.st_size, (), _version(found), False, True)

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return some bytes of a file."""
        return self._read(entry, start, into)[1]

    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return a whole file."""
        found, data = self._read(entry, 0, into)
        if found.st_size > len(into):
            raise ChangedError(f"{entry.key}: it has grown to {found.st_size} bytes")
        return Entry(entry.key, len(data), (), _version(found), False, True), data

    def close(self) -> None:
        """Nothing is kept open."""

    def _read(
        self, entry: Entry, start: int, into: memoryview
    ) -> tuple[os.stat_result, memoryview]:
        key = entry.key
        path = self._path(key)
        try:
            fd = os.open(path, _FLAGS)
            try:
                found = os.fstat(fd)
                _check_regular(key, found)
                if entry.version and entry.version != _version(found):
                    raise ChangedError(f"{key}: it is not the file that was listed")
                if start:
                    os.lseek(fd, start, os.SEEK_SET)
                size = max(min(len(into), found.st_size - start), 0)
                at = 0
                while at < size and (count := _readinto(fd, into[at:size])):
                    at += count
                after = os.fstat(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise _failure(key, error) from error
        if at < size or (after.st_mtime_ns, after.st_size) != (found.st_mtime_ns, found.st_size):
            raise ChangedError(f"{key}: it changed while it was being read")
        return found, into[:size]

    def _path(self, key: str) -> str:
        """Return the path of a key, or raise unless the walk could come by it."""
        if self._allow_outside and "\0" not in key:
            return os.path.join(self._root, key)
        if _LEAVES.search(key):
            raise StoreError(f"{key!r} names no file below {self.url}")
        if self._only and key != self._only:
            raise MissingError(f"{key}: {self.url} is one file")
        folder = key.rpartition("/")[0]
        if folder and folder not in self._folders:
            self._check_folder(key, folder)
        return self._root + key

    def _check_folder(self, key: str, folder: str) -> None:
        path = self._root
        for name in folder.split("/"):
            path += name
            try:
                mode = os.lstat(path).st_mode
            except OSError as error:
                raise _failure(key, error) from error
            if stat.S_ISLNK(mode):
                raise StoreError(f"{key}: a link to a folder is not followed")
            path += "/"
        if len(self._folders) >= _FEW:
            self._folders = set()  # anew, for other threads may be looking
        self._folders.add(folder)


def path_of(url: str) -> str:
    """Return the path that a file:// URL names, or *url* itself, which is a path then."""
    if not url.startswith("file://"):
        if not url or "\0" in url:
            raise ValueError(f"{url!r} is no path")
        return url
    parts = urlsplit(url)
    path = unquote(parts.path, errors="surrogateescape")
    if parts.netloc not in ("", "localhost") or not path or "\0" in path:
        raise ValueError(f"{url}: a file URL is file:///path")
    return path[1:] if re.match(r"/[A-Za-z]:", path) and os.name == "nt" else path


def _listed(path: bytes, prefix: bytes) -> Iterator[bytes]:
    """Return what is in a folder, in the order of the keys: a folder sorts as its name and ``/``.

    Only names are held, the least that sorting takes.
    """
    try:
        with os.scandir(path) as found:
            names = [
                entry.name + b"/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in found
            ]
    except OSError as error:
        raise _failure(os.fsdecode(prefix or path), error) from error
    names.sort()
    return (prefix + name for name in names)


def _readinto_by_file(fd: int, into: memoryview) -> int:
    import io

    return io.FileIO(fd, closefd=False).readinto(into) or 0


def _readinto_by_vector(fd: int, into: memoryview) -> int:
    return os.readv(fd, (into,))


_readinto = _readinto_by_vector if hasattr(os, "readv") else _readinto_by_file


def _version(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _check_regular(key: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise MissingError(f"{key}: it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{key}: it is not a regular file")


_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, getattr(errno, "ETIMEDOUT", 0)}


def _failure(key: str, error: OSError) -> StoreError:
    kind = (
        MissingError if error.errno in _GONE else RetryError if error.errno in _BUSY else StoreError
    )
    return kind(f"{key}: {error.strerror or error}")
