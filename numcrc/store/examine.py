"""What a thread does with objects: asks, reads, computes, and does so again where in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from numcrc.checksums import UnsupportedError, find
from numcrc.store.compare import Task, computable, doubtful, failure
from numcrc.store.composite import has_composite, incomplete
from numcrc.store.hashing import Found, Tally
from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Result, State
from numcrc.store.reader import Large, Meter, Reader
from numcrc.store.source import ChangedError, Source, StoreError
from numcrc.store.workers import Crew

Outcome: TypeAlias = "Result | Entry"
_Fetched: TypeAlias = "tuple[int, Pair, Entry, memoryview, tuple[Checksum, ...]]"

NOBODY = (Checksum("crc64nvme", b""),)
"""What is computed of two bodies where no store's checksum helps."""


class _Case:
    """One object that is settled by itself, for it takes several steps."""

    __slots__ = ("changed", "elsewhere", "entry", "first", "index", "pair")

    def __init__(self, index: int, pair: Pair, entry: Entry | None = None) -> None:
        self.index = index
        self.pair = pair
        self.entry = entry
        """As the source told when asked for it."""
        self.changed = False
        self.elsewhere = False
        """Whether it is the other source that is being asked."""
        self.first: Result | None = None
        """What a first read gave, when it did not match."""


