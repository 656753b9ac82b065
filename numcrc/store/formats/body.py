"""Give the formats of a scan the bytes of an object, in a buffer or by ranges."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from numcrc._light import NamedTuple
from numcrc.registry import algorithms

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

T = TypeVar("T")

HEAD = 64 << 10
"""Bytes of a large object that are read to recognise its format."""
SMALL = 256 << 10
"""Bytes of objects that are read at once, since a request takes longer than these bytes."""
MOST_VIEW = 4 << 20
"""Bytes of a structure, such as a header; longer ones are damaged."""
MOST_PARSED = 32 << 20
"""Bytes of the objects of which a run remembers what was in them."""
MOST_REMEMBERED = 4096
"""Objects of which a run remembers this."""
LONG = 16 << 20
"""Bytes of a record that are worth reading with several threads."""
FEW = 32
"""Records for which a call of NumPy takes longer than one for each."""
MOST_TOGETHER = 1 << 16
"""Records that are looked at together."""


class FormatError(Exception):
    """The structure of an object is damaged, so that the rest of it cannot be found.

    The object's result is then ``State.DIFFER``, with the text as its detail.
    """


class _Remembered(NamedTuple):
    size: int
    value: Any
    error: FormatError | None


class Siblings:
    """Other objects of the same source, read and parsed once for many that need them.

    One thread uses it. What was used last is remembered, within `MOST_PARSED` bytes.

    Parameters
    ----------
    read : callable
        Returns the bytes of the object with a key, or None if there is none. It raises
        `FormatError` if the object is too long.
    """

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        self._read = read
        self._known: OrderedDict[tuple[str, object], _Remembered] = OrderedDict()
        self._bytes = 0

    def get(self, key: str, parse: Callable[[bytes | None], T]) -> T:
        """Return ``parse(content)`` of an object, None for one that is missing."""
        place = key, parse
        found = self._known.get(place)
        if found is None:
            found = self._known[place] = self._parsed(key, parse)
            self._bytes += found.size
            while self._bytes > MOST_PARSED or len(self._known) > MOST_REMEMBERED:
                self._bytes -= self._known.popitem(last=False)[1].size
        else:
            self._known.move_to_end(place)
        if found.error is not None:
            raise FormatError(str(found.error))
        return cast("T", found.value)

    def _parsed(self, key: str, parse: Callable[[bytes | None], T]) -> _Remembered:
        size = 0
        try:
            content = self._read(key)
            size = len(content or b"")
            return _Remembered(size, parse(content), None)
        except FormatError as error:
            return _Remembered(size, None, FormatError(f"{key}: {error}"))


def crc_of(algorithm: str, pieces: Iterable[bytes | memoryview]) -> int:
    """Return the CRC of the concatenation of *pieces*.

    Examples
    --------
    >>> hex(crc_of("crc32", [b"12345", b"6789"]))
    '0xcbf43926'
    """
    crc = algorithms[algorithm]
    value = crc.function(b"")
    for piece in pieces:
        value = crc.function(piece, value)
    return value


class Body:
    """The bytes of one object, of which a part is in memory.

    Every method that reads raises `FormatError` for bytes outside of the object, so that a format
    need not check the offsets and lengths that a file claims.

    Parameters
    ----------
    key : str
        The object's key.
    size : int
        Its bytes.
    load : callable
        ``load(start, into, count)`` returns *count* bytes from *start* on, in *into* or elsewhere;
        if *into* is None, in the window's buffer.
    limit : int
        Bytes that the window's buffer holds.
    siblings : Siblings
        Other objects of the same source.
    long_crc : callable, optional
        ``long_crc(algorithm, start, count)`` returns the CRC of these bytes, which several threads
        read. It may use the window's buffer.

    Attributes
    ----------
    key : str
        The object's key.
    size : int
        Its bytes.
    limit : int
        The most bytes of a window.

    Examples
    --------
    >>> body = Body.of(b"123456789", "a")
    >>> body.key, body.size, bytes(body.view(3, 2)), bytes(body.window(7))
    ('a', 9, b'45', b'89')
    >>> body.view(8, 2)
    Traceback (most recent call last):
    numcrc.store.formats.body.FormatError: it ends after 9 bytes, before 2 bytes at 8
    """

    def __init__(
        self,
        key: str,
        size: int,
        load: Callable[[int, memoryview | None, int], memoryview],
        limit: int,
        siblings: Siblings,
        long_crc: Callable[[str, int, int], int] | None = None,
    ) -> None:
        self.key = key
        self.size = size
        self.limit = limit
        self._load = load
        self._siblings = siblings
        self._long_crc = long_crc
        self._window, self._start = memoryview(b""), 0
        self._small, self._small_start = memoryview(b""), 0

    @classmethod
    def of(
        cls,
        data: bytes,
        key: str = "",
        siblings: Mapping[str, bytes] | None = None,
        limit: int = 1 << 20,
    ) -> Body:
        """Return the body of an object in memory, with *siblings* by their keys; for tests."""
        view = memoryview(data)

        def load(start: int, into: memoryview | None, count: int) -> memoryview:
            return view[start : start + count]

        return cls(key, len(data), load, limit, Siblings((siblings or {}).get))

    @property
    def head(self) -> bytes:
        """The first 512 bytes; fewer if the object is shorter."""
        count = min(self.size, 512)
        if not self.holds(0, count) and (self._small_start or not self._small):
            if self.size <= min(SMALL, self.limit):
                self.window(0)
            else:
                self._load_small(0, min(self.size, HEAD))
        return bytes(self.view(0, count))

    def view(self, start: int, count: int) -> memoryview:
        """Return *count* bytes from *start* on, such as those of a header.

        They are valid until the next call that reads. A window stays in memory.
        """
        self._check(start, count)
        if self.holds(start, count):
            return self._window[start - self._start :][:count]
        at = start - self._small_start
        if at < 0 or at + count > len(self._small):
            if count > MOST_VIEW:
                raise FormatError(f"a structure of {count} bytes at {start} is too long")
            if self.size <= self.limit:
                return self.window(0, self.size)[start : start + count]
            self._load_small(start, count)
            at = 0
        return self._small[at : at + count]

    def window(self, start: int, least: int = 0) -> memoryview:
        """Return the bytes from *start* on, as many as are in memory, at least *least*.

        They are valid until the next call of this or another method that reads a window. Calls at
        increasing offsets read each byte about once.
        """
        self._check(start, least)
        if least > self.limit:
            return self.view(start, least)
        if not self.holds(start, max(least, 1)):
            first = 0 if self.size <= self.limit else start
            count = min(self.limit, self.size - first)
            if count:
                self._window = memoryview(b"")
                self._window, self._start = self._load(first, None, count), first
        return self._window[start - self._start :] if start < self.size else memoryview(b"")

    def holds(self, start: int, count: int) -> bool:
        """Return whether the window in memory has these bytes."""
        at = start - self._start
        return at >= 0 and at + count <= len(self._window)

    @property
    def held(self) -> tuple[int, memoryview]:
        """Where the window in memory begins, and its bytes."""
        return self._start, self._window

    def pieces(self, start: int, count: int) -> Iterator[memoryview]:
        """Yield the bytes from *start* on, *count* of them, each piece valid until the next."""
        self._check(start, count)
        end = start + count
        while start < end:
            piece = self.window(start, 1)[: end - start]
            start += len(piece)
            yield piece

    def crc(self, algorithm: str, start: int, count: int) -> int:
        """Return the CRC of *count* bytes from *start* on, any number of them.

        *algorithm* is any name that `numcrc.algorithms` knows. The window may move.
        """
        self._check(start, count)
        if self._long_crc is None or count < LONG:
            return crc_of(algorithm, self.pieces(start, count))
        self._window = memoryview(b"")
        return self._long_crc(algorithm, start, count)

    def batches(self, offsets: Any, lengths: Any) -> Iterator[slice]:
        """Yield slices of records in ascending order that are in one window, after loading it.

        A record of which the window has only a part may be alone in its slice and not loaded, if
        it is long: it should be read by `pieces`.
        """
        import numpy as np

        offsets, lengths = np.asarray(offsets, np.int64), np.asarray(lengths, np.int64)
        at = 0
        while at < len(offsets):
            start, length = int(offsets[at]), int(lengths[at])
            self._check(start, length)
            if not self.holds(start, length):
                if length > self.limit // 4:
                    yield slice(at, at + 1)
                    at += 1
                    continue
                self.window(start, length)
            first, window = self.held
            rest = slice(at, at + MOST_TOGETHER)
            # Differences, since sums may overflow.
            inside = (offsets[rest] >= first) & (lengths[rest] >= 0)
            inside &= lengths[rest] <= first + len(window) - offsets[rest]
            count = len(inside) if inside.all() else int(inside.argmin())
            yield slice(at, at + count)
            at += count

    def values(self, offsets: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the numbers of *dtype*, such as ``"<u4"``, that begin at *offsets*, at any order.

        Those in the window are read from it; others take a small read each.
        """
        import numpy as np

        kind: np.dtype[Any] = np.dtype(dtype)
        offsets, size = np.asarray(offsets, np.int64), kind.itemsize
        first, window = self.held
        if len(window) >= size and len(offsets):
            places = offsets - first
            if int(offsets.min()) >= first and int(offsets.max()) <= first + len(window) - size:
                raw = np.frombuffer(window, np.uint8)
                gathered: npt.NDArray[Any] = raw[places[:, None] + np.arange(size)].view(kind)
                return gathered[:, 0]
        found = b"".join(bytes(self.view(at, size)) for at in offsets.tolist())
        return np.frombuffer(found, kind)

    def sibling(self, key: str, parse: Callable[[bytes | None], T]) -> T:
        """Return ``parse(content)`` of another object of the source, None for a missing one.

        The result is remembered for other objects of the run; *parse* must be the same function
        each time. It may raise `FormatError`.
        """
        return self._siblings.get(key, parse)

    def _load_small(self, start: int, count: int) -> None:
        into = memoryview(bytearray(count))
        self._small, self._small_start = self._load(start, into, count), start

    def _check(self, start: int, count: int) -> None:
        if count < 0 or start < 0 or count > self.size - start:
            if count < 0 or start < 0:
                raise FormatError(f"{count} bytes at {start}: negative")
            raise FormatError(f"it ends after {self.size} bytes, before {count} bytes at {start}")
