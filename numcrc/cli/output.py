"""Print results of files, and compute exit statuses."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections import Counter
from contextlib import nullcontext, suppress

from numcrc.checkfiles.names import naming, on_terminal, shown, write_all
from numcrc.cli import CANNOT_READ, MISMATCH, USAGE
from numcrc.cli.workers import BATCH, in_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO, TextIO, TypeAlias, TypeVar

    from numcrc.cli.progress import Bar
    from numcrc.cli.workers import Start
    from numcrc.files import Reader, Sums

    T = TypeVar("T")
    # Of a batch: text for standard output and for standard error, and the count of each result.
    Printed: TypeAlias = tuple[str, str, dict[str, int]]

# The results of a file.
OK, FAILED, MISSING, UNREADABLE, UNSUPPORTED = "OK", "FAILED", "MISSING", "ERROR", "UNSUPPORTED"
# The results of a list: nothing in it was verified, or it has no line of checksums.
UNVERIFIED, INVALID = "unverified list", "invalid list"

STATUSES = """\
exit status: 0 success; 1 a checksum does not match, or a listed file is missing; 2 wrong usage,
or a list without a line of checksums; 3 something could not be read or computed. If several
apply, 1 goes before 3, and 3 before 2.
"""


def print_results(
    start: Start[T], items: Sequence[T], processes: int, bar: Bar | None = None
) -> Counter[str]:
    """Print the results of all *items* in order, and return the count of each result.

    *start* is as for `in_order`; the functions that it makes return `Printed`.
    """
    with naming("standard output"):
        output = binary(sys.stdout)
    at_once = sys.stdout.isatty()
    counts: Counter[str] = Counter()
    # The bar starts a thread, so it comes after the forks.
    with (
        in_order(start, items, processes, 1 if at_once else BATCH) as printed,
        bar or nullcontext(),
    ):
        for out, errors, results in printed:
            with naming("standard output"):
                write_all(output, os.fsencode(on_terminal(out) if at_once else out))
                if at_once or errors:
                    output.flush()
            sys.stderr.write(errors)
            counts.update(results)
    return counts


def print_text(text: str) -> None:
    """Print *text* and a newline to standard output: all of it, or raise OSError."""
    with naming("standard output"):
        write_all(binary(sys.stdout), os.fsencode(f"{text}\n"))


def path_reader(reader: Reader, paths: Sequence[str]) -> Callable[[str], Sums]:
    """Return a function that reads one of *paths*; ``-`` is standard input."""
    if "-" not in paths:
        return reader.path
    return lambda path: reader.read(binary(sys.stdin)) if path == "-" else reader.path(path)


def binary(stream: TextIO | None) -> BinaryIO:
    """Return the binary file below a standard stream; None is one that was closed at start."""
    if stream is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return stream.buffer


def message(error: Exception) -> str:
    """Return the message of *error* without the path."""
    return getattr(error, "strerror", None) or str(error)


def print_error(path: str, why: str) -> None:
    """Print an error about *path*."""
    sys.stderr.write(error_line(path, why))


def error_line(path: str, why: str) -> str:
    """Return the line that `print_error` prints."""
    return f"numcrc: {shown(path)}: {why}\n"


def own_files() -> set[tuple[int, int]]:
    """Return the device and inode of the files that standard output and error write."""
    found = set()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # not a file, or closed
            status = os.fstat(stream.fileno())
            if stat.S_ISREG(status.st_mode):
                found.add((status.st_dev, status.st_ino))
    return found


def exit_status(counts: Counter[str]) -> int:
    """Return the exit status for the count of each result."""
    if counts[FAILED] or counts[MISSING] or counts[UNVERIFIED]:
        return MISMATCH
    if counts[UNREADABLE] or counts[UNSUPPORTED]:
        return CANNOT_READ
    return USAGE if counts[INVALID] else 0
