"""Define the parsers and options that several commands share."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter

from numcrc.checkfiles.names import quoted, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from numcrc.checksums import ChecksumAlgorithm
    from numcrc.store.keys import KeyRange


class Formatter(RawDescriptionHelpFormatter):
    """Format help texts as argparse does, without shutil, which it imports for their width.

    It makes a formatter for each option of a parser, and shutil takes as long as half of argparse.
    """

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, width=_columns() - 2, **options)


def _columns() -> int:
    """Return the width of the terminal, as `shutil.get_terminal_size` does."""
    try:
        columns = int(os.environ.get("COLUMNS", 0))
    except ValueError:
        columns = 0
    if columns > 0:
        return columns
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def new_parser(command: str, description: str, epilog: str) -> ArgumentParser:
    """Return the parser of *command*, without options."""
    return ArgumentParser(
        prog=f"numcrc {command}",
        description=description,
        epilog=epilog,
        formatter_class=Formatter,
    )


def parsed(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Return the options and the paths in *arguments*, in any order; only paths follow ``--``."""
    from numcrc.threads import thread_count

    options = intermixed(parser, arguments, "paths")
    try:
        thread_count(options.jobs)
    except ValueError as error:  # an invalid NUMCRC_NUM_THREADS is wrong usage too
        parser.error(str(error))
    return options


def intermixed(parser: ArgumentParser, arguments: list[str], operands: str) -> Namespace:
    """Return the options in *arguments* and the operands, in any order; only those follow ``--``.

    *operands* is the attribute of their list.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_intermixed_args(arguments[:end])
    getattr(options, operands).extend(arguments[end + 1 :])
    return options


def parsed_with_source(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Return what `parsed` does, with the one SOURCE as ``source``."""
    options = parsed(parser, arguments)
    if len(options.paths) != 1:
        parser.error(f"expected one SOURCE, got {len(options.paths)}")
    (options.source,) = options.paths
    if not options.source:
        parser.error("SOURCE must not be empty")
    return options


# Options


def add_jobs(parser: ArgumentParser) -> None:
    """Add the number of files to read at a time."""
    parser.add_argument(
        *("-j", "--jobs"),
        metavar="N",
        type=positive,
        help="number of files, or parts of one, to read at a time "
        "(default: one per CPU, at most NUMCRC_NUM_THREADS)",
    )


