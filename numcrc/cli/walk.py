"""The files below a folder, in the order of their paths."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def files(folder: str, report: Callable[[str, OSError], object]) -> Iterator[str]:
    """Yield the paths of the files below *folder*, sorted; *report* folders that resist.

    Links to files count as files, links to folders are passed over (they could form a loop),
    as are pipes, sockets and devices.
    """
    # A folder is known by the "/" at its end, which also puts it in its place among the paths.
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
            report(path, error)
            continue
        pending += sorted(filter(None, found), reverse=True)


def _other(entry: os.DirEntry[str]) -> str:
    """Return the path and "/" of a folder, the path of a link to a file, or "" for the rest."""
    if entry.is_dir(follow_symlinks=False):
        return entry.path + "/"
    if entry.is_symlink():
        try:
            status = os.stat(entry.path)
        except OSError:
            return entry.path  # broken: let reading it say so
        return entry.path if stat.S_ISREG(status.st_mode) else ""
    return ""
