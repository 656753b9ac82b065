"""Decide the outcome of an object from what was found and what was expected. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from numcrc.checksums import canonical, find, reason
from numcrc.store.composite import PartsError, whole_checksums
from numcrc.store.hashing import Found
from numcrc.store.keys import is_folder
from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Result, State
from numcrc.store.source import ArchivedError, ChangedError, MissingError, StoreError

Outcome: TypeAlias = Result | Entry
"""The result of checking an object; or the object with its checksums, if they were computed."""

_FAILURES = {
    MissingError: State.MISSING,
    ChangedError: State.CHANGED,
    ArchivedError: State.ARCHIVED,
}


def error_result(pair: Pair, error: StoreError) -> Result:
    """Return the result for an object that could not be read."""
    state = _FAILURES.get(type(error), State.ERROR)
    return _result(state, pair, pair.present, (), detail=str(error))


def _text(checksum: Checksum, value: bytes) -> str:
    """Return *value*, a value of *checksum*'s kind, in hexadecimal."""
    return f"{value.hex()}-{checksum.composite}" if checksum.composite else value.hex()


def _result(
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
    if first.etag:
        detail = "; ".join(filter(None, ("the ETag as MD5", detail)))
    expected = actual = _text(first, first.value)
    if not found or found != first.value:
        actual = _text(first, found) if found else ""
    return Result._make(
        (pair.key, state, size, first.algorithm, expected, actual, parts, detail, version)
    )


class Computation:
    """Compute checksums of whole objects, or take those that the store keeps.

    Parameters
    ----------
    algorithms : sequence of str, optional
        The algorithms to compute. None: read no body.
    """

    def __init__(self, algorithms: Sequence[str] | None) -> None:
        self.reads_bodies = algorithms is not None
        for name in algorithms or ():
            find(name)
        self._wanted = tuple(Checksum(name, b"") for name in algorithms or ())

    def early_result(self, pair: Pair, entry: Entry | None) -> Result | None:
        """Return the result of an archived object."""
        archived = self.reads_bodies and entry is not None and entry.archived
        return _result(State.ARCHIVED, pair, entry, ()) if archived else None

    def wanted(self, pair: Pair, entry: Entry) -> tuple[Checksum, ...]:
        """Return the same checksums for all objects."""
        return self._wanted

    def verdict(
        self, pair: Pair, entry: Entry, wanted: Sequence[Checksum], found: Sequence[Found]
    ) -> Entry:
        """Return the object with the computed checksums only."""
        computed = tuple(
            checksum._replace(value=one.value)
            for checksum, one in zip(wanted, found, strict=True)
            if one.value is not None
        )
        return entry._replace(key=pair.key, checksums=computed, complete=False)

    def stored_verdict(self, pair: Pair, entry: Entry) -> Entry:
        """Return the object with the checksums that the store keeps."""
        certain = tuple(c for c in preferred(entry.checksums) if not c.guessed)
        return entry._replace(key=pair.key, checksums=certain)


class Comparison:
    """Compare objects with what is expected.

    Parameters
    ----------
    mode : str
        ``full``, ``stored`` or ``parts``.
    own : bool
        Whether objects that are not expected are compared with the source's own checksums.
    listed : bool
        Whether objects that are not present are missing.
    against : bool
        Whether the expected objects have bodies to compare with if checksums do not help.
    """

    def __init__(self, mode: str, *, own: bool, listed: bool, against: bool) -> None:
        self.reads_bodies = mode == "full"
        self._join = mode == "parts"
        self._own = own
        self._listed = listed
        self._against = against

    def early_result(self, pair: Pair, entry: Entry | None) -> Result | None:
        """Find objects on one side only, of another size, archived, or without a checksum."""
        expected = pair.expected
        if entry is None and (self._listed or expected is None):
            wanted = () if expected is None else expected.checksums
            return _result(State.MISSING, pair, None, wanted)
        if expected is not None:
            wanted = expected.checksums
            known = not self._against
            if not wanted and known:
                wanted, known = ((), False) if entry is None else (entry.checksums, entry.complete)
            size = entry.size if entry is not None else None
            if size != expected.size and size is not None and expected.size is not None:
                detail = f"{size} bytes, expected {expected.size}"
                return _result(State.SIZE_MISMATCH, pair, entry, wanted, detail=detail)
            if size == expected.size == 0 and is_folder(pair.key) and not expected.checksums:
                return _result(State.MATCH, pair, entry, (), detail="a folder")
        elif entry is not None and self._own:
            wanted, known = entry.checksums, entry.complete
        else:
            return _result(State.EXTRA, pair, entry, ())
        if self.reads_bodies:
            if entry is not None and entry.archived:
                return _result(State.ARCHIVED, pair, entry, wanted)
            if known and not computable(wanted):
                return self.verdict(pair, entry, wanted, [Found(None)] * len(wanted))
        return None

    def wanted(self, pair: Pair, entry: Entry) -> tuple[Checksum, ...]:
        """Return the expected checksums; the source's own if a manifest lists keys only."""
        expected = pair.expected
        if expected is None or not (expected.checksums or self._against):
            return preferred(entry.checksums)
        return preferred(expected.checksums)

    def verdict(
        self,
        pair: Pair,
        entry: Entry | None,
        wanted: Sequence[Checksum],
        found: Sequence[Found],
    ) -> Result:
        """Compare all computed checksums: one that differs decides."""
        if len(wanted) == 1 and found[0].value == wanted[0].value and not found[0].why:
            return _result(State.MATCH, pair, entry, wanted, wanted[0].value)
        good: list[Checksum] = []
        unsure: list[tuple[Checksum, Found]] = []
        for checksum, one in zip(wanted, found, strict=True):
            if one.why or one.value is None:
                unsure.append((checksum, one))
            elif one.value == checksum.value:
                good.append(checksum)
            elif len(one.value) != len(checksum.value):
                size = len(checksum.value)
                detail = f"the expected value has {size} bytes, not {len(one.value)}"
                return _result(State.ERROR, pair, entry, [checksum], one.value, detail=detail)
            elif checksum.guessed:
                unsure.append((checksum, one._replace(why=_not_as_guessed(checksum, wanted))))
            else:
                parts = _differing_parts(checksum, one)
                return _result(State.DIFFER, pair, entry, [checksum], one.value, parts)
        if good:
            values = {checksum.value for checksum in good}  # of two guesses, one is right
            left = [checksum for checksum, _ in unsure if checksum.value not in values]
            others = ", ".join(f"{checksum.algorithm} not compared" for checksum in left)
            return _result(State.MATCH, pair, entry, good, good[0].value, detail=others)
        if not unsure:
            return _result(State.NO_CHECKSUM, pair, entry, ())
        checksum, one = unsure[0]
        why = one.why or reason(checksum.algorithm)
        return _result(State.UNSUPPORTED, pair, entry, [checksum], one.value or b"", detail=why)

    def stored_verdict(self, pair: Pair, entry: Entry) -> Result:
        """Compare the checksums of whole objects, or else equal composite ones."""
        if pair.expected is None:
            detail = "the source's own checksums have nothing to be compared with"
            return _result(State.NO_CHECKSUM, pair, entry, entry.checksums, detail=detail)
        wanted = pair.expected.checksums
        try:
            here = whole_checksums(entry, join=self._join)
            there = whole_checksums(pair.expected, join=self._join)
        except PartsError as error:
            return _result(State.ERROR, pair, entry, wanted, detail=str(error))
        spelled = {canonical(checksum.algorithm): checksum for checksum in wanted}
        known = (*wanted, *entry.checksums)
        guesses = {canonical(checksum.algorithm) for checksum in known if checksum.guessed}
        etags = {canonical(checksum.algorithm) for checksum in known if checksum.etag}
        both = [
            Checksum(name, there[name], guessed=name in guesses, etag=name in etags)
            for name in there
            if name in here
        ]

        def rank(checksum: Checksum) -> int:
            # A certain mismatch decides, else a match, else the mismatch of a guess.
            if here[checksum.algorithm] == checksum.value:
                return 1
            return 2 if checksum.guessed else 0

        if both:
            first = min(both, key=rank)
            found = here[first.algorithm]
            decisive = first._replace(algorithm=spelled[first.algorithm].algorithm)
            if found == decisive.value:
                return _result(State.MATCH, pair, entry, [decisive], found)
            in_parts = self._compare_composites(pair, entry, wanted)
            if not decisive.guessed:
                return _result(State.DIFFER, pair, entry, [decisive], found, in_parts.parts)
            if in_parts.state is State.MATCH:
                return in_parts
            why = _not_as_guessed(decisive, known)
            return _result(State.UNSUPPORTED, pair, entry, [decisive], found, detail=why)
        return self._compare_composites(pair, entry, wanted)

    def _compare_composites(self, pair: Pair, entry: Entry, wanted: Sequence[Checksum]) -> Result:
        stored = {_kind(checksum): checksum for checksum in entry.checksums if checksum.composite}
        for checksum in wanted:
            other = stored.get(_kind(checksum))
            if other is None:
                continue
            checksum = checksum._replace(etag=checksum.etag or other.etag)
            if other.value == checksum.value:
                return _result(State.MATCH, pair, entry, [checksum], other.value)
            sizes = [part.size for part in other.parts]
            certain = not (checksum.guessed or other.guessed)
            if certain and sizes and sizes == [part.size for part in checksum.parts]:
                values = tuple(part.value or b"" for part in other.parts)
                parts = _differing_parts(checksum, Found(other.value, values))
                return _result(State.DIFFER, pair, entry, [checksum], other.value, parts)
        names = [_names(entry.checksums), _names(wanted)]
        detail = f"not comparable: stored {names[0]}, expected {names[1]}"
        return _result(State.NO_CHECKSUM, pair, entry, wanted, detail=detail)


Task: TypeAlias = Computation | Comparison
"""What to do with each object of a run.

If it ``reads_bodies``, its ``verdict`` decides, given what was computed of the body; otherwise its
``stored_verdict``, given what the store knows of the object.
"""


def _kind(checksum: Checksum) -> tuple[str, int]:
    """Return the algorithm and the number of parts, which comparable checksums share."""
    return canonical(checksum.algorithm), checksum.composite


def computable(wanted: Sequence[Checksum]) -> bool:
    """Return whether any of *wanted* can be computed here."""
    for checksum in wanted:  # noqa: SIM110 -- runs for every object; any() takes twice as long
        if not reason(checksum.algorithm):
            return True
    return False


def _not_as_guessed(checksum: Checksum, known: Sequence[Checksum]) -> str:
    """Return the detail about a value whose algorithm or kind was guessed and does not match."""
    if any(other.guessed and other.composite for other in known):
        return f"neither its {checksum.algorithm} nor that of its parts; the store does not say"
    return f"not its {checksum.algorithm}; pass -a if the list has another algorithm"


def preferred(checksums: tuple[Checksum, ...]) -> tuple[Checksum, ...]:
    """Return *checksums* without that of the ETag, unless only this one can be computed."""
    for checksum in checksums:  # runs for every object, as `computable`
        if checksum.etag:
            others = tuple(checksum for checksum in checksums if not checksum.etag)
            return others if computable(others) else checksums
    return checksums


def any_differs(wanted: Sequence[Checksum], found: Sequence[Found]) -> bool:
    """Return whether any computed value is not the expected one."""
    return any(
        one.value is not None and one.value != checksum.value
        for checksum, one in zip(wanted, found, strict=True)
    )


def _differing_parts(checksum: Checksum, found: Found) -> tuple[int, ...]:
    """Return the numbers of the parts that differ, if the checksums of parts are known."""
    if len(checksum.parts) != len(found.parts):
        return ()
    pairs = enumerate(zip(checksum.parts, found.parts, strict=True), 1)
    return tuple(n for n, (part, value) in pairs if part.value not in (None, value))


def _names(checksums: Sequence[Checksum]) -> str:
    """Return the names of *checksums* for a message."""
    names = (c.algorithm + (f" of {c.composite} parts" if c.composite else "") for c in checksums)
    return ", ".join(names) or "none"
