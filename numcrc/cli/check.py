"""``numcrc check``: check files against lists of CRCs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import nullcontext
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from numcrc.checkfiles.lines import Line, Parser
from numcrc.checkfiles.names import escaped, shown
from numcrc.cli import output, workers
from numcrc.cli.arguments import add_jobs, crc_algorithm, new_parser, parsed
from numcrc.files import Reader

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Sequence

    from numcrc.checksums import ChecksumAlgorithm
    from numcrc.files import Sums

EPILOG = f"""\
Without FILE, or for "-", the list is read from standard input. Each line may have any format
that "numcrc sum" writes, in hexadecimal or base64; lists of CRCs by rhash, cksfv and other
programs have these formats too. A line that names no algorithm has CRC-32C, or CRC-32 if it is
"path HEX" (SFV), unless -a says otherwise. Lines that begin with ";" or "#" are comments. Paths
are relative to the current folder.

examples:
  numcrc check photos.crc32c
  numcrc check --quiet photos.crc32c            only files that are not OK
  numcrc check -a crc32 sums.txt                lines that name no algorithm have CRC-32
  numcrc sum -r photos | ssh server numcrc check --quiet

{output.STATUSES}"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc check`` and return its exit status."""
    options = parsed(_parser(), arguments)
    counts: Counter[str] = Counter()
    malformed = 0
    parser = Parser(options.algorithm, crcs_only=True)
    for path in options.paths or ["-"]:
        counts_here, malformed_here = _check_list(path, parser, options)
        counts += counts_here
        malformed += malformed_here
    if not options.status:
        _print_warnings(counts, malformed)
    return output.exit_status(counts, malformed)


def _check_list(path: str, parser: Parser, options: Namespace) -> tuple[Counter[str], int]:
    """Check one list; return the count of each result and of malformed lines."""

    def print_error(why: str) -> None:
        if not options.status:
            output.print_error(path, why)

    lines: list[Line] = []
    malformed = 0
    try:
        for number, text in enumerate(_texts(path), 1):
            try:
                line = parser(text)
            except ValueError as error:
                malformed += 1
                print_error(f"line {number}: {error}")
                continue
            if line is not None:
                lines.append(line)
    except OSError as error:
        print_error(output.reason(error))
        return Counter({output.UNREADABLE: 1}), malformed
    if not lines:
        print_error("no line of CRCs found")
        return Counter(), malformed + 1
    lines = list(_merged(lines))
    paths = [line.path for line in lines]
    processes, threads = workers.shares(paths, options.jobs)
    for algorithm in {algorithm for line in lines for algorithm in line.algorithms}:
        algorithm.of(b"")  # loads its machine code once for all processes

    def start(_number: int) -> Callable[[Sequence[Line]], output.Printed]:
        return _work(paths, threads, options.quiet, options.status)

    return output.print_results(start, lines, processes), malformed


def _texts(path: str) -> Iterator[str]:
    """Yield the lines of a list without LF or CRLF, the first one without a byte order mark."""
    with nullcontext(output.binary(sys.stdin)) if path == "-" else open(path, "rb") as file:
        for number, line in enumerate(file):
            text = os.fsdecode(line.rstrip(b"\n").removesuffix(b"\r"))
            yield text if number else text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")


def _merged(lines: list[Line]) -> Iterator[Line]:
    """Yield *lines*; consecutive ones with the same path are merged, to read the file once."""
    for path, group in groupby(lines, key=itemgetter(0)):
        first, *others = group
        if others:
            same = (first, *others)
            algorithms = tuple(algorithm for line in same for algorithm in line.algorithms)
            first = Line(path, algorithms, [value for line in same for value in line.values])
        yield first


def _work(
    paths: Sequence[str], threads: int, quiet: bool, silent: bool
) -> Callable[[Sequence[Line]], output.Printed]:
    readers: dict[tuple[ChecksumAlgorithm, ...], Callable[[str], Sums]] = {}

    def checked(line: Line) -> tuple[str, str]:
        """Return the result of a file, and the text that says so."""
        read = readers.get(line.algorithms)
        if read is None:
            crcs = [algorithm.crc for algorithm in line.algorithms if algorithm.crc is not None]
            read = readers[line.algorithms] = output.path_reader(Reader(crcs, threads), paths)
        try:
            result = output.OK if read(line.path)[1] == line.values else output.FAILED
        except (FileNotFoundError, NotADirectoryError):
            result = output.MISSING
        except OSError as error:
            return output.UNREADABLE, f"{shown(line.path)}: ERROR ({output.reason(error)})\n"
        mark, name = escaped(line.path)
        return result, f"{mark}{name}: {result}\n"

    def work(batch: Sequence[Line]) -> output.Printed:
        texts: list[str] = []
        errors: list[str] = []
        results: dict[str, int] = {}
        for line in batch:
            result, text = checked(line)
            results[result] = results.get(result, 0) + 1
            if not (silent or (quiet and result == output.OK)):
                (errors if result == output.UNREADABLE else texts).append(text)
        return "".join(texts), "".join(errors), results

    return work


def _print_warnings(counts: Counter[str], malformed: int) -> None:
    for count, one, many in (
        (malformed, "line is malformed", "lines are malformed"),
        (counts[output.MISSING], "listed file is missing", "listed files are missing"),
        (counts[output.UNREADABLE], "file could not be read", "files could not be read"),
        (counts[output.FAILED], "file does NOT match", "files do NOT match"),
    ):
        if count:
            sys.stderr.write(f"numcrc: WARNING: {count} {one if count == 1 else many}\n")


def _parser() -> ArgumentParser:
    description = "Check files against lists of CRCs, and print OK, FAILED or MISSING for each."
    parser = new_parser("check", description, EPILOG)
    add = parser.add_argument
    add("paths", metavar="FILE", nargs="*", help='a list of CRCs, or "-" for standard input')
    add(
        *("-a", "--algorithm"),
        metavar="ALG",
        type=crc_algorithm,
        help="the algorithm of lines that name none",
    )
    add("--quiet", action="store_true", help="print nothing for files that are OK")
    add("--status", action="store_true", help="print nothing; use only the exit status")
    add_jobs(parser)
    return parser
