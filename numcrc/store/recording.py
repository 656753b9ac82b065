"""Record the results of a run: count them, keep them, and write them to the file of a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from numcrc.store.manifests.output import partial_path
from numcrc.store.manifests.reports import ReportPart, read_results, report_writer
from numcrc.store.merge import Spool
from numcrc.store.objects import Result, State
from numcrc.store.report import Report
from numcrc.store.selection import Selection
from numcrc.store.sources import StrPath
from numcrc.store.state import StateFile

Sink: TypeAlias = Callable[[Result], object]


class Recording:
    """Where the results of a run go.

    Parameters
    ----------
    report, max_errors, on_result, keep
        As for `numcrc.store.verify`.
    selection
        The part of a store that the run is about.

    Attributes
    ----------
    found : Report
        The results so far.

    Raises
    ------
    ValueError
        *max_errors* is less than 1.
    """

    def __init__(
        self,
        report: StrPath | None,
        selection: Selection,
        max_errors: int | None,
        on_result: Sink | None,
        keep: bool,
    ) -> None:
        if max_errors is not None and max_errors < 1:
            raise ValueError(f"max_errors must be at least 1, not {max_errors}")
        self._start = time.monotonic()
        self._report = report
        self._file = None if report is None or report == "-" else partial_path(report)
        self._part = ReportPart(selection.share, selection.keys)
        self._max_errors = max_errors
        self._whole = False
        self._spool: Spool[Result] = Spool()
        self._state: StateFile | None = None
        self.found = Report(self._kept if keep else None, selection.allow_empty)
        self._sinks: list[Sink] = [self.found.count]
        if keep and self._file is None:
            self._sinks.append(self._spool.append)
        if on_result is not None:
            self._sinks.append(on_result)

    def file(self) -> AbstractContextManager[Sink | None]:
        """Return what writes the file of the report; its value is for `write_to`."""
        if self._report is None:
            return nullcontext()
        return report_writer(self._report, part=self._part)

    def write_to(self, file: Sink | None) -> None:
        """Write the results to a file."""
        if file is not None:
            self._sinks.append(file)

    def count_state(self, state: StateFile | None) -> None:
        """Let the report say which results come from *state*, and how many it gets."""
        self._state = state

    def take(self, results: Iterable[Result]) -> None:
        """Record results, until *max_errors* of them are neither a match nor skipped."""
        left = self._max_errors
        for result in results:
            for sink in self._sinks:
                sink(result)
            if left is not None and result.state not in (State.MATCH, State.SKIPPED):
                left -= 1
                if not left:
                    count = self._max_errors
                    self.found.stopped = f"stopped after {count} results other than match"
                    return

    def end(self, whole: bool) -> Report:
        """Return the report; unless it is *whole*, the run was stopped."""
        found, self._whole = self.found, whole
        if not whole:
            found.stopped = "stopped early"
            if self._state is not None:
                added = self._state.added
                results = "result is" if added == 1 else "results are"
                found.stopped += f"; {added} new {results} in the state file"
            if self._file is not None and found.objects:
                found.stopped += f"; the results so far are in {self._file}"
        if self._state is not None:
            found.from_state = self._state.used
        found.seconds = time.monotonic() - self._start
        return found

    def _kept(self) -> Iterable[Result]:
        if self._file is None or self._report is None or not self.found.objects:
            return self._spool
        if self._whole:
            return read_results(self._report)
        return read_results(self._file, partial=True)
