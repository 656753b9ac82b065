"""``numcrc scan``: check the objects of a store by the checksums that they contain."""

from __future__ import annotations

import sys
from functools import partial

from numcrc import zarr
from numcrc.checkfiles.names import escaped
from numcrc.checkfiles.reader import MOST_SHOWN
from numcrc.cli.arguments import (
    add_store_options,
    new_parser,
    parsed_with_source,
    path,
    positive,
)
from numcrc.cli.store_commands import (
    Interruption,
    guarded,
    new_progress,
    objects_bar,
    print_line,
    print_message,
    resume_hint,
    selection_and_limits,
    warn_if_empty,
)
from numcrc.cli.store_help import SOURCES, table
from numcrc.store._scan import scan
from numcrc.store.formats import OWN, formats
from numcrc.store.objects import Result, State
from numcrc.store.report import Report, objects_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

EPILOG = f"""\
The formats, which are recognised by their contents or by the name of an object:
{table(*((each.name, each.summary) for each in formats(OWN)))}\
Installed packages may add others. Objects of other formats are skipped.

{SOURCES}
Every object but those that match or are skipped is printed, with the damaged record:
  differ                 a checksum differs, or the structure of the object is damaged
  no-checksum            its format is known, but a record has no checksum
  unsupported-algorithm  a record cannot be checked; it is encrypted, for instance
  extra, missing         a chunk of a Zarr array is outside of it, or does not exist
  error, archived, changed-during-read

examples:
  numcrc scan checkpoints
  numcrc scan s3://bucket/training --format tfrecord --report results.parquet
  numcrc scan gs://bucket --include "*.npz" --state run.state

exit status: 0 success; 1 an object differs; 2 wrong usage; 3 something could not be checked, or all
objects were skipped. If several apply, 1 goes before 3.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc scan`` and return its exit status."""
    parser = build_parser()
    options = parsed_with_source(parser, arguments)
    if options.expect_complete and set(options.format) - {"zarr"}:
        parser.error("--expect-complete is for --format zarr alone")
    return guarded(partial(_scan, options, arguments))


def _scan(options: Namespace, arguments: list[str]) -> int:
    interruption = Interruption(resume_hint("scan", arguments, options.state))
    progress = new_progress(options)
    call: Callable[..., Report] = partial(scan, formats=options.format or None)
    if options.expect_complete or options.format == ["zarr"]:
        # It also counts chunks that do not exist.
        call = partial(zarr.verify, expect_complete=options.expect_complete)
    with interruption.handled(), objects_bar(progress, True):
        report = call(
            options.source,
            report=options.report,
            state=options.state,
            max_errors=options.max_errors,
            progress=progress,
            on_result=None if options.report == "-" else _Printer(),
            keep=False,
            stop=interruption.stop,
            **selection_and_limits(options),
        )
    _print_hints(options, report)
    if not options.quiet:
        sys.stderr.write(f"numcrc: {report.summary()}\n")
    warn_if_empty(not (report.objects or report.stopped), options)
    interruption.report()
    return interruption.status or report.exit_code


class _Printer:
    """Prints the first objects without a checksum, and all other failures."""

    def __init__(self) -> None:
        self._left = MOST_SHOWN

    def __call__(self, result: Result) -> None:
        if result.state in (State.MATCH, State.SKIPPED):
            return
        if result.state is State.NO_CHECKSUM:
            if not self._left:
                return
            self._left -= 1
        mark, name = escaped(result.key)
        reason = " ".join(result.detail.removeprefix(f"{result.key}: ").splitlines())
        print_line(f"{mark}{name}: {result.state.value}{f' ({reason})' if reason else ''}")


def _print_hints(options: Namespace, report: Report) -> None:
    """Say what was not checked."""
    counts = report.counts
    without = counts.get(State.NO_CHECKSUM, 0)
    if without > MOST_SHOWN and options.report is None:
        print_message(f"{objects_text(without)} without a checksum (--report lists all)")
    if counts.keys() == {State.SKIPPED} and not options.allow_empty:
        print_message("no object has a known format: nothing was checked")


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc scan``."""
    description = (
        "Check the objects of a store by the checksums that they contain: those of the members of\n"
        "an archive, for instance. No manifest is needed."
    )
    parser = new_parser("scan", description, EPILOG)
    add = parser.add_argument
    add("paths", metavar="SOURCE", nargs="*", help="the objects to check")
    add(
        "--format",
        metavar="NAME",
        action="append",
        default=[],
        help="only objects of this format (repeatable); see below",
    )
    add(
        "--expect-complete",
        action="store_true",
        help="chunks of Zarr arrays that do not exist are missing; implies --format zarr",
    )
    add(
        "--report",
        metavar="FILE",
        type=path,
        help="write all results to a .jsonl, .csv or .parquet file; - prints them as JSON Lines, "
        "in place of those that are not matches",
    )
    add(
        "--state",
        metavar="FILE",
        type=path,
        help="record results in FILE, and go on from those in it, which are not checked again",
    )
    add(
        "--max-errors", metavar="N", type=positive, help="stop after N results that are not matches"
    )
    add_store_options(parser)
    return parser
