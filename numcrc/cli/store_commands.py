"""Run the commands about object stores: signals, a progress bar, error messages."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from contextlib import contextmanager, nullcontext
from threading import Event

from numcrc.checkfiles.names import named_message, naming, shortened, visible, write_all
from numcrc.cli import CANNOT_READ, USAGE
from numcrc.cli.arguments import key_range_text
from numcrc.cli.output import binary
from numcrc.store.manifests.cuts import open_cuts
from numcrc.store.pipeline import Limits
from numcrc.store.schedulers import array_task
from numcrc.store.selection import Selection
from numcrc.store.source import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType
    from typing import Any

    from numcrc.store.progress import Progress

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ALARM = getattr(signal, "SIGALRM", None)  # Windows has none
PATIENCE = 1.0
"""Seconds that a run has to end after a signal."""


def selection_and_limits(options: Namespace) -> dict[str, Any]:
    """Return the keyword arguments for *options*, those of `arguments.add_store_options`."""
    return {
        "selection": _selection(options),
        "limits": Limits(options.jobs, options.max_in_flight, options.bwlimit, options.attempts),
    }


def _selection(options: Namespace) -> Selection:
    """Return the selection for *options*; say which shard of an array job it is."""
    shard, keys = options.shard, None
    if shard is not None and shard[0] is None:
        number, count = shard = array_task(shard[1])
        text = f"shard {number} of {count}"
        if getattr(options, "manifest", None) is not None:
            with open_cuts(options.manifest) as cuts:
                if cuts is not None:
                    shard, keys = None, cuts.share(number, count)
                    if keys.ends_before(keys.first):
                        text += ", which has no keys: the manifest has fewer than there are shards"
                    else:
                        text += f", --keys {key_range_text(keys)}"
        if not options.quiet:
            print_message(text)
    found = Selection(
        options.include, options.exclude, shard, options.sample, options.allow_empty, options.keys
    )
    return found if keys is None else found.within(keys, (number, count))


class Interruption:
    """Turns SIGINT and SIGTERM into requests to stop early and keep the results.

    If the run does not end, because standard output takes nothing for instance, a second signal
    ends it at once, and otherwise `PATIENCE` does.

    Parameters
    ----------
    advice : str
        What to say after an interruption.

    Attributes
    ----------
    stop : Event
        Set by the first signal.
    status : int
        The exit status after a signal; 0 if none came.
    """

    def __init__(self, advice: str) -> None:
        self._advice = advice
        self.stop = Event()
        self.status = 0

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle signals as long as the ``with`` block runs, but for those that are ignored."""
        numbers = [n for n in _SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
        if _ALARM is not None:
            numbers.append(_ALARM)
        before = {number: signal.signal(number, self._handle) for number in numbers}
        interval = 0.0 if _ALARM is None else signal.getitimer(signal.ITIMER_REAL)[1]
        try:
            yield
        except KeyboardInterrupt:
            if not self.status:
                raise
            sys.stderr.write("numcrc: stopped early, without a summary\n")
            self.report()
            raise SystemExit(self.status) from None
        finally:
            if _ALARM is not None:
                signal.setitimer(signal.ITIMER_REAL, interval, interval)
            for number, handler in before.items():
                signal.signal(number, handler)

    def report(self) -> None:
        """Say that the run was interrupted, if it was."""
        if self.status:
            sys.stderr.write(f"numcrc: interrupted; {self._advice}\n")

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.status:
            raise KeyboardInterrupt
        if number == _ALARM:
            return
        self.status = 128 + number
        self.stop.set()
        if _ALARM is not None:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)


def new_progress(options: Namespace) -> Progress | None:
    """Return counters to show, or None if *options* want none."""
    if options.quiet or sys.stderr is None:
        return None
    from numcrc.cli.progress import DELAY, LOG_INTERVAL, animated
    from numcrc.store.progress import Progress

    # A run that is too short to show progress need not list its source twice.
    return Progress(delay=DELAY if animated() else LOG_INTERVAL / 2)


def objects_bar(progress: Progress | None, bodies: bool) -> AbstractContextManager[object]:
    """Return a bar for *progress*, if it is not None; it shows bytes if *bodies* are read."""
    if progress is None:
        return nullcontext()
    from numcrc.cli.progress import Bar

    def text() -> str:
        total = progress.total_objects
        return f"{progress.objects}{'' if total is None else f' of {total}'} objects"

    if bodies:
        return Bar(lambda: progress.bytes, lambda: progress.total_bytes, text)
    return Bar(lambda: progress.objects, lambda: progress.total_objects, text, sized=False)


def guarded(run: Callable[[], int]) -> int:
    """Return the exit status of *run*; if it raises an expected error, print that instead."""
    try:
        return run()
    except (StoreError, ImportError) as error:
        return _failed(str(error), CANNOT_READ)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _failed(named_message(error), CANNOT_READ)
    except ValueError as error:
        return _failed(str(error), USAGE)


def _failed(text: str, status: int) -> int:
    print_message(text)
    return status


def print_message(text: str) -> None:
    """Print a line to standard error, without control characters; stores send texts of it."""
    sys.stderr.write(f"numcrc: {visible(shortened(' '.join(text.splitlines())))}\n")


def print_line(text: str) -> None:
    """Print a line; on a terminal, without control characters."""
    with naming("standard output"):
        if sys.stdout is not None and sys.stdout.isatty():
            sys.stdout.write(f"{visible(text)}\n")  # above the bar, whose object stdout then is
        else:
            write_all(binary(sys.stdout), os.fsencode(f"{text}\n"))


def warn_if_empty(empty: bool, options: Namespace) -> None:
    """Say that no object was selected, unless that is allowed."""
    if empty and not options.allow_empty:
        sys.stderr.write(
            "numcrc: no object is selected: check SOURCE and the patterns, or use --allow-empty\n"
        )


def resume_hint(command: str, arguments: list[str], state: str | None) -> str:
    """Return the advice that follows an interruption."""
    if state is None:
        return "only a run with --state FILE can go on from where it stopped"
    shown = [re.sub("(?<=://)[^/]*:[^/]*@", "USER:PASSWORD@", argument) for argument in arguments]
    return f"to go on: {shlex.join(['numcrc', command, *shown])}"
