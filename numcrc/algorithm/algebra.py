"""CRCs from CRCs, without the messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numcrc import gf2, reference
from numcrc.algorithm.single import Single
from numcrc.model import fits

if TYPE_CHECKING:
    import numpy.typing as npt


class Algebra(Single):
    """The methods that take CRCs and lengths."""

    def combine(self, crc1: Any, crc2: Any, len2: Any) -> Any:
        """Return the CRC of A + B from those of A and B and B's length in bytes.

        In O(log len2) steps: the register after A is multiplied by ``x^(8 len2)``.

        Parameters
        ----------
        crc1, crc2, len2 : int or array of int
            Arrays are broadcast against each other; the result is then an array of the
            dtype that `rows` gives. It is an int where all are ints, which may be of any
            size.

        Raises
        ------
        ValueError
            *len2* is negative, or a CRC wider than the register.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc32c"]
        >>> crc.combine(crc(b"1234"), crc(b"56789"), 5) == crc(b"123456789")
        True
        """
        if not (isinstance(crc1, int) and isinstance(crc2, int) and isinstance(len2, int)):
            from numcrc.algebra import combine

            return combine(self, crc1, crc2, len2)
        first = fits(crc1, self.width, "crc1")
        second, length = fits(crc2, self.width, "crc2"), len2
        if length < 0:
            raise ValueError(f"len2 must not be negative, but is {length}")
        # reg(AB) = reg(B) + (reg(A) + init) * x^(8 len2); CRCs differ from registers by
        # xorout, which `zeros` takes off and puts on again.
        offset = self._empty ^ self.xorout
        return second ^ self.xorout ^ self._zeros(first ^ offset, length)

    def zeros(self, value: Any, n: Any) -> Any:
        """Return the CRC of a message followed by *n* zero bytes, from its CRC *value*.

        A negative *n* takes zero bytes off again. In O(log n) steps.

        Parameters
        ----------
        value, n : int or array of int
            As for `combine`.

        Raises
        ------
        ValueError
            *value* is wider than the register, or *n* is negative and the polynomial even,
            which no CRC in use has: such a register does not remember what came before.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc64nvme"]
        >>> crc.zeros(crc(b"abc"), 1000) == crc(b"abc" + bytes(1000))
        True
        >>> crc.zeros(crc(b"abc" + bytes(1000)), -1000) == crc(b"abc")
        True
        """
        if isinstance(value, int) and isinstance(n, int):
            return self._zeros(value, n)
        from numcrc.algebra import zeros

        return zeros(self, value, n)

    def join(self, crcs: npt.ArrayLike, lengths: npt.ArrayLike, axis: int = -1) -> Any:
        """Return the CRC of the concatenation of messages from their CRCs and lengths.

        Parameters
        ----------
        crcs : array of int
            The CRC of each message.
        lengths : int or array of int
            Each message's length in bytes, broadcast to the shape of *crcs*.
        axis : int, optional
            Along which messages are concatenated.

        Returns
        -------
        ndarray or scalar
            Without that axis, of the dtype that `rows` gives.

        Raises
        ------
        ValueError
            A negative length, a CRC wider than the register, shapes that do not fit.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc32c"]
        >>> int(crc.join([crc(b"123"), crc(b"45"), crc(b"6789")], [3, 2, 4])) == crc.check
        True
        """
        from numcrc.algebra import join

        return join(self, crcs, lengths, axis)

    @cached_property
    def _empty(self) -> int:
        """The CRC of no bytes."""
        return reference.value_of(self._model, self.init)

    @cached_property
    def _zeros_many(self) -> Callable[..., int]:
        from numcrc.jit import engine
        from numcrc.jit.plan import ZEROS_MANY

        return engine.builtin(self._model, ZEROS_MANY, None, "zeros_many")

    @cached_property
    def _join(self) -> Callable[..., int]:
        from numcrc.jit import engine
        from numcrc.jit.plan import JOIN

        return engine.builtin(self._model, JOIN, None, "join")

    @cached_property
    def _zeros(self) -> Callable[[int, int], int]:
        from numcrc.jit import engine
        from numcrc.jit.plan import ZEROS

        if self.width > 64 or not self.poly & 1:
            return self._general_zeros
        return engine.builtin(self._model, ZEROS, self._general_zeros, "zeros")

    def _general_zeros(self, value: int, n: int) -> int:
        """Compute what the builtin hands back: any integers, wide registers, errors."""
        crc = self._checked(value)
        count = self._index(n, "n")
        if count < 0 and not self.poly & 1:
            raise ValueError(
                "n must not be negative: the polynomial has no constant term, so the"
                " register does not remember what came before"
            )
        register = reference.register_of(self._model, crc)
        factor = gf2.power_of_x(8 * count, self._model.generator)
        shifted = gf2.mod(gf2.multiply(register, factor), self._model.generator)
        return reference.value_of(self._model, shifted)
