"""Hold the compiled functions of a model, and the Python functions behind them.

Machine code handles the common calls, `Compiled.general` and `Compiled.general_zeros` all others.
"""

from __future__ import annotations

from numcrc.crc import reference
from numcrc.crc.model import Model, checked_unsigned, index
from numcrc.process import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import cached_property as lazy
    from inspect import Signature
    from typing import Any, SupportsIndex

    from numcrc.buffers import Data
    from numcrc.jit.plan import Plan

_DOC = """crc($self, data, /, value=None)
--

Return the CRC of *data*, continuing from the CRC *value* of the bytes before.

See `numcrc.Algorithm.function`."""


if not TYPE_CHECKING:

    class lazy:  # noqa: N801
        """A property that is computed when first used.

        As `functools.cached_property`, without the lock that it has in Python 3.10 and 3.11: a
        compile may take place under that lock, and a forked child would find it held for ever.
        Two threads may compute the value at once.
        """

        def __init__(self, compute):
            self._compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, owner, name):
            self._name = name

        def __get__(self, instance, owner):
            value = vars(instance)[self._name] = self._compute(instance)
            return value


class CallSignature:
    """The signature of calls of an algorithm; the class itself keeps its constructor's.

    A ``__getattr__`` would make Python look up each attribute of an algorithm twice as slowly.
    """

    def __get__(self, instance: Any, owner: type) -> Signature:
        if instance is None:
            raise AttributeError(f"type object {owner.__name__!r} has no attribute '__signature__'")
        found: Signature = imported("inspect").signature(instance.function)
        return found


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

    @lazy
    def plan(self) -> Plan:
        """Return the plan of `crc`, `feed_wide` and `records`."""
        plan: Plan = self._plan or imported("numcrc.jit.engine").plan_of(self.model)
        return plan

    @lazy
    def crc(self) -> Callable[..., int]:
        """Return ``(data, value=None)``: a builtin, or Python around one above 64 bits."""
        if self.width > 64:
            return self.general
        return self._builtin(self.plan, self.general, "crc", _DOC)

    @lazy
    def feed_wide(self) -> Callable[..., Any]:
        """Return ``(data, state) -> state`` above 64 bits, the state being 16 bytes."""
        return self._builtin(self.plan, None, "feed")

    @lazy
    def records(self) -> Callable[[int, int], int]:
        """Return ``(work_address, limit) -> chunks done``: see `numcrc.jit.builtins.abi.Work`."""
        return self._builtin(self.plan._replace(form="records"), None, "run")

    @lazy
    def zeros(self) -> Callable[[int, int], int]:
        """Return ``(value, n) -> crc``: the CRC after n more zero bytes."""
        if self.width > 64 or not self.model.poly & 1:
            return self.general_zeros
        return self._builtin(imported("numcrc.jit.plan").ZEROS, self.general_zeros, "zeros")

    @lazy
    def zeros_many(self) -> Callable[..., int]:
        """Return ``(values, counts, out, number)``: see `numcrc.jit.builtins.algebra`."""
        return self._builtin(imported("numcrc.jit.plan").ZEROS_MANY, None, "zeros_many")

    @lazy
    def join(self) -> Callable[..., int]:
        """Return ``(values, lengths, out, number, each, length)``.

        See `numcrc.jit.builtins.algebra`.
        """
        return self._builtin(imported("numcrc.jit.plan").JOIN, None, "join")

    @lazy
    def empty(self) -> int:
        """Return the CRC of no bytes."""
        return reference.value_of(self.model, self.model.init)

    def _builtin(
        self, plan: Plan, fallback: Callable[..., int] | None, name: str, doc: str = ""
    ) -> Callable[..., Any]:
        made: Callable[..., Any] = imported("numcrc.jit.engine").builtin(
            self.model, plan, fallback, name, doc
        )
        return made

    def checked(self, value: SupportsIndex, name: str = "value") -> int:
        """Return *value*, a CRC of this width, or raise."""
        return checked_unsigned(index(value, name), self.width, name)

    def general(self, data: Data, value: SupportsIndex | None = None) -> int:
        """Handle the calls that machine code does not: strided arrays, any integer, errors."""
        crc = None if value is None else self.checked(value)
        pieces = imported("numcrc.buffers").pieces
        if self.width <= 64:
            crc = self.crc(b"", crc)
            for piece in pieces(data):
                crc = self.crc(piece, crc)
            return crc
        constants = imported("numcrc.jit.constants")
        step = imported("numcrc.jit.builtins.abi").PIECE
        state = constants.wide_register(self.model, reference.register_of(self.model, crc))
        for piece in pieces(data):
            for start in range(0, len(piece), step):  # signals are handled between
                state = self.feed_wide(piece[start : start + step], state)
        return reference.value_of(self.model, constants.register_of_wide(self.model, state))

    def bits(self, data: Data, nbits: SupportsIndex) -> int:
        """Implement `Algorithm.bits`."""
        nbits = left = index(nbits, "nbits")
        if left < 0:
            raise ValueError(f"nbits must not be negative, but is {nbits}")
        pieces = imported("numcrc.buffers").pieces
        crc, last = self.crc(b""), 0
        for piece in pieces(data):
            whole = min(left >> 3, len(piece))
            crc = self.crc(piece[:whole], crc)
            left -= 8 * whole
            if whole < len(piece):
                last = piece[whole]
                break
        else:
            if left:
                raise ValueError(f"data has only {nbits - left} bits, not {nbits}")
        bits = list(reference.message_bits((last,), self.model.refin))[:left]
        register = reference.feed(self.model, reference.register_of(self.model, crc), bits)
        return reference.value_of(self.model, register)

    def general_zeros(self, value: int, n: int) -> int:
        """Handle the calls that machine code does not: any integers, wide registers, errors."""
        crc, count = self.checked(value), index(n, "n")
        if count < 0 and not self.model.poly & 1:
            raise ValueError(
                "n must not be negative: the polynomial has no constant term, so zeros cannot be"
                " removed"
            )
        register = reference.register_of(self.model, crc)
        return reference.value_of(self.model, reference.after_zeros(self.model, register, count))
