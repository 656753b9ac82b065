"""What a verification found: all results, their counts, and what it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from numcrc.store.objects import Result, State

# By state, as ``rclone check`` has them: here and there are a source and what is expected of it.
LETTERS = {
    State.MATCH: "=",
    State.DIFFER: "*",
    State.SIZE_MISMATCH: "*",
    State.MISSING: "-",
    State.EXTRA: "+",
}
COULD_NOT_CHECK = "!"

GOOD, BAD, UNCHECKED = 0, 1, 3
_READ = {State.MATCH, State.DIFFER}


def letter(state: State) -> str:
    """Return rclone's letter for a state."""
    return LETTERS.get(state, COULD_NOT_CHECK)


class Report:
    """The results of a verification, in the order of their keys.

    It is iterated over as often as one likes; the results are read from a file each time, so
    that they need no memory. ``pandas.DataFrame(report)`` has a column for each of their fields.

    Attributes
    ----------
    counts : dict of State to int
        How many results there are of each state, for those that there are.
    objects : int
        How many results there are.
    bytes : int
        The length of the objects whose checksums were compared.
    seconds : float
        How long it took.
    stopped : str
        Why it ended before its time; empty when all is there.
    """

    def __init__(
        self, kept: Callable[[], Iterable[Result]] | None = None, partial: bool = False
    ) -> None:
        self._kept, self._partial = kept, partial
        self._counts: Counter[State] = Counter()
        self.bytes = 0
        self.seconds = 0.0
        self.stopped = ""

    def count(self, result: Result) -> None:
        """Take a result into account."""
        self._counts[result.state] += 1
        if result.size and result.state in _READ:
            self.bytes += result.size

    def __iter__(self) -> Iterator[Result]:
        if self._kept is None:
            raise ValueError("the results were not kept")
        return iter(self._kept())

    def __len__(self) -> int:
        return self.objects

    def __bool__(self) -> bool:
        return True  # not for being empty; see `ok`

    @property
    def counts(self) -> dict[State, int]:
        """How many results there are of each state."""
        return {state: self._counts[state] for state in State if self._counts[state]}

    @property
    def objects(self) -> int:
        """How many results there are."""
        return sum(self._counts.values())

    @property
    def ok(self) -> bool:
        """Whether every object was checked and is good, and there was one."""
        return self.exit_code == GOOD

    @property
    def exit_code(self) -> int:
        """0: all good; 1: something differs or is missing; 3: something could not be checked.

        Nothing at all is not good either, unless only a part of the keys was asked for.
        """
        if any(self._counts[state] for state in LETTERS if state is not State.MATCH):
            return BAD
        unchecked = self.objects != self._counts[State.MATCH]
        if unchecked or self.stopped or not (self.objects or self._partial):
            return UNCHECKED
        return GOOD

    def summary(self) -> str:
        """Return the counts in words.

        Examples
        --------
        >>> report = Report()
        >>> report.count(Result("a", State.MATCH, 2048))
        >>> report.count(Result("b", State.MISSING))
        >>> report.summary()
        '2 objects, 2.0 KiB compared in 0.0 s: 1 match, 1 missing'
        """
        objects = f"{self.objects} object{'' if self.objects == 1 else 's'}"
        kinds = ", ".join(f"{count} {state.value}" for state, count in self.counts.items())
        text = f"{objects}, {size_text(self.bytes)} compared in {self.seconds:.1f} s"
        if kinds:
            text += f": {kinds}"
        return f"{text}; {self.stopped}" if self.stopped else text

    def __repr__(self) -> str:
        return f"<Report: {self.summary()}>"

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the results as dicts, all in memory."""
        return [{**result._asdict(), "state": result.state.value} for result in self]

    def combined(self) -> Iterator[str]:
        """Yield a letter, a space and the key of each result, as ``rclone check --combined``."""
        return (f"{letter(result.state)} {result.key}" for result in self)


def size_text(size: int) -> str:
    """Return a number of bytes in the unit that a person would choose."""
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} PiB"
