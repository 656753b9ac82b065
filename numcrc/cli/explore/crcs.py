"""Take CRCs on the command line: names of the catalogue, and polynomials with parameters."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

from numcrc.algorithm import Algorithm
from numcrc.checkfiles.names import quoted
from numcrc.cli.arguments import crc_algorithm, positive
from numcrc.crc.model import WIDEST
from numcrc.crc.polynomial import Polynomial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence
    from typing import TypeAlias

    Given: TypeAlias = Algorithm | int
    """An algorithm of the catalogue, or a polynomial."""

CRCS = """\
CRC is a name or alias in "numcrc list", or a polynomial such as 0x1021, with --width 16.
"""
NOTATIONS = ("normal", "reversed", "koopman")
_PARAMETERS = ("width", "notation", "init", "xorout", "refin", "refout")


def add_parameters(parser: ArgumentParser) -> None:
    """Add the options that go with polynomials."""
    add = parser.add_argument_group("parameters of polynomials").add_argument
    add("--width", metavar="BITS", type=positive, help="width of the CRC, 1 to 128")
    add(
        "--notation",
        choices=NOTATIONS,
        help="of the polynomial: normal (default, without the leading term), reversed, or koopman "
        "(which needs no --width)",
    )
    for name in ("init", "xorout"):
        add(f"--{name}", metavar="HEX", type=hexadecimal, help=f"{name} (default: 0)")
    add("--refin", action="store_true", help="the lowest bit of each byte comes first")
    add("--refout", action="store_true", help="the CRC is reflected")


def crc(text: str) -> Given:
    """Return the algorithm *text* of the catalogue, or the polynomial of ``0x...``."""
    if re.fullmatch("0[xX][0-9a-fA-F]+", text):
        if int(text, 16).bit_length() > WIDEST + 1:
            raise ArgumentTypeError(f"a polynomial has at most {WIDEST} bits: {quoted(text)}")
        return int(text, 16)
    try:
        found = crc_algorithm(text).crc
    except ArgumentTypeError as error:
        if re.fullmatch("[0-9a-fA-F]{2,}", text):
            raise ArgumentTypeError(f"{error}; a polynomial begins with 0x") from None
        raise
    assert found is not None
    return found


def hexadecimal(text: str) -> int:
    """Return the value of hexadecimal digits, with or without ``0x``.

    Examples
    --------
    >>> hexadecimal("0xff"), hexadecimal("FF")
    (255, 255)
    """
    if not re.fullmatch("(0[xX])?[0-9a-fA-F]+", text):
        raise ArgumentTypeError(f"must be hexadecimal digits, not {quoted(text)}")
    return int(text, 16)


def chosen(parser: ArgumentParser, options: Namespace, given: Sequence[Given]) -> list[Algorithm]:
    """Return the algorithms that are *given*, polynomials with the parameters in *options*."""
    used = [f"--{name}" for name in _PARAMETERS if getattr(options, name) not in (None, False)]
    if used and not any(isinstance(each, int) for each in given):
        parser.error(f"{used[0]} is for a polynomial, such as 0x1021")
    try:
        return [_made(each, options) if isinstance(each, int) else each for each in given]
    except ValueError as error:
        parser.error(str(error))


def _made(value: int, options: Namespace) -> Algorithm:
    width, notation = options.width, options.notation
    if notation == "koopman":
        poly = Polynomial.from_koopman(value)
        if width not in (None, poly.width):
            raise ValueError(f"in Koopman's notation, {value:#x} has the width {poly.width}")
        width, value = poly.width, poly.normal
    elif width is None:
        raise ValueError(f"expected --width for the polynomial {quoted(hex(value))}")
    elif notation == "reversed":
        value = Polynomial.from_reversed(value, width).normal
    return Algorithm(
        width,
        value,
        options.init or 0,
        options.refin,
        options.refout,
        options.xorout or 0,
        name=f"CRC-{width}/{_hex(value, width)}",
    )


def _hex(value: int, width: int) -> str:
    return f"0x{value:0{-(-width // 4)}x}"


def parameters(algorithm: Algorithm) -> dict[str, object]:
    """Return the name and the parameters of *algorithm* for JSON, with bit patterns in hex."""
    found: dict[str, object] = {"algorithm": algorithm.name, "width": algorithm.width}
    for name in ("poly", "init", "refin", "refout", "xorout", "check", "residue"):
        value = getattr(algorithm, name)
        found[name] = value if isinstance(value, bool) else _hex(value, algorithm.width)
    return found
