"""``numcrc sum``: print the CRCs of files."""

from __future__ import annotations

import os
import sys
from collections import Counter
from functools import partial

from numcrc.checkfiles import formats
from numcrc.checksums import find
from numcrc.cli import output, walk, workers
from numcrc.cli.arguments import add_jobs, crc_algorithm, new_parser, parsed
from numcrc.files import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from numcrc.checksums import ChecksumAlgorithm
    from numcrc.cli.progress import PathsBar

EPILOG = f"""\
Without PATH, or for "-", standard input is read. With --recursive, the files of a folder are
sorted by path; links to files are followed; links to folders, pipes, sockets and devices are
skipped. The file that the output is written to is not read.

formats:
  gnu   HEX  path             as sha256sum; "numcrc check" assumes CRC-32C without -a
  bsd   CRC32C (path) = HEX   names its algorithm
  sfv   path HEX              CRC-32 by convention, and by default
  json  one object a line: path, size, crc; path_base64 if the path is not UTF-8
The default is gnu for CRC-32C alone, and bsd otherwise.

examples:
  numcrc sum *.bin                              the CRC-32C of each file
  numcrc sum -r photos > photos.crc32c          of all files below a folder
  numcrc sum -a crc32 -a crc64nvme disk.img     two CRCs, but the file is read once
  numcrc sum -a crc64nvme --base64 disk.img     as Amazon S3 shows it
  tar c photos | numcrc sum                     of standard input

{output.STATUSES}"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc sum`` and return its exit status."""
    options = parsed(build_parser(), arguments)
    # A child process walks the folders while machine code is loaded here.
    walked = workers.in_child(_paths, options) if options.recursive else partial(_paths, options)
    algorithms, form = _algorithms_and_format(options)
    for algorithm in algorithms:
        algorithm.of(b"")  # loads its machine code once for all processes
    paths, errors = walked()
    counts: Counter[str] = Counter()
    for path, reason in errors:
        counts[output.UNREADABLE] += 1
        output.print_error(path, reason)
    processes, threads = workers.shares(paths, options.jobs)
    write = formats.line_writer(form, algorithms, options.base64)
    crcs = [algorithm.crc for algorithm in algorithms if algorithm.crc is not None]

    def start(number: int) -> Callable[[Sequence[str]], output.Printed]:
        counter = bar.counter(number) if bar else None
        read = output.path_reader(Reader(crcs, threads, counter), paths)

        def work(batch: Sequence[str]) -> output.Printed:
            lines: list[str] = []
            errors: list[str] = []
            for path in batch:
                try:
                    lines.append(write(path, *read(path)))
                except (OSError, ValueError) as error:
                    errors.append(output.error_line(path, output.message(error)))
                if counter:
                    counter.next_file()
            results = {output.OK: len(lines), output.UNREADABLE: len(errors)}
            return "".join(lines), "".join(errors), results

        return work

    bar = None if options.no_progress else _bar(paths, processes)
    counts += output.print_results(start, paths, processes, bar)
    return output.exit_status(counts)


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc sum``."""
    parser = new_parser("sum", "Print the CRCs of files. Each file is read once.", EPILOG)
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", help='a file, or "-" for standard input')
    add(
        *("-a", "--algorithm"),
        metavar="ALG",
        type=crc_algorithm,
        action="append",
        help="any name or alias in 'numcrc list' (repeatable; default: CRC-32C)",
    )
    add("-r", "--recursive", action="store_true", help="read the files below folders (default: .)")
    add("--format", choices=tuple(formats.FORMATS), help="format of the lines; see below")
    add("--base64", action="store_true", help="print big-endian base64, as Amazon S3, not hex")
    add_jobs(parser)
    add("--no-progress", action="store_true", help="show no progress bar on a terminal")
    return parser


def _algorithms_and_format(options: Namespace) -> tuple[list[ChecksumAlgorithm], str]:
    """Return the algorithms and the format in *options*, or their defaults."""
    form: str | None = options.format
    default = find("crc32" if form == "sfv" else "crc32c")
    algorithms = list(dict.fromkeys(options.algorithm or [default]))
    if form is None:
        form = "gnu" if algorithms == [default] else "bsd"
    elif form in ("gnu", "sfv") and len(algorithms) > 1:
        build_parser().error(f"a {form} line holds one CRC; use bsd or json for several")
    return algorithms, form


def _paths(options: Namespace) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the paths of the files to read, and (path, reason) for each unreadable folder."""
    errors: list[tuple[str, str]] = []
    own = output.own_files()

    def unreadable(path: str, error: OSError) -> None:
        errors.append((path, output.message(error)))

    paths: list[str] = []
    for path in options.paths or (["."] if options.recursive else ["-"]):
        if options.recursive and os.path.isdir(path):
            paths += walk.files(path, unreadable, own)
        elif own and path != "-" and _is_one_of(own, path):
            output.print_error(path, "skipped, since the output is written to it")
        else:
            paths.append(path)
    return paths, errors


def _is_one_of(files: set[tuple[int, int]], path: str) -> bool:
    """Return whether *path* leads to a file with a device and inode in *files*."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) in files


def _bar(paths: Sequence[str], processes: int) -> PathsBar | None:
    """Return a progress bar if standard error is a terminal that shows no lines meanwhile."""
    if not sys.stderr.isatty() or (sys.stdout.isatty() and len(paths) > 1):
        return None
    from numcrc.cli.progress import PathsBar

    return PathsBar(paths, processes)
