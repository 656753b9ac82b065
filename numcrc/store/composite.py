"""Checksums of parts: where parts end, what they make up, and those of the whole from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from numcrc.algorithm import Algorithm
from numcrc.checksums import ChecksumAlgorithm, UnsupportedError, canonical, find
from numcrc.store.objects import Checksum, Entry

MIB = 1 << 20
# What clients cut large objects into, the usual ones first.
COMMON = tuple(n * MIB for n in (8, 5, 16, 64, 100, 10, 15, 20, 25, 32, 50, 128, 256, 512))
COMMON += tuple(n << 30 for n in range(1, 6))
MOST_CANDIDATES = 64
"""A damaged object passes for a good one, by one candidate in 2**width."""


def ends_of(sizes: Iterable[int]) -> tuple[int, ...]:
    """Return where parts of these sizes end."""
    return tuple(accumulate(sizes))


def candidates(
    checksum: Checksum, size: int, hints: Iterable[Checksum] = ()
) -> list[tuple[int, ...]]:
    """Return where the parts of a composite checksum may end, the likeliest first.

    Only one, if the parts are known; none, if no part size gives so many parts. *hints* may
    know the parts of as many.

    Examples
    --------
    >>> candidates(Checksum("crc32", bytes(4), 2), 12 << 20)[0] == (8 << 20, 12 << 20)
    True
    >>> candidates(Checksum("crc32", bytes(4), 2), 1)
    []
    """
    count = checksum.composite
    if checksum.parts:
        ends = ends_of(part.size for part in checksum.parts)
        fits = len(ends) == count and ends[-1] == size
        positive = count == 1 or min(part.size for part in checksum.parts) > 0
        return [ends] if fits and positive else []
    if count == 1:
        return [(size,)]
    hinted = [
        ends
        for hint in hints
        if hint.parts and hint.composite == count
        for ends in candidates(hint, size)
    ]
    if count > size:
        return hinted
    # Part sizes from `low` up to, not with, `high` give that many parts.
    low, high = -(-size // count), -(-size // (count - 1))
    rounded = range(-(-low // MIB) * MIB, high, MIB)
    sizes = dict.fromkeys(
        [*(s for s in COMMON if low <= s < high), *rounded[: MOST_CANDIDATES // 2], low]
    )
    searched = [(*range(s, size, s), size) for s in sizes if -(-size // s) == count]
    return list(dict.fromkeys(hinted + searched))


def value_of(digest: ChecksumAlgorithm, parts: Iterable[bytes]) -> bytes:
    """Return the composite checksum of parts with these checksums."""
    return digest.of(b"".join(parts))


def between(crc: Algorithm, prefixes: dict[int, int], ends: Sequence[int]) -> list[int]:
    """Return the CRC of each part from *prefixes*, those of all bytes up to each of *ends*.

    Examples
    --------
    >>> import numcrc
    >>> crc = numcrc.algorithms["crc32c"]
    >>> prefixes = {0: crc(b""), 2: crc(b"ab"), 5: crc(b"abcde")}
    >>> between(crc, prefixes, (2, 5)) == [crc(b"ab"), crc(b"cde")]
    True
    """
    # combine is linear in its second argument, so what a part adds to its prefix comes out by
    # another addition.
    return [crc.combine(prefixes[a], 0, b - a) ^ prefixes[b] for a, b in pairwise((0, *ends))]


class PartsError(ValueError):
    """Parts that are no parts of their object; the text tells why."""


def joined(checksum: Checksum, size: int | None) -> bytes | None:
    """Return the CRC of a whole object from those of its parts, without its bytes.

    None: they are not known, or it is no CRC.

    Raises
    ------
    PartsError
        The parts contradict the object's size or the composite checksum.

    Examples
    --------
    >>> from numcrc.store.objects import Part
    >>> crc = find("crc32c")
    >>> parts = [Part(4, crc.of(b"1234")), Part(5, crc.of(b"56789"))]
    >>> value = value_of(crc, [part.value for part in parts])
    >>> joined(Checksum("crc32c", value, 2, tuple(parts)), 9).hex()
    'e3069283'
    """
    try:
        digest = find(checksum.algorithm)
    except UnsupportedError:
        return None
    crc = digest.crc
    values = [part.value for part in checksum.parts if part.value is not None]
    if crc is None or not values or len(values) < checksum.composite:
        return None
    if any(len(value) != digest.size for value in values):
        raise PartsError(f"a part's {checksum.algorithm} has not {digest.size} bytes")
    if value_of(digest, values) != checksum.value:
        raise PartsError(f"the parts' {checksum.algorithm} do not make up the composite one")
    if size is not None and sum(part.size for part in checksum.parts) != size:
        raise PartsError(f"the parts do not add up to {size} bytes")
    whole = crc(b"")
    for part, value in zip(checksum.parts, values, strict=True):
        whole = crc.combine(whole, int.from_bytes(value, "big"), part.size)
    return digest.encode(whole)


def of_whole(entry: Entry, *, join: bool) -> dict[str, bytes]:
    """Return the checksums of a whole object, by algorithm, as *entry* tells them.

    *join*: those too that its parts' make up; `PartsError` as `joined`.
    """
    found = {canonical(c.algorithm): c.value for c in entry.checksums if not c.composite}
    for checksum in entry.checksums:
        name = canonical(checksum.algorithm)
        if join and checksum.composite and name not in found:
            value = joined(checksum, entry.size)
            if value is not None:
                found[name] = value
    return found


def has_composite(checksums: Sequence[Checksum]) -> bool:
    """Whether any is of parts."""
    for checksum in checksums:  # noqa: SIM110 -- of every object: a generator takes twice as long
        if checksum.composite:
            return True
    return False


def incomplete(entry: Entry, wanted: Sequence[Checksum]) -> bool:
    """Whether the store may know more than *entry* tells of where parts end."""
    return not entry.complete and any(c.composite > 1 and not c.parts for c in wanted)
