"""Read local folders and files."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import TypeAlias
from urllib.parse import urlsplit

from numcrc._light import NamedTuple
from numcrc.store.keys import EVERY_KEY, KeyRange, is_file_path, unquoted
from numcrc.store.objects import Entry
from numcrc.store.source import ChangedError, MissingError, RetryError, StoreError

# Opening a pipe or a terminal must not block; regular files ignore these flags.
_FLAGS = os.O_RDONLY
for _flag in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"):
    _FLAGS |= getattr(os, _flag, 0)
# Folders that are remembered as such.
_MOST_FOLDERS = 4096
# Files whose statuses are asked for in a row.
_TOGETHER = 256

FileId: TypeAlias = tuple[int, int]
"""The device and the inode of a file."""


def file_id(found: os.stat_result) -> FileId:
    """Return what hard links of one file have in common, and no other file has."""
    return found.st_dev, found.st_ino


class Excluded(NamedTuple):
    """Files that are not objects, wherever they are in a source."""

    paths: frozenset[str] = frozenset()
    """Their paths, without symbolic links. The files need not exist."""
    replaced: frozenset[FileId] = frozenset()
    """Those that are about to be replaced, so that their other hard links remain objects."""
    linked: frozenset[FileId] = frozenset()
    """Those of which no hard link is an object."""

    def keys(self, root: str) -> set[bytes]:
        """Return the keys that these files have in the folder *root*."""
        start = os.path.join(os.path.realpath(root), "")
        below = (path[len(start) :] for path in self.paths if path.startswith(start))
        return {os.fsencode(key.replace(os.sep, "/")) for key in below}

    def has(self, path: bytes, found: os.stat_result | None) -> bool:
        """Return whether *path* leads to one of these files; it has the status *found*."""
        if found is not None:
            known = file_id(found)
            if known in self.linked:
                return True
            if known not in self.replaced:
                return False
            if found.st_nlink == 1:
                return True
        return os.path.realpath(os.fsdecode(path)) in self.paths


_NOTHING = Excluded()


class LocalSource:
    """A source of the regular files below a folder, or of one file.

    Symbolic links to files are listed and followed, wherever they lead. Links to folders are not
    followed, neither in listings nor in keys. Pipes, devices and the like are not listed, and
    cannot be read.

    Parameters
    ----------
    url : str
        A path, or a file:// URL.
    allow_outside : bool
        Whether a key may be any path, relative to the folder or absolute. By default, a file
        outside of the folder is never opened.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a").write_bytes(b"123456789")
    ...     [(entry.key, entry.size) for entry in LocalSource(folder).entries()]
    [('a', 9)]
    """

    listable = local = True
    inventory_prefix = ""
    folder: str
    """The path of the folder, or of the folder of the file."""
    file: str | None
    """The path of the file, if the source is one file."""

    def __init__(self, url: str, *, allow_outside: bool = False) -> None:
        self.url = url
        self._allow_outside = allow_outside
        root = path_of(url)
        self._only = ""
        if os.path.isfile(root):
            root, self._only = os.path.split(root)
        self.folder = root or os.curdir
        self.file = os.path.join(self.folder, self._only) if self._only else None
        self._root = os.path.join(self.folder, "")
        self._folders: set[str] = set()

    def entries(self, excluded: Excluded = _NOTHING, keys: KeyRange = EVERY_KEY) -> Iterator[Entry]:
        """Yield every file but *excluded* in a range of keys.

        The names in each folder on the way are in memory. Folders without such keys are not read.
        """
        if self._only:
            if keys.has(os.fsencode(self._only)):
                yield self.stat(self._only)
            return
        root = os.fsencode(self._root)
        excluded_keys = excluded.keys(self._root)
        waiting = [_listed(root, b"", keys)]
        while waiting:
            files, folder = list[bytes](), None
            for key in waiting[-1]:
                if key in excluded_keys:
                    continue
                if key.endswith(b"/"):
                    folder = key
                    break
                files.append(key)
                if len(files) == _TOGETHER:
                    break
            else:
                waiting.pop()
            yield from _files(root, files, excluded)
            if folder is not None:
                waiting.append(_listed(root + folder, folder, keys))

    def entries_in(self, keys: KeyRange) -> Iterator[Entry]:
        """Yield every file in a range of keys."""
        return self.entries(keys=keys)

    def stat(self, key: str) -> Entry:
        """Return the entry of one file, which has no checksums."""
        try:
            found = os.stat(self._path(key))
        except OSError as error:
            raise _failure(key, error) from error
        _check_regular(key, found)
        return Entry(key, found.st_size, (), _version(found), complete=True)

    def has_folder(self, key: str) -> bool:
        """Return whether there is a folder, whose key ends with ``/``."""
        try:
            return stat.S_ISDIR(os.lstat(self._path(key.rstrip("/"))).st_mode)
        except (StoreError, OSError):
            return False

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return bytes of a file."""
        return self._read(entry, start, into)[1]

    def fetch(self, entry: Entry, into: memoryview) -> tuple[Entry, memoryview]:
        """Return a whole file and its entry."""
        if (whole := self.fetch_together([(entry, into)])[0]) is not None:
            return whole
        found, data = self._read(entry, 0, into)
        if found.st_size > len(into):
            size = found.st_size
            raise ChangedError(f"{entry.key}: expected at most {len(into)} bytes, got {size}")
        return Entry(entry.key, len(data), (), _version(found), complete=True), data

    def fetch_together(
        self, wanted: Sequence[tuple[Entry, memoryview]]
    ) -> list[tuple[Entry, memoryview] | None]:
        """Return whole files and their entries; None for each that is not as it was listed.

        If its status after the read is that of the listing, it did not change in between. `fetch`
        finds what is wrong with other files. Pipes and terminals lose nothing here, for they have
        no positions to read at.
        """
        if not all(entry.version for entry, _ in wanted):
            return [None] * len(wanted)
        fds: list[int] = []
        try:
            paths = [self._path(entry.key) for entry, _ in wanted]
            # System calls in a row take half as long as with other work in between.
            fds.extend(map(os.open, paths, repeat(_FLAGS)))  # those before an error are kept
            counts = list(map(os.preadv, fds, zip(into for _, into in wanted), repeat(0)))
            statuses = list(map(os.fstat, fds))
        except (AttributeError, OSError, StoreError):  # Windows has no preadv
            return [None] * len(wanted)
        finally:
            for fd in fds:
                os.close(fd)
        return [
            (entry, into[:count])
            if count == found.st_size
            and stat.S_ISREG(found.st_mode)
            and entry[1:] == (count, (), _version(found), False, True)
            else None
            for (entry, into), count, found in zip(wanted, counts, statuses, strict=True)
        ]

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _read(
        self, entry: Entry, start: int, into: memoryview
    ) -> tuple[os.stat_result, memoryview]:
        key = entry.key
        path = self._path(key)
        try:
            (fd,) = map(os.open, (path,), (_FLAGS,))  # as in `numcrc.files.Reader.path`
            try:
                found = os.fstat(fd)
                _check_regular(key, found)
                if entry.version and entry.version != _version(found):
                    raise ChangedError(f"{key}: the file changed since it was listed")
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
            raise ChangedError(f"{key}: the file changed while it was read")
        return found, into[:size]

    def _path(self, key: str) -> str:
        """Return the path of a key, or raise StoreError if the source cannot have this key."""
        if self._allow_outside and "\0" not in key:
            return os.path.join(self._root, key)
        if not is_file_path(key):
            raise StoreError(f"invalid key {key!r}: it is not a file below {self.url}")
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
                raise StoreError(f"{key}: symbolic links to folders are not followed")
            path += "/"
        if len(self._folders) >= _MOST_FOLDERS:
            self._folders = set()  # a new set: other threads may be reading the old one
        self._folders.add(folder)


