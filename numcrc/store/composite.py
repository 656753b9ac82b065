"""Composite checksums: find where parts end, and join the CRCs of parts into the whole object's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from numcrc.algorithm import Algorithm
from numcrc.checksums import ChecksumAlgorithm, UnsupportedError, canonical, find
from numcrc.store.objects import Checksum, Entry

MIB = 1 << 20
# Part sizes that clients use, the most usual first.
COMMON = tuple(n * MIB for n in (8, 5, 16, 64, 100, 10, 15, 20, 25, 32, 50, 128, 256, 512))
COMMON += tuple(n << 30 for n in range(1, 6))
MOST_CANDIDATES = 64
"""Each candidate lets a damaged object pass with a probability of 2**-width."""
MOST_HASHED = 4
"""Candidates for a hash, whose parts are hashed for each: the CRCs of parts follow from those of
prefixes, hashes do not."""
MOST_PARTS = 10_000
"""Parts of an object, the limit of S3."""


def candidates(
    checksum: Checksum, size: int, hints: Iterable[Checksum] = ()
) -> list[tuple[int, ...]]:
    """Return the possible ends of the parts of a composite checksum, the likeliest first.

    There is one candidate if the parts are known, and none if no part size gives their number.
    *hints* are other checksums of the object, whose parts may have the same ends.

    Examples
    --------
    >>> candidates(Checksum("crc32", bytes(4), 2), 12 << 20)[0] == (8 << 20, 12 << 20)
    True
    >>> candidates(Checksum("crc32", bytes(4), 2), 1)
    []
    """
    count = checksum.composite
    if checksum.parts:
        ends = tuple(accumulate(part.size for part in checksum.parts))
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
    if count > min(size, MOST_PARTS):
        return hinted
    # Part sizes s with low <= s < high give this number of parts.
    low, high = -(-size // count), -(-size // (count - 1))
    rounded = range(-(-low // MIB) * MIB, high, MIB)
    sizes = dict.fromkeys(
        [*(s for s in COMMON if low <= s < high), *rounded[: MOST_CANDIDATES // 2], low]
    )
    searched = [(*range(s, size, s), size) for s in sizes if -(-size // s) == count]
    return list(dict.fromkeys(hinted + searched))


def composite_value(algorithm: ChecksumAlgorithm, parts: Iterable[bytes]) -> bytes:
    """Return the composite checksum of parts with these checksums."""
    return algorithm.of(b"".join(parts))


def part_crcs(crc: Algorithm, prefixes: dict[int, int], ends: Sequence[int]) -> list[int]:
    """Return the CRC of each part, from *prefixes*: the CRC of all bytes up to each of *ends*.

    Examples
    --------
    >>> import numcrc
    >>> crc = numcrc.algorithms["crc32c"]
    >>> prefixes = {0: crc(b""), 2: crc(b"ab"), 5: crc(b"abcde")}
    >>> part_crcs(crc, prefixes, (2, 5)) == [crc(b"ab"), crc(b"cde")]
    True
    """
    # combine(c, d, n) == combine(c, 0, n) ^ d, so a part's d is the xor of the two.
    return [crc.combine(prefixes[a], 0, b - a) ^ prefixes[b] for a, b in pairwise((0, *ends))]


class PartsError(ValueError):
    """Parts contradict their object; the text says how."""


def whole_crc(checksum: Checksum, size: int | None) -> bytes | None:
    """Return the CRC of a whole object, computed from the CRCs of its parts.

    The result is None if these are unknown, or *checksum* is not a CRC.

    Raises
    ------
    PartsError
        The parts contradict the object's size or the composite checksum.

    Examples
    --------
    >>> from numcrc.store.objects import Part
    >>> crc = find("crc32c")
    >>> parts = [Part(4, crc.of(b"1234")), Part(5, crc.of(b"56789"))]
    >>> value = composite_value(crc, [part.value for part in parts])
    >>> whole_crc(Checksum("crc32c", value, 2, tuple(parts)), 9).hex()
    'e3069283'
    """
    try:
        algorithm = find(checksum.algorithm)
    except UnsupportedError:
        return None
    crc = algorithm.crc
    values = [part.value for part in checksum.parts if part.value is not None]
    if crc is None or not values or len(values) < checksum.composite:
        return None
    if any(len(value) != algorithm.size for value in values):
        raise PartsError(f"expected {algorithm.size} bytes in each part's {checksum.algorithm}")
    if composite_value(algorithm, values) != checksum.value:
        raise PartsError(f"the parts' {checksum.algorithm} do not give the composite checksum")
    if size is not None and sum(part.size for part in checksum.parts) != size:
        raise PartsError(f"the sizes of the parts do not add up to {size} bytes")
    whole = crc(b"")
    for part, value in zip(checksum.parts, values, strict=True):
        whole = crc.combine(whole, int.from_bytes(value, "big"), part.size)
    return algorithm.encode(whole)


def whole_checksums(entry: Entry, *, join: bool) -> dict[str, bytes]:
    """Return the known checksums of a whole object, by algorithm.

    With *join*, `whole_crc` adds those that follow from its parts', and may raise `PartsError`.
    """
    found = {canonical(c.algorithm): c.value for c in entry.checksums if not c.composite}
    for checksum in entry.checksums:
        name = canonical(checksum.algorithm)
        if join and checksum.composite and not checksum.guessed and name not in found:
            value = whole_crc(checksum, entry.size)
            if value is not None:
                found[name] = value
    return found


def has_composite(checksums: Sequence[Checksum]) -> bool:
    """Return whether any of *checksums* is composite."""
    for checksum in checksums:  # noqa: SIM110 -- runs for every object; any() takes twice as long
        if checksum.composite:
            return True
    return False


def may_know_parts(entry: Entry, wanted: Sequence[Checksum]) -> bool:
    """Return whether asking the store may give part ends that *entry* lacks."""
    return not entry.complete and any(c.composite > 1 and not c.parts for c in wanted)
