"""Take samples, messages with their checksums or frames, and print which CRCs match them."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from argparse import ArgumentTypeError
from contextlib import nullcontext
from functools import partial
from json import dumps

from numcrc.checkfiles.names import named_message, naming, quoted, shown, visible
from numcrc.cli import CANNOT_READ, MISMATCH, USAGE
from numcrc.cli.arguments import intermixed, path
from numcrc.cli.explore.crcs import hexadecimal, parameters
from numcrc.cli.output import binary, print_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from numcrc.explore import Match

SAMPLES = """\
SAMPLE is MESSAGE:CRC. Both are hexadecimal bytes as they were stored or sent; spaces, commas, "-",
"_" and 0x between bytes are ignored. The byte order of the CRC is found. A CRC that begins with 0x
is a number, of any width. With --text, MESSAGE is text; with --files, it is the path of a file.
With --frames, SAMPLE is a frame with its CRC inside, as hexadecimal bytes, or with --files a path.
Without SAMPLE, each line of standard input, or of FILE, is one; lines that begin with "#" are
comments.
"""
RESULTS = """\
Each match is printed, the likeliest first, with its evidence: matches by chance are as rare as one
in 2^evidence. Add samples if it is below 10. With --frames, start is the number of bytes in front
of the message, and tail that behind the CRC.
"""
KEYS = """\
With --json, an array of objects: algorithm (null if it is not in the catalogue), width, poly, init,
refin, refout, xorout, check, residue, byteorder ("big", "little", or null for numbers and single
bytes), start, tail, evidence_bits, and lengths (if it is not empty, the samples do not determine
init and xorout, and those given are right for messages of these lengths, in bytes).
"""

_MOST_INPUT = 64 << 20
"""Bytes of a file of samples."""
_MOST_FILE = 1 << 30
"""Bytes of a file that is a message."""
_WEAK = 10.0
"""Bits of evidence below which matches may be chance."""


class SampleError(ValueError):
    """A sample cannot be parsed."""


def add_samples(parser: ArgumentParser) -> None:
    """Add samples, and how they are written."""
    add = parser.add_argument
    add("samples", metavar="SAMPLE", nargs="*", help="a message with its CRC, or a frame")
    add(
        *("-i", "--input"),
        metavar="FILE",
        type=path,
        help='read samples from FILE, one a line; "-" is standard input',
    )
    add("--frames", action="store_true", help="samples are frames, with the CRC inside")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--text", action="store_true", help="messages are text, not hexadecimal")
    kinds.add_argument("--files", action="store_true", help="messages, or frames, are files")
    for name, default, what in (
        ("start", 8, "in front of the message"),
        ("tail", 2, "behind the CRC"),
    ):
        add(
            f"--max-{name}",
            metavar="N",
            type=_few,
            help=f"try up to N bytes of a frame {what} (default: {default})",
        )
    add(
        "--limit",
        metavar="N",
        type=_few,
        default=20,
        help="print at most N matches, or all if N is 0 (default: 20)",
    )
    add("--json", action="store_true", help="print a JSON array")


def _few(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text):
        raise ArgumentTypeError(f"must be a number from 0 to 999, not {quoted(text)}")
    return int(text)


def parsed_samples(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Return the options in *arguments*, of which some exclude others."""
    options = intermixed(parser, arguments, "samples")
    if options.frames and options.text:
        parser.error("--text is for MESSAGE:CRC, not for --frames")
    if not options.frames and not (options.max_start is options.max_tail is None):
        parser.error("--max-start and --max-tail are for --frames")
    if options.samples and options.input:
        parser.error("expected samples or --input, not both")
    if not (options.samples or options.input) and sys.stdin is not None and sys.stdin.isatty():
        parser.error("expected SAMPLE, --input FILE, or lines on standard input")
    return options


def run_search(
    options: Namespace,
    search: Callable[[Any], list[Match]],
    search_frames: Callable[..., list[Match]],
    hint: str,
) -> int:
    """Print what *search* finds in the samples; return the exit status: 1 if that is nothing."""
    try:
        if options.frames:
            start = 8 if options.max_start is None else options.max_start
            tail = 2 if options.max_tail is None else options.max_tail
            frames = list(_parsed(options, _frame))
            tried = [0.0]
            with _bar(lambda: f"searching: {tried[0]:.0%} of the places"):
                places = range(start + 1), range(tail + 1)
                matches = search_frames(frames, *places, progress=partial(tried.__setitem__, 0))
        else:
            samples = list(_parsed(options, _sample))
            if len({type(checksum) for _, checksum in samples}) > 1:
                raise SampleError("expected CRCs that are all numbers (0x...) or all bytes")
            with _bar(lambda: "searching"):
                matches = search(samples)
    except (ValueError, TypeError) as error:
        return _failed(str(error), USAGE)
    except MemoryError:
        return _failed("not enough memory", CANNOT_READ)
    except OSError as error:
        return _failed(named_message(error), CANNOT_READ)
    kept = matches[: options.limit or None]
    if options.json:
        print_text(dumps(list(map(_as_dict, kept)), indent=2))
    elif kept:
        print_text(_table(kept, options.frames))
    if len(kept) < len(matches):
        _say(f"{len(matches) - len(kept)} more (--limit 0 prints all)")
    if not matches:
        _say(f"nothing matches{hint}")
        return MISMATCH
    if matches[0].evidence_bits < _WEAK:
        _say("weak evidence: a match may be chance; add samples")
    if any(match.lengths for match in kept) and not options.json:
        lengths = ", ".join(map(str, next(match.lengths for match in kept if match.lengths)))
        _say(
            f"*: right for messages of {lengths} bytes; init and xorout are not determined:"
            " add samples of other lengths"
        )
    return 0


