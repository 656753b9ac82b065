"""Record results in a file, so that a run resumes after being killed.

The first line is JSON that describes the job. Each result is a line, written at once, in the
order of the keys. A run that resumes appends a segment of such lines, after a line that marks its
beginning. The file is therefore a few sorted lists, which are merged as they are read.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from heapq import merge
from itertools import pairwise
from threading import Event
from types import TracebackType
from typing import Any, NamedTuple

from numcrc.store.keys import key_bytes
from numcrc.store.merge import Pair
from numcrc.store.objects import Result, State
from numcrc.store.progress import Progress
from numcrc.store.sources import StrPath

FORMAT = "numcrc-verify-1"
_SEGMENT = b'{"segment": "begins"}\n'
# States that a later run checks again.
RETRIED = {State.ERROR, State.CHANGED, State.ARCHIVED}
# Known results that may wait for one that is not known: bounds memory.
WAITING = 10_000


class Known(NamedTuple):
    """A result in the file."""

    key: bytes
    age: int
    """The number of later segments; the most recent result of a key wins."""
    fingerprint: str
    """The `fingerprint` of its pair."""
    result: Result


def fingerprint(pair: Pair) -> str:
    """Return a hash of everything that is known of a pair before it is checked."""
    return blake2b(repr(pair).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


class StateFile:
    """The results of a job so far, in a file that is created or resumed.

    Parameters
    ----------
    path
        The file.
    job
        What determines the results, by the name that messages use.

    Raises
    ------
    ValueError
        The file belongs to another job, is not a state file, or is used by another process.
    OSError
        It cannot be read or written.
    """

    def __init__(self, path: StrPath, job: Mapping[str, Any]) -> None:
        self._path = os.fspath(path)
        self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 (closed by `close`)
        try:
            self._lock()
            self._known = self._most_recent(self._segments(job))
        except BaseException:
            self._file.close()
            raise
        self._next = next(self._known, None)
        self._writing = False

    def close(self) -> None:
        """Close the file, so that another process can use it."""
        self._known.close()
        self._file.close()

    def __enter__(self) -> StateFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def known(self, key: str, fingerprint: str) -> Result | None:
        """Return the result of a pair, or None if it must be checked. Keys must come in order."""
        raw = key_bytes(key)
        while self._next is not None and self._next.key < raw:
            self._next = next(self._known, None)
        found = self._next
        if found is None or found.key != raw or found.fingerprint != fingerprint:
            return None
        return None if found.result.state in RETRIED else found.result

    def write(self, fingerprint: str, result: Result) -> None:
        """Append a result. Once this returns, it survives the process."""
        line = json.dumps((fingerprint, *result)).encode() + b"\n"
        if self._writing:
            self._file.write(line)
        else:
            self._file.write(_SEGMENT + line)
            self._writing = True

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{self._path}: another process is using this state file") from None

    def _segments(self, job: Mapping[str, Any]) -> list[tuple[int, int]]:
        """Return the start and end of each segment, and remove a last line that is incomplete."""
        header = json.dumps({"format": FORMAT, **job}).encode() + b"\n"
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            first = lines.readline()
            if not first.endswith(b"\n") and header.startswith(first):  # empty, or killed at once
                self._file.truncate(0)
                self._file.write(header)
                return []
            self._check_job(first, json.loads(header))
            end = len(first)
            starts = []
            for line in lines:
                if line == _SEGMENT:
                    starts.append(end)
                if line.endswith(b"\n"):
                    end += len(line)
        self._file.truncate(end)
        return list(pairwise([*starts, end]))

    def _check_job(self, first: bytes, job: dict[str, Any]) -> None:
        try:
            found = json.loads(first)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(f"{self._path}: not a state file of this version of numcrc")
        for name, value in job.items():
            if found.get(name) != value:
                raise ValueError(
                    f"{self._path}: the state file belongs to another job: "
                    f"its {name} is {found.get(name)!r}, not {value!r}"
                )

    def _most_recent(self, segments: list[tuple[int, int]]) -> Generator[Known, None, None]:
        """Yield the most recent result of each key, in order."""
        last = None
        readers = [
            self._read(start, end, age) for age, (start, end) in enumerate(reversed(segments))
        ]
        for known in merge(*readers, key=lambda known: known[:2]):
            if known.key != last:
                yield known
            last = known.key

    def _read(self, start: int, end: int, age: int) -> Iterator[Known]:
        with open(self._path, "rb") as file:
            file.seek(start + len(_SEGMENT))
            while file.tell() < end:
                # A damaged line is skipped, so that its object is checked again.
                with suppress(ValueError, TypeError, RecursionError):
                    mark, result = _parsed(json.loads(file.readline()))
                    yield Known(key_bytes(result.key), age, mark, result)


def _parsed(line: list[Any]) -> tuple[str, Result]:
    """Return the fingerprint and the result that `StateFile.write` wrote as *line*."""
    mark, key, state, size, algorithm, expected, actual, parts, detail, version = line
    texts = (mark, key, algorithm, expected, actual, detail, version)
    if not all(type(text) is str for text in texts):
        raise TypeError
    if not all(type(number) is int for number in (size or 0, *parts)):
        raise TypeError
    state, parts = State(state), tuple(parts)
    return mark, Result(key, state, size, algorithm, expected, actual, parts, detail, version)


def resume(
    pairs: Iterable[Pair],
    check: Callable[[Iterable[Pair]], Iterator[Result]],
    state: StateFile,
    stop: Event,
    progress: Progress | None = None,
) -> Generator[Result, None, None]:
    """Yield a result for each of *pairs*, in order: that of *state*, or else that of *check*.

    *check* yields results in the order of its pairs, and fewer of them only after *stop* is set.
    """
    for pair, mark, known in (looked_up := _look_up(pairs, state, progress)):
        if known is not None:
            yield known
        else:
            yield from _check(pair, mark, looked_up, check, state)
        if stop.is_set():
            return


def _look_up(
    pairs: Iterable[Pair], state: StateFile, progress: Progress | None
) -> Iterator[tuple[Pair, str, Result | None]]:
    for pair in pairs:
        mark = fingerprint(pair)
        known = state.known(pair.key, mark)
        if known is not None and progress is not None:
            progress.add(1, known.size or 0)
        yield pair, mark, known


def _check(
    first: Pair,
    first_mark: str,
    looked_up: Iterator[tuple[Pair, str, Result | None]],
    check: Callable[[Iterable[Pair]], Iterator[Result]],
    state: StateFile,
) -> Iterator[Result]:
    """Yield the results of *first* and of pairs after it, until `WAITING` known ones had to wait.

    Known results wait for those before them that are being checked. To bound them, no pairs are
    taken any more once there are too many, so that *check* finishes those it has.
    """
    # In order: known results, and the fingerprints of pairs that are being checked.
    slots: deque[Result | str] = deque([first_mark])

    def unknown() -> Iterator[Pair]:
        yield first
        waiting = 0
        for pair, mark, known in looked_up:
            slots.append(known or mark)
            if known is None:
                yield pair
            elif (waiting := waiting + 1) == WAITING:
                return

    for result in check(unknown()):
        while not isinstance(slot := slots.popleft(), str):
            yield slot
        state.write(slot, result)
        yield result
    while slots and not isinstance(slot := slots.popleft(), str):
        yield slot
