"""``numcrc verify``: check the objects of a store against their expected checksums."""

from __future__ import annotations

import sys
from functools import partial

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
from numcrc.cli.store_help import READ_FORMATS, SOURCES
from numcrc.store._verify import verify
from numcrc.store.objects import Result, State
from numcrc.store.pipeline import MODES
from numcrc.store.report import Malformed, Report, letter, objects_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

EPILOG = f"""\
{SOURCES}
FILE of --manifest has one of these formats, which is recognised by its content:
{READ_FORMATS}\
Without --manifest and --against, the checksums that the store keeps are expected.
The algorithm of a line in a check file is the one that it names; otherwise that of -a, or of the
name of FILE (SHA256SUMS). Otherwise 8 digits are CRC-32C, or CRC-32 in SFV; of other numbers the
usual hash is tried, and a mismatch is not certain: unsupported-algorithm. Lines that cannot be
parsed are skipped with a warning.

Every result but a match is printed. The results, with the letters of --combined:
  =  match                 objects are equal
  *  differ                a checksum differs
  *  size-mismatch         the size differs; the object was not read
  -  missing               expected, but not in SOURCE
  +  extra                 in SOURCE, but not expected
  !  error, archived, changed-during-read, no-checksum, unsupported-algorithm

examples:
  numcrc verify data --manifest SHA256SUMS
  numcrc verify s3://bucket/photos --manifest photos.parquet --report results.csv
  numcrc verify gs://bucket/photos --against s3://bucket/photos --state run.state
  numcrc verify s3://bucket --mode stored --manifest bucket.parquet      reads no body
  numcrc verify s3://bucket --sample 1% --include "*.jpg"
  numcrc verify s3://bucket --manifest b.parquet --keys 2024/..2025/ --report 2024.parquet
  numcrc verify s3://bucket --manifest b.parquet --shard auto --report $TASK.jsonl
  numcrc verify s3://bucket --manifest b.parquet --dask local:8 --report report/

exit status: 0 success; 1 an object differs, is missing or is extra; 2 wrong usage, or a damaged
manifest; 3 something could not be checked: an object, or all of them if a manifest, a bucket or a
credential is missing. If several apply, 1 goes before 3.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc verify`` and return its exit status."""
    parser = build_parser()
    options = parsed_with_source(parser, arguments)
    if options.dask is not None:
        for name in ("manifest", "report"):
            if getattr(options, name) in (None, "-"):
                parser.error(f"--dask needs --{name}")
        for name in ("state", "max_errors", "allow_outside"):
            if getattr(options, name):
                parser.error(f"--dask cannot be used with --{name.replace('_', '-')}")
    return guarded(partial(_verify, options, arguments))


def _verify(options: Namespace, arguments: list[str]) -> int:
    if options.dask is not None:
        return _verify_with_dask(options, arguments)
    interruption = Interruption(resume_hint("verify", arguments, options.state))
    progress = new_progress(options)
    with interruption.handled(), objects_bar(progress, options.mode == "full"):
        report = verify(
            options.source,
            manifest=options.manifest,
            against=options.against,
            mode=options.mode,
            algorithm=options.algorithm,
            report=options.report,
            state=options.state,
            one_way=options.one_way,
            allow_outside=options.allow_outside,
            max_errors=options.max_errors,
            progress=progress,
            on_result=_printer(options),
            keep=False,
            stop=interruption.stop,
            **selection_and_limits(options),
        )
    return _finish(options, report, interruption)


def _verify_with_dask(options: Namespace, arguments: list[str]) -> int:
    from numcrc.dask import verify as verify_with_dask

    interruption = Interruption(resume_hint("verify", arguments, options.report))
    progress = new_progress(options)
    with interruption.handled(), objects_bar(progress, bodies=False):
        report = verify_with_dask(
            options.source,
            manifest=options.manifest,
            report=options.report,
            client=options.dask,
            keys_per_task=options.keys_per_task,
            mode=options.mode,
            algorithm=options.algorithm,
            one_way=options.one_way,
            progress=progress,
            on_failure=None if options.combined else _print_failure,
            stop=interruption.stop,
            **selection_and_limits(options),
        )
    if options.combined:
        for result in report:
            _print_letter(result)
    return _finish(options, report, interruption)


