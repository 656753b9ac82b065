"""What the commands say, and the exit status it comes to."""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING

from numcrc.checkfiles.names import shown
from numcrc.cli import CANNOT_READ, MISMATCH, USAGE
from numcrc.cli.workers import BATCH, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO, TextIO, TypeAlias, TypeVar

    from numcrc.cli.progress import Bar
    from numcrc.cli.workers import Start
    from numcrc.files import Reader, Sums

    T = TypeVar("T")
    # Of a batch: text for standard output and standard error, and how many of each kind.
    Carried: TypeAlias = tuple[str, str, dict[str, int]]

# Kinds of results; a file is counted under one of them.
OK, FAILED, MISSING, UNREADABLE = "OK", "FAILED", "MISSING", "ERROR"

STATUSES = """\
exit status: 0 all is well; 1 a CRC does not match, or a listed file is missing;
2 wrong usage, or a malformed line in a list; 3 something could not be read.
When several apply, 1 goes before 3, and 3 before 2.
"""


def run(
    start: Start[T], items: Sequence[T], processes: int, bar: Bar | None = None
) -> Counter[str]:
    """Print what *start*'s work carries, and return how many results of each kind there are."""
    output = binary(sys.stdout)
    at_once = sys.stdout.isatty()
    counts: Counter[str] = Counter()
    # The bar has a thread, so it comes after the forks.
    with (
        in_order(start, items, processes, 1 if at_once else BATCH) as results,
        bar or nullcontext(),
    ):
        for out, errors, kinds in results:
            output.write(os.fsencode(out))
            if at_once or errors:
                output.flush()
            sys.stderr.write(errors)
            counts.update(kinds)
    return counts


def opener(reader: Reader, paths: Sequence[str]) -> Callable[[str], Sums]:
    """Return what reads one of *paths*, ``-`` being standard input."""
    if "-" not in paths:
        return reader.path
    return lambda path: reader.read(binary(sys.stdin)) if path == "-" else reader.path(path)


def binary(stream: TextIO | None) -> BinaryIO:
    """Return the bytes of a standard stream, which is None where it was closed before us."""
    if stream is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return stream.buffer


def reason(error: Exception) -> str:
    """Return what went wrong, without the path."""
    return getattr(error, "strerror", None) or str(error)


def complain(path: str, why: str) -> None:
    """Print that *path* is in trouble."""
    sys.stderr.write(complaint(path, why))


def complaint(path: str, why: str) -> str:
    """Return the line that says so."""
    return f"numcrc: {shown(path)}: {why}\n"


def status(counts: Counter[str], malformed: int = 0) -> int:
    """Return the exit status for *counts*."""
    if counts[FAILED] or counts[MISSING]:
        return MISMATCH
    if counts[UNREADABLE]:
        return CANNOT_READ
    return USAGE if malformed else 0
