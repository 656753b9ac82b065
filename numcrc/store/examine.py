"""Check one object: stat, read, hash; read again on a mismatch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeAlias

from numcrc.store.compare import Outcome, Task, any_differs, computable, error_result
from numcrc.store.composite import has_composite, may_know_parts
from numcrc.store.hashing import Found, Tally, of_body
from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Result, State
from numcrc.store.progress import Progress
from numcrc.store.reader import BodyReader, LargeObject
from numcrc.store.source import ChangedError, Source, StoreError
from numcrc.store.workers import Workers

BODY_CHECKSUM = Checksum("crc64nvme", b"")
"""Compares two bodies if no checksum of the expected one can be computed."""


_Item: TypeAlias = tuple[int, Pair, Entry, memoryview]
"""The number of a pair, the pair, the object, and its part of a reader's buffer, or its body."""

TOGETHER = 32
"""Files that are open at a time."""


class _Case:
    """An object that is examined alone, in several steps."""

    __slots__ = ("asking_other", "changed", "entry", "first", "index", "pair")

    def __init__(self, index: int, pair: Pair, entry: Entry | None = None) -> None:
        self.index = index
        self.pair = pair
        self.entry = entry
        """What the source returned when it was asked."""
        self.changed = False
        """Whether it changed while it was examined before."""
        self.asking_other = False
        """Whether the source of the expected object is being asked."""
        self.first: Result | None = None
        """The result of a first read that did not match."""


