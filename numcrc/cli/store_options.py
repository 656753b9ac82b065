"""What the commands about object stores share: options, signals, a progress bar, messages."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from argparse import ArgumentTypeError
from contextlib import contextmanager, nullcontext
from threading import Event
from typing import TYPE_CHECKING, Any

from numcrc.checkfiles.names import shown
from numcrc.cli import CANNOT_READ, USAGE
from numcrc.cli.arguments import positive
from numcrc.cli.output import binary
from numcrc.store.pipeline import DEFAULT_LIMITS, Limits
from numcrc.store.selection import Selection
from numcrc.store.source import StoreError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from numcrc.store.progress import Progress

SOURCES = """\
SOURCE is a path, or a URL: file://, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX,
http:// or https://. Credentials, region and endpoint are taken from where you set them already:
AWS_* variables and profiles, GOOGLE_APPLICATION_CREDENTIALS, AZURE_*.

GLOB: * is any characters but "/", ** any at all, ? one, [a-z] one of a set. It must fit the end
of a key, from its beginning or a "/" on; the whole key when it begins with "/"; and all below a
folder when it ends with "/". --exclude goes before --include. SIZE and RATE (a second) take K, M,
G and T for powers of 1024, and KB, MB, GB and TB for powers of 1000.
"""
IN_FLIGHT = f"bytes of bodies in memory ({DEFAULT_LIMITS.max_in_flight >> 20}M)"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(?:([KMGT])(i?))?(B?)", re.IGNORECASE)


def size(text: str) -> int:
    """Return the bytes that *text* means, as ``64M`` or ``1.5GiB``."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ArgumentTypeError(f"must be a size such as 64M or 1.5GiB, not {text!r}")
    base = 1000 if match[4] and not match[3] else 1024
    power = " KMGT".index((match[2] or " ").upper())
    found = int(float(match[1]) * base**power)
    if not found:
        raise ArgumentTypeError(f"must be more than nothing, not {text!r}")
    return found


def shard(text: str) -> tuple[int, int]:
    """Return K and N of ``K/N``."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if not match:
        raise ArgumentTypeError(f"must be K/N, such as 1/8, not {text!r}")
    return int(match[1]), int(match[2])


def sample(text: str) -> float:
    """Return the share that *text* means, as ``0.01`` or ``1%``."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ArgumentTypeError(f"must be a share such as 0.01 or 1%, not {text!r}") from None


def add_selection(parser: ArgumentParser) -> None:
    """Add the options that say which objects are meant, and how fast they are read."""
    add = parser.add_argument
    many = {"metavar": "GLOB", "action": "append", "default": []}
    add("--include", help="only keys that fit (repeatable)", **many)  # type: ignore[arg-type]
    add("--exclude", help="no keys that fit (repeatable)", **many)  # type: ignore[arg-type]
    add("--shard", metavar="K/N", type=shard, help="only the K-th of N equal shares of the keys")
    add("--sample", metavar="P", type=sample, help="only a share of the keys, as 0.01 or 1%%")
    add(
        *("-j", "--jobs"),
        metavar="N",
        type=positive,
        help="how many objects, or parts of one, at a time",
    )
    add(
        "--max-in-flight",
        metavar="SIZE",
        type=size,
        default=DEFAULT_LIMITS.max_in_flight,
        help=IN_FLIGHT,
    )
    add("--bwlimit", metavar="RATE", type=size, help="bytes to read in a second at most")
    add("--attempts", metavar="N", type=positive, default=5, help="tries of what may work (5)")
    add("-q", "--quiet", action="store_true", help="no summary and no progress bar")


def selection(options: Namespace) -> dict[str, Any]:
    """Return the arguments that those options give."""
    return {
        "selection": Selection(options.include, options.exclude, options.shard, options.sample),
        "limits": Limits(options.jobs, options.max_in_flight, options.bwlimit, options.attempts),
    }


class Interruption:
    """SIGINT and SIGTERM as a request to end soon, with what there is.

    The second of them ends the process at once.
    """

    def __init__(self) -> None:
        self.stop = Event()
        self.status = 0
        """What to exit with; 0 as long as none came."""

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Take signals while in the ``with`` block."""
        before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self.status:
            raise KeyboardInterrupt
        self.status = 128 + number
        self.stop.set()


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def watched(progress: Progress | None, bodies: bool) -> AbstractContextManager[object]:
    """Return a bar for *progress*, where there is one; it counts bytes if *bodies* are read."""
    if progress is None:
        return nullcontext()
    from numcrc.cli.progress import Bar

    def text() -> str:
        total = progress.total_objects
        return f"{progress.objects} of {'?' if total is None else total} objects"

    if bodies:
        return Bar(lambda: progress.bytes, lambda: progress.total_bytes, text)
    return Bar(lambda: progress.objects, lambda: progress.total_objects, text, sized=False)


def guarded(run: Callable[[], int]) -> int:
    """Return what *run* returns, or print what went wrong and return its exit status."""
    try:
        return run()
    except StoreError as error:
        return _failed(str(error), CANNOT_READ)
    except ImportError as error:
        return _failed(str(error), CANNOT_READ)
    except BrokenPipeError:
        raise
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _failed(f"{name}{error.strerror or error}", CANNOT_READ)
    except ValueError as error:
        return _failed(str(error), USAGE)


def _failed(text: str, status: int) -> int:
    sys.stderr.write(f"numcrc: {text}\n")
    return status


def write_line(text: str) -> None:
    """Print a line: as it is, or on a terminal without what would control it."""
    if sys.stdout is not None and sys.stdout.isatty():
        sys.stdout.write(f"{shown(text)}\n")
    else:
        binary(sys.stdout).write(os.fsencode(f"{text}\n"))


def resume_hint(command: str, arguments: list[str], state: str | None) -> str:
    """Return how to go on after an interruption."""
    if state is None:
        return "with --state FILE it could go on from here; without, it begins anew"
    return f"to go on: {shlex.join(['numcrc', command, *arguments])}"
