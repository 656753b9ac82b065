"""A progress bar on a terminal, drawn by a thread that only watches counters."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from mmap import mmap
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    """Shows how much of *paths* several processes have done, while in its ``with`` block."""

    def __init__(self, paths: Sequence[str], processes: int) -> None:
        self._paths = paths
        self._slots = memoryview(mmap(-1, 8 * processes)).cast("Q")  # shared with forked children
        self._finished = Event()
        self._thread = Thread(target=self._draw, daemon=True)

    def meter(self, number: int) -> Meter:
        """Return the counter of process *number*."""
        return Meter(self._slots, number)

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

        columns = (
            rich.BarColumn(),
            rich.DownloadColumn(binary_units=True),
            rich.TransferSpeedColumn(),
            rich.TimeRemainingColumn(),
        )
        console = Console(file=sys.stderr)
        with rich.Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=_total(self._paths))
            while not self._finished.wait(INTERVAL):
                bar.update(task, completed=sum(self._slots))


def _total(paths: Sequence[str]) -> int | None:
    """Return the bytes in *paths*, or None when they tell nothing."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += os.stat(path).st_size
    return total or None
