"""Judge the records of one object, and sum them up in one result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.checksums import SHORT_NAMES, find
from numcrc.store.formats.body import FEW, Body, FormatError
from numcrc.store.formats.format import Finding, Format, Records, verdict
from numcrc.store.objects import Result, State
from numcrc.store.retries import StoppedError
from numcrc.store.source import StoreError

if TYPE_CHECKING:
    from numcrc.algorithm import Algorithm

UNKNOWN = "not of a known format"
MOST_NAMED = 4
"""Damaged records that a result names; others are counted."""
MOST_COVERED = 4
"""How often the records of an object may cover its bytes; more is an attempt to waste time."""
# The state of an object is the first of these that one of its records has.
_ORDER = (
    *(State.DIFFER, State.SIZE_MISMATCH, State.MISSING, State.EXTRA),
    *(State.ERROR, State.CHANGED, State.ARCHIVED, State.UNSUPPORTED, State.NO_CHECKSUM),
    *(State.MATCH, State.SKIPPED),
)


def scan_body(body: Body, formats: Sequence[Format]) -> Result:
    """Return the result of checking an object by the checksums that it contains.

    Parameters
    ----------
    body : Body
        The object.
    formats : sequence of Format
        The first that recognises the object checks it.

    Raises
    ------
    StoreError
        The object cannot be read.

    Examples
    --------
    >>> from numcrc.store.formats import formats
    >>> scan_body(Body.of(b"text"), formats()).state.value
    'skipped'
    """
    summary = _Summary(body)
    form = None
    try:
        for form in formats:
            if form.recognises(body):
                break
        else:
            return Result(body.key, State.SKIPPED, body.size, detail=UNKNOWN)
        for found in form.check(body):
            if isinstance(found, Finding):
                summary.add(found)
            else:
                summary.judge(found)
    except FormatError as error:
        summary.add(Finding(State.DIFFER, detail=str(error)))
    except (StoreError, StoppedError):
        raise
    except Exception as error:  # a defect of the format must not end the run
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        summary.add(Finding(State.ERROR, detail=f"defect of format {_name(form)}: {text}"))
    return summary.result(_name(form))


def _name(form: Format | None) -> str:
    return "" if form is None else form.name


class _Summary:
    """The findings about one object so far: all are counted, and a few are kept."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._counts: Counter[State] = Counter()
        self._first: dict[State, list[Finding]] = {}
        self._left = float(MOST_COVERED * body.size)

    def add(self, finding: Finding) -> None:
        """Add a finding."""
        self._counts[finding.state] += finding.records
        kept = self._first.setdefault(finding.state, [])
        if finding.state in (State.MATCH, State.SKIPPED):
            return
        # What is wrong with the whole is shown even after many records.
        if len(kept) < MOST_NAMED or (not finding.record and len(kept) < 2 * MOST_NAMED):
            kept.append(finding)

    def judge(self, records: Records) -> None:
        """Compute the checksums of records, and add what they are."""
        algorithm = find(records.algorithm).crc
        if algorithm is None or algorithm.width > 64:
            raise ValueError(f"{records.algorithm} is not a CRC of at most 64 bits")
        numbers = records.offsets, records.lengths, records.stored
        if len({len(each) for each in numbers}) > 1:
            raise ValueError("records have offsets, lengths and checksums of different number")
        if len(records.offsets) <= FEW:
            self._judge_few(records, algorithm, *map(_integers, numbers))
            return
        offsets, lengths = (np.asarray(each, np.int64) for each in numbers[:2])
        stored = np.asarray(records.stored, np.uint64)
        wrong = (lengths < 0) | (offsets < 0) | (offsets > self._body.size - lengths)
        if wrong.any():
            one = int(wrong.argmax())
            self._check(records, one, int(offsets[one]), int(lengths[one]))
        # A float, since a sum of integers may overflow.
        self._spend(float(lengths.sum(dtype=np.float64)))
        found = _checksums(self._body, algorithm, offsets, lengths)
        differs = np.flatnonzero(found != stored)
        self._counts[State.MATCH] += len(stored) - len(differs)
        for one in differs[:MOST_NAMED].tolist():
            self._differs(records, one, algorithm, int(stored[one]), int(found[one]))
        if left := len(differs[MOST_NAMED:]):
            self._counts[State.DIFFER] += left

    def _judge_few(
        self,
        records: Records,
        algorithm: Algorithm,
        offsets: list[int],
        lengths: list[int],
        stored: list[int],
    ) -> None:
        """Do what `judge` does, without NumPy, whose calls take longer than few records do."""
        body, good, crc = self._body, 0, algorithm.function
        first, window = body.held
        for one, (start, length, expected) in enumerate(zip(offsets, lengths, stored, strict=True)):
            self._check(records, one, start, length)
            self._spend(length)
            if start < first or start + length > first + len(window):
                if length <= body.limit // 4:
                    body.window(start, length)
                first, window = body.held
            at = start - first
            if at >= 0 and at + length <= len(window):
                found = crc(window[at : at + length])
            else:
                found = body.crc(algorithm.name, start, length)
                first, window = body.held
            if found == expected:
                good += 1
            else:
                self._differs(records, one, algorithm, expected, found)
        self._counts[State.MATCH] += good

    def _check(self, records: Records, one: int, start: int, length: int) -> None:
        if length < 0 or start < 0 or start > self._body.size - length:
            raise FormatError(f"{records.name(one)}: {length} bytes at {start} are outside of it")

    def _spend(self, size: float) -> None:
        self._left -= size
        if self._left < 0:
            raise FormatError("its records overlap")

    def _differs(
        self, records: Records, one: int, algorithm: Algorithm, expected: int, actual: int
    ) -> None:
        name = SHORT_NAMES.get(algorithm.name, algorithm.name)
        self.add(verdict(records.name(one), name, expected, actual, algorithm.width))

    def result(self, form: str) -> Result:
        """Return the result of the object."""
        key, size = self._body.key, self._body.size
        state = next((state for state in _ORDER if state in self._counts), None)
        if state is None:
            return Result(key, State.NO_CHECKSUM, size, detail=f"{form}: no records")
        count = self._counts[state]
        if state in (State.MATCH, State.SKIPPED):
            detail = f"{form}: {count} record{'' if count == 1 else 's'}"
            return Result(key, state, size, detail=detail)
        kept = self._first.get(state, [])
        texts = list(dict.fromkeys(map(_text, kept)))
        if (left := count - sum(finding.records for finding in kept)) > 0:
            texts.append(f"and {left} more")
        first = kept[0]
        return Result(
            *(key, state, size, first.algorithm, first.expected, first.actual),
            detail=f"{form}: {'; '.join(texts)}",
        )