def path_of(url: str) -> str:
    """Return the path in a file:// URL; anything else is a path already.

    Examples
    --------
    >>> path_of("file:///tmp/a%20b"), path_of("a%20b")
    ('/tmp/a b', 'a%20b')
    """
    if not url.startswith("file://"):
        if not url or "\0" in url:
            raise ValueError(f"invalid path: {url!r}")
        return url
    parts = urlsplit(url)
    path = unquoted(parts.path)
    if parts.netloc not in ("", "localhost") or not path or "\0" in path:
        shown = f"file://{url[7:].rpartition('@')[2]}"  # a login is a secret
        raise ValueError(f"invalid URL {shown}: expected file:///path")
    return path[1:] if re.match(r"/[A-Za-z]:", path) and os.name == "nt" else path


def _listed(path: bytes, prefix: bytes, keys: KeyRange) -> Iterator[bytes]:
    """Return the names in a folder after *prefix*, in the order of keys: folders end with ``/``.

    Those without keys in the range *keys* are left out.

    Only names are kept in memory, the least that sorting needs.
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
    if keys == EVERY_KEY:
        return (prefix + name for name in names)
    return (
        key
        for key in (prefix + name for name in names)
        if (keys.has_below(key) if key.endswith(b"/") else keys.has(key))
    )


def _files(root: bytes, keys: list[bytes], excluded: Excluded) -> Iterator[Entry]:
    """Yield the entries of files in the folder *root*."""
    paths = [root + key for key in keys]
    found: Iterable[os.stat_result | None]
    try:
        # System calls in a row take a third less time than with other work in between.
        found = list(map(os.stat, paths))
    except OSError:
        found = map(_status, keys, paths)
    inodes = {inode for _, inode in excluded.linked | excluded.replaced}
    for key, path, status in zip(keys, paths, found, strict=True):
        if status is None:
            if not excluded.has(path, None):
                yield Entry(os.fsdecode(key), complete=True)
        elif stat.S_ISREG(status.st_mode):
            if status.st_ino in inodes and excluded.has(path, status):
                continue
            version = _version(status)
            yield Entry._make((os.fsdecode(key), status.st_size, (), version, False, True))


def _status(key: bytes, path: bytes) -> os.stat_result | None:
    """Return the status of a file; None for a link that leads nowhere, or a file removed since."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(os.fsdecode(key), error) from error


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
        raise StoreError(f"{key}: not a regular file")


_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, getattr(errno, "ETIMEDOUT", 0)}


def _failure(key: str, error: OSError) -> StoreError:
    kind = (
        MissingError if error.errno in _GONE else RetryError if error.errno in _BUSY else StoreError
    )
    return kind(f"{key}: {error.strerror or error}")
