"""``numcrc check``: check files against lists of checksums."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections import Counter
from contextlib import nullcontext

from numcrc.checkfiles import reader
from numcrc.checkfiles.lines import BY_DIGITS, Basis, Line
from numcrc.checkfiles.names import escaped, shown
from numcrc.checksums import find, reason
from numcrc.cli import CANNOT_READ, output, workers
from numcrc.cli.arguments import add_jobs, checksum_algorithm, new_parser, parsed
from numcrc.files import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence
    from typing import Any

    from numcrc.checkfiles.lines import Expected
    from numcrc.checksums import ChecksumAlgorithm

_MOST_READERS = 64
# Bytes to read in search of the algorithm that a list may have instead.
_MOST_TO_TRY = 1 << 30
# Counts beside those of results: lines that cannot be parsed, and checksums that match although
# their algorithm is not named.
_MALFORMED, _ASSUMED_RIGHTLY = "malformed", "assumed rightly"
_RESULTS = (output.OK, output.FAILED, output.MISSING, output.UNREADABLE, output.UNSUPPORTED)

EPILOG = f"""\
Without FILE, or for "-", the list is read from standard input. Each line may have any format
that "numcrc sum" writes, or that of sha256sum, md5 -r, openssl dgst, rhash, cksfv, PowerShell
(Get-FileHash | Export-Csv) and others; the value is in hexadecimal or base64. The algorithm of a
line is the one that it names; otherwise that of -a; otherwise that of the list's name (SHA256SUMS,
photos.crc32, photos.sfv). Otherwise 8 digits are CRC-32C, or CRC-32 in "path HEX" (SFV), and more
digits those of the usual hash: SHA-256, ...

Lines that begin with ";" or "#" are comments. Other lines that cannot be parsed are skipped with a
warning. A PGP signature around a list is not verified. Paths are relative to the current folder, or
to DIR.

examples:
  numcrc check photos.crc32c
  numcrc check --quiet SHA256SUMS               only files that are not OK
  numcrc check -a crc32 sums.txt                lines that name no algorithm have CRC-32
  numcrc check --ignore-missing -C /mnt SUMS    only the files that are in /mnt
  numcrc sum -r photos | ssh server numcrc check --quiet

