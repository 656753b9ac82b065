"""Compute the checksums of an object and of its parts from ranges that arrive in any order."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from numcrc.checksums import ChecksumAlgorithm, Hash, UnsupportedError, find
from numcrc.store import composite
from numcrc.store.objects import Checksum


class Found(NamedTuple):
    """What one wanted checksum turned out to be."""

    value: bytes | None
    """None: it was not computed."""
    parts: tuple[bytes, ...] = ()
    """Those that make up a composite one, in order, when it is sure where parts end."""
    why: str = ""
    """Why it was not computed, or cannot be relied on."""


class _Line:
    """One digest of consecutive bytes, begun anew at each of *ends*."""

    def __init__(self, digest: ChecksumAlgorithm, ends: Sequence[int], start: int) -> None:
        self._new = digest.new
        self._ends = ends
        self._hash: Hash = digest.new()
        self.start = self._at = self._begun = start
        self._done: list[tuple[int, bytes]] = []

    def feed(self, view: memoryview) -> None:
        base, stop = self._at, self._at + len(view)
        which = bisect_right(self._ends, base)
        while which < len(self._ends) and (end := self._ends[which]) <= stop:
            self._hash.update(view[self._at - base : end - base])
            self._done.append((end, self._hash.digest()))
            self._hash, self._at, self._begun = self._new(), end, end
            which += 1
        self._hash.update(view[self._at - base :])
        self._at = stop

    def finish(self) -> list[tuple[int, bytes]]:
        """Return where each stretch ends, and its digest; the last ends where the bytes did."""
        if self._at > self._begun or not self._done:
            self._done.append((self._at, self._hash.digest()))
        return self._done


class _Crc:
    """A CRC of ranges in any order: of all bytes up to each of *ends*, and up to the last."""

    def __init__(self, digest: ChecksumAlgorithm, ends: Sequence[int]) -> None:
        assert digest.crc is not None
        self.digest, self.crc, self.ends = digest, digest.crc, ends
        self._cuts = {0, *ends}
        self._reached, self.value = 0, self.crc(b"")
        self.prefixes = {0: self.value}
        self._waiting: dict[int, list[tuple[int, bytes]]] = {}

    def join(self, start: int, stretches: list[tuple[int, bytes]]) -> None:
        # Folded in order, at once: what waits is no more than the threads are ahead.
        self._waiting[start] = stretches
        while self._reached in self._waiting:
            for end, value in self._waiting.pop(self._reached):
                number = int.from_bytes(value, "big")
                self.value = self.crc.combine(self.value, number, end - self._reached)
                self._reached = end
                if end in self._cuts:
                    self.prefixes[end] = self.value


class Tally:
    """All wanted checksums of one object of *size* bytes, however it is read.

    Parameters
    ----------
    wanted : sequence of Checksum
        Their values matter only where part boundaries are searched.
    hints : sequence of Checksum
        Others of the object, whose parts may end in the same places.
    """

    def __init__(
        self, size: int, wanted: Sequence[Checksum], hints: Sequence[Checksum] = ()
    ) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._crcs: dict[str, _Crc] = {}
        self._lines: dict[tuple[str, tuple[int, ...]], _Line] = {}
        self._digests: list[ChecksumAlgorithm | str] = []
        self._ends: list[list[tuple[int, ...]]] = []
        cuts: dict[str, set[int]] = {}
        for checksum in wanted:
            digest, ends = _plan(checksum, size, hints)
            self._digests.append(digest)
            self._ends.append(ends)
            if isinstance(digest, str):
                continue
            if digest.crc is None:
                line = digest.name, ends[0] if ends else ()
                self._lines.setdefault(line, _Line(digest, line[1], 0))
            else:
                cuts.setdefault(digest.name, set()).update(*ends)
        for name, places in cuts.items():
            self._crcs[name] = _Crc(find(name), sorted(places))
        self.ordered = bool(self._lines)
        """Whether ranges must come one after another."""

    def add(self, start: int, pieces: Iterator[memoryview]) -> None:
        """Take in the range from *start* on. Ranges cover the object, in any order."""
        runs = [(crc, _Line(crc.digest, crc.ends, start)) for crc in self._crcs.values()]
        lines = [*self._lines.values(), *(line for _, line in runs)]
        for piece in pieces:
            for line in lines:
                line.feed(piece)
        with self._lock:
            for crc, line in runs:
                if (stretches := line.finish())[-1][0] > start:
                    crc.join(start, stretches)

    def found(self) -> list[Found]:
        """Return what became of each wanted checksum; all ranges are in."""
        return list(map(self._found, self._wanted, self._digests, self._ends))

    def _found(
        self, checksum: Checksum, digest: ChecksumAlgorithm | str, candidates: list[tuple[int, ...]]
    ) -> Found:
        if isinstance(digest, str):
            return Found(None, why=digest)
        crc = self._crcs.get(digest.name)
        if not checksum.composite:
            if crc is not None:
                return Found(digest.encode(crc.value))
            return Found(self._lines[digest.name, ()].finish()[0][1])
        for ends in candidates:
            if crc is not None:
                numbers = composite.between(crc.crc, crc.prefixes, ends)
                values = tuple(map(digest.encode, numbers))
            else:
                stretches = self._lines[digest.name, ends].finish()
                values = tuple(value for _, value in stretches)
            value = composite.value_of(digest, values)
            if value == checksum.value or checksum.parts or checksum.composite == 1:
                return Found(value, values)
        tried = f"none of {len(candidates)} likely part sizes gives this checksum"
        return Found(value, why=f"{tried}: the object differs, or its parts are of other sizes")


def _plan(
    checksum: Checksum, size: int, hints: Sequence[Checksum]
) -> tuple[ChecksumAlgorithm | str, list[tuple[int, ...]]]:
    """Return what computes *checksum*, or why nothing does, and where its parts may end."""
    try:
        digest = find(checksum.algorithm)
    except UnsupportedError as error:
        return str(error), []
    if not checksum.composite:
        return digest, []
    ends = composite.candidates(checksum, size, hints)
    if not ends:
        return f"{checksum.composite} parts do not make up {size} bytes", []
    if digest.crc is None and len(ends) > 1:
        return "it is not known where its parts end", []
    return digest, ends
