"""``numcrc sum``: the CRCs of files."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import numcrc
from numcrc.checkfiles import formats
from numcrc.checksums import find
from numcrc.cli import output as report
from numcrc.cli import walk as tree
from numcrc.cli import workers
from numcrc.cli.arguments import algorithm, jobs, parsed
from numcrc.files import Reader

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from numcrc.algorithm import Algorithm
    from numcrc.cli.progress import PathsBar

EPILOG = f"""\
Without PATH, or for "-", standard input is read. The files of a folder come sorted by path;
links to files in it are followed, links to folders are not, and what is neither (pipes,
sockets, devices) is passed over.

formats:
  gnu   HEX  path             as sha256sum; "numcrc check" takes it for CRC-32C unless told
  bsd   CRC32C (path) = HEX   names its algorithm
  sfv   path HEX              CRC-32 by convention, and by default
  json  one object a line: path, size, crc; path_base64 where the name is not UTF-8
The default is gnu for CRC-32C alone, and bsd for anything else.

{report.STATUSES}"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc sum`` and return its exit status."""
    options = parsed(_parser(), arguments)
    # Folders are walked while machine code is found and linked here.
    found = workers.ahead(_paths, options) if options.recursive else partial(_paths, options)
    crcs, form = _meaning(options)
    for crc in crcs:
        crc(b"")  # links its machine code, once for all processes
    paths, complaints = found()
    counts: Counter[str] = Counter()
    for path, reason in complaints:
        counts[report.UNREADABLE] += 1
        report.complain(path, reason)
    processes, threads = workers.shares(paths, options.jobs)
    write = formats.line(form, [find(crc.name) for crc in crcs], options.base64)

    def start(number: int) -> Callable[[Sequence[str]], report.Carried]:
        meter = bar.meter(number) if bar else None
        read = report.opener(Reader(crcs, threads, meter), paths)

        def work(batch: Sequence[str]) -> report.Carried:
            lines: list[str] = []
            errors: list[str] = []
            for path in batch:
                try:
                    lines.append(write(path, *read(path)))
                except (OSError, ValueError) as error:
                    errors.append(report.complaint(path, report.reason(error)))
                if meter:
                    meter.next()
            kinds = {report.OK: len(lines), report.UNREADABLE: len(errors)}
            return "".join(lines), "".join(errors), kinds

        return work

    bar = None if options.no_progress else _bar(paths, processes)
    counts += report.run(start, paths, processes, bar)
    return report.status(counts)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="numcrc sum",
        description="Print the CRCs of files, each read once.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", help='a file, or "-" for standard input')
    add(
        *("-a", "--algorithm"),
        metavar="ALG",
        type=algorithm,
        action="append",
        help="an algorithm, by any name 'numcrc list' shows (repeatable; default: CRC-32C)",
    )
    add("-r", "--recursive", action="store_true", help="the files below folders (default: .)")
    add("--format", choices=("gnu", "bsd", "sfv", "json"), help="how to write it; see below")
    add("--base64", action="store_true", help="big-endian base64, as S3 has it, instead of hex")
    add("-j", "--jobs", metavar="N", type=jobs, help="how many files, or parts of one, at a time")
    add("--no-progress", action="store_true", help="no progress bar on a terminal")
    return parser


def _meaning(options: Namespace) -> tuple[list[Algorithm], str]:
    """Return the algorithms and the format that *options* leave open or say."""
    form: str | None = options.format
    default = "CRC-32/ISO-HDLC" if form == "sfv" else "CRC-32/ISCSI"
    crcs = list(dict.fromkeys(options.algorithm or [numcrc.algorithms[default]]))
    if form is None:
        form = "gnu" if [crc.name for crc in crcs] == [default] else "bsd"
    elif form in ("gnu", "sfv") and len(crcs) > 1:
        _parser().error(f"a {form} line holds one CRC; use bsd or json for several")
    return crcs, form


def _paths(options: Namespace) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the paths that *options* stand for, and what is wrong with which folder."""
    complaints: list[tuple[str, str]] = []
    if not options.recursive:
        return options.paths or ["-"], complaints

    def unreadable(path: str, error: OSError) -> None:
        complaints.append((path, report.reason(error)))

    paths: list[str] = []
    for path in options.paths or ["."]:
        if os.path.isdir(path):
            paths += tree.files(path, unreadable)
        else:
            paths.append(path)
    return paths, complaints


def _bar(paths: Sequence[str], processes: int) -> PathsBar | None:
    """Return a progress bar where it disturbs nobody."""
    if not sys.stderr.isatty() or (sys.stdout.isatty() and len(paths) > 1):
        return None
    from numcrc.cli.progress import PathsBar

    return PathsBar(paths, processes)
