"""Keep the report of a job in a folder: a file for each part, which is there once it is whole.

``job.json`` says what the job is, ``part-000012.parquet`` has the results of a part, and
``part-000012.json``, which is written after it, their counts.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from numcrc._light import NamedTuple
from numcrc.checkfiles.names import naming
from numcrc.store.objects import State
from numcrc.store.sources import StrPath
from numcrc.store.state import RETRIED, described

FORMAT = "numcrc-report-1"
JOB = "job.json"
_COMMIT = re.compile(r"part-(\d{6,9})\.json")
_MANIFEST = ".manifest.parquet"
# The beginnings of the names of files that are being written.
_TEMPORARY = (".part-", ".manifest-")
# Bytes of a file of JSON here.
_LARGEST = 1 << 20


class Commit(NamedTuple):
    """What is known of a part that is done."""

    number: int
    counts: dict[State, int]
    bytes: int

    @property
    def final(self) -> bool:
        """Whether all objects were checked; others are tried again."""
        return not RETRIED & self.counts.keys()


class ReportFolder:
    """A folder with a report in parts.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = os.path.abspath(path)

    def begin(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Make the folder of a job, unless it is there; return what `job` returns in any process.

        Raises
        ------
        ValueError
            The folder has other files, or the report of another job.
        OSError
            It cannot be made.
        """
        expected: dict[str, Any] = json.loads(json.dumps({"format": FORMAT, **job}))
        os.makedirs(self.path, exist_ok=True)
        if not os.path.exists(os.path.join(self.path, JOB)):
            if others := [name for name in os.listdir(self.path) if not name.startswith(".")]:
                raise ValueError(f"{self.path}: not the folder of a report: it has {min(others)!r}")
            self._write(JOB, expected)
            return expected
        found = self.job()
        for name in {**expected, **found}:
            if found.get(name) != expected.get(name):
                there, here = described(name, found.get(name)), described(name, expected.get(name))
                raise ValueError(
                    f"{self.path}: the report of another job: its {name} is {there}, not {here}"
                )
        return found

    def job(self) -> dict[str, Any]:
        """Return what `begin` got.

        Raises
        ------
        ValueError
            The folder is not that of a report.
        """
        try:
            with open(os.path.join(self.path, JOB), encoding="utf-8") as file:
                found = json.loads(file.read(_LARGEST))
        except (OSError, ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(
                f"{self.path}: not the folder of a report by verify with Dask; "
                f"name the files of other reports: {os.path.join(self.path, '*.parquet')}"
            )
        return found

    def part(self, number: int) -> str:
        """Return the path of the results of a part."""
        return os.path.join(self.path, f"part-{number:06}.parquet")

    def temporary(self, number: int) -> str:
        """Return a path that no other process uses, for results that are not whole."""
        return os.path.join(self.path, f".part-{number:06}-{uuid4().hex[:12]}.parquet")

    def temporary_manifest(self) -> str:
        """Return a path that no other process uses, for a copy of the manifest."""
        return os.path.join(self.path, f".manifest-{uuid4().hex[:12]}.parquet")

    def keep_manifest(self, written: str) -> str:
        """Keep the file *written* as the copy of the manifest of this job; return its path."""
        copy = os.path.join(self.path, _MANIFEST)
        with naming(written):
            os.replace(written, copy)
        return copy

    def commit(self, written: str, commit: Commit) -> None:
        """Take the results in the file *written* as those of a part."""
        # A commit of an earlier run does not fit the new results.
        with suppress(FileNotFoundError):
            os.remove(self._commit(commit.number))
        with naming(written):
            os.replace(written, self.part(commit.number))
        counts = {state.value: count for state, count in commit.counts.items()}
        name = os.path.basename(self._commit(commit.number))
        self._write(name, {"counts": counts, "bytes": commit.bytes})

    def commits(self) -> Iterator[Commit]:
        """Yield the parts that are done, in any order."""
        with os.scandir(self.path) as found:
            numbers = [int(match[1]) for entry in found if (match := _COMMIT.fullmatch(entry.name))]
        for number in numbers:
            if (commit := self.committed(number)) is not None:
                yield commit

    def committed(self, number: int) -> Commit | None:
        """Return what is known of a part that is done; None if it is not."""
        try:
            with open(self._commit(number), encoding="utf-8") as file:
                found = json.loads(file.read(_LARGEST))
            counts = {State(name): _count(count) for name, count in found["counts"].items()}
            commit = Commit(number, counts, _count(found["bytes"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None  # it is done again
        return commit if os.path.exists(self.part(number)) else None

    def clean(self) -> None:
        """Remove what runs that were killed have left."""
        with os.scandir(self.path) as found:
            left = [entry.path for entry in found if entry.name.startswith(_TEMPORARY)]
        for path in left:
            with suppress(OSError):
                os.remove(path)

    def _commit(self, number: int) -> str:
        return os.path.join(self.path, f"part-{number:06}.json")

    def _write(self, name: str, value: object) -> None:
        """Write a file of JSON in one step."""
        written = os.path.join(self.path, f".{name}-{uuid4().hex[:12]}")
        with naming(written):
            with open(written, "w", encoding="utf-8") as file:
                json.dump(value, file)
            os.replace(written, os.path.join(self.path, name))


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("invalid count")
    return value


def report_files(path: StrPath) -> tuple[list[str], int]:
    """Return the parts in a folder that are done, and the number of those that are not.

    Raises
    ------
    ValueError
        It is not the folder of a report.
    """
    folder = ReportFolder(path)
    parts = _count(folder.job().get("parts"))
    done = sorted(commit.number for commit in folder.commits() if commit.number < parts)
    return [folder.part(number) for number in done], parts - len(done)
