"""The CRCs of many records in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numcrc.algorithm.algebra import Algebra

if TYPE_CHECKING:
    import numpy.typing as npt

    from numcrc.buffers import Data


class Many(Algebra):
    """The methods that take arrays, sequences of buffers, or records of one buffer."""

    def rows(
        self,
        a: npt.ArrayLike,
        axis: int | tuple[int, ...] | None = -1,
        value: npt.ArrayLike | None = None,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> Any:
        """Return the CRC of each slice of an array along *axis*.

        Parameters
        ----------
        a : ndarray or buffer
            Any shape, strides and dtype but object; a slice is its elements' bytes in C
            order. What is not contiguous is copied in blocks of a few MiB.
        axis : int or tuple of int, optional
            The axis or axes that make up a slice; None: all of them.
        value : int or array of int, optional
            CRCs to continue from, broadcast to the result's shape.
        out : ndarray, optional
            Where to put the result, of exactly its shape and dtype.
        threads : int, optional
            By default as the amount of data is worth, at most ``NUMCRC_NUM_THREADS``.

        Returns
        -------
        ndarray
            Of the shape that NumPy's reductions give, of the smallest unsigned dtype of at
            least `width` bits (object above 64); a scalar where no axis is left.

        Raises
        ------
        TypeError
            *a* holds Python objects or has no buffer; *value* is not of integers.
        ValueError
            A value wider than the register, an *out* of another shape or dtype; no such
            axis (``numpy.exceptions.AxisError``). *out* is then as it was.

        Examples
        --------
        >>> import numcrc, numpy as np
        >>> crc = numcrc.algorithms["crc32c"]
        >>> a = np.arange(24, dtype="u2").reshape(2, 3, 4)
        >>> crc.rows(a).shape, crc.rows(a, axis=(0, 2)).shape
        ((2, 3), (3,))
        >>> int(crc.rows(a, axis=0)[1, 2]) == crc(a[:, 1, 2].tobytes())
        True
        """
        from numcrc.arrays import rows

        return rows(self, a, axis, value, out, threads)

    def batch(
        self,
        buffers: Iterable[Data],
        value: npt.ArrayLike | None = None,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> Any:
        """Return the CRC of each of many buffers.

        Parameters
        ----------
        buffers : iterable of buffers
            bytes, arrays, anything with the buffer protocol, types and lengths mixed; a
            one-dimensional object array of them; or a pyarrow binary or string array,
            whose memory is used in place.
        value, out, threads
            As for `rows`.

        Returns
        -------
        ndarray
            One CRC each, of the dtype that `rows` gives. For a pyarrow array with nulls, a
            masked array.

        Raises
        ------
        TypeError
            Something is no buffer, or holds Python objects; the message has its index.
        ValueError
            As for `rows`.

        Examples
        --------
        >>> import numcrc, numpy as np
        >>> numcrc.algorithms["crc-16/arc"].batch([b"123456789", bytearray(b""), np.zeros(3)])
        array([47933,     0,     0], dtype=uint16)
        """
        from numcrc.batches import batch

        return batch(self, buffers, value, out, threads)

    def segments(
        self,
        buffer: Data,
        offsets: npt.ArrayLike,
        lengths: npt.ArrayLike | None = None,
        value: npt.ArrayLike | None = None,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> Any:
        """Return the CRC of each of many records in one buffer.

        Parameters
        ----------
        buffer : buffer
            C-contiguous.
        offsets : array of int
            In bytes. Without *lengths*, n + 1 of them that do not decrease, as Arrow and
            CSR have it: record i is ``buffer[offsets[i]:offsets[i + 1]]``.
        lengths : int or array of int, optional
            In bytes, broadcast against *offsets*; records may then overlap, in any order.
        value, out, threads
            As for `rows`.

        Returns
        -------
        ndarray
            One CRC each, of the dtype that `rows` gives.

        Raises
        ------
        ValueError
            A record reaches outside the buffer, a length is negative, offsets decrease;
            all is checked before a byte is read.
        TypeError
            *offsets* or *lengths* are not integers.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc-8"]
        >>> crc.segments(b"abcabc", [0, 3, 3, 6])
        array([95,  0, 95], dtype=uint8)
        >>> crc.segments(b"abcabc", [3, 0], lengths=3)
        array([95, 95], dtype=uint8)
        """
        from numcrc.arrays import segments

        return segments(self, buffer, offsets, lengths, value, out, threads)

    def blocks(
        self,
        buffer: Data,
        size: int,
        value: npt.ArrayLike | None = None,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> Any:
        """Return the CRC of each block of *size* bytes of a buffer; the last may be shorter.

        Parameters, result and errors are those of `segments`.

        Examples
        --------
        >>> import numcrc
        >>> numcrc.algorithms["crc-8"].blocks(b"abcabca", 3)
        array([95, 95, 32], dtype=uint8)
        """
        from numcrc.arrays import blocks

        return blocks(self, buffer, size, value, out, threads)

    def prefixes(
        self,
        buffer: Data,
        offsets: npt.ArrayLike,
        value: int | None = None,
        out: npt.NDArray[Any] | None = None,
    ) -> Any:
        """Return the CRC of ``buffer[:offset]`` for each of *offsets*, in one pass.

        Parameters, result and errors are those of `segments`; *offsets* may come in any
        order, of any shape.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc-8"]
        >>> crc.prefixes(b"abcabc", [6, 3]).tolist() == [crc(b"abcabc"), crc(b"abc")]
        True
        """
        from numcrc.arrays import prefixes

        return prefixes(self, buffer, offsets, value, out)

    @cached_property
    def _records(self) -> Callable[[int, int], int]:
        from numcrc.jit import engine

        plan = engine.plan_of(self._model)._replace(form="records")
        return engine.builtin(self._model, plan, None, "run")
