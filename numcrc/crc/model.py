"""Define the parameters of a CRC algorithm, and check them.

The model is that of Ross Williams, "A painless guide to CRC error detection algorithms"
(1993), with the fields of the RevEng catalogue.
"""

from __future__ import annotations

import operator
from typing import NamedTuple, SupportsIndex

WIDEST = 128


class Model(NamedTuple):
    """The parameters of a CRC algorithm, in normal (not reflected) notation."""

    width: int
    poly: int
    init: int = 0
    refin: bool = False
    refout: bool = False
    xorout: int = 0

    @property
    def generator(self) -> int:
        """The polynomial including its leading term ``x^width``."""
        return 1 << self.width | self.poly

    @property
    def mask(self) -> int:
        """The number whose *width* bits are ones."""
        return (1 << self.width) - 1


def validated(
    width: SupportsIndex,
    poly: SupportsIndex,
    init: SupportsIndex,
    refin: bool,
    refout: bool,
    xorout: SupportsIndex,
) -> Model:
    """Return the model of these parameters.

    Raises
    ------
    TypeError
        A parameter is not an integer.
    ValueError
        The width is not 1..128, or a parameter is wider.
    """
    values: dict[str, int] = {}
    numbers = {"width": width, "poly": poly, "init": init, "xorout": xorout}
    for name, number in numbers.items():
        try:
            values[name] = operator.index(number)
        except TypeError:
            raise TypeError(f"{name} must be an integer, not {type(number).__name__}") from None
    if not 1 <= values["width"] <= WIDEST:
        raise ValueError(f"width must be 1..{WIDEST}, not {values['width']}")
    for name in ("poly", "init", "xorout"):
        fits(values[name], values["width"], name)
    return Model(refin=bool(refin), refout=bool(refout), **values)


def fits(value: int, width: int, what: str) -> int:
    """Return *value*, or raise ValueError if it is not an unsigned integer of *width* bits."""
    if value < 0 or value >> width:
        raise ValueError(f"{what} must be 0 <= {what} < 2**{width}, not {value:#x}")
    return value