def _integers(numbers: Any) -> list[int]:
    found: list[int] = numbers.tolist() if isinstance(numbers, np.ndarray) else list(numbers)
    return found


def _text(finding: Finding) -> str:
    """Return a finding as text.

    Examples
    --------
    >>> _text(Finding(State.DIFFER, "record 3", "crc32c", "00000001", "e3069283"))
    'record 3: crc32c e3069283, expected 00000001'
    """
    values = ""
    if finding.algorithm and finding.actual:
        values = f"{finding.algorithm} {finding.actual}, expected {finding.expected}"
    reason = "; ".join(filter(None, (values, finding.detail)))
    return ": ".join(filter(None, (finding.record, reason)))


def _checksums(body: Body, algorithm: Algorithm, offsets: Any, lengths: Any) -> Any:
    """Return the CRCs of records of an object, as uint64."""
    order = None
    if len(offsets) > 1 and (offsets[1:] < offsets[:-1]).any():
        order = np.argsort(offsets, kind="stable")
        offsets, lengths = offsets[order], lengths[order]
    found = np.empty(len(offsets), np.uint64)
    for chosen in body.batches(offsets, lengths):
        start, length = int(offsets[chosen.start]), int(lengths[chosen.start])
        if not body.holds(start, length):
            found[chosen] = body.crc(algorithm.name, start, length)
        else:
            first, window = body.held
            found[chosen] = algorithm.segments(
                window, offsets[chosen] - first, lengths[chosen], threads=1
            )
    if order is None:
        return found
    unsorted = np.empty_like(found)
    unsorted[order] = found
    return unsorted