class Settler:
    """Settles objects in the threads of a crew.

    Parameters
    ----------
    source, against : Source
        Of what is present, and perhaps of what is expected.
    task : Task
        What for.
    crew : Crew
        Who reads large objects, and takes outcomes.
    largest : int
        Bytes of a range: the buffers' size.
    """

    def __init__(
        self,
        source: Source,
        against: Source | None,
        task: Task,
        crew: Crew[Outcome],
        largest: int,
        meter: Meter,
    ) -> None:
        self._source = source
        self._against = against
        self._task = task
        self._crew = crew
        self._largest = largest
        self._meter = meter

    def group(self, items: Sequence[tuple[int, Pair]], reader: Reader) -> None:
        """Settle objects: those that can be read at once together, then the others."""
        task, source = self._task, self._source
        used, fetched = 0, list[_Fetched]()
        outcomes: dict[int, Outcome] = {}
        cases = []
        for index, pair in items:
            known = pair.present or pair.expected
            size = None if known is None else known.size
            if not self._simple(pair, size):
                cases.append(_Case(index, pair))
                continue
            need = self._largest if size is None else size
            if used + need > self._largest:
                cases += self._compute_group(fetched, outcomes)
                used, fetched = 0, []
            entry = pair.present or Entry(pair.key)
            try:
                fresh, view = reader.whole(source, entry, reader.buffer[used : used + need])
            except ChangedError:  # or longer than the buffer
                cases.append(_Case(index, pair))
            except StoreError as error:
                outcomes[index] = failure(pair, error)
            else:
                used += len(view)
                expected = pair.expected
                outcome = None
                if expected is not None and expected.size != fresh.size:
                    outcome = task.before(pair, fresh)
                if outcome is None:
                    fetched.append((index, pair, fresh, view, task.wanted(pair, fresh)))
                else:
                    outcomes[index] = outcome
        cases += self._compute_group(fetched, outcomes)
        self._deliver(outcomes)
        for case in cases:
            self._crew.put(partial(self._settle_case, case))

    def _settle_case(self, case: _Case, reader: Reader) -> None:
        self._deliver({case.index: self._settle(case, reader)})

    def _simple(self, pair: Pair, size: int | None) -> bool:
        """Whether an object can be settled by reading it into a buffer, once."""
        if not self._task.body or (size is not None and size > self._largest):
            return False
        if pair.expected is None:
            return True
        checksums = pair.expected.checksums
        return not has_composite(checksums) and (self._against is None or computable(checksums))

    def _compute_group(
        self, fetched: Sequence[_Fetched], outcomes: dict[int, Outcome]
    ) -> list[_Case]:
        """Add the outcomes of what is in the buffer, and return what is still to be settled."""
        cases = []
        for index, pair, entry, view, wanted in fetched:
            if not has_composite(wanted):
                found = [_found(checksum.algorithm, view) for checksum in wanted]
            elif incomplete(entry, wanted):
                cases.append(_Case(index, pair))
                continue
            else:
                tally = Tally(len(view), wanted)
                tally.add(0, iter((view,)))
                found = tally.found()
            outcome = self._task.verdict(pair, entry, wanted, found)
            if (
                isinstance(outcome, Result)
                and outcome.state is not State.MATCH
                and doubtful(wanted, found)
            ):
                case = _Case(index, pair, entry)
                case.first = outcome
                cases.append(case)
            else:
                outcomes[index] = outcome
        return cases

    def _settle(self, case: _Case, reader: Reader) -> Outcome:
        """Return the outcome of one object; begin again once if it has changed."""
        try:
            try:
                return self._outcome(case, reader)
            except ChangedError:
                case.changed, case.entry = True, None
                return self._outcome(case, reader)
        except StoreError as error:
            if case.elsewhere and self._against is not None and type(error) is not ChangedError:
                error = StoreError(f"{self._against.url}: {error}")
            return failure(case.pair, error)

    def _outcome(self, case: _Case, reader: Reader) -> Outcome:
        task, pair = self._task, self._resolved(case, reader)
        case.elsewhere = False
        entry = case.entry
        if entry is None:
            entry = pair.present
            if case.changed or entry is None or self._must_ask(pair, entry):
                entry = reader.retries(self._source.stat, pair.key)
            case.entry = entry
        if (outcome := task.before(pair, entry)) is not None:
            return outcome
        if not task.body:
            return task.stored(pair, entry)
        wanted = task.wanted(pair, entry)
        if self._against is not None and pair.expected is not None and not computable(wanted):
            case.elsewhere = True
            (found,) = self._compute(self._against, pair.expected, NOBODY, reader)
            case.elsewhere = False
            assert found.value is not None
            wanted = (NOBODY[0]._replace(value=found.value),)
        return self._read(case, entry, wanted, reader)

    def _resolved(self, case: _Case, reader: Reader) -> Pair:
        """Return the pair with all that is known of what is expected."""
        pair, expected = case.pair, case.pair.expected
        if self._against is None or expected is None:
            return pair
        enough = expected.complete or (self._task.body and computable(expected.checksums))
        if enough and not case.changed:
            return pair
        case.elsewhere = True
        told = reader.retries(self._against.stat, expected.key)
        # Asking again tells no more, whatever it told.
        case.pair = pair._replace(expected=told._replace(complete=True))
        return case.pair

    def _must_ask(self, pair: Pair, entry: Entry) -> bool:
        """Whether a listing tells too little of an object for what is to come."""
        if entry.size is None:
            return True
        if entry.complete:
            return False
        listed_only = pair.expected is None or not pair.expected.checksums
        needed = listed_only or not self._task.body or not entry.version
        return needed or incomplete(entry, self._task.wanted(pair, entry))

    def _read(
        self, case: _Case, entry: Entry, wanted: tuple[Checksum, ...], reader: Reader
    ) -> Outcome:
        """Return the verdict on a body; what differs is read twice."""
        while True:
            found = self._compute(self._source, entry, wanted, reader)
            outcome = self._task.verdict(case.pair, entry, wanted, found)
            if not isinstance(outcome, Result):
                return outcome
            if outcome.state is State.MATCH:
                return _noted(outcome, "a first read differed") if case.first else outcome
            if not doubtful(wanted, found):
                return outcome
            if case.first is not None:
                same = case.first.actual == outcome.actual
                return outcome if same else _noted(outcome, "so did a first read, in another way")
            case.first = outcome

    def _compute(
        self, source: Source, entry: Entry, wanted: tuple[Checksum, ...], reader: Reader
    ) -> list[Found]:
        """Read one body, and return what was found."""
        assert entry.size is not None
        tally = Tally(entry.size, wanted, entry.checksums)
        if entry.size > self._largest:
            self._crew.read(Large(source, entry, tally, self._largest), reader)
        else:
            _, view = reader.whole(source, entry, reader.buffer[: entry.size])
            if len(view) != entry.size:
                raise ChangedError(f"{entry.key}: it has {len(view)} bytes, not {entry.size}")
            tally.add(0, iter((view,)))
        return tally.found()

    def _deliver(self, outcomes: dict[int, Outcome]) -> None:
        self._meter.add(len(outcomes), 0)
        self._crew.deliver(outcomes)


def _noted(result: Result, note: str) -> Result:
    detail = f"{result.detail}; {note}" if result.detail else note
    return result._replace(detail=detail)


def _found(algorithm: str, view: memoryview) -> Found:
    try:
        return Found(find(algorithm).of(view))
    except UnsupportedError:
        return Found(None)
