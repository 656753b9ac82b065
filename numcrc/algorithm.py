"""Define `Algorithm`, a CRC algorithm and everything it computes."""

from __future__ import annotations

from numcrc.compiled import CallSignature, Compiled
from numcrc.crc import catalogue, reference
from numcrc.crc.model import Model, checked_unsigned, index, validated
from numcrc.process import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from typing import Any, BinaryIO, SupportsIndex

    import numpy.typing as npt

    from numcrc.buffers import Data
    from numcrc.hasher import Hasher


class Algorithm:
    """A CRC algorithm: ``crc(data, value=None)`` returns the CRC of a buffer.

    *data* is any buffer or array, *value* the CRC of the bytes before it: see `function`.
    Widths up to 64 run on every kernel that the CPU has, wider ones on a table kernel.
    Instances are immutable, hashable and picklable. The parameters are those of R. Williams,
    "A painless guide to CRC error detection algorithms" (1993), and the RevEng catalogue.

    Parameters
    ----------
    width : int
        The degree of the polynomial, 1 to 128.
    poly : int
        The polynomial without its leading term, in normal notation: bit k is the
        coefficient of ``x^k``.
    init : int
        The register before the first bit, in normal notation.
    refin : bool
        Whether bit 0 of each byte comes first, rather than bit 7.
    refout : bool
        Whether the final register is reflected.
    xorout : int
        Added (XOR) to the final register, after reflection.
    check : int, optional
        The CRC of ``b"123456789"``, which is verified.
    name : str, optional
        "CRC-<width>" by default.

    Attributes
    ----------
    residue : int
        The register, without xorout, after any message followed by its CRC.
    aliases : tuple of str
        Other names, for algorithms of the catalogue.

    Raises
    ------
    TypeError
        A number is not an integer, *refin* or *refout* not a bool, or *name* not a string.
    ValueError
        *width* is outside 1..128, a parameter is wider than that, or *check* does not match
        the other parameters.

    Examples
    --------
    >>> import numcrc
    >>> crc = numcrc.Algorithm(width=16, poly=0x8005, refin=True, refout=True, check=0xBB3D)
    >>> hex(crc(b"123456789")), hex(crc(b"56789", crc(b"1234")))
    ('0xbb3d', '0xbb3d')
    """

    __slots__ = (
        *("__call__", "__weakref__", "_compiled", "_linear", "model"),
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
    _linear: Algorithm

    __signature__ = CallSignature()

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
        model = validated(width, poly, init, refin, refout, xorout)
        actual = reference.crc(model, b"123456789")
        if check is not None and index(check, "check") != actual:
            raise ValueError(f"check {check:#x} does not match: these parameters give {actual:#x}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string, not {type(name).__name__}")
        self._set(Compiled(model), name or f"CRC-{model.width}", actual, ())

    @classmethod
    def from_compiled(
        cls, compiled: Compiled, name: str, check: int, aliases: tuple[str, ...] = ()
    ) -> Algorithm:
        """Return the algorithm that *compiled* computes; *check* is not verified."""
        self = object.__new__(cls)
        self._set(compiled, name, check, aliases)
        return self

    def _set(self, compiled: Compiled, name: str, check: int, aliases: tuple[str, ...]) -> None:
        model = compiled.model
        fields = model._asdict() | {"name": name, "check": check, "aliases": aliases}
        fields |= {"model": model, "residue": reference.residue(model)}
        fields |= {"_compiled": compiled, "__call__": self._first_call}
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    def _first_call(self, *arguments: Any, **keywords: Any) -> int:
        """Compile the builtin and put it into the slot ``__call__``.

        Python looks ``__call__`` up on the class, where it is the slot, which gives the
        builtin. A method that calls the builtin would take twice as long.
        """
        object.__setattr__(self, "__call__", self.function)
        return self.function(*arguments, **keywords)

    @property
    def function(self) -> Callable[..., int]:
        """The builtin that computes the CRC, ``function(data, value=None)``.

        Calling it takes half the time of calling the algorithm, for which Python packs the
        arguments into a tuple. Above 64 bits it is a Python function.

        Parameters
        ----------
        data : buffer or ndarray
            Any object with the buffer protocol, of any dtype and shape. An array that is not
            contiguous counts as its bytes in C order, ``a.tobytes()``, without a copy of the
            whole. A subclass of ndarray counts as its memory. Tensors on the CPU (by DLPack) and
            Arrow arrays of numbers without nulls are taken in place, too.
        value : int, optional
            The CRC of the bytes before: ``crc(b, crc(a)) == crc(a + b)``.

        Returns
        -------
        int
            The CRC, unsigned.

        Raises
        ------
        TypeError
            *data* is a str, holds Python objects, is a masked array, or is not a buffer.
        ValueError
            *value* is negative or wider than the register.

        Examples
        --------
        >>> import numcrc, numpy as np
        >>> crc16 = numcrc.algorithms["CRC-16/ARC"].function
        >>> hex(crc16(b"123456789"))
        '0xbb3d'
        >>> a = np.arange(12, dtype="f4").reshape(3, 4)
        >>> crc16(a[:, ::2]) == crc16(a[:, ::2].tobytes())
        True
        """
        return self._compiled.crc

    @property
    def linear(self) -> Algorithm:
        """The algorithm with the same polynomial and bit orders, *init* and *xorout* 0.

        Its name is this one's with " (linear)" behind. An algorithm whose *init* and *xorout* are
        0 is its own.

        Notes
        -----
        Let L be the linear algorithm. L(a ^ b) = L(a) ^ L(b) for messages of equal length, and
        zero bytes in front of a message do not count. A CRC of N bytes is
        ``crc(m) == L(m) ^ crc(bytes(N))``. So the CRC of a message is the sum (XOR) of what its
        parts contribute, in any order: ``L.zeros(L(part), bytes behind it)``.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc32c"]
        >>> crc.linear.name, crc.linear.linear is crc.linear
        ('CRC-32/ISCSI (linear)', True)
        >>> parts = crc.linear.zeros(crc.linear(b"1234"), 5) ^ crc.linear(b"56789")
        >>> parts ^ crc.zeros(crc(b""), 9) == crc.check
        True
        """
        if not (self.init or self.xorout):
            return self
        try:
            return self._linear
        except AttributeError:
            model = self.model._replace(init=0, xorout=0)
            check = reference.crc(model, b"123456789")
            name = f"{self.name} (linear)"
            made = Algorithm.from_compiled(Compiled(model), name, check)
            object.__setattr__(self, "_linear", made)
            return self._linear

    def _repr_html_(self) -> str:
        """Return a table for notebooks: see `numcrc.explore.describe`."""
        return str(imported("numcrc._description").Description(self)._repr_html_())

    def _repr_latex_(self) -> str:
        """Return the polynomial for notebooks."""
        return str(imported("numcrc._description").Description(self)._repr_latex_())

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

    def bits(self, data: Data, nbits: SupportsIndex) -> int:
        """Return the CRC of the first *nbits* bits of *data*.

        Bit 0 of each byte comes first if refin is set, bit 7 otherwise. A negative *nbits*,
        or one larger than the number of bits in *data*, is a ValueError.

        Examples
        --------
        >>> import numcrc
        >>> usb = numcrc.algorithms["CRC-5/USB"]
        >>> bin(usb.bits((0xE << 7 | 0x15).to_bytes(2, "little"), 11))  # endpoint E, address 15
        '0b11101'
        """
        return self._compiled.bits(data, nbits)

    def verify(self, data: Data, expected: int) -> bool:
        """Return whether the CRC of *data* is *expected*; raise as `function` does.

        Examples
        --------
        >>> import numcrc
        >>> numcrc.algorithms["crc32c"].verify(b"123456789", 0xE3069283)
        True
        """
        return self._compiled.crc(data) == self._compiled.checked(expected, "expected")

    def combine(self, crc1: Any, crc2: Any, len2: Any) -> Any:
        """Return the CRC of A + B from the CRCs of A and B and the length of B.

        It takes O(log len2) steps: the register after A is multiplied by ``x^(8 len2)``.

        Parameters
        ----------
        crc1, crc2 : int or array of int
            The CRCs of A and B. Arrays are broadcast, *len2* included.
        len2 : int or array of int
            The length of B in bytes; an int may have any size.

        Returns
        -------
        int or ndarray
            An int if all arguments are scalars, else an array of the dtype that `rows` gives.

        Raises
        ------
        TypeError
            An argument is not of integers.
        ValueError
            *len2* is negative, or a CRC is wider than the register.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc32c"]
        >>> crc.combine(crc(b"1234"), crc(b"56789"), 5) == crc(b"123456789")
        True
        """
        if not (isinstance(crc1, int) and isinstance(crc2, int) and isinstance(len2, int)):
            return imported("numcrc.records.algebra").combine(self._compiled, crc1, crc2, len2)
        # Flat: a call of a helper would cost as much as the computation.
        compiled, width = self._compiled, self.width
        first = checked_unsigned(crc1, width, "crc1")
        second = checked_unsigned(crc2, width, "crc2")
        if len2 < 0:
            raise ValueError(f"len2 must not be negative, but is {len2}")
        # register(AB) = register(B) + (register(A) + init) * x^(8 len2). A CRC is its register
        # + xorout, which `zeros` removes and adds again.
        xorout = self.xorout
        return second ^ xorout ^ compiled.zeros(first ^ compiled.empty ^ xorout, len2)

    def zeros(self, value: Any, n: Any) -> Any:
        """Return the CRC of a message followed by *n* zero bytes, from the message's CRC.

        It takes O(log n) steps. Result and errors are those of `combine`. A negative *n* is a
        ValueError if the polynomial is even, for then x has no inverse.

        Parameters
        ----------
        value : int or array of int
            The CRC of the message.
        n : int or array of int
            Zero bytes to append; if negative, to remove. An int may have any size.

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
        return imported("numcrc.records.algebra").zeros(self._compiled, value, n)

    def join(self, crcs: npt.ArrayLike, lengths: npt.ArrayLike, axis: int = -1) -> Any:
        """Return the CRC of concatenated messages from their CRCs and lengths.

        Errors are those of `combine`.

        Parameters
        ----------
        crcs : array of int
            The CRC of each message.
        lengths : int or array of int
            The length of each message in bytes, broadcast to the shape of *crcs*. Equal lengths
            take a few nanoseconds a message.
        axis : int, optional
            The axis along which messages are concatenated.

        Returns
        -------
        ndarray or scalar
            Of the shape of *crcs* without *axis*, of the dtype that `rows` gives.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc32c"]
        >>> int(crc.join([crc(b"123"), crc(b"45"), crc(b"6789")], [3, 2, 4])) == crc.check
        True
        """
        return imported("numcrc.records.algebra").join(self._compiled, crcs, lengths, axis)

    def rows(
        self,
        a: Data,
        axis: int | tuple[int, ...] | None = -1,
        value: npt.ArrayLike | None = None,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> Any:
        """Return the CRC of each slice of an array along *axis*.

        Parameters
        ----------
        a : ndarray or buffer
            Of any shape, strides and dtype except object. A slice counts as its bytes in C
            order; slices that are not contiguous are copied in blocks of a few MiB.
        axis : int or tuple of int, optional
            The axis or axes of a slice, in any order; None for all axes.
        value : int or array of int, optional
            CRCs to continue from, broadcast to the result's shape.
        out : ndarray, optional
            The array to write the result to, of its shape and dtype.
        threads : int, optional
            By default as many as pay off, at most the CPUs and ``NUMCRC_NUM_THREADS``.

        Returns
        -------
        ndarray or scalar
            Of the shape of *a* without *axis*; of the smallest unsigned integer dtype of at
            least *width* bits, object above 64.

        Raises
        ------
        TypeError
            *a* is a list, is masked or holds Python objects, or *value* is not of integers.
        ValueError
            A value is negative or wider than the register, *out* has another shape or dtype,
            or *axis* is out of bounds (``numpy.exceptions.AxisError``). *out* is not changed.

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
        return imported("numcrc.records.slices").rows(self._compiled, a, axis, value, out, threads)

    def contribution(
        self,
        block: Data,
        shape: tuple[int, ...],
        start: tuple[int, ...],
        threads: int | None = None,
    ) -> int:
        """Return what a block of an array contributes to the CRC of the whole array.

        The CRC of an array is the sum (XOR) of the contributions of its blocks, in any order,
        and the CRC of as many zero bytes: ``crc.zeros(crc(b""), a.nbytes)``. A contribution is
        the CRC of the array by `linear`, if it is 0 outside the block.

        Parameters
        ----------
        block : ndarray or buffer
            Of the array's dtype; as for `rows`.
        shape : tuple of int
            The shape of the whole array.
        start : tuple of int
            The indices in the array of the block's first item.
        threads : int, optional
            As for `rows`.

        Raises
        ------
        TypeError
            As for `rows`.
        ValueError
            The block is not inside the array.

        Examples
        --------
        >>> import numcrc, numpy as np
        >>> crc = numcrc.algorithms["crc32c"]
        >>> a = np.arange(12).reshape(3, 4)
        >>> total = crc.zeros(crc(b""), a.nbytes)
        >>> for column in range(4):
        ...     total ^= crc.contribution(a[:, column : column + 1], a.shape, (0, column))
        >>> total == crc(a)
        True
        """
        found: int = imported("numcrc.records.blocks").contribution(
            self.linear._compiled, block, shape, start, threads
        )
        return found

    def batch(
        self,
        buffers: Iterable[Data],
        value: npt.ArrayLike | None = None,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> Any:
        """Return the CRC of each of many buffers.

        Errors are those of `rows`. The TypeError for an item has its index.

        Parameters
        ----------
        buffers : iterable of buffers
            Any objects that `function` takes, also in a one-dimensional object array; or an
            Arrow array or a Series (pyarrow, polars, pandas) of binary values or strings, which
            is not copied. Strings count as UTF-8.
        value, out, threads
            As for `rows`.

        Returns
        -------
        ndarray
            One CRC for each buffer, of the dtype that `rows` gives; a masked array if there are
            nulls in an Arrow array or a Series.

        Examples
        --------
        >>> import numcrc, numpy as np
        >>> numcrc.algorithms["crc-16/arc"].batch([b"123456789", bytearray(b""), np.zeros(3)])
        array([47933,     0,     0], dtype=uint16)
        """
        return imported("numcrc.records.batches").batch(
            self._compiled, buffers, value, out, threads
        )

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
            In bytes. Without *lengths*, n + 1 of them in ascending order, as in Arrow and
            CSR: record i is ``buffer[offsets[i]:offsets[i + 1]]``.
        lengths : int or array of int, optional
            In bytes, broadcast against *offsets*. Records may then overlap, in any order.
        value, out, threads
            As for `rows`.

        Returns
        -------
        ndarray
            One CRC for each record, of the dtype that `rows` gives.

        Raises
        ------
        TypeError
            *offsets* or *lengths* are not integers; or as for `rows`.
        ValueError
            A record is outside the buffer, a length is negative, or offsets decrease: this is
            checked before a byte is read. Or as for `rows`.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc-8"]
        >>> crc.segments(b"abcabc", [0, 3, 3, 6])
        array([95,  0, 95], dtype=uint8)
        >>> crc.segments(b"abcabc", [3, 0], lengths=3)
        array([95, 95], dtype=uint8)
        """
        return imported("numcrc.records.segments").segments(
            self._compiled, buffer, offsets, lengths, value, out, threads
        )

    def blocks(
        self,
        buffer: Data,
        size: int,
        value: npt.ArrayLike | None = None,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> Any:
        """Return the CRC of each block of *size* bytes; the last block may be shorter.

        The other parameters, the result and errors are those of `segments`.

        Parameters
        ----------
        buffer : buffer or ndarray
            The bytes.
        size : int
            Bytes of a block.
        value, out, threads
            As for `segments`.

        Examples
        --------
        >>> import numcrc
        >>> numcrc.algorithms["crc-8"].blocks(b"abcabca", 3)
        array([95, 95, 32], dtype=uint8)
        """
        return imported("numcrc.records.segments").blocks(
            self._compiled, buffer, size, value, out, threads
        )

    def prefixes(
        self,
        buffer: Data,
        offsets: npt.ArrayLike,
        value: int | None = None,
        out: npt.NDArray[Any] | None = None,
    ) -> Any:
        """Return the CRC of ``buffer[:offset]`` for each of *offsets*, in one pass.

        The other parameters, the result and errors are those of `segments`.

        Parameters
        ----------
        buffer : buffer or ndarray
            The bytes.
        offsets : array_like of int
            The end of each prefix, in any order and shape.
        value, out
            As for `segments`; *value* is one CRC.

        Examples
        --------
        >>> import numcrc
        >>> crc = numcrc.algorithms["crc-8"]
        >>> crc.prefixes(b"abcabc", [6, 3]).tolist() == [crc(b"abcabc"), crc(b"abc")]
        True
        """
        return imported("numcrc.records.segments").prefixes(
            self._compiled, buffer, offsets, value, out
        )

    def new(self, data: Data = b"", *, usedforsecurity: bool = True) -> Hasher:
        """Return a `numcrc.Hasher`, which has hashlib's interface, updated with *data*.

        As in `numcrc.new`, *usedforsecurity* has no effect.

        Examples
        --------
        >>> import numcrc
        >>> numcrc.algorithms["crc32c"].new(b"123456789").hexdigest()
        'e3069283'
        """
        hasher: Hasher = imported("numcrc.hasher").Hasher(self, data)
        return hasher

    def file(
        self,
        source: str | bytes | os.PathLike[Any] | BinaryIO,
        threads: int | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> int:
        """Return the CRC of a file.

        Parameters
        ----------
        source : path or file object
            A file object is read from its current position to its end, in binary mode.
        threads : int, optional
            For a large file; by default the number of CPUs, at most ``NUMCRC_NUM_THREADS``.
        progress : callable, optional
            Called with the bytes done and the bytes in total, None if that is unknown.

        Raises
        ------
        TypeError
            *source* is a file object in text mode.
        OSError
            The file cannot be read, or changes meanwhile (`numcrc.files.FileChangedError`).

        Examples
        --------
        >>> import io, numcrc
        >>> hex(numcrc.algorithms["crc32c"].file(io.BytesIO(b"123456789")))
        '0xe3069283'
        """
        found: list[int] = imported("numcrc.files").checksum([self], source, threads, progress)
        return found[0]


# TypeErrors about arguments have this name. Builtins pass calls with wrong arguments to it.
Compiled.general.__qualname__ = "Algorithm.__call__"


_shared: dict[tuple[str, Model], Algorithm] = {}


def shared(entry: catalogue.CatalogueEntry) -> Algorithm:
    """Return the only algorithm of this entry."""
    key, model = (entry.name, entry.model), entry.model
    if key not in _shared:
        made = Algorithm.from_compiled(Compiled(model), entry.name, entry.check, entry.aliases)
        _shared.setdefault(key, made)  # another thread may have made it, too
    return _shared[key]


def _restored(
    kind: type[Algorithm], model: Model, name: str, check: int, aliases: tuple[str, ...]
) -> Algorithm:
    try:
        entry = catalogue.entry(name)
    except KeyError:
        entry = None
    if kind is Algorithm and entry is not None and entry.model == model:
        return shared(entry)
    return kind.from_compiled(Compiled(model), name, check, aliases)