{output.STATUSES}"""

_CONTRADICTION = "the list has different values of {} for this file"


def run(arguments: list[str]) -> int:
    """Run ``numcrc check`` and return its exit status."""
    options = parsed(build_parser(), arguments)
    if options.directory is not None and not os.path.isdir(options.directory):
        if not options.status:
            output.print_error(options.directory, "not a folder")
        return CANNOT_READ
    counts: Counter[str] = Counter()
    for path in options.paths or ["-"]:
        counts += _check_list(path, options)
    if not options.status:
        _print_warnings(counts)
    return output.exit_status(counts)


def _check_list(path: str, options: Namespace) -> Counter[str]:
    """Check one list; return the count of each result."""
    counts: Counter[str] = Counter()

    def print_error(why: str) -> None:
        if not options.status:
            output.print_error(path, why)

    def malformed(number: int, why: str) -> None:
        counts[_MALFORMED] += 1
        if counts[_MALFORMED] <= reader.MOST_SHOWN:
            print_error(f"line {number}: {why}")

    try:
        with nullcontext(output.binary(sys.stdin)) if path == "-" else open(path, "rb") as file:
            numbered = reader.read(reader.lines(file), path, options.algorithm, malformed)
            lines = list(reader.merged(line for _, line in numbered))
    except OSError as error:
        print_error(output.message(error))
        counts[output.UNREADABLE] += 1
        return counts
    except reader.ListError as error:
        print_error(str(error))
        counts[output.INVALID] += 1
        return counts
    if options.strict and counts[_MALFORMED]:
        counts[output.INVALID] += 1
    work = _Work(lines, options)
    counts += output.print_results(work.start, lines, work.processes)
    if options.ignore_missing:
        del counts[output.MISSING]
        if not counts[output.OK] and not counts[output.FAILED]:
            print_error("no file was verified")
            counts[output.UNVERIFIED] += 1
    if counts[output.FAILED] and not options.status:
        _print_contradictions(lines)
    if counts[output.FAILED] and not counts[_ASSUMED_RIGHTLY] and (hint := work.hint()):
        print_error(hint)
    return counts


class _HashLikeCrc:
    """A hash with the call of a CRC, so that one read of a file computes both.

    It has no `combine`, so a `Reader` that computes one uses one thread.
    """

    def __init__(self, algorithm: ChecksumAlgorithm) -> None:
        self._new: Callable[[], Any] = algorithm.new

    def __call__(self, data: Any, value: Any = None, /) -> Any:
        """Return a hash object that has *data* after the bytes that *value* has."""
        made = self._new() if value is None else value.copy()
        made.update(data)
        return made


class _Work:
    """Checks the files of one list, in any of several processes."""

    def __init__(self, lines: Sequence[Line], options: Namespace) -> None:
        self._lines, self._options = lines, options
        self._paths = [self._path(line.path) for line in lines]
        self._standard_input = ["-"] if "-" in self._paths else []
        self.processes, self._threads = workers.shares(self._paths, options.jobs)
        self._readers: dict[tuple[ChecksumAlgorithm, ...], Callable[[str], list[int]]] = {}
        self._uncomputable: dict[ChecksumAlgorithm, str] = {}
        for algorithm in {each.algorithm for line in lines for each in line.checksums}:
            if why := reason(algorithm.name):
                self._uncomputable[algorithm] = why
            else:
                algorithm.of(b"")  # loads its machine code once for all processes

    def start(self, _number: int) -> Callable[[Sequence[Line]], output.Printed]:
        """Return the function that checks the files of some lines."""
        return self._batch

    def _batch(self, lines: Sequence[Line]) -> output.Printed:
        silent, quiet = self._options.status, self._options.quiet
        texts: list[str] = []
        errors: list[str] = []
        results = dict.fromkeys((*_RESULTS, _ASSUMED_RIGHTLY), 0)
        for line in lines:
            result, why, assumed_rightly = self._check(line)
            results[result] += 1
            results[_ASSUMED_RIGHTLY] += assumed_rightly
            if silent or (quiet and result == output.OK):
                continue
            if why:
                errors.append(f"{shown(line.path)}: {result} ({why})\n")
            elif not (result == output.MISSING and self._options.ignore_missing):
                mark, name = escaped(line.path)
                texts.append(f"{mark}{name}: {result}\n")
            if result == output.FAILED and (algorithm := _contradicted(line)):
                errors.append(output.error_line(line.path, _CONTRADICTION.format(algorithm)))
        return "".join(texts), "".join(errors), results

    def _check(self, line: Line) -> tuple[str, str, int]:
        """Return the result of a file, the reason if it could not be checked, and a count.

        It counts the checksums that match although their algorithm is not named.
        """
        expected: Sequence[Expected] = line.checksums
        if self._uncomputable:
            expected = [each for each in expected if each.algorithm not in self._uncomputable]
        algorithms = tuple([each.algorithm for each in expected])
        try:
            try:
                values = self._values(algorithms, self._path(line.path))
            except (FileNotFoundError, NotADirectoryError):
                if not line.windows_path:
                    raise
                values = self._values(algorithms, self._path(line.windows_path))
        except (FileNotFoundError, NotADirectoryError):
            return output.MISSING, "", 0
        except OSError as error:
            return output.UNREADABLE, output.message(error), 0
        if not expected:
            return output.UNSUPPORTED, self._uncomputable[line.checksums[0].algorithm], 0
        right = [each for each, value in zip(expected, values, strict=True) if each.value == value]
        result = output.OK if len(right) == len(expected) else output.FAILED
        return result, "", sum(each.assumed for each in right)

    def _path(self, path: str) -> str:
        folder = self._options.directory
        return os.path.join(folder, path) if folder and path != "-" else path

    def _values(self, algorithms: tuple[ChecksumAlgorithm, ...], path: str) -> list[int]:
        """Return the values of a file, which is read once."""
        if path != "-":
            _require_content(os.stat(path).st_mode)  # raises if it is missing
        if not algorithms:
            return []
        read = self._readers.get(algorithms)
        if read is None:
            if len(self._readers) == _MOST_READERS:  # each has a buffer
                self._readers.clear()
            read = self._readers[algorithms] = self._reader(algorithms)
        return read(path)

    def _reader(self, algorithms: Sequence[ChecksumAlgorithm]) -> Callable[[str], list[int]]:
        only_crcs = all(algorithm.crc for algorithm in algorithms)
        crcs: list[Any] = [algorithm.crc or _HashLikeCrc(algorithm) for algorithm in algorithms]
        file_reader = Reader(crcs, self._threads if only_crcs else 1)
        read = output.path_reader(file_reader, self._standard_input)
        if only_crcs:
            return lambda path: read(path)[1]

        def mixed(path: str) -> list[int]:
            found: list[Any] = read(path)[1]
            return [
                value if isinstance(value, int) else int.from_bytes(value.digest(), "big")
                for value in found
            ]

        return mixed

    def hint(self) -> str:
        """Return which algorithms the list may have, if no assumed one matches any file."""
        assumed: dict[tuple[ChecksumAlgorithm, Basis], list[tuple[str, int]]] = {}
        for line, path in zip(self._lines, self._paths, strict=True):
            for each in line.checksums:
                if each.assumed:
                    key = each.algorithm, each.basis
                    assumed.setdefault(key, []).append((path, each.value))
        hints = []
        for (algorithm, basis), expected in assumed.items():
            if other := self._mistaken_for(algorithm, expected):
                hints.append(f"the lines match as {other}: pass -a {other}")
            elif basis is Basis.DIGITS:
                problem = f"no line matches as {algorithm.name}"
                hints.append(f"{problem}; pass -a if the list has another algorithm")
        return "; ".join(hints)

    def _mistaken_for(self, assumed: ChecksumAlgorithm, expected: Sequence[tuple[str, int]]) -> str:
        """Return the name of the algorithm that gives all *expected* values, or ""."""
        names = [name for name in BY_DIGITS.get(-(-assumed.width // 4), ()) if not reason(name)]
        others = tuple(find(name) for name in names if name != assumed.name)
        left = list(range(len(others)))
        files = size = 0
        for path, value in expected:
            if not left or size > _MOST_TO_TRY or path == "-":
                break
            try:
                found = self._values(others, path)
                size += os.stat(path).st_size
            except OSError:
                continue
            files += 1
            left = [index for index in left if found[index] == value]
        return others[left[0]].name if files and left else ""


def _contradicted(line: Line) -> str:
    """Return the name of an algorithm of which *line* has two values, or ""."""
    counts = Counter(each.algorithm.name for each in line.checksums)
    (name, count), *_ = counts.most_common(1)
    return name if count > 1 else ""


def _print_contradictions(lines: Sequence[Line]) -> None:
    """Print the first paths that lines apart from each other list with different values.

    It takes 8 to 16 bytes of memory for each line, and more only for paths listed again.
    """
    mask = (1 << (8 * len(lines)).bit_length()) - 1
    buckets = bytearray(mask + 1)
    for line in lines:
        bucket = hash(line.path) & mask
        buckets[bucket] = min(buckets[bucket] + 1, 2)
    values: dict[tuple[str, ChecksumAlgorithm], int] = {}
    named = {line.path for line in lines if len(line.checksums) > 1 and _contradicted(line)}
    shown_paths = 0
    for line in lines:
        if buckets[hash(line.path) & mask] < 2 or line.path in named:
            continue
        for each in line.checksums:
            if values.setdefault((line.path, each.algorithm), each.value) != each.value:
                why = _CONTRADICTION.format(each.algorithm.name)
                output.print_error(line.path, why)
                named.add(line.path)
                shown_paths += 1
                break
        if shown_paths == reader.MOST_SHOWN:
            break


def _require_content(mode: int) -> None:
    """Raise OSError for a pipe or a character device, which could be waited for without end."""
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _print_warnings(counts: Counter[str]) -> None:
    for count, one, many in (
        (counts[_MALFORMED], "line is malformed", "lines are malformed"),
        (counts[output.MISSING], "listed file is missing", "listed files are missing"),
        (counts[output.UNREADABLE], "file could not be read", "files could not be read"),
        (
            counts[output.UNSUPPORTED],
            "file has no checksum that can be computed",
            "files have no checksum that can be computed",
        ),
        (counts[output.FAILED], "file does NOT match", "files do NOT match"),
    ):
        if count:
            sys.stderr.write(f"numcrc: WARNING: {count} {one if count == 1 else many}\n")


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc check``."""
    description = (
        "Check files against lists of checksums, and print OK, FAILED or MISSING for each."
    )
    parser = new_parser("check", description, EPILOG)
    add = parser.add_argument
    add("paths", metavar="FILE", nargs="*", help='a list of checksums, or "-" for standard input')
    add(
        *("-a", "--algorithm"),
        metavar="ALG",
        type=checksum_algorithm,
        help="the algorithm of lines that name none: a CRC or a hash",
    )
    add("-C", "--directory", metavar="DIR", help="the folder that paths are relative to")
    add("--ignore-missing", action="store_true", help="skip files that are missing")
    add("--strict", action="store_true", help="exit with 2 if a line is malformed")
    add("--quiet", action="store_true", help="print nothing for files that are OK")
    add("--status", action="store_true", help="print nothing; use only the exit status")
    add_jobs(parser)
    return parser
