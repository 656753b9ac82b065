"""From what is there and what should be to a verdict. Nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from numcrc.checksums import canonical, find, reason
from numcrc.store import composite
from numcrc.store.hashing import Found
from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Result, State
from numcrc.store.source import ArchivedError, ChangedError, MissingError, StoreError

_FAILURES = {
    MissingError: State.MISSING,
    ChangedError: State.CHANGED,
    ArchivedError: State.ARCHIVED,
}


def failure(pair: Pair, error: StoreError) -> Result:
    """Return the result for an object that cannot be read."""
    state = _FAILURES.get(type(error), State.ERROR)
    return _of(state, pair, pair.present, (), detail=str(error))


def text(checksum: Checksum, value: bytes) -> str:
    """Return *value*, one of *checksum*'s kind, as people read it."""
    return f"{value.hex()}-{checksum.composite}" if checksum.composite else value.hex()


def _of(
    state: State,
    pair: Pair,
    entry: Entry | None,
    wanted: Sequence[Checksum],
    found: bytes = b"",
    parts: tuple[int, ...] = (),
    detail: str = "",
) -> Result:
    """Return a result about the first of *wanted*."""
    sized = entry if entry is not None and entry.size is not None else pair.expected
    size = None if sized is None else sized.size
    version = "" if entry is None else entry.version
    if not wanted:
        return Result(pair.key, state, size, detail=detail, version=version)
    first = wanted[0]
    actual = text(first, found) if found else ""
    expected = text(first, first.value)
    return Result(pair.key, state, size, first.algorithm, expected, actual, parts, detail, version)


class Task(Protocol):
    """What objects are read for."""

    body: bool
    """Whether bodies are read; otherwise `stored` decides."""

    def before(self, pair: Pair, entry: Entry | None) -> Result | None:
        """Return the result if none of the object needs to be read, *entry* being the object."""
        ...

    def wanted(self, pair: Pair, entry: Entry) -> tuple[Checksum, ...]:
        """Return the checksums to be computed."""
        ...

    def verdict(
        self, pair: Pair, entry: Entry, wanted: Sequence[Checksum], found: Sequence[Found]
    ) -> Result | Entry:
        """Return the result, once the checksums are computed."""
        ...

    def stored(self, pair: Pair, entry: Entry) -> Result | Entry:
        """Return the result by what the store tells of the object."""
        ...


class Computation:
    """Computing checksums of whole objects; None: taking those that the store keeps."""

    def __init__(self, algorithms: Sequence[str] | None) -> None:
        self.body = algorithms is not None
        for name in algorithms or ():
            find(name)
        self._wanted = tuple(Checksum(name, b"") for name in algorithms or ())

    def before(self, pair: Pair, entry: Entry | None) -> Result | None:
        """Find archived objects."""
        archived = self.body and entry is not None and entry.archived
        return _of(State.ARCHIVED, pair, entry, ()) if archived else None

    def wanted(self, pair: Pair, entry: Entry) -> tuple[Checksum, ...]:
        """Return the same for all objects."""
        return self._wanted

    def verdict(
        self, pair: Pair, entry: Entry, wanted: Sequence[Checksum], found: Sequence[Found]
    ) -> Result | Entry:
        """Return the object with its checksums, and none but those."""
        values = [one.value for one in found]
        computed = [
            checksum._replace(value=value)
            for checksum, value in zip(wanted, values, strict=True)
            if value is not None
        ]
        return entry._replace(key=pair.key, checksums=tuple(computed), complete=False)

    def stored(self, pair: Pair, entry: Entry) -> Result | Entry:
        """Return the object with all checksums of it."""
        return entry._replace(key=pair.key)


