"""Show progress, in a thread that reads counters: a bar on a terminal, lines in a log."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from contextlib import suppress
from functools import cache
from mmap import mmap
from threading import Event, Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Seconds before the bar appears, between its updates, and between lines in a log.
DELAY = 0.5
INTERVAL = 0.1
LOG_INTERVAL = 60.0
# Seconds of which the speed is the average.
WINDOW = 30.0
# Columns of a terminal that has room for the bar beside the text.
WIDE = 90
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


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

    On a terminal it is a bar; otherwise, or if the terminal cannot move its cursor, a line every
    `LOG_INTERVAL` seconds.

    Parameters
    ----------
    done, total : callable
        Called by a thread at each update; a total of None is unknown.
    text : callable, optional
        Returns the text before the numbers.
    sized : bool
        Whether *done* and *total* are bytes, which are shown.
    """

    def __init__(
        self,
        done: Callable[[], int],
        total: Callable[[], int | None],
        text: Callable[[], str] = str,
        sized: bool = True,
    ) -> None:
        self._done, self._total, self._text, self._sized = done, total, text, sized
        self._samples: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._finished = Event()
        self._thread = Thread(target=self._draw, daemon=True)

    def __enter__(self) -> Bar:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._finished.set()
        self._thread.join()

    def line(self) -> str:
        """Return what is done, the speed and the time that is left."""
        done, total, now = self._done(), self._total(), time.monotonic()
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[0][0] < now - WINDOW:
            self._samples.popleft()
        start, before = self._samples[0]
        speed = (done - before) / (now - start) if now > start else 0.0
        texts = [self._text()]
        if self._sized:
            texts += [amount(done, total), f"{amount(int(speed))}/s"]
        if total is not None and speed > 0:
            texts.append(f"{_duration(max(total - done, 0) / speed)} left")
        return ", ".join(filter(None, texts))

    def _draw(self) -> None:
        if animated():
            if not self._finished.wait(DELAY):
                self._draw_bar()
            return
        while not self._finished.wait(LOG_INTERVAL):
            sys.stderr.write(f"numcrc: {self.line()}\n")
            sys.stderr.flush()

    def _draw_bar(self) -> None:
        from rich import progress as rich
        from rich.console import Console
        from rich.table import Column

        console = Console(file=sys.stderr)
        one_line = Column(no_wrap=True, overflow="ellipsis")
        text = rich.TextColumn("{task.description}", markup=False, table_column=one_line)
        columns = [rich.BarColumn(bar_width=20), text] if console.width >= WIDE else [text]
        # Lines printed to the same terminal go above the bar.
        redirect = sys.stdout is not None and sys.stdout.isatty()
        with rich.Progress(
            *columns, console=console, transient=True, redirect_stdout=redirect
        ) as bar:
            task = bar.add_task(self.line(), total=self._total())
            while not self._finished.wait(INTERVAL):
                done, total = self._done(), self._total()
                bar.update(task, completed=done, total=total, description=self.line())


class PathsBar(Bar):
    """Shows the progress of several processes that read *paths*."""

    def __init__(self, paths: Sequence[str], processes: int) -> None:
        self._slots = memoryview(mmap(-1, 8 * processes)).cast("Q")  # shared with forked children
        super().__init__(lambda: sum(self._slots), cache(lambda: _total(paths)))

    def counter(self, number: int) -> ByteCounter:
        """Return the counter of process *number*."""
        return ByteCounter(self._slots, number)


def animated() -> bool:
    """Return whether standard error is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def amount(done: int, total: int | None = None) -> str:
    """Return a number of bytes, and perhaps the total, in one unit.

    Examples
    --------
    >>> amount(1 << 20), amount(512, 3 << 20)
    ('1.0 MiB', '0.0 of 3.0 MiB')
    """
    numbers = [float(done)] if total is None else [float(done), float(total)]
    power = 0
    while max(numbers) >= 1024 and power < len(_UNITS) - 1:
        numbers = [number / 1024 for number in numbers]
        power += 1
    form = ".1f" if power else ".0f"
    return f"{' of '.join(format(number, form) for number in numbers)} {_UNITS[power]}"


def _duration(seconds: float) -> str:
    """Return a time as minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(int(min(seconds, 3.6e6)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _total(paths: Sequence[str]) -> int | None:
    """Return the total size of *paths* in bytes, or None if it is unknown."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += os.stat(path).st_size
    return total or None
