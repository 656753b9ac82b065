"""``numcrc manifest``: list the objects of a store with their checksums."""

from __future__ import annotations

import sys
from functools import partial

from numcrc.checkfiles.names import shown
from numcrc.cli.arguments import add_store_options, new_parser, parsed_with_source, path
from numcrc.cli.store_commands import (
    Interruption,
    guarded,
    new_progress,
    objects_bar,
    print_message,
    selection_and_limits,
    warn_if_empty,
)
from numcrc.cli.store_help import SOURCES, WRITTEN_FORMATS
from numcrc.store._manifest import ALGORITHM, manifest
from numcrc.store.manifests import formats
from numcrc.store.objects import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EPILOG = f"""\
{SOURCES}
--format is one of these; by default, the name of FILE decides:
{WRITTEN_FORMATS}\
Names such as SHA256SUMS and data.md5 stand for gnu, and standard output for jsonl. ".gz" at the
end of FILE compresses it.

FILE is replaced once the new one is whole. It is not an object of SOURCE, wherever it is.

examples:
  numcrc manifest s3://bucket/photos -o photos.parquet
  numcrc manifest data -a crc32 -o data.sfv
  numcrc manifest data -a sha256 -a crc64nvme -o data.jsonl.gz
  numcrc manifest data -a sha256 -o SHA256SUMS             for sha256sum -c
  numcrc manifest s3://bucket --stored -o bucket.csv       reads no body
  numcrc verify data --manifest data.jsonl.gz              later: what has changed?

exit status: 0 success; 2 wrong usage; 3 something could not be read. An interrupted run has the
status 130 or 143, and leaves FILE as it was.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc manifest`` and return its exit status."""
    return guarded(partial(_manifest, parsed_with_source(build_parser(), arguments)))


def _manifest(options: Namespace) -> int:
    advice = "the manifest is not complete"
    if options.output not in (None, "-"):
        advice = f"{shown(options.output)} stays as it was"
    interruption = Interruption(advice)
    progress = new_progress(options)
    with interruption.handled(), objects_bar(progress, not options.stored):
        written = manifest(
            options.source,
            options.output,
            algorithm=options.algorithm or ALGORITHM,
            stored=options.stored,
            format=options.format,
            progress=progress,
            on_error=_print_failure,
            stop=interruption.stop,
            **selection_and_limits(options),
        )
    if not options.quiet:
        sys.stderr.write(f"numcrc: {written.summary()}\n")
    warn_if_empty(not (written.objects or written.failed or written.stopped), options)
    interruption.report()
    return interruption.status or written.exit_code


def _print_failure(result: Result) -> None:
    print_message(f"{shown(result.key)}: {result.state.value} ({result.detail})")


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc manifest``."""
    description = "List the objects of a store with their sizes and checksums."
    parser = new_parser("manifest", description, EPILOG)
    add = parser.add_argument
    add("paths", metavar="SOURCE", nargs="*", help="the objects to list")
    add(
        *("-a", "--algorithm"),
        metavar="ALG",
        action="append",
        help=f"crc32, crc32c, crc64nvme, sha256, ... (repeatable; default: {ALGORITHM})",
    )
    add(
        *("-o", "--output"),
        metavar="FILE",
        type=path,
        help="the file to write (default: standard output)",
    )
    names = [each.name for each in formats(writable=True)]
    add("--format", metavar="FORMAT", choices=names, help=f"{', '.join(names[:-1])} or {names[-1]}")
    add("--stored", action="store_true", help="list checksums that the store keeps; read no body")
    add_store_options(parser)
    return parser