def _bar(text: Callable[[], str]) -> AbstractContextManager[object]:
    """Show that a long search goes on."""
    if sys.stderr is None:
        return nullcontext()
    from numcrc.cli.progress import Bar

    return Bar(lambda: 0, lambda: None, text, sized=False)


def _failed(text: str, status: int) -> int:
    _say(text)
    return status


def _say(text: str) -> None:
    print(f"numcrc: {visible(text)}", file=sys.stderr)


# Samples


def _parsed(options: Namespace, parse: Callable[[str, Namespace], Any]) -> Iterator[Any]:
    """Yield what *parse* returns for each sample; errors name it."""
    count = 0
    for place, text in _texts(options):
        try:
            yield parse(text, options)
        except SampleError as error:
            raise SampleError(f"{place}: {error}") from None
        count += 1
    if not count:
        raise SampleError("expected at least one sample")


def _texts(options: Namespace) -> Iterator[tuple[str, str]]:
    """Yield each sample with the place where it stands."""
    if options.samples:
        yield from ((f"sample {i}", text) for i, text in enumerate(options.samples, 1))
        return
    name = options.input or "-"
    where = "standard input" if name == "-" else shown(name)
    with (
        naming(where),
        nullcontext(binary(sys.stdin)) if name == "-" else open(name, "rb") as file,
    ):
        data = file.read(_MOST_INPUT + 1)
    if len(data) > _MOST_INPUT:
        raise SampleError(f"{where}: more than {_MOST_INPUT >> 20} MiB of samples")
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = line.removesuffix(b"\r")
        if line.strip() and not line.startswith(b"#"):
            yield f"{where}, line {number}", os.fsdecode(line)


def _sample(text: str, options: Namespace) -> tuple[bytes, bytes | int]:
    message, colon, checksum = text.rpartition(":")
    if not colon:
        raise SampleError(
            f"expected MESSAGE:CRC, got {quoted(text)}; --frames is for frames with the CRC inside"
        )
    if options.text:
        data = os.fsencode(message)
    elif options.files:
        data = _contents(message)
    elif ":" in message:
        raise SampleError(f"expected one colon, got {quoted(text)}; --text is for text")
    else:
        data = _bytes(message, "message")
    checksum = checksum.strip()
    if re.match("0[xX]", checksum):
        try:
            return data, hexadecimal(checksum)
        except ArgumentTypeError as error:
            raise SampleError(f"the CRC {error}") from None
    found = _bytes(checksum, "CRC")
    if not found:
        raise SampleError(f"expected a CRC after the colon in {quoted(text)}")
    return data, found


def _frame(text: str, options: Namespace) -> bytes:
    return _contents(text) if options.files else _bytes(text.replace(":", " "), "frame")


def _bytes(text: str, what: str) -> bytes:
    """Return hexadecimal bytes."""
    digits = re.sub(r"0[xX](?=[0-9a-fA-F]{2})|[\s,_-]", "", text)
    if not re.fullmatch("[0-9a-fA-F]*", digits):
        raise SampleError(f"the {what} {quoted(text)} is not hexadecimal; --text is for text")
    if len(digits) % 2:
        raise SampleError(f"the {what} {quoted(text)} has an odd number of digits")
    return bytes.fromhex(digits)


def _contents(name: str) -> bytes:
    """Return the contents of the regular file *name*, which may be large, but not endless."""
    if not name:
        raise SampleError("expected a path")
    with naming(name), open(name, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        data = file.read(_MOST_FILE + 1)
    if len(data) > _MOST_FILE:
        raise SampleError(f"{shown(name)} has more than {_MOST_FILE >> 30} GiB")
    return data


# Results


def _as_dict(match: Match) -> dict[str, object]:
    found = parameters(match.algorithm)
    found["algorithm"] = _name(match) or None
    return {
        **found,
        "byteorder": match.byteorder or None,
        "start": match.start,
        "tail": match.tail,
        "evidence_bits": round(match.evidence_bits, 1),
        "lengths": list(match.lengths),
    }


def _name(match: Match) -> str:
    """Return the name in the catalogue, or ""."""
    from numcrc.crc.catalogue import entries

    name = match.algorithm.name
    return name if name in entries() else ""


def _table(matches: list[Match], frames: bool) -> str:
    head = ["algorithm", "width", "poly", "init", "refin", "refout", "xorout", "byte order"]
    lines = [[*head, *(("start", "tail") if frames else ()), "evidence"]]
    for match in matches:
        found = _as_dict(match)
        undetermined = "*" if match.lengths else ""
        line = [
            _name(match) or "-",
            str(found["width"]),
            str(found["poly"]),
            f"{found['init']}{undetermined}",
            str(found["refin"]).lower(),
            str(found["refout"]).lower(),
            f"{found['xorout']}{undetermined}",
            match.byteorder or "-",
        ]
        if frames:
            line += [str(match.start), str(match.tail)]
        lines.append([*line, f"{match.evidence_bits:.1f} bits"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
