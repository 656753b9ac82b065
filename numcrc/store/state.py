"""Record results in a file, so that a run resumes after being killed.

The first line is JSON that describes the job. Each result is a line, written as soon as the
object is checked, so that one slow object does not hold back the results of those after it. Lines
are nearly in the order of their keys: now and then a mark gives a key that all later ones are
greater than. The file is read in this order with few results in memory, namely those between two
marks. A mark that is lower than the one before it begins a segment; a run that resumes needs one
only if it checks objects again. Segments are merged as they are read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from hashlib import blake2b
from heapq import heappop, heappush, merge
from typing import Any

from numcrc._light import NamedTuple
from numcrc.checkfiles.names import naming, write_all
from numcrc.store.keys import key_bytes
from numcrc.store.manifests.output import locked
from numcrc.store.merge import Pair
from numcrc.store.objects import Result, State
from numcrc.store.sources import StrPath

FORMAT = "numcrc-verify-2"
# States that a later run checks again; they are not recorded.
RETRIED = {State.ERROR, State.CHANGED, State.ARCHIVED}
# Results after which a mark is written.
MARK_EVERY = 256
# Results in memory while a segment is read: more than a run checks out of order.
MOST_WAITING = 10_000
# Bytes of a line; longer ones are damaged.
LONGEST_LINE = 8 << 20
_PLURALS = {"patterns", "keys", "formats"}
_MARK = b'{"after": '


class Known(NamedTuple):
    """A result in the file."""

    key: bytes
    age: int
    """The most recent result of a key has the lowest."""
    fingerprint: str
    """The `fingerprint` of its pair."""
    result: Result | None
    """None: not a result, but the mark where a segment begins."""


class _Segment(NamedTuple):
    after: bytes
    """A key that all others are greater than."""
    start: int
    end: int


def described(name: str, value: object) -> str:
    """Return a text for a value of a job, which is what JSON can hold.

    Examples
    --------
    >>> described("patterns", [["*.raw"], []]), described("shard", [1, 3])
    ('include *.raw', '1/3')
    """
    match name, value:
        case _, None | []:
            return "none"
        case _, bool():
            return "yes" if value else "no"
        case "patterns", [list(include), list(exclude)]:
            texts = [f"include {glob}" for glob in include]
            texts += [f"exclude {glob}" for glob in exclude]
            return ", ".join(texts) or "none"
        case "shard", [number, count]:
            return f"{number}/{count}"
        case "keys", [first, end]:
            return f"{first or ''}..{end or ''}"
        case "manifest", [path, size, int(time)]:
            seconds, rest = divmod(time, 10**9)
            with suppress(ValueError, OverflowError, OSError):
                day = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
                return f"{path} ({size} bytes, {day}.{rest:09} UTC)"
        case _, dict():
            return json.dumps(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def fingerprint(pair: Pair) -> str:
    """Return a hash of everything that is known of a pair before it is checked."""
    return blake2b(repr(pair).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


class StateFile:
    """The results of a job so far, in a file that is created or resumed.

    One thread asks for known results, and another records new ones.

    Attributes
    ----------
    used : int
        The number of results that were known and are yielded.
    added : int
        The number of results that were recorded.

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
            if not locked(self._file.fileno()):
                raise ValueError(f"{self._path}: another process is using this state file")
            self._check_header(job)
        except BaseException:
            self._file.close()
            raise
        self._recorded: Iterator[Known] | None = None
        self._next: Known | None = None
        self._pending: dict[int, str] = {}
        self._known: set[int] = set()
        self.used = self.added = 0
        self._since_mark = MARK_EVERY

    def close(self) -> None:
        """Close the file, so that another process can use it."""
        self._file.close()

    def __enter__(self) -> StateFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def known(self, number: int, pair: Pair) -> Result | None:
        """Return the result of a pair, or None if it must be checked.

        Pairs must come in the order of their keys. *number* is that of the pair in `record`.
        """
        if self._recorded is None:
            self._recorded = self._most_recent(self._segments())
            self._next = next(self._recorded, None)
        key, mark = key_bytes(pair.key), fingerprint(pair)
        while self._next is not None and self._next.key < key:
            self._next = next(self._recorded, None)
        found = self._next
        if found is not None and found.key == key and found.fingerprint == mark:
            self._known.add(number)
            return found.result
        self._pending[number] = mark
        return None

    def count(self, number: int) -> None:
        """Count the result of a pair, which is yielded, if it was known."""
        if number in self._known:
            self._known.remove(number)
            self.used += 1

    def record(self, results: Mapping[int, Result], after: str) -> None:
        """Append the results of pairs that were not known; they then survive the process.

        Parameters
        ----------
        results
            By the numbers of their pairs.
        after
            A key; the results of it and of lower ones are all recorded.
        """
        lines = []
        for number, result in results.items():
            mark = self._pending.pop(number, None)
            if mark is not None and result.state not in RETRIED:
                lines.append(json.dumps((mark, *result)))
        if not lines:
            return
        added = len(lines)
        self._since_mark += added
        if self._since_mark > MARK_EVERY:
            lines.insert(0, json.dumps({"after": after}))
            self._since_mark = 0
        self._append("".join(f"{line}\n" for line in lines).encode())
        self.added += added

    def _append(self, data: bytes) -> None:
        with naming(self._path):
            write_all(self._file, data)

    def _check_header(self, job: Mapping[str, Any]) -> None:
        """Write the first line, or compare it with the job."""
        header = json.dumps({"format": FORMAT, **job}).encode() + b"\n"
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            first = lines.readline(LONGEST_LINE)
        if not first.endswith(b"\n") and header.startswith(first):  # empty, or killed at once
            self._file.truncate(0)
            self._append(header)
            return
        try:
            found = json.loads(first)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(f"{self._path}: not a state file of this version of numcrc")
        for name, value in json.loads(header).items():
            if found.get(name) != value:
                there, here = described(name, found.get(name)), described(name, value)
                raise ValueError(
                    f"{self._path}: the state file belongs to another job: "
                    f"its {name} {'are' if name in _PLURALS else 'is'} {there}, not {here}"
                )

    def _segments(self) -> list[_Segment]:
        """Return the segments, and remove a last line that is incomplete."""
        # Not through the file that `close` closes, whose descriptor may then be another file's.
        with open(self._path, "rb") as lines:
            end = at = len(lines.readline(LONGEST_LINE))
            last = b""
            starts = [(last, at)]
            while line := lines.readline(LONGEST_LINE):
                if line.startswith(_MARK) and (after := _after(line)) is not None:
                    if after < last:
                        starts.append((after, at))
                    last = after
                at += len(line)
                if line.endswith(b"\n"):
                    end = at
        self._file.truncate(end)
        ends = [*(start for _, start in starts[1:]), end]
        return [_Segment(*start, end) for start, end in zip(starts, ends, strict=True)]

    def _most_recent(self, segments: list[_Segment]) -> Iterator[Known]:
        """Yield the most recent result of each key, in order."""
        last = None
        for known in merge(*map(self._read, segments)):
            if known.result is not None and known.key != last:
                yield known
                last = known.key

    def _read(self, segment: _Segment) -> Generator[Known, None, None]:
        """Yield the results of a segment, after its mark: `merge` takes that before they matter."""
        yield Known(segment.after, 0, "", None)
        waiting: list[Known] = []
        with open(self._path, "rb") as file:
            file.seek(segment.start)
            while (at := file.tell()) < segment.end:
                line = file.readline(LONGEST_LINE)
                if line.startswith(_MARK):
                    after = _after(line) or b""
                    while waiting and waiting[0].key <= after:
                        yield heappop(waiting)
                    continue
                # A damaged line is skipped, so that its object is checked again.
                with suppress(ValueError, TypeError, RecursionError):
                    mark, result = _parsed(json.loads(line))
                    heappush(waiting, Known(key_bytes(result.key), -at, mark, result))
                if len(waiting) > MOST_WAITING:
                    yield heappop(waiting)
        while waiting:
            yield heappop(waiting)


def _after(line: bytes) -> bytes | None:
    """Return the key of a mark; None if the line is damaged."""
    with suppress(ValueError, TypeError, AttributeError, RecursionError):
        return key_bytes(json.loads(line)["after"])
    return None


def _parsed(line: list[Any]) -> tuple[str, Result]:
    """Return the fingerprint and the result that `StateFile.record` wrote as *line*."""
    mark, key, state, size, algorithm, expected, actual, parts, detail, version = line
    texts = (mark, key, algorithm, expected, actual, detail, version)
    if not all(type(text) is str for text in texts):
        raise TypeError
    if not all(type(number) is int for number in (size or 0, *parts)):
        raise TypeError
    state, parts = State(state), tuple(parts)
    return mark, Result(key, state, size, algorithm, expected, actual, parts, detail, version)