def add_store_options(parser: ArgumentParser) -> None:
    """Add the options of commands about object stores."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary, no progress bar")
    _add_selection(parser)
    _add_limits(parser)


def _add_selection(parser: ArgumentParser) -> None:
    add = parser.add_argument_group("selection of objects").add_argument
    many = {"metavar": "GLOB", "action": "append", "default": []}
    add("--include", help="only keys that match (repeatable)", **many)  # type: ignore[arg-type]
    add("--exclude", help="no keys that match (repeatable)", **many)  # type: ignore[arg-type]
    add(
        "--shard",
        metavar="K/N",
        type=shard,
        help="only the K-th of N equal shares of the keys; auto, or auto/N, is that of the task of "
        "an array job. verify with a manifest in sorted Parquet then takes a range of keys",
    )
    add(
        "--keys",
        metavar="FIRST..END",
        type=key_range,
        help="only keys from FIRST up to but without END, in the order of their bytes; either may "
        "be empty, and both may have escapes such as %%2E",
    )
    add("--sample", metavar="P", type=sample, help="only a share of the keys, as 0.01 or 1%%")
    add("--allow-empty", action="store_true", help="succeed even if no object is selected")


def _add_limits(parser: ArgumentParser) -> None:
    from numcrc.store.pipeline import DEFAULT_LIMITS

    add = parser.add_argument_group("limits").add_argument
    add(
        *("-j", "--jobs"),
        metavar="N",
        type=positive,
        help="number of objects, or parts of one, to read at a time "
        "(default: 8, or one per CPU for local files)",
    )
    add(
        "--max-in-flight",
        metavar="SIZE",
        type=size,
        default=DEFAULT_LIMITS.max_in_flight,
        help=f"bytes of bodies in memory (default: {DEFAULT_LIMITS.max_in_flight >> 20}M)",
    )
    add("--bwlimit", metavar="RATE", type=size, help="bytes to read per second")
    add(
        "--attempts",
        metavar="N",
        type=positive,
        default=DEFAULT_LIMITS.attempts,
        help="attempts for each request to a store that is busy "
        f"(default: {DEFAULT_LIMITS.attempts})",
    )


# Types of options


def crc_algorithm(name: str) -> ChecksumAlgorithm:
    """Return the CRC algorithm called *name*."""
    from numcrc.checksums import known

    found = known(name)
    if found is None or found.crc is None:
        from numcrc.crc import catalogue

        raise ArgumentTypeError(catalogue.not_found(shortened(name)))
    return found


def checksum_algorithm(name: str) -> ChecksumAlgorithm:
    """Return the algorithm called *name*, a CRC or a hash."""
    from numcrc.checksums import known

    found = known(name)
    if found is None:
        from numcrc.crc import catalogue

        raise ArgumentTypeError(f"no hash and {catalogue.not_found(shortened(name))}")
    return found


def path(text: str) -> str:
    """Return *text*, the path of a file or a URL."""
    if not text:
        raise ArgumentTypeError("must not be empty")
    return text


def positive(text: str) -> int:
    """Return the positive integer *text*."""
    if not (text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"must be a positive integer, not {quoted(text)}")
    return int(text)


def size(text: str) -> int:
    """Return the number of bytes in *text*, such as ``64M`` or ``1.5GiB``.

    Examples
    --------
    >>> size("64M"), size("1.5GiB"), size("64MB")
    (67108864, 1610612736, 64000000)
    """
    match = re.fullmatch(r"(\d{1,20}(?:\.\d+)?)(?:([KMGT])(i?))?(B?)", text, re.IGNORECASE)
    if not match:
        raise ArgumentTypeError(f"must be a size such as 64M or 1.5GiB, not {quoted(text)}")
    base = 1000 if match[4] and not match[3] else 1024
    power = " KMGT".index((match[2] or " ").upper())
    found = int(float(match[1]) * base**power)
    if not found:
        raise ArgumentTypeError(f"must be at least one byte, not {quoted(text)}")
    return found


def shard(text: str) -> tuple[int | None, int | None]:
    """Return K and N of ``K/N``; K is None for ``auto``, and N if it is not there.

    Examples
    --------
    >>> shard("1/8"), shard("auto/8"), shard("auto")
    ((1, 8), (None, 8), (None, None))
    """
    match = re.fullmatch(r"(?:auto|([0-9]{1,9}))(?:/([0-9]{1,9}))?", text)
    if not match or (match[1] and not match[2]):
        problem = f"must be K/N, such as 1/8, or auto or auto/N, not {quoted(text)}"
        raise ArgumentTypeError(problem)
    number, count = (None if group is None else int(group) for group in match.groups())
    return number, count


def key_range(text: str) -> tuple[str | None, str | None]:
    """Return FIRST and END of ``FIRST..END``, without percent-encoding; None for those not there.

    Examples
    --------
    >>> key_range("a..b"), key_range("a/%2E%2Eb..")
    (('a', 'b'), ('a/..b', None))
    """
    from numcrc.store.keys import unquoted

    parts = re.split(r"(?=\.\.)", text)
    if len(parts) != 2 or not re.fullmatch(r"(?:[^%]|%[0-9A-Fa-f]{2})*", text, re.DOTALL):
        problem = "must be FIRST..END, with %2E for . and %25 for % in keys"
        raise ArgumentTypeError(f"{problem}, not {quoted(text)}")
    first, end = parts[0], parts[1][2:]
    return unquoted(first) or None, unquoted(end) or None


def key_range_text(keys: KeyRange) -> str:
    """Return the text that `key_range` takes for a range.

    Examples
    --------
    >>> from numcrc.store.keys import KeyRange
    >>> key_range_text(KeyRange(b"a.b", b"a/..b."))
    'a.b..a/%2E%2Eb%2E'
    """
    from numcrc.store.keys import key_text
    from numcrc.store.keys import quoted as percent_encoded

    ends = (percent_encoded(key_text(raw or b"")) for raw in keys)
    return "..".join(re.sub(r"^\.|\.$|\.(?=\.)|(?<=\.)\.", "%2E", end) for end in ends)


def sample(text: str) -> float:
    """Return the share in *text*, such as ``0.01`` or ``1%``."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        problem = f"must be a share such as 0.01 or 1%, not {quoted(text)}"
        raise ArgumentTypeError(problem) from None
