"""``numcrc check``: files against lists of CRCs."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING

from numcrc.checkfiles.lines import Line, Parser
from numcrc.checkfiles.names import escaped, shown
from numcrc.checksums import find
from numcrc.cli import output as report
from numcrc.cli import workers
from numcrc.cli.arguments import algorithm, jobs, parsed
from numcrc.files import Reader

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Sequence

    from numcrc.checksums import ChecksumAlgorithm
    from numcrc.files import Sums

EPILOG = f"""\
Without FILE, or for "-", the list is read from standard input. Every line may have any format
that "numcrc sum" writes, hexadecimal or base64, and is read as such by other programs' lists:
sha256sum's and rhash's lines, "CRC32C (path) = HEX", and SFV. A line that names no algorithm
has CRC-32C, or CRC-32 when it is "path HEX" (SFV); -a says otherwise. Lines beginning with
";" or "#" are comments. Paths are relative to the current folder.

{report.STATUSES}"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc check`` and return its exit status."""
    options = parsed(_parser(), arguments)
    counts: Counter[str] = Counter()
    malformed = 0
    chosen = options.algorithm and find(options.algorithm.name)
    parser = Parser(chosen, crcs_only=True)
    for path in options.paths or ["-"]:
        counts_here, malformed_here = _check_list(path, parser, options)
        counts += counts_here
        malformed += malformed_here
    if not options.status:
        _warn(counts, malformed)
    return report.status(counts, malformed)


def _check_list(path: str, parser: Parser, options: Namespace) -> tuple[Counter[str], int]:
    """Check one list; return the counts of its results and of its malformed lines."""

    def complain(why: str) -> None:
        if not options.status:
            report.complain(path, why)

    entries: list[Line] = []
    malformed = 0
    try:
        for number, line in enumerate(_lines(path), 1):
            try:
                entry = parser(line)
            except ValueError as error:
                malformed += 1
                complain(f"line {number}: {error}")
                continue
            if entry is not None:
                _append(entries, entry)
    except OSError as error:
        complain(report.reason(error))
        return Counter({report.UNREADABLE: 1}), malformed
    if not entries:
        complain("no line of CRCs found")
        return Counter(), malformed + 1
    paths = [entry.path for entry in entries]
    processes, threads = workers.shares(paths, options.jobs)
    for kind in {kind for entry in entries for kind in entry.algorithms}:
        kind.of(b"")  # links its machine code, once for all processes

    def start(_number: int) -> Callable[[Sequence[Line]], report.Carried]:
        return _work(paths, threads, options.quiet, options.status)

    return report.run(start, entries, processes), malformed


def _lines(path: str) -> Iterator[str]:
    """Yield the lines of a list without their ends, whichever those are."""
    with nullcontext(report.binary(sys.stdin)) if path == "-" else open(path, "rb") as file:
        for number, line in enumerate(file):
            text = os.fsdecode(line.rstrip(b"\n").removesuffix(b"\r"))
            yield text if number else text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")


def _append(entries: list[Line], entry: Line) -> None:
    """Add *entry*, to the one before if it is about the same file, so that it is read once."""
    if entries and entries[-1].path == entry.path:
        last = entries.pop()
        entry = Line(entry.path, last.algorithms + entry.algorithms, last.values + entry.values)
    entries.append(entry)


def _work(
    paths: Sequence[str], threads: int, quiet: bool, silent: bool
) -> Callable[[Sequence[Line]], report.Carried]:
    reads: dict[tuple[ChecksumAlgorithm, ...], Callable[[str], Sums]] = {}

    def verdict(entry: Line) -> tuple[str, str]:
        read = reads.get(entry.algorithms)
        if read is None:
            crcs = [kind.crc for kind in entry.algorithms if kind.crc is not None]
            read = reads[entry.algorithms] = report.opener(Reader(crcs, threads), paths)
        try:
            kind = report.OK if read(entry.path)[1] == entry.values else report.FAILED
        except (FileNotFoundError, NotADirectoryError):
            kind = report.MISSING
        except OSError as error:
            return report.UNREADABLE, f"{shown(entry.path)}: ERROR ({report.reason(error)})\n"
        mark, name = escaped(entry.path)
        return kind, f"{mark}{name}: {kind}\n"

    def work(batch: Sequence[Line]) -> report.Carried:
        lines: list[str] = []
        errors: list[str] = []
        kinds: dict[str, int] = {}
        for entry in batch:
            kind, text = verdict(entry)
            kinds[kind] = kinds.get(kind, 0) + 1
            if not (silent or (quiet and kind == report.OK)):
                (errors if kind == report.UNREADABLE else lines).append(text)
        return "".join(lines), "".join(errors), kinds

    return work


def _warn(counts: Counter[str], malformed: int) -> None:
    for count, one, many in (
        (malformed, "line is malformed", "lines are malformed"),
        (counts[report.MISSING], "listed file is missing", "listed files are missing"),
        (counts[report.UNREADABLE], "file could not be read", "files could not be read"),
        (counts[report.FAILED], "file does NOT match", "files do NOT match"),
    ):
        if count:
            sys.stderr.write(f"numcrc: WARNING: {count} {one if count == 1 else many}\n")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="numcrc check",
        description="Check files against lists of CRCs: path: OK, FAILED or MISSING.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", metavar="FILE", nargs="*", help='a list of CRCs, or "-" for standard input')
    add(
        *("-a", "--algorithm"),
        metavar="ALG",
        type=algorithm,
        help="the algorithm of lines that name none",
    )
    add("--quiet", action="store_true", help="do not print OK for every good file")
    add("--status", action="store_true", help="print nothing; the exit status tells")
    add("-j", "--jobs", metavar="N", type=jobs, help="how many files, or parts of one, at a time")
    return parser
