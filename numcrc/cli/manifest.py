"""``numcrc manifest``: the checksums of the objects of a store."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from functools import partial
from typing import TYPE_CHECKING

from numcrc.checkfiles.names import shown
from numcrc.cli import store_options as stores
from numcrc.cli.arguments import parsed
from numcrc.store._manifest import ALGORITHM, manifest
from numcrc.store.objects import Result
from numcrc.store.progress import Progress

if TYPE_CHECKING:
    from argparse import Namespace

EPILOG = f"""\
{stores.SOURCES}
FILE may be a .parquet, .jsonl, .csv or .sfv file, or any other: a list as sha256sum has it.
"numcrc verify SOURCE --manifest FILE" tells what has changed since.

exit status: 0 all is well; 2 wrong usage; 3 something could not be read.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc manifest`` and return its exit status."""
    parser = _parser()
    options = parsed(parser, arguments)
    if len(options.paths) != 1:
        parser.error("one SOURCE is needed")
    return stores.guarded(partial(_manifest, options))


def _manifest(options: Namespace) -> int:
    interruption = stores.Interruption()
    progress = Progress() if not options.quiet and sys.stderr.isatty() else None
    with interruption.awaited(), stores.watched(progress, not options.stored):
        found = manifest(
            options.paths[0],
            options.output,
            algorithm=options.algorithm or ALGORITHM,
            stored=options.stored,
            progress=progress,
            on_error=_print_trouble,
            stop=interruption.stop,
            **stores.selection(options),
        )
    if not options.quiet:
        sys.stderr.write(f"numcrc: {found.summary()}\n")
    if interruption.status:
        sys.stderr.write("numcrc: interrupted; the manifest is not complete\n")
    return interruption.status or found.exit_code


def _print_trouble(result: Result) -> None:
    text = " ".join(f"{shown(result.key)}: {result.state.value} ({result.detail})".splitlines())
    sys.stderr.write(f"numcrc: {text}\n")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="numcrc manifest",
        description="Write a list of the objects of a store, with their sizes and checksums.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", metavar="SOURCE", nargs="*", help="what the manifest is of")
    add(
        *("-a", "--algorithm"),
        metavar="ALG",
        action="append",
        help=f"crc32, crc32c, crc64nvme, sha256, ... (repeatable; default: {ALGORITHM})",
    )
    add("-o", "--output", metavar="FILE", help="where to write it (default: standard output)")
    add("--stored", action="store_true", help="what checksums the store keeps; read no body")
    stores.add_selection(parser)
    return parser
