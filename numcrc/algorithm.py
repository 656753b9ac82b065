"""One CRC algorithm, ready to compute: what `numcrc.algorithms` holds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, SupportsIndex

from numcrc.compiled import Compiled, index
from numcrc.crc import reference
from numcrc.crc.model import Model, fits, validated

if TYPE_CHECKING:
    import os

    import numpy.typing as npt

    from numcrc.buffers import Data
    from numcrc.hasher import Hasher


class Algorithm:
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

    __slots__ = (
        *("__call__", "__weakref__", "_compiled", "model"),
        *Model._fields,
        *("name", "check", "residue", "aliases"),
    )

    name: str
    width: int
    poly: int
    init: int
    refin: bool
    refout: bool
    xorout: int
    check: int
    residue: int
    aliases: tuple[str, ...]
    model: Model
    _compiled: Compiled

    if TYPE_CHECKING:

        def __call__(self, data: Data, value: SupportsIndex | None = None) -> int:
            """Return the CRC of *data*: see `function`."""

    def __init__(
        self,
        width: int,
        poly: int,
        init: int = 0,
        refin: bool = False,
        refout: bool = False,
        xorout: int = 0,
        check: int | None = None,
        name: str | None = None,
    ) -> None:
        model = validated(locals())
        actual = reference.crc(model, b"123456789")
        if check is not None and operator.index(check) != actual:
            raise ValueError(f"check {check:#x} does not match: these parameters give {actual:#x}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string, not {type(name).__name__}")
        self._set(Compiled(model), name or f"CRC-{model.width}", actual, ())

    @classmethod
    def from_compiled(
        cls, compiled: Compiled, name: str, check: int, aliases: tuple[str, ...] = ()
    ) -> Algorithm:
        """Return the algorithm that *compiled* computes; *check* is not verified.

        The catalogue's algorithms are made this way, and those that tests and benchmarks
        compute by another plan than the best.
        """
        self = object.__new__(cls)
        self._set(compiled, name, check, aliases)
        return self

    def _set(self, compiled: Compiled, name: str, check: int, aliases: tuple[str, ...]) -> None:
        model = compiled.model
        fields = {
            **model._asdict(),
            "model": model,
            "name": name,
            "check": check,
            "residue": reference.residue(model),
            "aliases": aliases,
            "_compiled": compiled,
            "__call__": self._first_call,
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    def _first_call(self, data: Data, value: SupportsIndex | None = None) -> int:
        """Compile the builtin, which takes every later call.

        ``__call__`` is a slot of the instance, so that Python finds the builtin itself there:
        a method that calls it would take twice as long.
        """
        object.__setattr__(self, "__call__", self.function)
        return self.function(data, value)

    @property
    def function(self) -> Callable[..., int]:
        """The builtin that computes the CRC, ``function(data, value=None)``.

        Calling the algorithm calls it, in twice the time: Python passes a call of an object
        on through a tuple. Above 64 bits it is a Python function.

        Parameters
        ----------
        data : buffer or ndarray
            Anything with the buffer protocol, any dtype and shape; an array that is not
            contiguous counts as its bytes in C order, ``a.tobytes()``, which are not all
            copied at once.
        value : int, optional
            The CRC of the bytes before: ``crc(b, crc(a)) == crc(a + b)``.

        Returns
        -------
        int
            The CRC, unsigned.

        Raises
        ------
        TypeError
            *data* is a str, holds Python objects, or is not a buffer.
        ValueError
            *value* is negative or wider than the register.

        Examples
        --------
        >>> import numcrc, numpy as np
        >>> crc = numcrc.algorithms["CRC-16/ARC"]
        >>> crc16 = crc.function
        >>> hex(crc16(b"123456789")), hex(crc(b"56789", crc(b"1234")))
        ('0xbb3d', '0xbb3d')
        >>> a = np.arange(12, dtype="f4").reshape(3, 4)
        >>> crc(a[:, ::2]) == crc(a[:, ::2].tobytes())
        True
        """
        return self._compiled.crc

    def __getattr__(self, name: str) -> Any:
        # Of an instance only: a class attribute of that name would describe the constructor.
        if name == "__signature__":
            import inspect

            return inspect.signature(self.function)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot set {name!r}: an Algorithm is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete {name!r}: an Algorithm is immutable")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.model, self.name, self.check, self.aliases)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Algorithm):
            return NotImplemented
        return (self.name, self.model) == (other.name, other.model)

    def __hash__(self) -> int:
        return hash((self.name, self.model))

    def __repr__(self) -> str:
        digits = (self.width + 3) // 4 + 2
        fields = self.model._asdict()
        for field in ("poly", "init", "xorout"):
            fields[field] = f"{fields[field]:#0{digits}x}"
        shown = ", ".join(f"{field}={value}" for field, value in fields.items())
        return f"Algorithm({shown}, check={self.check:#0{digits}x}, name={self.name!r})"

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

        left = index(nbits, "nbits")
        if left < 0:
            raise ValueError(f"nbits must not be negative, but is {nbits}")
        compute = self._compiled.crc
        crc, last = compute(b""), 0
        for piece in pieces(data):
            whole = min(left >> 3, len(piece))
            crc = compute(piece[:whole], crc)
            left -= 8 * whole
            if whole < len(piece):
                last = piece[whole]
                break
        else:
            if left:
                raise ValueError(f"data has only {nbits - left} bits, not {nbits}")
        bits = list(reference.message_bits((last,), self.refin))[:left]
        register = reference.feed(self.model, reference.register_of(self.model, crc), bits)
        return reference.value_of(self.model, register)

    def verify(self, data: Data, expected: int) -> bool:
        """Return whether the CRC of *data* is *expected*.

        Examples
        --------
        >>> import numcrc
        >>> numcrc.algorithms["crc32c"].verify(b"123456789", 0xE3069283)
        True
        """
        return self._compiled.crc(data) == self._compiled.checked(expected, "expected")

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
            from numcrc.records.algebra import combine

            return combine(self._compiled, crc1, crc2, len2)
        # Flat, without the helpers of compiled: a call costs as much as the computation.
        compiled, width = self._compiled, self.width
        first, second = fits(crc1, width, "crc1"), fits(crc2, width, "crc2")
        if len2 < 0:
            raise ValueError(f"len2 must not be negative, but is {len2}")
        # reg(AB) = reg(B) + (reg(A) + init) * x^(8 len2); CRCs differ from registers by
        # xorout, which `zeros` takes off and puts on again.
        xorout = self.xorout
        return second ^ xorout ^ compiled.zeros(first ^ compiled.empty ^ xorout, len2)

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
            return self._compiled.zeros(value, n)
        from numcrc.records.algebra import zeros

        return zeros(self._compiled, value, n)

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
        from numcrc.records.algebra import join

        return join(self._compiled, crcs, lengths, axis)

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
        from numcrc.records.slices import rows

        return rows(self._compiled, a, axis, value, out, threads)

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
        from numcrc.records.batches import batch

        return batch(self._compiled, buffers, value, out, threads)

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
        from numcrc.records.segments import segments

        return segments(self._compiled, buffer, offsets, lengths, value, out, threads)

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
        from numcrc.records.segments import blocks

        return blocks(self._compiled, buffer, size, value, out, threads)

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
        from numcrc.records.segments import prefixes

        return prefixes(self._compiled, buffer, offsets, value, out)

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


def _restored(
    kind: type[Algorithm], model: Model, name: str, check: int, aliases: tuple[str, ...]
) -> Algorithm:
    return kind.from_compiled(Compiled(model), name, check, aliases)
