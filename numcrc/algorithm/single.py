"""The CRC of one buffer."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, SupportsIndex

from numcrc import reference
from numcrc.algorithm.parameters import Parameters
from numcrc.model import fits

if TYPE_CHECKING:
    from numcrc.buffers import Data


class Single(Parameters):
    """The methods that take one message."""

    def __call__(self, data: Data, value: SupportsIndex | None = None) -> int:
        """Return the CRC of *data*.

        Parameters
        ----------
        data : buffer or ndarray
            Anything with the buffer protocol, any dtype and shape; an array that is not
            contiguous counts as its bytes in C order, ``a.tobytes()``, which are not all
            copied at once.
        value : int, optional
            The CRC of the bytes before: ``crc(b, crc(a)) == crc(a + b)``.

        Raises
        ------
        TypeError
            *data* is a str, holds Python objects, or is no buffer.
        ValueError
            *value* is negative or wider than the register.

        Examples
        --------
        >>> import numcrc, numpy as np
        >>> crc = numcrc.algorithms["CRC-16/ARC"]
        >>> hex(crc(b"123456789")), hex(crc(b"56789", crc(b"1234")))
        ('0xbb3d', '0xbb3d')
        >>> a = np.arange(12, dtype="f4").reshape(3, 4)
        >>> crc(a[:, ::2]) == crc(a[:, ::2].tobytes())
        True
        """
        # Python looks a call up on the type: there, the builtin itself is twice as fast as
        # a method that calls it. So from its first call on, an algorithm has a type of its
        # own, which differs in that alone.
        shared = type(self)
        own = type(shared.__name__, (shared,), {"__call__": staticmethod(self._crc)})
        own.__module__, own.__doc__ = shared.__module__, shared.__doc__
        object.__setattr__(self, "__class__", own)
        return self._crc(data, value)

    @cached_property
    def _crc(self) -> Callable[..., int]:
        """The checksum itself: a builtin, or Python around one where the width is over 64."""
        from numcrc.jit import engine

        plan = engine.plan_of(self._model)
        if self.width <= 64:
            doc = f"crc($self, data, /, value=None)\n--\n\n{Single.__call__.__doc__}"
            return engine.builtin(self._model, plan, self._general, "crc", doc)
        return self._general

    @cached_property
    def _feed_wide(self) -> Callable[[memoryview, bytes], bytes]:
        from numcrc.jit import engine

        return engine.builtin(self._model, engine.plan_of(self._model), self._general, "feed")

    def _general(self, data: Data, value: SupportsIndex | None = None) -> int:
        """Compute what the builtin hands back: arrays out of order, any integer, errors."""
        from numcrc.buffers import pieces

        crc = None if value is None else self._checked(value)
        if self.width <= 64:
            crc = self._crc(b"", crc)
            for piece in pieces(data):
                crc = self._crc(piece, crc)
            return crc
        from numcrc import constants

        state = constants.wide_register(self._model, reference.register_of(self._model, crc))
        for piece in pieces(data):
            state = self._feed_wide(piece, state)
        return reference.value_of(self._model, constants.register_of_wide(self._model, state))

    @staticmethod
    def _index(number: SupportsIndex, what: str) -> int:
        try:
            return operator.index(number)
        except TypeError:
            raise TypeError(f"{what} must be an integer, not {type(number).__name__}") from None

    def _checked(self, value: SupportsIndex, what: str = "value") -> int:
        return fits(self._index(value, what), self.width, what)

    def bits(self, data: Data, nbits: int) -> int:
        """Return the CRC of the first *nbits* bits of *data*.

        Of each byte, bit 0 comes first when refin is set, bit 7 otherwise.

        Raises
        ------
        ValueError
            *nbits* is negative, or more than *data* has.

        Examples
        --------
        >>> import numcrc
        >>> usb = numcrc.algorithms["CRC-5/USB"]
        >>> bin(usb.bits((0xE << 7 | 0x15).to_bytes(2, "little"), 11))  # endpoint E, address 15
        '0b11101'
        """
        from numcrc.buffers import pieces

        left = self._index(nbits, "nbits")
        if left < 0:
            raise ValueError(f"nbits must not be negative, but is {nbits}")
        crc, last = self._crc(b""), 0
        for piece in pieces(data):
            whole = min(left >> 3, len(piece))
            crc = self._crc(piece[:whole], crc)
            left -= 8 * whole
            if whole < len(piece):
                last = piece[whole]
                break
        else:
            if left:
                raise ValueError(f"data has only {nbits - left} bits, not {nbits}")
        bits = list(reference.message_bits((last,), self.refin))[:left]
        register = reference.feed(self._model, reference.register_of(self._model, crc), bits)
        return reference.value_of(self._model, register)

    def verify(self, data: Data, expected: int) -> bool:
        """Return whether the CRC of *data* is *expected*.

        Examples
        --------
        >>> import numcrc
        >>> numcrc.algorithms["crc32c"].verify(b"123456789", 0xE3069283)
        True
        """
        return self._crc(data) == self._checked(expected, "expected")
