"""Compute the checksums of an object and of its parts from ranges that arrive in any order."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from numcrc._light import NamedTuple
from numcrc.checksums import ChecksumAlgorithm, UnsupportedError, find
from numcrc.store.composite import (
    MOST_HASHED,
    candidates,
    composite_value,
    has_composite,
    part_crcs,
)
from numcrc.store.objects import Checksum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numcrc.checksums import Hash


class Found(NamedTuple):
    """The computed value of one wanted checksum."""

    value: bytes | None
    """None if it was not computed."""
    parts: tuple[bytes, ...] = ()
    """The values of the parts of a composite checksum, in order, if it is certain where the parts
    end."""
    why: str = ""
    """Why it was not computed, or is not certain."""


class _SegmentHash:
    """Hashes consecutive bytes in segments: a new one begins at each of *ends*."""

    def __init__(self, algorithm: ChecksumAlgorithm, ends: Sequence[int], start: int) -> None:
        self._new = algorithm.new
        self._ends = ends
        self._hash: Hash = algorithm.new()
        self._at = self._segment_start = start
        self._done: list[tuple[int, bytes]] = []

    def feed(self, view: memoryview) -> None:
        base, stop = self._at, self._at + len(view)
        index = bisect_right(self._ends, base)
        while index < len(self._ends) and (end := self._ends[index]) <= stop:
            self._hash.update(view[self._at - base : end - base])
            self._done.append((end, self._hash.digest()))
            self._hash, self._at, self._segment_start = self._new(), end, end
            index += 1
        self._hash.update(view[self._at - base :])
        self._at = stop

    def finish(self) -> list[tuple[int, bytes]]:
        """Return the end and the digest of each segment; the last ends where the bytes did."""
        if self._at > self._segment_start or not self._done:
            self._done.append((self._at, self._hash.digest()))
            self._segment_start = self._at
        return self._done


class _PrefixCrc:
    """The CRC of all bytes up to each of *ends*, and of the whole, from ranges in any order."""

    def __init__(self, algorithm: ChecksumAlgorithm, ends: Sequence[int]) -> None:
        assert algorithm.crc is not None
        self.algorithm, self.crc, self.ends = algorithm, algorithm.crc, ends
        self._wanted_ends = {0, *ends}
        self._reached, self.value = 0, self.crc(b"")
        self.prefixes = {0: self.value}
        self._waiting: dict[int, list[tuple[int, bytes]]] = {}

    def join(self, start: int, segments: list[tuple[int, bytes]]) -> None:
        # Ranges are joined as soon as those before them are, so only those wait that are read
        # ahead: at most one a thread.
        self._waiting[start] = segments
        while self._reached in self._waiting:
            for end, value in self._waiting.pop(self._reached):
                number = int.from_bytes(value, "big")
                self.value = self.crc.combine(self.value, number, end - self._reached)
                self._reached = end
                if end in self._wanted_ends:
                    self.prefixes[end] = self.value


class Tally:
    """Computes all wanted checksums of one object in one pass.

    Parameters
    ----------
    size : int
        Bytes of the object.
    wanted : sequence of Checksum
        The checksums to compute. Their values matter only if the ends of parts are unknown.
    hints : sequence of Checksum
        Other checksums of the object, whose parts may have the same ends.
    """

    def __init__(
        self, size: int, wanted: Sequence[Checksum], hints: Sequence[Checksum] = ()
    ) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._crcs: dict[str, _PrefixCrc] = {}
        self._hashes: dict[tuple[str, tuple[int, ...]], _SegmentHash] = {}
        self._algorithms: list[ChecksumAlgorithm | str] = []
        self._ends: list[list[tuple[int, ...]]] = []
        crc_ends: dict[str, set[int]] = {}
        for checksum in wanted:
            algorithm, ends = _algorithm_and_ends(checksum, size, hints)
            self._algorithms.append(algorithm)
            self._ends.append(ends)
            if isinstance(algorithm, str):
                continue
            if algorithm.crc is None:
                for each in ends or [()]:
                    name = algorithm.name, each
                    self._hashes.setdefault(name, _SegmentHash(algorithm, each, 0))
            else:
                crc_ends.setdefault(algorithm.name, set()).update(*ends)
        for crc_name, places in crc_ends.items():
            self._crcs[crc_name] = _PrefixCrc(find(crc_name), sorted(places))
        self.sequential = bool(self._hashes)
        """Whether ranges must be added one after another: a hash is computed."""

    def add(self, start: int, pieces: Iterator[memoryview]) -> None:
        """Add the range from *start* on, in consecutive pieces. Several threads may call this."""
        ranges = [
            (crc, _SegmentHash(crc.algorithm, crc.ends, start)) for crc in self._crcs.values()
        ]
        hashes = [*self._hashes.values(), *(segments for _, segments in ranges)]
        for piece in pieces:
            for one in hashes:
                one.feed(piece)
        with self._lock:
            for crc, one in ranges:
                if (segments := one.finish())[-1][0] > start:
                    crc.join(start, segments)

    def found(self) -> list[Found]:
        """Return the value of each wanted checksum, once all ranges are added."""
        return list(map(self._found, self._wanted, self._algorithms, self._ends))

    def _found(
        self,
        checksum: Checksum,
        algorithm: ChecksumAlgorithm | str,
        possible_ends: list[tuple[int, ...]],
    ) -> Found:
        if isinstance(algorithm, str):
            return Found(None, why=algorithm)
        crc = self._crcs.get(algorithm.name)
        if not checksum.composite:
            if crc is not None:
                return Found(algorithm.encode(crc.value))
            return Found(self._hashes[algorithm.name, ()].finish()[0][1])
        for ends in possible_ends:
            if crc is not None:
                numbers = part_crcs(crc.crc, crc.prefixes, ends)
                values = tuple(map(algorithm.encode, numbers))
            else:
                segments = self._hashes[algorithm.name, ends].finish()
                values = tuple(value for _, value in segments)
            value = composite_value(algorithm, values)
            if value == checksum.value or checksum.parts or checksum.composite == 1:
                return Found(value, values)
        tried = f"none of {len(possible_ends)} likely part sizes gives this checksum"
        return Found(value, why=f"{tried}: the object differs, or its parts have other sizes")


def of_body(
    body: memoryview, wanted: Sequence[Checksum], hints: Sequence[Checksum] = ()
) -> list[Found]:
    """Return the value of each wanted checksum of an object whose body is in memory."""
    if has_composite(wanted):
        tally = Tally(len(body), wanted, hints)
        tally.add(0, iter((body,)))
        return tally.found()
    found = []
    for checksum in wanted:
        try:
            found.append(Found._make((find(checksum.algorithm).of(body), (), "")))
        except UnsupportedError as error:
            found.append(Found(None, why=str(error)))
    return found


def _algorithm_and_ends(
    checksum: Checksum, size: int, hints: Sequence[Checksum]
) -> tuple[ChecksumAlgorithm | str, list[tuple[int, ...]]]:
    """Return the algorithm, or why *checksum* cannot be computed, and the possible part ends."""
    try:
        algorithm = find(checksum.algorithm)
    except UnsupportedError as error:
        return str(error), []
    if not checksum.composite:
        return algorithm, []
    ends = candidates(checksum, size, hints)
    if not ends:
        return f"{checksum.composite} parts cannot have {size} bytes together", []
    return algorithm, ends[:MOST_HASHED] if algorithm.crc is None else ends
