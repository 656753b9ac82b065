"""``numcrc explore forge``: write a file with a chosen CRC."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from argparse import ArgumentTypeError
from contextlib import contextmanager, nullcontext
from functools import partial
from json import dumps

from numcrc.checkfiles.names import named_message, naming, quoted, shown
from numcrc.cli import CANNOT_READ, USAGE
from numcrc.cli.arguments import new_parser, path
from numcrc.cli.explore.crcs import CRCS, add_parameters, chosen, crc, hexadecimal
from numcrc.cli.output import binary, print_text
from numcrc.explore import flips
from numcrc.explore.linear import Span
from numcrc.store.manifests.output import written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from numcrc.algorithm import Algorithm

_CHUNK = 1 << 20

EPILOG = f"""\
The bytes are as many as the CRC has. They are appended to the contents of FILE, or replace those
at OFFSET. Nothing else changes: a CRC protects against accidents, not against people.

Without -o, nothing is written: what would change is printed. OUT appears once it is whole and its
CRC is right; with --force, it then replaces an older file. Files of any size take little memory.

{CRCS}
With --json, an object: algorithm, target, file, output (null without -o), length (of the new file),
offset, size (of the change), before (null if bytes are appended) and after, both hexadecimal.

examples:
  numcrc explore forge crc32 --target deadbeef letter.txt -o forged.txt
  numcrc explore forge crc32c --target 0 disk.img --at 0x1f0 --json
  printf hello | numcrc explore forge crc32 --target 12345678 - -o -

exit status: 0 success; 2 wrong usage, or no choice of the bytes gives the CRC; 3 something could
not be read or written.
"""


class ForgeError(ValueError):
    """A file cannot be given this CRC, or not be written."""


def run(arguments: list[str]) -> int:
    """Run ``numcrc explore forge`` and return its exit status."""
    parser = build_parser()
    options = parser.parse_intermixed_args(arguments)
    (algorithm,) = chosen(parser, options, [options.crc])
    if options.target >> algorithm.width:
        parser.error(f"--target has more than the {algorithm.width} bits of {algorithm.name}")
    if options.json and options.output == "-":
        parser.error("--json prints to standard output, as -o - does")
    try:
        print_result(options, _forge(options, algorithm))
    except ForgeError as error:
        print(f"numcrc: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"numcrc: {named_message(error)}", file=sys.stderr)
        return CANNOT_READ
    return 0


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc explore forge``."""
    description = "Choose some bytes of a file so that its CRC comes out as wanted."
    parser = new_parser("explore forge", description, EPILOG)
    add = parser.add_argument
    add("crc", metavar="CRC", type=crc, help="the algorithm")
    add("file", metavar="FILE", type=path, help='the file to start from, or "-" for standard input')
    add("--target", metavar="HEX", type=hexadecimal, required=True, help="the CRC to reach")
    add(
        "--at",
        metavar="OFFSET",
        type=offset,
        help="replace the bytes from this one on; negative: from the end (default: append)",
    )
    add("-o", "--output", metavar="OUT", type=path, help='the file to write; "-": standard output')
    add("--force", action="store_true", help="replace OUT if it exists")
    add("--json", action="store_true", help="print a JSON object")
    add("--no-progress", action="store_true", help="show no progress")
    add_parameters(parser)
    return parser


def offset(text: str) -> int:
    """Return the offset in bytes in *text*.

    Examples
    --------
    >>> offset("0x1f0"), offset("-4")
    (496, -4)
    """
    if not re.fullmatch("-?([0-9]{1,19}|0[xX][0-9a-fA-F]{1,16})", text):
        raise ArgumentTypeError(f"must be a number of bytes, not {quoted(text)}")
    return int(text, 16 if "x" in text.lower() else 10)


