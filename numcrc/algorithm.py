"""One CRC algorithm, ready to compute: what `numcrc.algorithms` holds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, SupportsIndex

from numcrc import gf2, reference
from numcrc.model import fits
from numcrc.parameters import Parameters

if TYPE_CHECKING:
    import os

    from numcrc.buffers import Data
    from numcrc.hasher import Hasher


class Algorithm(Parameters):
    """A CRC algorithm; calling it computes the CRC of a buffer.

    Parameters
    ----------
    width : int
        Degree of the polynomial, 1 to 128.
    poly : int
        The polynomial without its leading term, in normal notation: bit k is the
        coefficient of ``x^k``.
    init : int
        The register before the first bit, in normal notation.
    refin : bool
        Whether bit 0 of each byte comes first, rather than bit 7.
    refout : bool
        Whether the register is reversed before it is shown.
    xorout : int
        Added to the register as it is shown.
    check : int, optional
        The CRC of ``b"123456789"``, if known: verified.
    name : str, optional
        What to call the algorithm; "CRC-<width>" by default.

    Attributes
    ----------
    residue : int
        The register, without xorout, after any message followed by its CRC.
    aliases : tuple of str
        Other names, for algorithms of the catalogue.

    Raises
    ------
    ValueError
        A width outside 1..128, a parameter wider than that, or a *check* that does not
        match the other parameters.

    Notes
    -----
    Instances are immutable, hashable and picklable. Widths up to 64 run on every kernel
    the CPU has; wider ones on a table kernel. The parameters are those of R. Williams,
    "A painless guide to CRC error detection algorithms" (1993), and the RevEng catalogue.

    Examples
    --------
    >>> import numcrc
    >>> crc = numcrc.Algorithm(width=16, poly=0x8005, refin=True, refout=True, check=0xBB3D)
    >>> hex(crc(b"123456789"))
    '0xbb3d'
    """

    # Checksums

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
        return self._crc(data, value)

    @cached_property
    def _crc(self) -> Callable[..., int]:
        """The checksum itself: a builtin, or Python around one where the width is over 64."""
        from numcrc.jit import engine

        plan = engine.plan_of(self._model)
        if self.width <= 64:
            return engine.builtin(self._model, plan, self._general, "crc")
        return self._general

    @cached_property
    def _feed_wide(self) -> Callable[[memoryview, bytes], bytes]:
        from numcrc.jit import engine

        return engine.builtin(self._model, engine.plan_of(self._model), self._general, "feed")

    def _general(self, data: Data, value: SupportsIndex | None = None) -> int:
        """Compute what the builtin hands back: arrays out of order, any integer, errors."""
        from numcrc.buffers import pieces

        crc = self._checked(value)
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

    def _checked(self, value: SupportsIndex | None, what: str = "value") -> int | None:
        if value is None:
            return None
        try:
            number = operator.index(value)
        except TypeError:
            raise TypeError(f"{what} must be an integer, not {type(value).__name__}") from None
        return fits(number, self.width, what)

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

        left = operator.index(nbits)
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

    def new(self, data: Data = b"") -> Hasher:
        """Return a hashlib-shaped `numcrc.Hasher`, *data* fed.

        Examples
        --------
        >>> import numcrc
        >>> numcrc.algorithms["crc32c"].new(b"123456789").hexdigest()
        'e3069283'
        """
        from numcrc.hasher import Hasher

        return Hasher(self, data)

    def file(
        self,
        source: str | bytes | os.PathLike[Any] | BinaryIO,
        threads: int | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> int:
        """Return the CRC of a file.

        Parameters
        ----------
        source : path or binary file object
            A file object is read from where it stands to its end.
        threads : int, optional
            How many threads read a large file; by default as many as there are CPUs.
        progress : callable, optional
            Called with the bytes done and the bytes in all (None where that is unknown).

        Raises
        ------
        OSError
            The file cannot be read, or changed meanwhile (`numcrc.files.ChangedError`).

        Examples
        --------
        >>> import io, numcrc
        >>> hex(numcrc.algorithms["crc32c"].file(io.BytesIO(b"123456789")))
        '0xe3069283'
        """
        from numcrc.files import checksum

        return checksum([self], source, threads, progress)[0]

    # Algebra

    def combine(self, crc1: int, crc2: int, len2: int) -> int:
        """Return the CRC of A + B from those of A and B and B's length in bytes.

        In O(log len2) steps: the register after A is multiplied by ``x^(8 len2)``.

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
        first, second = self._checked(crc1, "crc1"), self._checked(crc2, "crc2")
        if first is None or second is None:
            raise TypeError("crc1 and crc2 must be integers, not None")
        length = operator.index(len2)
        if length < 0:
            raise ValueError(f"len2 must not be negative, but is {length}")
        # reg(AB) = reg(B) + (reg(A) + init) * x^(8 len2); CRCs differ from registers by
        # xorout, which `zeros` takes off and puts on again.
        offset = self._empty ^ self.xorout
        return second ^ self.xorout ^ self._zeros(first ^ offset, length)

    def zeros(self, value: int, n: int) -> int:
        """Return the CRC of a message followed by *n* zero bytes, from its CRC *value*.

        A negative *n* takes zero bytes off again. In O(log n) steps.

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
        return self._zeros(value, n)

    @cached_property
    def _empty(self) -> int:
        """The CRC of no bytes."""
        return reference.value_of(self._model, self.init)

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
        if crc is None:
            raise TypeError("value must be an integer, not NoneType")
        try:
            count = operator.index(n)
        except TypeError:
            raise TypeError(f"n must be an integer, not {type(n).__name__}") from None
        if count < 0 and not self.poly & 1:
            raise ValueError(
                "n must not be negative: the polynomial has no constant term, so the"
                " register does not remember what came before"
            )
        register = reference.register_of(self._model, crc)
        factor = gf2.power_of_x(8 * count, self._model.generator)
        shifted = gf2.mod(gf2.multiply(register, factor), self._model.generator)
        return reference.value_of(self._model, shifted)
