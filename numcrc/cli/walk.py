"""List the files below a folder, in the order of their paths."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


def files(
    folder: str,
    on_error: Callable[[str, OSError], object],
    skip: Collection[tuple[int, int]] = (),
) -> Iterator[str]:
    """Yield the paths of the files below *folder*, sorted.

    Links to files are files. Links to folders are skipped, since they could form a loop, as are
    pipes, sockets, devices, and the files with a device and inode in *skip*. *on_error* is called
    with each folder that cannot be read.
    """
    inodes = {inode for _, inode in skip}
    # The paths of folders end with "/", which also sorts them among the files.
    pending = [folder if folder.endswith("/") else folder + "/"]
    while pending:
        path = pending.pop()
        if not path.endswith("/"):
            yield path
            continue
        try:
            with os.scandir(path) as entries:
                found = [
                    entry.path
                    if entry.is_file(follow_symlinks=False) and entry.inode() not in inodes
                    else _other(entry, skip)
                    for entry in entries
                ]
        except OSError as error:
            on_error(path, error)
            continue
        pending += sorted(filter(None, found), reverse=True)


def _other(entry: os.DirEntry[str], skip: Collection[tuple[int, int]]) -> str:
    """Return the path of a folder with "/", the path of a file or of a link to one, else ""."""
    if entry.is_dir(follow_symlinks=False):
        return entry.path + "/"
    try:
        status = os.stat(entry.path)
    except OSError:
        # Reading a broken link gives the error message.
        return entry.path if entry.is_symlink() else ""
    skipped = (status.st_dev, status.st_ino) in skip or not stat.S_ISREG(status.st_mode)
    return "" if skipped else entry.path
