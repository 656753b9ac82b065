"""Hold the compiled functions of a model, and the Python functions behind them.

Machine code handles the common calls and passes all others to the methods called general here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsIndex

from numcrc.crc import gf2, reference
from numcrc.crc.model import Model, fits

if TYPE_CHECKING:
    from numcrc.buffers import Data
    from numcrc.jit.plan import Plan


_DOC = """crc($self, data, /, value=None)
--

Return the CRC of *data*, continuing from the CRC *value* of the bytes before.

See `numcrc.Algorithm.function`."""


def index(number: SupportsIndex, name: str) -> int:
    """Return *number* as an int, or raise TypeError."""
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(number).__name__}") from None


class Compiled:
    """The functions that compute CRCs of *model*, each compiled when it is first used.

    Parameters
    ----------
    model : Model
        The algorithm.
    plan : Plan, optional
        The kernel; by default the best one here.
    """

    def __init__(self, model: Model, plan: Plan | None = None) -> None:
        self.model, self.width = model, model.width
        self._plan = plan

    @cached_property
    def plan(self) -> Plan:
        """The plan of `crc`, `feed_wide` and `records`."""
        from numcrc.jit import engine

        return self._plan or engine.plan_of(self.model)

    @cached_property
    def crc(self) -> Callable[..., int]:
        """``(data, value=None)``: a builtin, or Python around one where the width is over 64."""
        if self.width > 64:
            return self.general
        return self._builtin(self.plan, self.general, "crc", _DOC)

    @cached_property
    def feed_wide(self) -> Callable[..., Any]:
        """``(data, state) -> state`` above 64 bits, the state being the register as 16 bytes."""
        return self._builtin(self.plan, self.general, "feed")

    @cached_property
    def records(self) -> Callable[[int, int], int]:
        """``(work_address, limit) -> chunks done``: see `numcrc.jit.builtins.abi.Work`."""
        return self._builtin(self.plan._replace(form="records"), None, "run")

    @cached_property
    def zeros(self) -> Callable[[int, int], int]:
        """``(value, n)``: the CRC after n more zero bytes."""
        from numcrc.jit.plan import ZEROS

        if self.width > 64 or not self.model.poly & 1:
            return self.general_zeros
        return self._builtin(ZEROS, self.general_zeros, "zeros")

    @cached_property
    def zeros_many(self) -> Callable[..., int]:
        """``(values, counts, out, number)``, the first three by address."""
        from numcrc.jit.plan import ZEROS_MANY

        return self._builtin(ZEROS_MANY, None, "zeros_many")

    @cached_property
    def join(self) -> Callable[..., int]:
        """``(values, lengths, out, number, each)``, the first three by address."""
        from numcrc.jit.plan import JOIN

        return self._builtin(JOIN, None, "join")

    @cached_property
    def empty(self) -> int:
        """The CRC of no bytes."""
        return reference.value_of(self.model, self.model.init)

    def _builtin(
        self, plan: Plan, fallback: Callable[..., int] | None, name: str, doc: str = ""
    ) -> Callable[..., Any]:
        from numcrc.jit import engine

        return engine.builtin(self.model, plan, fallback, name, doc)

    def checked(self, value: SupportsIndex, name: str = "value") -> int:
        """Return *value*, a CRC of this width, or raise."""
        return fits(index(value, name), self.width, name)

    def general(self, data: Data, value: SupportsIndex | None = None) -> int:
        """Handle the calls that the builtin passes on: strided arrays, any integer, errors."""
        from numcrc.buffers import pieces

        crc = None if value is None else self.checked(value)
        if self.width <= 64:
            crc = self.crc(b"", crc)
            for piece in pieces(data):
                crc = self.crc(piece, crc)
            return crc
        from numcrc.jit import constants

        state = constants.wide_register(self.model, reference.register_of(self.model, crc))
        for piece in pieces(data):
            state = self.feed_wide(piece, state)
        return reference.value_of(self.model, constants.register_of_wide(self.model, state))

    def general_zeros(self, value: int, n: int) -> int:
        """Handle the calls that the builtin passes on: any integers, wide registers, errors."""
        crc, count = self.checked(value), index(n, "n")
        if count < 0 and not self.model.poly & 1:
            raise ValueError(
                "n must not be negative: the polynomial has no constant term, so zeros cannot be"
                " removed"
            )
        register = reference.register_of(self.model, crc)
        factor = gf2.power_of_x(8 * count, self.model.generator)
        shifted = gf2.mod(gf2.multiply(register, factor), self.model.generator)
        return reference.value_of(self.model, shifted)
