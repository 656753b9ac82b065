"""Open the folder of compiled kernels, in which no other user can put anything.

All that leads to it, folders and symbolic links, belongs to this user or to root; others can write
there only where a sticky bit keeps them from renaming what is not theirs. The folder is checked
once it is open, and its files are reached through its descriptor. Each operation opens it, so no
descriptor has to outlast a fork or a daemon that closes all, and a removed folder is made again.

Where functions take no descriptor of a folder, as on Windows, its files are reached by path.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTORS = os.open in os.supports_dir_fd and hasattr(os, "geteuid")
_LINKS = 40
"""Symbolic links that are followed at most, as on Linux."""


def _flags(*names: str) -> int:
    return sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", *names))


READ = _flags("O_RDONLY", "O_NONBLOCK")  # a FIFO is not waited for
WRITE = _flags("O_WRONLY", "O_CREAT", "O_EXCL")
_FOLDER = _flags("O_RDONLY", "O_DIRECTORY")


class UntrustedError(OSError):
    """Another user could put files into a folder."""


class Folder:
    """An open folder that can be trusted; ``with`` closes it.

    Parameters
    ----------
    path : str
        An absolute path.
    make : int, optional
        The mode of missing folders, which are made; by default they are an error.

    Raises
    ------
    UntrustedError
        Another user could put files there.
    OSError
        It cannot be made or opened.
    """

    def __init__(self, path: str, make: int | None = None) -> None:
        self._descriptor: int | None = None
        self._start = os.path.join(path, "")
        self.is_ours = True
        """Whether it belongs to this user, not to root; only then is it written to."""
        if not _DESCRIPTORS:
            if make is not None:
                os.makedirs(path, exist_ok=True)
            elif not os.path.isdir(path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            return
        self._descriptor = os.open(_resolved(path, make), _FOLDER)
        self._start = ""
        try:
            found = os.stat(self._descriptor)
            if fault := distrust(found):
                raise UntrustedError(f"{path}: {fault}")
        except BaseException:
            self.close()
            raise
        self.is_ours = found.st_uid == os.geteuid()

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of a file; a new one is readable by all, as far as umask lets it."""
        return os.open(self._start + name, flags, 0o644, dir_fd=self._descriptor)

    def replace(self, name: str, other: str) -> None:
        """Move the file *name* to *other*."""
        place = self._descriptor
        os.replace(self._start + name, self._start + other, src_dir_fd=place, dst_dir_fd=place)

    def remove(self, name: str) -> bool:
        """Remove a file; return whether it was there."""
        try:
            os.unlink(self._start + name, dir_fd=self._descriptor)
        except FileNotFoundError:
            return False
        return True

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the name and the status of each file."""
        for name in os.listdir(self._start if self._descriptor is None else self._descriptor):
            try:
                found = os.stat(self._start + name, dir_fd=self._descriptor, follow_symlinks=False)
            except FileNotFoundError:  # another process has removed it
                continue
            if stat.S_ISREG(found.st_mode):
                yield name, found


def distrust(found: os.stat_result) -> str | None:
    """Return why a folder or a file cannot be trusted."""
    if hasattr(os, "geteuid") and found.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    if os.name == "posix" and found.st_mode & 0o022:
        return "other users can write to it"
    return None


def _resolved(path: str, make: int | None) -> str:
    """Return *path* without symbolic links, after a check of all that leads to it."""
    top = os.lstat("/")
    # In a user namespace, root of the host may have any number; "/" shows it.
    trusted = {os.geteuid(), 0, top.st_uid}
    _check("/", top, trusted)
    at, names, links = "/", path.split("/")[::-1], 0
    while names:
        name = names.pop()
        if name == "..":
            at = os.path.dirname(at)
        if name in ("", ".", ".."):
            continue
        below = os.path.join(at, name)
        found = _made(below, make)
        _check(below, found, trusted)
        if not stat.S_ISLNK(found.st_mode):
            at = below
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(below)
        names += target.split("/")[::-1]
        if target.startswith("/"):
            at = "/"
    return at


def _made(path: str, mode: int | None) -> os.stat_result:
    """Return the status of *path*, a folder with this *mode* if it was missing."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        if mode is None:
            raise
    try:
        os.mkdir(path, mode)
    except FileExistsError:  # made by another process
        return os.lstat(path)
    return os.lstat(path)


def _check(path: str, found: os.stat_result, trusted: set[int]) -> None:
    """Raise `UntrustedError` if another user could replace what is in a folder, or a link."""
    if found.st_uid not in trusted:
        raise UntrustedError(f"{path}: belongs to another user")
    writers = found.st_mode & 0o022 if stat.S_ISDIR(found.st_mode) else 0
    if writers == 0o020 and found.st_gid == found.st_uid != 0:
        writers = 0  # the user's private group, for which some systems have umask 002
    if writers and not found.st_mode & stat.S_ISVTX:
        raise UntrustedError(f"{path}: other users can write to it")