def _forge(options: Namespace, algorithm: Algorithm) -> dict[str, object]:
    output, size = options.output, -(-algorithm.width // 8)
    _check_output(options)
    with _source(options.file) as file:
        length = file.seek(0, os.SEEK_END)
        at = length if options.at is None else options.at + (length if options.at < 0 else 0)
        end = max(length, at + size) if options.at is None else length
        if not 0 <= at <= end - size:
            why = f"{size} bytes at {options.at} are not inside of a file of {length}"
            raise ForgeError(f"{shown(options.file)}: {why}")
        file.seek(0)
        with _bar(options, end * (1 if output is None else 3)) as count:
            value = _crc(algorithm, file.read, count)
            value = algorithm.zeros(value, end - length)
            mask = Span(flips(algorithm, end, range(8 * at, 8 * (at + size))))
            change = mask.solution(value ^ options.target)
            if change is None:
                raise ForgeError(
                    f"no choice of {size} bytes at {at} gives the CRC {options.target:#x}: they"
                    f" reach 2**{mask.rank} of 2**{algorithm.width} CRCs"
                )
            file.seek(at)
            before = file.read(size)
            padded = int.from_bytes(before.ljust(size, b"\0"), "little")
            after = (padded ^ change).to_bytes(size, "little")
            if output is not None:
                _write(options, algorithm, file, (at, after, end), count)
    digits = -(-algorithm.width // 4)
    return {
        "algorithm": algorithm.name,
        "target": f"0x{options.target:0{digits}x}",
        "file": options.file,
        "output": output,
        "length": end,
        "offset": at,
        "size": size,
        "before": before.hex() if at < length else None,
        "after": after.hex(),
    }


@contextmanager
def _source(name: str) -> Iterator[BinaryIO]:
    """Yield *name*, or a copy of standard input."""
    if name != "-":
        with naming(name), open(name, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            yield file
        return
    with tempfile.TemporaryFile() as file:
        with naming("standard input"):
            shutil.copyfileobj(binary(sys.stdin), file)
        yield file


def _check_output(options: Namespace) -> None:
    output = options.output
    if output in (None, "-"):
        return
    if os.path.lexists(output):
        if not os.path.isfile(output):
            raise OSError(errno.EINVAL, "not a regular file", output)
        if not options.force:
            raise ForgeError(f"{shown(output)} exists; --force replaces it")


def _crc(algorithm: Algorithm, read: Callable[[int], bytes], count: Callable[[int], None]) -> int:
    value = None
    while data := read(_CHUNK):
        value = algorithm(data, value)
        count(len(data))
    return algorithm(b"") if value is None else value


def _write(
    options: Namespace,
    algorithm: Algorithm,
    file: BinaryIO,
    change: tuple[int, bytes, int],
    count: Callable[[int], None],
) -> None:
    """Write the file with the change, and read it again to check its CRC."""
    at, after, end = change
    with written(options.output, seekable=True, compress=False) as out:
        file.seek(0)
        done = 0
        while data := bytearray(file.read(_CHUNK)):
            low, high = max(at - done, 0), min(at + len(after) - done, len(data))
            if low < high:
                data[low:high] = after[low + done - at : high + done - at]
            out.write(data)
            done += len(data)
            count(len(data))
        out.write(after[done - at :] if at <= done < at + len(after) else b"")
        out.flush()
        out.seek(0)
        found = _crc(algorithm, partial(os.read, out.fileno()), count)
        if found != options.target or os.fstat(out.fileno()).st_size != end:
            raise OSError(errno.EIO, "the file changed while it was being read", options.file)
        _check_output(options)


@contextmanager
def _bar(options: Namespace, total: int) -> Iterator[Callable[[int], None]]:
    """Show progress in bytes; yield a function that adds to it."""
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more

    shown_bar: AbstractContextManager[object] = nullcontext()
    if not options.no_progress and sys.stderr is not None:
        from numcrc.cli.progress import Bar

        shown_bar = Bar(lambda: done, lambda: total)
    with shown_bar:
        yield count


def print_result(options: Namespace, found: dict[str, object]) -> None:
    """Print what has changed, unless the file itself was printed."""
    if options.json:
        print_text(dumps(found, indent=2))
    elif options.output != "-":
        done = "replaced" if found["before"] is not None else "appended"
        print_text(
            f"{shown(options.output or options.file)}: {found['after']}"
            f" {done if options.output else f'to be {done}'} at {found['offset']},"
            f" for {found['algorithm']} {found['target']}"
        )