class Comparison:
    """Comparing objects with what they should be.

    Parameters
    ----------
    mode : str
        ``full``, ``stored`` or ``parts``.
    own : bool
        What is not expected elsewhere is compared with the source's own checksums.
    listed : bool
        Whether what is not present is not there.
    against : bool
        Whether there is another body to compare with, when checksums do not help.
    """

    def __init__(self, mode: str, *, own: bool, listed: bool, against: bool) -> None:
        self.body = mode == "full"
        self._join = mode == "parts"
        self._own = own
        self._listed = listed
        self._against = against

    def before(self, pair: Pair, entry: Entry | None) -> Result | None:
        """Find what is on one side only, of another size, archived, or has no checksum."""
        expected = pair.expected
        if entry is None and (self._listed or expected is None):
            wanted = () if expected is None else expected.checksums
            return _of(State.MISSING, pair, None, wanted)
        if expected is not None:
            wanted = expected.checksums
            known = not self._against
            if not wanted and known:
                wanted, known = ((), False) if entry is None else (entry.checksums, entry.complete)
            size = entry.size if entry is not None else None
            if size != expected.size and size is not None and expected.size is not None:
                detail = f"{size} bytes, expected {expected.size}"
                return _of(State.SIZE_MISMATCH, pair, entry, wanted, detail=detail)
        elif entry is not None and self._own:
            wanted, known = entry.checksums, entry.complete
        else:
            return _of(State.EXTRA, pair, entry, ())
        if self.body:
            if entry is not None and entry.archived:
                return _of(State.ARCHIVED, pair, entry, wanted)
            if known and not computable(wanted):
                return self.verdict(pair, entry, wanted, [Found(None)] * len(wanted))
        return None

    def wanted(self, pair: Pair, entry: Entry) -> tuple[Checksum, ...]:
        """Return the expected ones; of what a mere list of keys tells of, the source's own."""
        expected = pair.expected
        if expected is None or not (expected.checksums or self._against):
            return entry.checksums
        return expected.checksums

    def verdict(
        self,
        pair: Pair,
        entry: Entry | None,
        wanted: Sequence[Checksum],
        found: Sequence[Found],
    ) -> Result:
        """Compare all that was computed: one that differs decides."""
        good: list[Checksum] = []
        unsure: list[tuple[Checksum, Found]] = []
        for checksum, one in zip(wanted, found, strict=True):
            if one.why or one.value is None:
                unsure.append((checksum, one))
            elif one.value == checksum.value:
                good.append(checksum)
            elif len(one.value) != len(checksum.value):
                detail = f"a value of {len(checksum.value)} bytes is expected"
                return _of(State.ERROR, pair, entry, [checksum], one.value, detail=detail)
            else:
                parts = _differing(checksum, one)
                return _of(State.DIFFER, pair, entry, [checksum], one.value, parts)
        if good:
            others = ", ".join(f"{checksum.algorithm} not compared" for checksum, _ in unsure)
            return _of(State.MATCH, pair, entry, good, good[0].value, detail=others)
        if not unsure:
            return _of(State.NO_CHECKSUM, pair, entry, ())
        checksum, one = unsure[0]
        why = one.why or reason(checksum.algorithm)
        return _of(State.UNSUPPORTED, pair, entry, [checksum], one.value or b"", detail=why)

    def stored(self, pair: Pair, entry: Entry) -> Result:
        """Compare by what the stores tell: whole objects' checksums, else equal composite ones."""
        if pair.expected is None:
            detail = "the source's own checksums have nothing to be compared with"
            return _of(State.NO_CHECKSUM, pair, entry, entry.checksums, detail=detail)
        wanted = pair.expected.checksums
        try:
            here = composite.of_whole(entry, join=self._join)
            there = composite.of_whole(pair.expected, join=self._join)
        except composite.PartsError as error:
            return _of(State.ERROR, pair, entry, wanted, detail=str(error))
        both = [Checksum(name, there[name]) for name in there if name in here]
        both.sort(key=lambda checksum: here[checksum.algorithm] == checksum.value)
        if both:
            spelled = {canonical(checksum.algorithm): checksum.algorithm for checksum in wanted}
            found = here[both[0].algorithm]
            decisive = both[0]._replace(algorithm=spelled[both[0].algorithm])
            if found == decisive.value:
                return _of(State.MATCH, pair, entry, [decisive], found)
            parts = self._composites(pair, entry, wanted).parts
            return _of(State.DIFFER, pair, entry, [decisive], found, parts)
        return self._composites(pair, entry, wanted)

    def _composites(self, pair: Pair, entry: Entry, wanted: Sequence[Checksum]) -> Result:
        here = {(canonical(c.algorithm), c.composite): c for c in entry.checksums if c.composite}
        for checksum in wanted:
            other = here.get((canonical(checksum.algorithm), checksum.composite))
            if other is None:
                continue
            if other.value == checksum.value:
                return _of(State.MATCH, pair, entry, [checksum], other.value)
            sizes = [part.size for part in other.parts]
            if sizes and sizes == [part.size for part in checksum.parts]:
                values = tuple(part.value or b"" for part in other.parts)
                parts = _differing(checksum, Found(other.value, values))
                return _of(State.DIFFER, pair, entry, [checksum], other.value, parts)
        names = [_names(entry.checksums), _names(wanted)]
        detail = f"not comparable: stored {names[0]}, expected {names[1]}"
        return _of(State.NO_CHECKSUM, pair, entry, wanted, detail=detail)


def computable(wanted: Sequence[Checksum]) -> bool:
    """Whether there is a checksum to compare and any of them can be computed here."""
    for checksum in wanted:  # noqa: SIM110 -- of every object: a generator takes twice as long
        if not reason(checksum.algorithm):
            return True
    return False


def doubtful(wanted: Sequence[Checksum], found: Sequence[Found]) -> bool:
    """Whether anything that was computed is not as expected."""
    return any(
        one.value is not None and one.value != checksum.value
        for checksum, one in zip(wanted, found, strict=True)
    )


def _differing(checksum: Checksum, found: Found) -> tuple[int, ...]:
    """Return the numbers of the parts that differ, where the parts' checksums are known."""
    if len(checksum.parts) != len(found.parts):
        return ()
    pairs = enumerate(zip(checksum.parts, found.parts, strict=True), 1)
    return tuple(n for n, (part, value) in pairs if part.value not in (None, value))


def _names(checksums: Sequence[Checksum]) -> str:
    """Return the names of some checksums, for people."""
    kinds = (c.algorithm + (f" of {c.composite} parts" if c.composite else "") for c in checksums)
    return ", ".join(kinds) or "none"