class Examiner:
    """Examines objects in the threads of *workers*, and delivers the outcomes to them.

    Parameters
    ----------
    source, against : Source
        The sources of the present objects, and perhaps of the expected ones.
    task : Task
        What to do with the objects.
    workers : Workers
        Read large objects, and take outcomes.
    buffer_size : int
        Bytes of a reader's buffer. Larger objects are read in ranges of this size.
    progress : Progress
        Counts the outcomes.
    """

    def __init__(
        self,
        source: Source,
        against: Source | None,
        task: Task,
        workers: Workers[Outcome],
        buffer_size: int,
        progress: Progress,
    ) -> None:
        self._source = source
        self._against = against
        self._task = task
        self._workers = workers
        self._buffer_size = buffer_size
        self._progress = progress

    def examine_group(self, items: Sequence[tuple[int, Pair]], reader: BodyReader) -> None:
        """Examine objects: fetch some that fit in the buffer, then hash these together.

        Those that take more than one step are submitted as work of their own.
        """
        outcomes: dict[int, Outcome] = {}
        cases = []
        used, batch = 0, list[_Item]()
        for index, pair in items:
            known = pair.present or pair.expected
            size = None if known is None else known.size
            if not self._takes_one_step(pair, size):
                cases.append(_Case(index, pair))
                continue
            need = self._buffer_size if size is None else size
            if used + need > self._buffer_size or len(batch) == TOGETHER:
                cases += self._examine_batch(batch, outcomes, reader)
                used, batch = 0, []
            area = reader.buffer[used : used + need]
            batch.append((index, pair, pair.present or Entry(pair.key), area))
            used += need
        cases += self._examine_batch(batch, outcomes, reader)
        self._deliver(outcomes, (pair for index, pair in items if index in outcomes))
        for case in cases:
            self._workers.submit(partial(self._examine_alone, case))

    def _examine_batch(
        self, batch: Sequence[_Item], outcomes: dict[int, Outcome], reader: BodyReader
    ) -> list[_Case]:
        """Add the outcomes of objects that fit in the buffer; return those that take more steps."""
        source = self._source
        found = reader.together(source, [(entry, area) for _, _, entry, area in batch])
        fetched, cases = list[_Item](), []
        for (index, pair, entry, area), one in zip(batch, found, strict=True):
            try:
                fresh, view = one or reader.whole(source, entry, area)
            except ChangedError:  # or longer than the buffer
                cases.append(_Case(index, pair))
            except StoreError as error:
                outcomes[index] = error_result(pair, error)
            else:
                fetched.append((index, pair, fresh, view))
                if not source.local:  # the next one takes long
                    self._progress.read_whole({pair.key: len(view)})
        if source.local:
            self._progress.read_whole({pair.key: len(body) for _, pair, _, body in fetched})
        return cases + self._hash_group(fetched, outcomes)

    def _examine_alone(self, case: _Case, reader: BodyReader) -> None:
        counted = case.pair  # which `_complete_expected` may replace
        self._deliver({case.index: self._examine(case, reader)}, (counted,))

    def _takes_one_step(self, pair: Pair, size: int | None) -> bool:
        """Return whether it is enough to fetch an object into the buffer, once."""
        if not self._task.reads_bodies or (size is not None and size > self._buffer_size):
            return False
        if pair.expected is None:
            return True
        checksums = pair.expected.checksums
        return not has_composite(checksums) and (self._against is None or computable(checksums))

    def _hash_group(self, fetched: Sequence[_Item], outcomes: dict[int, Outcome]) -> list[_Case]:
        """Add the outcomes of the objects in the buffer; return those that take more steps."""
        task, cases = self._task, []
        for index, pair, entry, body in fetched:
            expected = pair.expected
            if expected is not None and expected.size != entry.size:
                early = task.early_result(pair, entry)
                if early is not None:
                    outcomes[index] = early
                    continue
            wanted = task.wanted(pair, entry)
            if may_know_parts(entry, wanted):
                cases.append(_Case(index, pair))
                continue
            found = of_body(body, wanted)
            outcome = task.verdict(pair, entry, wanted, found)
            if (
                isinstance(outcome, Result)
                and outcome.state is not State.MATCH
                and any_differs(wanted, found)
            ):
                case = _Case(index, pair, entry)
                case.first = outcome
                cases.append(case)
            else:
                outcomes[index] = outcome
        return cases

    def _examine(self, case: _Case, reader: BodyReader) -> Outcome:
        """Return the outcome of one object; start again, once, if it has changed."""
        try:
            try:
                return self._outcome(case, reader)
            except ChangedError:
                case.changed, case.entry = True, None
                return self._outcome(case, reader)
        except StoreError as error:
            if case.asking_other and self._against and type(error) is not ChangedError:
                error = StoreError(f"{self._against.url}: {error}")
            return error_result(case.pair, error)

    def _outcome(self, case: _Case, reader: BodyReader) -> Outcome:
        task, pair = self._task, self._complete_expected(case, reader)
        case.asking_other = False
        entry = case.entry
        if entry is None:
            entry = pair.present
            if case.changed or entry is None or self._must_stat(pair, entry):
                entry = reader.retries(self._source.stat, pair.key)
            case.entry = entry
        if (outcome := task.early_result(pair, entry)) is not None:
            return outcome
        if not task.reads_bodies:
            return task.stored_verdict(pair, entry)
        wanted = task.wanted(pair, entry)
        if self._against is not None and pair.expected is not None and not computable(wanted):
            case.asking_other = True
            (found,) = self._compute(self._against, pair.expected, (BODY_CHECKSUM,), reader)
            case.asking_other = False
            assert found.value is not None
            wanted = (BODY_CHECKSUM._replace(value=found.value),)
        return self._read(case, entry, wanted, reader)

    def _complete_expected(self, case: _Case, reader: BodyReader) -> Pair:
        """Return the pair with everything that the other source knows of the expected object."""
        pair, expected = case.pair, case.pair.expected
        if self._against is None or expected is None:
            return pair
        enough = expected.complete or (self._task.reads_bodies and computable(expected.checksums))
        if enough and not case.changed:
            return pair
        case.asking_other = True
        known = reader.retries(self._against.stat, expected.key)
        case.pair = pair._replace(expected=known._replace(complete=True))
        return case.pair

    def _must_stat(self, pair: Pair, entry: Entry) -> bool:
        """Return whether a listing's entry lacks what the next steps need."""
        if entry.size is None:
            return True
        if entry.complete:
            return False
        own = pair.expected is None or not pair.expected.checksums
        needed = own or not self._task.reads_bodies or not entry.version
        return needed or may_know_parts(entry, self._task.wanted(pair, entry))

    def _read(
        self, case: _Case, entry: Entry, wanted: tuple[Checksum, ...], reader: BodyReader
    ) -> Outcome:
        """Return the verdict on a body, which is read twice if it differs."""
        while True:
            found = self._compute(self._source, entry, wanted, reader, case.pair.expected)
            outcome = self._task.verdict(case.pair, entry, wanted, found)
            if not isinstance(outcome, Result):
                return outcome
            if outcome.state is State.MATCH:
                return _with_note(outcome, "a first read differed") if case.first else outcome
            if not any_differs(wanted, found):
                return outcome
            if case.first is not None:
                if case.first.actual == outcome.actual:
                    return outcome
                return _with_note(outcome, f"a first read gave {case.first.actual}")
            case.first = outcome

    def _compute(
        self,
        source: Source,
        entry: Entry,
        wanted: tuple[Checksum, ...],
        reader: BodyReader,
        expected: Entry | None = None,
    ) -> list[Found]:
        """Read one body, and return its checksums."""
        size = entry.size
        if size is None and expected is not None:
            size = expected.size
        if size is not None and size > self._buffer_size:
            return self._compute_large(source, entry, size, wanted, reader)
        try:
            _, view = reader.whole(source, entry._replace(size=size), reader.buffer[:size])
        except ChangedError as error:
            if size is not None:
                raise
            raise StoreError(f"{error}; the store does not send its size") from error
        self._progress.read_whole({entry.key: len(view)})
        if size is not None and len(view) != size:
            raise ChangedError(f"{entry.key}: expected {size} bytes, got {len(view)}")
        return of_body(view, wanted, entry.checksums)

    def _compute_large(
        self,
        source: Source,
        entry: Entry,
        size: int,
        wanted: tuple[Checksum, ...],
        reader: BodyReader,
    ) -> list[Found]:
        """Read a body that is larger than a buffer with all threads, and return its checksums."""
        sized = entry._replace(size=size)
        tally = Tally(size, wanted, entry.checksums)
        self._progress.begin(entry.key, size)
        self._workers.read(LargeObject(source, sized, tally, self._buffer_size), reader)
        # The store has not said that it ends there.
        if entry.size is None and reader.retries(source.read, sized, size, reader.buffer[:1]):
            raise ChangedError(f"{entry.key}: expected {size} bytes, got more")
        return tally.found()

    def _deliver(self, outcomes: dict[int, Outcome], pairs: Iterable[Pair]) -> None:
        self._progress.finish(pairs)
        self._workers.deliver(outcomes)


def _with_note(result: Result, note: str) -> Result:
    detail = f"{result.detail}; {note}" if result.detail else note
    return result._replace(detail=detail)
