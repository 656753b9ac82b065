"""Know the files that a run itself names: they must be different, and are not its objects."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import combinations

from numcrc._light import NamedTuple
from numcrc.store.keys import EVERY_KEY, KeyRange
from numcrc.store.manifests.output import PARTIAL
from numcrc.store.objects import Entry
from numcrc.store.source import Source, entries_in
from numcrc.store.sources import StrPath, without_login
from numcrc.store.sources.local import Excluded, FileId, LocalSource, file_id, path_of


class _File(NamedTuple):
    role: str
    """The parameter that names the file."""
    path: str
    """Its path as it was given."""
    real: str
    """Its path without symbolic links."""

    @property
    def replaced(self) -> bool:
        """Whether the run writes a new file in its place, rather than into it."""
        return self.role in ("report", "output") or self.real.endswith(PARTIAL)


class NamedFiles:
    """The files that a run reads or writes itself, with those that are still being written.

    Files to which standard output and standard error go are among them. They are recognised by
    device and inode, so that links do not hide them. A hard link to a report or an output is
    another object, which keeps the old content; a hard link to a manifest or a state file is not
    an object.

    Parameters
    ----------
    manifest : path or URL, optional
        A file to read.
    state : path, optional
        A file to read and append to.
    report, output : path, optional
        Files to write.

    Raises
    ------
    ValueError
        Two of them are the same file, or the state or the report is not a regular file.
    """

    def __init__(
        self,
        *,
        manifest: StrPath | None = None,
        state: StrPath | None = None,
        report: StrPath | None = None,
        output: StrPath | None = None,
    ) -> None:
        named = {"manifest": manifest, "state": state, "report": report, "output": output}
        self._manifest = "" if manifest is None else without_login(os.fspath(manifest))
        self._files: list[_File] = []
        for role, given in named.items():
            path = None if given is None else os.fspath(given)
            local = _manifest_path(path) if role == "manifest" else path
            if path is None or local is None or local == "-":
                continue
            real = os.path.realpath(local)
            self._files.append(_File(role, path, real))
            if role != "state":
                self._files.append(_File(role, path, real + PARTIAL))
        self._check()

    def _check(self) -> None:
        for file in self._files:
            if file.role in ("state", "report") and _is_special(file.real):
                raise ValueError(f"{file.role} {file.path}: not a regular file")
        for one, other in combinations(self._files, 2):
            if one.role != other.role and _identity(one.real) == _identity(other.real):
                names = f"{one.role} {one.path} and {other.role} {other.path}"
                raise ValueError(f"{names} are the same file")

    def check_sources(self, *sources: Source | None) -> None:
        """Raise ValueError if a source is one of these files."""
        for source in sources:
            if isinstance(source, LocalSource) and source.file is not None:
                identity = _identity(os.path.realpath(source.file))
                for file in self._files:
                    if _identity(file.real) == identity:
                        raise ValueError(f"{file.role} {file.path}: it is a source itself")

    def entries(self, source: Source, keys: KeyRange = EVERY_KEY) -> Iterator[Entry]:
        """Yield the entries of *source* in a range of keys, but those of these files."""
        if isinstance(source, LocalSource):
            yield from source.entries(self._excluded(), keys)
        else:
            yield from self._without_manifest(source, entries_in(source, keys))

    def expected(self, source: Source, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the expected *entries* of *source* but that of the manifest.

        A manifest may list itself, but it cannot have its own checksum.

        Raises
        ------
        ValueError
            An object is expected where another of these files is.
        """
        if not isinstance(source, LocalSource):
            yield from self._without_manifest(source, entries)
            return
        files = {file.real: file for file in self._files}
        names = {os.path.basename(path) for path in files}
        for entry in entries:
            if entry.key.rpartition("/")[2] in names:
                file = files.get(os.path.realpath(os.path.join(source.folder, entry.key)))
                if file is not None and file.role == "manifest":
                    continue
                if file is not None:
                    raise ValueError(f"{file.role} {file.path}: it is also an expected object")
            yield entry

    def _without_manifest(self, source: Source, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield *entries* but that of the manifest, if it is an object of *source*."""
        folder = f"{source.url.rstrip('/')}/"
        manifest = self._manifest[len(folder) :] if self._manifest.startswith(folder) else None
        return (entry for entry in entries if entry.key != manifest)

    def _excluded(self) -> Excluded:
        found: dict[bool, set[FileId]] = {True: set(), False: set()}
        for file in self._files:
            with suppress(OSError):
                found[file.replaced].add(file_id(os.stat(file.real)))
        # What the command prints may go to a file in a source.
        for number in (1, 2):
            with suppress(OSError):
                status = os.fstat(number)
                if stat.S_ISREG(status.st_mode):
                    found[False].add(file_id(status))
        paths = frozenset(file.real for file in self._files)
        return Excluded(paths, frozenset(found[True]), frozenset(found[False]))


def _manifest_path(given: str | None) -> str | None:
    """Return the path of a manifest; None if it is remote."""
    if given == "-":
        return "/dev/stdin"  # leads to the file that standard input comes from
    if given is None or ("://" in given and not given.startswith("file://")):
        return None
    return path_of(given)


def _is_special(path: str) -> bool:
    """Return whether something other than a regular file is at *path*."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _identity(path: str) -> tuple[FileId, str] | str:
    """Return what paths of one file have in common, also if it does not exist yet."""
    try:
        return file_id(os.stat(path)), ""
    except OSError:
        folder, name = os.path.split(path)
    try:
        return file_id(os.stat(folder)), name
    except OSError:
        return path
