"""The parametrised CRC model: what it takes to say which CRC is meant.

The model is Ross Williams' ("A painless guide to CRC error detection algorithms",
1993) with the fields of the RevEng catalogue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDEST = 128


class Model(NamedTuple):
    """A CRC algorithm's parameters, all integers in normal (not reflected) notation."""

    width: int
    poly: int
    init: int = 0
    refin: bool = False
    refout: bool = False
    xorout: int = 0

    @property
    def generator(self) -> int:
        """The polynomial with its leading term ``x^width``."""
        return 1 << self.width | self.poly

    @property
    def mask(self) -> int:
        """All ones, *width* of them."""
        return (1 << self.width) - 1


def validated(parameters: Mapping[str, object]) -> Model:
    """Return the model of *parameters*, or raise TypeError or ValueError saying what is wrong."""
    values: dict[str, int] = {}
    for name in ("width", "poly", "init", "xorout"):
        value = parameters[name]
        try:
            values[name] = value.__index__()  # type: ignore[attr-defined]
        except (AttributeError, TypeError):
            raise TypeError(f"{name} must be an integer, not {type(value).__name__}") from None
    width = values["width"]
    if not 1 <= width <= WIDEST:
        raise ValueError(f"width must be 1..{WIDEST}, not {width}")
    for name in ("poly", "init", "xorout"):
        fits(values[name], width, name)
    return Model(refin=bool(parameters["refin"]), refout=bool(parameters["refout"]), **values)


def fits(value: int, width: int, what: str) -> int:
    """Return *value*, or raise ValueError unless it is an unsigned integer of *width* bits."""
    if value < 0 or value >> width:
        raise ValueError(f"{what} must be 0 <= {what} < 2**{width}, not {value:#x}")
    return value