def _finish(options: Namespace, report: Report, interruption: Interruption) -> int:
    """Print what is to say after a run, and return the exit status."""
    _print_malformed(report.malformed)
    _print_hint(options, report)
    if report.unmarked:
        print_message(f"{report.unmarked} has no end mark: cannot tell whether it is whole")
    if not options.quiet:
        sys.stderr.write(f"numcrc: {report.summary()}\n")
    warn_if_empty(not (report.objects or report.stopped), options)
    interruption.report()
    return interruption.status or report.exit_code


def _printer(options: Namespace) -> Callable[[Result], None] | None:
    """Return the function that prints a result, None if the report takes standard output."""
    if options.report == "-":
        return None
    if options.combined:
        return _print_letter
    return _print_failure if _is_compared(options) else _FirstFailures()


def _is_compared(options: Namespace) -> bool:
    """Return whether *options* say what is expected, besides the store itself."""
    return options.manifest is not None or options.against is not None


class _FirstFailures:
    """Prints the first objects without a checksum, and all other failures."""

    def __init__(self) -> None:
        self._left = MOST_SHOWN

    def __call__(self, result: Result) -> None:
        if result.state is State.NO_CHECKSUM:
            if not self._left:
                return
            self._left -= 1
        _print_failure(result)


def _print_hint(options: Namespace, report: Report) -> None:
    """Say how to check objects without a checksum."""
    count = report.counts.get(State.NO_CHECKSUM, 0)
    if not count or _is_compared(options):
        return
    text = f"{objects_text(count)} without a checksum in the store"
    if count > MOST_SHOWN and not options.combined:
        text += " (--combined and --report list all)"
    print_message(f"{text}: pass --manifest FILE or --against SOURCE2 to check them")


def _print_malformed(malformed: Malformed) -> None:
    """Warn of lines of the manifest that were skipped."""
    for error in malformed.first:
        print_message(f"WARNING: {error}")
    if left := malformed.count - len(malformed.first):
        lines = "line is" if left == 1 else "lines are"
        print_message(f"WARNING: {left} more {lines} malformed")


def _print_letter(result: Result) -> None:
    mark, name = escaped(result.key)
    print_line(f"{letter(result.state)} {mark}{name}")


def _print_failure(result: Result) -> None:
    """Print a result unless it is a match."""
    if result.state is not State.MATCH:
        print_line(failure_line(result))


def failure_line(result: Result) -> str:
    """Return a line about a result that is not a match."""
    mark, name = escaped(result.key)
    reasons = []
    if result.state is State.DIFFER:
        reasons.append(f"{result.algorithm} {result.actual}, expected {result.expected}")
        if result.parts:
            numbers = ", ".join(map(str, result.parts))
            reasons.append(f"part{'s' if len(result.parts) > 1 else ''} {numbers}")
    if result.detail:
        reasons.append(result.detail.removeprefix(f"{result.key}: "))
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{mark}{name}: {result.state.value}{' '.join(why.splitlines())}"


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc verify``."""
    description = "Check the objects of a store against their expected checksums."
    parser = new_parser("verify", description, EPILOG)
    add = parser.add_argument
    add("paths", metavar="SOURCE", nargs="*", help="the objects to check")
    expected = parser.add_mutually_exclusive_group()
    either = expected.add_argument
    either("--manifest", metavar="FILE", type=path, help="a list of the expected objects")
    either("--against", metavar="SOURCE2", type=path, help="a copy with the expected objects")
    add(
        "--mode",
        choices=MODES,
        default="full",
        help="full reads the bodies (default); stored compares the checksums that the store "
        "keeps, and parts also those that follow from the checksums of parts",
    )
    add("-a", "--algorithm", metavar="ALG", help="the algorithm of lines that name none")
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
    add("--one-way", action="store_true", help="do not look for extra objects")
    add(
        "--max-errors", metavar="N", type=positive, help="stop after N results that are not matches"
    )
    add("--combined", action="store_true", help="print every key after a letter; see below")
    add(
        "--allow-outside",
        action="store_true",
        help="allow paths of a check file outside the folder SOURCE; implies --one-way",
    )
    cluster = parser.add_argument_group("cluster").add_argument
    cluster(
        "--dask",
        metavar="CLUSTER",
        type=path,
        help="check with the workers of a Dask cluster: the address of its scheduler, or local:N "
        "for N processes; --report is then a folder, and the same command goes on from it",
    )
    cluster(
        "--keys-per-task",
        metavar="N",
        type=positive,
        default=2000,
        help="rows of the manifest for a task (default: 2000)",
    )
    add_store_options(parser)
    return parser
