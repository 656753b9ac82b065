"""Count the results of a verification, and say what they amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from numcrc.checkfiles.reader import MOST_SHOWN
from numcrc.process import imported
from numcrc.store.objects import Result, State

# The letters of ``rclone check --combined``.
LETTERS = {
    State.MATCH: "=",
    State.DIFFER: "*",
    State.SIZE_MISMATCH: "*",
    State.MISSING: "-",
    State.EXTRA: "+",
}
COULD_NOT_CHECK = "!"

GOOD, BAD, UNCHECKED = 0, 1, 3
_COMPARED = {State.MATCH, State.DIFFER}
_HEADLINES = {GOOD: "OK", BAD: "Not OK", UNCHECKED: "Not fully checked"}
_UNSHOWN = {State.MATCH, State.SKIPPED}
_COLUMNS = ("key", "state", "detail", "size", "algorithm", "expected", "actual")
_ROWS = 20
"""The most results that a notebook shows."""
_READ = 50_000
"""The most results that are read to find those of a run on several machines: a second or so."""


def letter(state: State) -> str:
    """Return rclone's letter for a state."""
    return LETTERS.get(state, COULD_NOT_CHECK)


class Malformed:
    """The lines of a check file that cannot be parsed, and are skipped.

    Attributes
    ----------
    count : int
        The number of lines.
    first : list of Exception
        The errors about the first of them, with their numbers.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Exception] = []

    def add(self, error: Exception) -> None:
        """Add a line."""
        self.count += 1
        if len(self.first) < MOST_SHOWN:
            self.first.append(error)


class Report:
    """The results of a verification, in the order of their keys.

    A report can be iterated over repeatedly; the results are read from a file each time.
    ``pandas.DataFrame(report)`` has a column for each field of `Result`. Notebooks show the counts
    and the first results that are not a match.

    Attributes
    ----------
    counts : dict of State to int
        The number of results of each state that occurs.
    objects : int
        The number of results.
    bytes : int
        The total size of the objects whose checksums were compared.
    from_state : int
        The number of results that the state file had, whose objects were not checked again. They
        count in the attributes above.
    seconds : float
        How long the run took.
    stopped : str
        Why the run ended early; empty if it is complete.
    malformed : Malformed
        The lines of the manifest that were skipped.
    unmarked : str
        The name of the manifest, if nothing in it says whether it is whole, and objects that it
        lacks are not looked for; else empty.
    absent : int
        The number of chunks of Zarr arrays that do not exist, which may be as intended; counted
        by `numcrc.zarr.verify` only.
    """

    def __init__(
        self, kept: Callable[[], Iterable[Result]] | None = None, allow_empty: bool = False
    ) -> None:
        self._kept, self._allow_empty = kept, allow_empty
        self._counts: Counter[State] = Counter()
        self._first: list[Result] = []  # of the results that notebooks show
        self.bytes = 0
        self.from_state = 0
        self.seconds = 0.0
        self.stopped = ""
        self.malformed = Malformed()
        self.unmarked = ""
        self.absent = 0

    def set_unmarked(self, name: str) -> None:
        """Note that nothing in the manifest called *name* says whether it is whole."""
        self.unmarked = name

    def count(self, result: Result) -> None:
        """Count a result."""
        self._counts[result.state] += 1
        if result.size and result.state in _COMPARED:
            self.bytes += result.size
        if len(self._first) < _ROWS and result.state not in _UNSHOWN:
            self._first.append(result)

    def add(self, counts: Mapping[State, int], size: int) -> None:
        """Count results by their states; *size* are the bytes whose checksums were compared."""
        self._counts.update(counts)
        self.bytes += size

    def __iter__(self) -> Iterator[Result]:
        if self._kept is None:
            raise ValueError("the results were not kept")
        return iter(self._kept())

    def __len__(self) -> int:
        return self.objects

    def __bool__(self) -> bool:
        return True  # even if it is empty; see `ok`

    @property
    def counts(self) -> dict[State, int]:
        """The number of results of each state that occurs."""
        return {state: self._counts[state] for state in State if self._counts[state]}

    @property
    def objects(self) -> int:
        """The number of results."""
        return sum(self._counts.values())

    @property
    def ok(self) -> bool:
        """Whether every object was checked and matches, and there is one or need not be."""
        return self.exit_code == GOOD

    @property
    def exit_code(self) -> int:
        """0: everything matches; 1: an object differs, is missing or extra; 3: one is unchecked.

        An empty result is a failure unless the selection allows it. So is one of skipped objects
        only; beside others they do not count.
        """
        if any(self._counts[state] for state in LETTERS if state is not State.MATCH):
            return BAD
        checked = self.objects - self._counts[State.SKIPPED]
        unchecked = checked != self._counts[State.MATCH]
        if unchecked or self.stopped or not (checked or self._allow_empty):
            return UNCHECKED
        return GOOD

    def summary(self) -> str:
        """Return the counts as a sentence.

        Examples
        --------
        >>> report = Report()
        >>> report.count(Result("a", State.MATCH, 2048))
        >>> report.count(Result("b", State.MISSING))
        >>> report.summary()
        '2 objects, 2.0 KiB compared in 0.0 s: 1 match, 1 missing'
        """
        states = ", ".join(f"{count} {state.value}" for state, count in self.counts.items())
        text = f"{objects_text(self.objects)}, {size_text(self.bytes)} compared"
        text += f" in {self.seconds:.1f} s"
        if states:
            text += f": {states}"
        if self.absent:
            text += f"; {self.absent} absent chunk{'' if self.absent == 1 else 's'}"
        if self.from_state:
            text += f"; {self.from_state} from the state file, not checked again"
        return f"{text}; {self.stopped}" if self.stopped else text

    def __repr__(self) -> str:
        return f"<Report: {self.summary()}>"

    def _repr_html_(self) -> str:
        """Return the counts and the first results other than matches, for notebooks."""
        html = imported("numcrc._description")
        headline = f"{_HEADLINES[self.exit_code]}: {self.summary()}"
        left = self.objects - self._counts[State.MATCH] - self._counts[State.SKIPPED]
        notes, found = [], self._first
        if len(found) < min(left, _ROWS):
            try:
                results = (r for r in islice(self, _READ) if r.state not in _UNSHOWN)
                found = list(islice(results, _ROWS))
            except (OSError, ValueError) as error:
                notes.append(f"cannot read the results: {error}")
        left -= len(found)
        if left:
            notes.append(f"{left} {'more ' if found else ''}not shown: iterate over the report")
        if self.malformed.count:
            notes.append(f"malformed lines of the manifest, skipped: {self.malformed.count}")
        if self.unmarked:
            notes.append(f"{self.unmarked} has no end mark: cannot tell whether it is whole")
        rows = [_cells(result) for result in found]
        used = [n for n in range(len(_COLUMNS)) if any(row[n] for row in rows)]
        shown = [[html.escaped(row[n]) for n in used] for row in rows]
        for row in shown:
            row[1] = f"<b>{row[1]}</b>"
        table = html.table(shown, [_COLUMNS[n] for n in used]) if shown else ""
        below = (f"<p>{html.escaped(note)}</p>" for note in notes)
        return f"<p><b>{html.escaped(headline)}</b></p>{table}{''.join(below)}"

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the results as a list of dicts."""
        return [{**result._asdict(), "state": result.state.value} for result in self]

    def combined(self) -> Iterator[str]:
        """Yield the lines of ``rclone check --combined``: a letter, a space and a key."""
        return (f"{letter(result.state)} {result.key}" for result in self)


def _cells(result: Result) -> list[str]:
    """Return the texts of a result for the columns of a table."""
    size = "" if result.size is None else size_text(result.size)
    parts = ", ".join(map(str, result.parts))
    details = (f"part{'s' * (len(result.parts) > 1)} {parts}" if parts else "", result.detail)
    checksum = (result.algorithm, result.expected, result.actual)
    return [result.key, result.state.value, "; ".join(filter(None, details)), size, *checksum]


def objects_text(count: int) -> str:
    """Return a number of objects as text.

    Examples
    --------
    >>> objects_text(1), objects_text(2)
    ('1 object', '2 objects')
    """
    return f"{count} object{'' if count == 1 else 's'}"


def size_text(size: int) -> str:
    """Return a number of bytes as text, in a fitting unit.

    Examples
    --------
    >>> size_text(1000), size_text(3 << 20)
    ('1000 B', '3.0 MiB')
    """
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} PiB"
