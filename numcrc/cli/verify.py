"""``numcrc verify``: the objects of a store against what their checksums should be."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from functools import partial
from typing import TYPE_CHECKING

from numcrc.checkfiles.names import escaped
from numcrc.cli import store_options as stores
from numcrc.cli.arguments import parsed, positive
from numcrc.store._verify import verify
from numcrc.store.objects import Result, State
from numcrc.store.pipeline import MODES
from numcrc.store.progress import Progress
from numcrc.store.report import letter

if TYPE_CHECKING:
    from argparse import Namespace

EPILOG = f"""\
{stores.SOURCES}
FILE of --manifest: what "numcrc manifest" wrote (Parquet, JSON Lines, CSV), a list of sha256sum,
md5sum or rhash (GNU, BSD, SFV), manifest.json of an S3 Inventory, or the report of an S3 Batch
Operations job that computes checksums. Without --manifest and --against, the checksums that the
store keeps are what is expected.

Printed is whatever is no match. The states, with the letters of --combined:
  =  match             *  differ            *  size-mismatch (not read)
  -  missing (here)    +  extra (only here) !  error, archived, changed-during-read,
                                               no-checksum, unsupported-algorithm

exit status: 0 all is well; 1 something differs, is missing or is extra; 2 wrong usage, or a
damaged manifest; 3 something could not be checked. When several apply, 1 goes before 3.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc verify`` and return its exit status."""
    parser = _parser()
    options = parsed(parser, arguments)
    if len(options.paths) != 1:
        parser.error("one SOURCE is needed")
    return stores.guarded(partial(_verify, options, arguments))


def _verify(options: Namespace, arguments: list[str]) -> int:
    interruption = stores.Interruption()
    progress = Progress() if not options.quiet and sys.stderr.isatty() else None
    with interruption.awaited(), stores.watched(progress, options.mode == "full"):
        found = verify(
            options.paths[0],
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
            on_result=_print_letter if options.combined else _print_trouble,
            keep=False,
            stop=interruption.stop,
            **stores.selection(options),
        )
    if not options.quiet:
        sys.stderr.write(f"numcrc: {found.summary()}\n")
    if interruption.status:
        hint = stores.resume_hint("verify", arguments, options.state)
        sys.stderr.write(f"numcrc: interrupted; {hint}\n")
        return interruption.status
    return found.exit_code


def _print_letter(result: Result) -> None:
    mark, name = escaped(result.key)
    stores.write_line(f"{letter(result.state)} {mark}{name}")


def _print_trouble(result: Result) -> None:
    if result.state is State.MATCH:
        return
    mark, name = escaped(result.key)
    reasons = []
    if result.state is State.DIFFER:
        reasons.append(f"{result.algorithm} {result.actual}, expected {result.expected}")
        if result.parts:
            which = ", ".join(map(str, result.parts))
            reasons.append(f"part{'s' if len(result.parts) > 1 else ''} {which}")
    if result.detail:
        reasons.append(result.detail)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    stores.write_line(f"{mark}{name}: {result.state.value}{' '.join(why.splitlines())}")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="numcrc verify",
        description="Tell which objects of a store are good.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", metavar="SOURCE", nargs="*", help="what is to be verified")
    expected = parser.add_mutually_exclusive_group()
    expected.add_argument("--manifest", metavar="FILE", help="what is expected")
    expected.add_argument("--against", metavar="SOURCE2", help="where the same objects should be")
    add(
        "--mode",
        choices=MODES,
        default="full",
        help="read everything (default); or compare the checksums that the store keeps, as they "
        "are (stored) or computed from those of parts (parts), and read no body",
    )
    add("-a", "--algorithm", metavar="ALG", help="that of a manifest that names none")
    add("--report", metavar="FILE", help="write all results to a .jsonl, .csv or .parquet file")
    add("--state", metavar="FILE", help="keep the results so far, and go on from there")
    add("--one-way", action="store_true", help="do not look for what is not expected")
    add("--max-errors", metavar="N", type=positive, help="stop after N that are no match")
    add("--combined", action="store_true", help="print every key, behind a letter")
    outside = "let a check file lead out of the folder SOURCE; implies --one-way"
    add("--allow-outside", action="store_true", help=outside)
    stores.add_selection(parser)
    return parser
