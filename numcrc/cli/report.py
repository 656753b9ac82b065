"""``numcrc report``: merge reports of shards and ranges of keys."""

from __future__ import annotations

import sys
from functools import partial

from numcrc.cli.arguments import new_parser, path
from numcrc.cli.store_commands import guarded, print_line
from numcrc.cli.verify import failure_line
from numcrc.store._merge_reports import merge_reports
from numcrc.store.objects import Result, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EPILOG = """\
PART is a report that numcrc verify wrote of a shard or of a range of keys, as .jsonl, .csv or
.parquet, or the folder of numcrc verify --dask. Name the files of any other folder. The
results of all are written in the order of their keys. Every result but a match is printed.

A part that ends early, a missing shard, and keys between two parts that are in none are named;
the results are then in FILE.numcrc-part, and FILE stays as it was. Two parts with the same key are
an error. (CSV does not record which shard or range it is.)

examples:
  numcrc report merge parts/*.parquet -o all.parquet
  numcrc report merge report/ -o all.csv                    of numcrc verify --dask --report report/

exit status: as of numcrc verify for all results. 0 success; 1 an object differs, is missing or is
extra; 2 wrong usage, or a damaged part; 3 something was not checked, or a part is incomplete.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc report`` and return its exit status."""
    parser = build_parser()
    options = parser.parse_intermixed_args(arguments)
    action, *options.parts = options.action
    if action != "merge":
        parser.error(f"unknown action {action!r}: expected merge")
    if not options.parts:
        parser.error("expected one PART or more")
    return guarded(partial(_merge, options))


def _merge(options: Namespace) -> int:
    printed = None if options.output == "-" else _print_failure
    report = merge_reports(options.parts, options.output, on_result=printed)
    if not options.quiet:
        sys.stderr.write(f"numcrc: {report.summary()}\n")
    return report.exit_code


def _print_failure(result: Result) -> None:
    if result.state is not State.MATCH:
        print_line(failure_line(result))


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc report``."""
    parser = new_parser("report", "Merge reports of parts of a verification.", EPILOG)
    parser.usage = "numcrc report merge [-h] [-o FILE] [-q] PART..."
    add = parser.add_argument
    add("action", metavar="PART", nargs="+", help="a report, or the folder of a report of --dask")
    add(
        *("-o", "--output"),
        metavar="FILE",
        type=path,
        help="write all results to a .jsonl, .csv or .parquet file; - prints them as JSON Lines",
    )
    add("-q", "--quiet", action="store_true", help="no summary")
    return parser
