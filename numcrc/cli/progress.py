"""Draw a progress bar on a terminal, in a thread that reads counters."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from mmap import mmap
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

# Seconds before the bar appears, and between its updates.
DELAY = 0.5
INTERVAL = 0.1


class ByteCounter:
    """Counts the bytes that one process has read, in memory shared with the bar."""

    def __init__(self, slots: memoryview, number: int) -> None:
        self._slots, self._number, self._before = slots, number, 0

    def __call__(self, done: int, _total: int | None) -> None:
        """Set the number of bytes read from the current file."""
        self._slots[self._number] = self._before + done

    def next_file(self) -> None:
        """Count the bytes of another file from here on."""
        self._before = self._slots[self._number]


class Bar:
    """Shows progress, as long as its ``with`` block runs.

    Parameters
    ----------
    done, total : callable
        Called by a thread at each update; a total of None is unknown.
    text : callable, optional
        Returns the text beside the bar.
    sized : bool
        Whether *done* and *total* are bytes.
    """

    def __init__(
        self,
        done: Callable[[], int],
        total: Callable[[], int | None],
        text: Callable[[], str] = str,
        sized: bool = True,
    ) -> None:
        self._done, self._total, self._text, self._sized = done, total, text, sized
        self._finished = Event()
        self._thread = Thread(target=self._draw, daemon=True)

    def __enter__(self) -> Bar:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finished.set()
        self._thread.join()

    def _draw(self) -> None:
        if self._finished.wait(DELAY):
            return
        from rich import progress as rich
        from rich.console import Console

        columns = [
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(),
            rich.DownloadColumn(binary_units=True),
            rich.TransferSpeedColumn(),
            rich.TimeRemainingColumn(),
        ]
        if not self._sized:
            del columns[2:4]
        console = Console(file=sys.stderr)
        # Lines printed to the same terminal go above the bar.
        redirect = sys.stdout is not None and sys.stdout.isatty()
        with rich.Progress(
            *columns, console=console, transient=True, redirect_stdout=redirect
        ) as bar:
            task = bar.add_task(self._text(), total=self._total())
            while not self._finished.wait(INTERVAL):
                bar.update(
                    task,
                    completed=self._done(),
                    total=self._total(),
                    description=self._text(),
                )


class PathsBar(Bar):
    """Shows the progress of several processes that read *paths*."""

    def __init__(self, paths: Sequence[str], processes: int) -> None:
        self._slots = memoryview(mmap(-1, 8 * processes)).cast("Q")  # shared with forked children
        super().__init__(lambda: sum(self._slots), cache(lambda: _total(paths)))

    def counter(self, number: int) -> ByteCounter:
        """Return the counter of process *number*."""
        return ByteCounter(self._slots, number)


def _total(paths: Sequence[str]) -> int | None:
    """Return the total size of *paths* in bytes, or None if it is unknown."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += os.stat(path).st_size
    return total or None
