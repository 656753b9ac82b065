"""The file that a run writes as it goes, for another to go on from when it was ended.

One line of JSON tells of which job it is, and one line tells each result, written at once and
in the order of the keys. A run that goes on begins a stretch of such lines of its own, behind
a line that says so: together the stretches are a few sorted lists, merged as they are read.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from hashlib import blake2b
from heapq import merge
from threading import Event
from types import TracebackType
from typing import Any, NamedTuple

from numcrc.store.keys import key_bytes
from numcrc.store.merge import Pair
from numcrc.store.objects import Result, State
from numcrc.store.reader import Meter

FORMAT = "numcrc-verify-1"
_STRETCH = b'{"goes": "on"}\n'
# What a later try may well find otherwise.
AGAIN = {State.ERROR, State.CHANGED, State.ARCHIVED}
# Known results that may wait behind one that is not: bounds memory.
WAITING = 10_000


class Known(NamedTuple):
    """A result that is in the file."""

    key: bytes
    age: int
    """Stretches from the end: of those with the same key, the youngest counts."""
    seal: str
    """What `seal_of` made of the pair."""
    result: Result


def seal_of(pair: Pair) -> str:
    """Return what changes when anything that is known before the check does."""
    return blake2b(repr(pair).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


class Journal:
    """The results of a job so far; made anew, or taken up where there is one.

    Parameters
    ----------
    path
        The file.
    job
        What must be the same for a result to be the same, by what it is called in messages.

    Raises
    ------
    ValueError
        The file is of another job, or no such file at all, or another process uses it.
    OSError
        It cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], job: Mapping[str, Any]) -> None:
        self._path = os.fspath(path)
        self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 (it lives as long as we)
        try:
            self._lock()
            self._known = self._youngest(self._taken_up(job))
        except BaseException:
            self._file.close()
            raise
        self._next = next(self._known, None)
        self._begun = False

    def close(self) -> None:
        """Close the file; another process may have it then."""
        self._known.close()
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def known(self, key: str, seal: str) -> Result | None:
        """Return the result of a pair, if it need not be checked. Keys must come in order."""
        raw = key_bytes(key)
        while self._next is not None and self._next.key < raw:
            self._next = next(self._known, None)
        found = self._next
        if found is None or found.key != raw or found.seal != seal:
            return None
        return None if found.result.state in AGAIN else found.result

    def write(self, seal: str, result: Result) -> None:
        """Add a result. When this returns, it survives the process."""
        line = json.dumps((seal, *result)).encode() + b"\n"
        if self._begun:
            self._file.write(line)
        else:
            self._file.write(_STRETCH + line)
            self._begun = True

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{self._path}: another process is using this state file") from None

    def _taken_up(self, job: Mapping[str, Any]) -> list[tuple[int, int]]:
        """Return where the stretches are, oldest first, in a file that ends with a whole line."""
        header = json.dumps({"format": FORMAT, **job}).encode() + b"\n"
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            first = lines.readline()
            if not first.endswith(b"\n") and header.startswith(first):  # new, or killed at once
                self._file.truncate(0)
                self._file.write(header)
                return []
            self._compare(first, json.loads(header))
            at = len(first)
            starts = []
            for line in lines:
                if line == _STRETCH:
                    starts.append(at)
                if line.endswith(b"\n"):
                    at += len(line)
        self._file.truncate(at)
        return list(zip(starts, [*starts[1:], at], strict=True))

    def _compare(self, first: bytes, job: dict[str, Any]) -> None:
        try:
            found = json.loads(first)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(f"{self._path}: this is no state file of this version of numcrc")
        for name, value in job.items():
            if found.get(name) != value:
                raise ValueError(
                    f"{self._path}: the state file is of another job: "
                    f"its {name} is {found.get(name)!r}, not {value!r}"
                )

    def _youngest(self, stretches: list[tuple[int, int]]) -> Generator[Known, None, None]:
        """Yield what is known, by key, each once."""
        last = None
        readers = [
            self._read(start, end, age) for age, (start, end) in enumerate(reversed(stretches))
        ]
        for known in merge(*readers, key=lambda known: known[:2]):
            if known.key != last:
                yield known
            last = known.key

    def _read(self, start: int, end: int, age: int) -> Iterator[Known]:
        with open(self._path, "rb") as file:
            file.seek(start + len(_STRETCH))
            while file.tell() < end:
                try:
                    seal, *fields = json.loads(file.readline())
                    found = Result._make(fields)
                    result = found._replace(state=State(found.state), parts=tuple(found.parts))
                    yield Known(key_bytes(found.key), age, seal, result)
                except (ValueError, TypeError, AttributeError):  # damaged: check that one anew
                    continue


def resumed(
    pairs: Iterable[Pair],
    check: Callable[[Iterable[Pair]], Iterator[Result]],
    journal: Journal,
    stop: Event,
    meter: Meter | None = None,
) -> Generator[Result, None, None]:
    """Yield a result for each of *pairs*, in their order: the journal's, or else what *check* says.

    *check* yields results in the order of what it is given, and fewer only after *stop*.
    """
    for pair, seal, known in (judged := _judged(pairs, journal, meter)):
        if known is not None:
            yield known
        else:
            yield from _checked(pair, seal, judged, check, journal)
        if stop.is_set():
            return


def _judged(
    pairs: Iterable[Pair], journal: Journal, meter: Meter | None
) -> Iterator[tuple[Pair, str, Result | None]]:
    for pair in pairs:
        seal = seal_of(pair)
        known = journal.known(pair.key, seal)
        if known is not None and meter is not None:
            meter.add(1, known.size or 0)
        yield pair, seal, known


def _checked(
    first: Pair,
    first_seal: str,
    judged: Iterator[tuple[Pair, str, Result | None]],
    check: Callable[[Iterable[Pair]], Iterator[Result]],
    journal: Journal,
) -> Iterator[Result]:
    """Yield what there is to say of *first* and those behind it, until too much had to wait.

    What is known already waits for what is before it, without end if nothing were done about
    it: the check is then left to finish what it has.
    """
    slots: deque[Result | str] = deque([first_seal])  # in order: what is known, or else seals

    def unknown() -> Iterator[Pair]:
        yield first
        waiting = 0
        for pair, seal, known in judged:
            slots.append(known or seal)
            if known is None:
                yield pair
            elif (waiting := waiting + 1) == WAITING:
                return

    for result in check(unknown()):
        while not isinstance(slot := slots.popleft(), str):
            yield slot
        journal.write(slot, result)
        yield result
    while slots and not isinstance(slot := slots.popleft(), str):
        yield slot
