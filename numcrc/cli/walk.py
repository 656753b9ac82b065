"""List the files below a folder, in the order of their paths."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def files(folder: str, on_error: Callable[[str, OSError], object]) -> Iterator[str]:
    """Yield the paths of the files below *folder*, sorted.

    Links to files are files. Links to folders are skipped, since they could form a loop, as are
    pipes, sockets and devices. *on_error* is called with each folder that cannot be read.
    """
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
                    entry.path if entry.is_file(follow_symlinks=False) else _other(entry)
                    for entry in entries
                ]
        except OSError as error:
            on_error(path, error)
            continue
        pending += sorted(filter(None, found), reverse=True)


def _other(entry: os.DirEntry[str]) -> str:
    """Return the path of a folder with "/", the path of a link to a file, or "" for the rest."""
    if entry.is_dir(follow_symlinks=False):
        return entry.path + "/"
    if entry.is_symlink():
        try:
            status = os.stat(entry.path)
        except OSError:
            return entry.path  # a broken link: reading it gives the error message
        return entry.path if stat.S_ISREG(status.st_mode) else ""
    return ""
