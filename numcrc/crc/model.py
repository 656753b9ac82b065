"""Define the parameters of a CRC algorithm, and check them.

The model is that of Ross Williams, "A painless guide to CRC error detection algorithms"
(1993), with the fields of the RevEng catalogue.
"""

from __future__ import annotations

import _operator
import sys

from numcrc._light import NamedTuple
from numcrc.process import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsIndex

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
        A number is not an integer, or *refin* or *refout* is not a bool.
    ValueError
        The width is not 1..128, or a parameter is wider.
    """
    numbers = {"width": width, "poly": poly, "init": init, "xorout": xorout}
    values = {name: index(number, name) for name, number in numbers.items()}
    if not 1 <= values["width"] <= WIDEST:
        raise ValueError(f"width must be 1..{WIDEST}, not {values['width']}")
    if values["poly"] >> values["width"] == 1:
        raise ValueError(
            f"poly must not include the leading term x^{values['width']}:"
            f" pass {values['poly'] - (1 << values['width']):#x}, not {values['poly']:#x}"
        )
    for name in ("poly", "init", "xorout"):
        checked_unsigned(values[name], values["width"], name)
    return Model(refin=_flag(refin, "refin"), refout=_flag(refout, "refout"), **values)


def _flag(value: object, name: str) -> bool:
    """Return *value*, a bool of Python or NumPy; any other type is a TypeError.

    The truth of other values misleads: that of "False" is true.
    """
    kind = type(value)
    # By name: NumPy is not imported here. Before NumPy 2 its bool is called bool_.
    if kind is not bool and (kind.__module__, kind.__name__.rstrip("_")) != ("numpy", "bool"):
        raise TypeError(f"{name} must be a bool, not {kind.__name__}")
    return bool(value)


def index(number: SupportsIndex, what: str) -> int:
    """Return *number* as an int, or raise TypeError if it is not an integer, or masked."""
    if not isinstance(number, int) and "numpy.ma" in sys.modules:
        imported("numcrc.buffers").refuse_masked(number, what)
    try:
        return int(_operator.index(number))  # index(True) is True
    except TypeError:
        raise TypeError(f"{what} must be an integer, not {type(number).__name__}") from None


def checked_unsigned(value: int, width: int, what: str) -> int:
    """Return *value*, or raise ValueError if it is not an unsigned integer of *width* bits."""
    if value < 0 or value >> width:
        raise ValueError(f"{what} must be 0 <= {what} < 2**{width}, not {value:#x}")
    return value
