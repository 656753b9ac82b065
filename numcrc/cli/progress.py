"""A progress bar on a terminal, drawn by a thread that only watches counters."""

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

# A shorter job needs no bar.
PATIENCE = 0.5
INTERVAL = 0.1


class Meter:
    """Counts the bytes one process has done, where the bar can see them."""

    def __init__(self, slots: memoryview, number: int) -> None:
        self._slots, self._number, self._before = slots, number, 0

    def __call__(self, done: int, _total: int | None) -> None:
        """Take in that *done* bytes of the present file are done."""
        self._slots[self._number] = self._before + done

    def next(self) -> None:
        """Go on to the next file."""
        self._before = self._slots[self._number]


class Bar:
    """Shows how much is done, while in its ``with`` block.

    *done* and *total* are asked again and again by a thread; a total of None is not known yet.
    They are bytes if *sized*. *text* stands beside the bar.
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
        if self._finished.wait(PATIENCE):
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
        # What is printed meanwhile goes above the bar, if it goes to the same terminal.
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
    """Shows how much of *paths* several processes have done."""

    def __init__(self, paths: Sequence[str], processes: int) -> None:
        self._slots = memoryview(mmap(-1, 8 * processes)).cast("Q")  # shared with forked children
        super().__init__(lambda: sum(self._slots), cache(lambda: _total(paths)))

    def meter(self, number: int) -> Meter:
        """Return the counter of process *number*."""
        return Meter(self._slots, number)


def _total(paths: Sequence[str]) -> int | None:
    """Return the bytes in *paths*, or None when they tell nothing."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += os.stat(path).st_size
    return total or None
