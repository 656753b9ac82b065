"""One CRC algorithm, ready to compute: what `numcrc.algorithms` holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from numcrc.algorithm.many import Many

if TYPE_CHECKING:
    import os

    from numcrc.buffers import Data
    from numcrc.hasher import Hasher


class Algorithm(Many):
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

    def __reduce__(self) -> tuple[Any, ...]:
        return Algorithm._known, (self.name, self._model, self.check, self.aliases)

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
