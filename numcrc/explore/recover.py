"""Find out which CRC made a checksum: one of the catalogue, or any other.

In the register's bit order, a message M of n bits with the CRC C satisfies

    M x^w + C = I x^n + X   (mod P)

for the polynomial P of width w, where I is *init* and X *xorout*. Two messages of one length leave
only P, and so do three of any lengths; P divides the greatest common divisor of what they give.
Then I and X follow from linear equations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from numcrc.algorithm import Algorithm
from numcrc.buffers import pieces
from numcrc.crc import gf2
from numcrc.crc.factors import factor, gcd, inverse
from numcrc.crc.model import Model, index
from numcrc.explore._forge import locate
from numcrc.explore.linear import Span
from numcrc.registry import algorithms

if TYPE_CHECKING:
    from numcrc.buffers import Data
    from numcrc.explore.kernels import Progress

Sample: TypeAlias = "tuple[Data, int | bytes]"

LONGEST = 64 << 10
"""Bytes of a message up to which any polynomial is found; above, those of the catalogue."""
WIDEST = 64
"""Bits of the CRCs that `reverse` finds."""
_QUICK = 4 << 10
"""Bytes of a message up to which any polynomial is found at once."""
_MOST_DIVISORS = 4096
_MOST_FACTORED = 4000
"""Bits of polynomials that are factored; longer ones would take seconds."""
_REVERSED = bytes(gf2.reflect(byte, 8) for byte in range(256))


class Match(NamedTuple):
    """A CRC that gives all checksums of the samples."""

    algorithm: Algorithm
    byteorder: str
    """How the checksums are stored: "big" or "little"; "" for ints and single bytes."""
    start: int = 0
    """Of a frame, the bytes in front of the message."""
    tail: int = 0
    """The bytes of a frame behind its checksum."""
    evidence_bits: float = 0.0
    """The logarithm to base 2 of how unlikely a match by chance is, among all that were tried."""
    lengths: tuple[int, ...] = ()
    """If not empty: the samples do not determine *init* and *xorout*, but those of the algorithm
    are right for messages of these lengths, in bytes."""

    def verify(self, frame: Data) -> bool:
        """Return whether the checksum in a frame is right.

        Parameters
        ----------
        frame : buffer
            It begins with *start* bytes that are not checked, and ends with *tail* such bytes.

        Raises
        ------
        ValueError
            The frame is too short, or the samples had ints as checksums, without a byte order.

        Examples
        --------
        >>> match = identify_frames([bytes.fromhex("7e 01 03 00 00 00 0a c5 cd 7e")])[0]
        >>> match.verify(bytes.fromhex("7e 01 03 00 00 00 0b 04 0d 7e"))
        True
        """
        return _gives(self.algorithm, *self._parts(frame))

    def locate(self, frame: Data, max_bits: int = 1) -> list[tuple[int, ...]]:
        """Return the fewest flipped bits of a frame that explain its wrong checksum.

        Parameters
        ----------
        frame : buffer
            As for `verify`.
        max_bits : int
            As for `numcrc.explore.locate`, which this calls.

        Returns
        -------
        list of tuple of int
            Bits of the frame: 8 times the index of a byte plus the index of the bit in it, whose
            value is ``1 << index``.

        Raises
        ------
        ValueError
            As for `verify`, or the checksum does not fit the width.

        Examples
        --------
        >>> match = identify_frames([bytes.fromhex("7e 01 03 00 00 00 0a c5 cd 7e")])[0]
        >>> match.locate(bytes.fromhex("7e 01 03 00 00 00 0a c5 cf 7e"))
        [(65,)]
        """
        message, value = self._parts(frame)
        size, end = -(-self.algorithm.width // 8), len(message)

        def place(bit: int) -> int:
            byte, bit = divmod(bit, 8)
            if byte >= end and self.byteorder == "big":
                byte = 2 * end + size - 1 - byte
            return 8 * (self.start + byte) + bit

        found = locate(self.algorithm, message, value, max_bits)
        return [tuple(sorted(map(place, bits))) for bits in found]

    def _parts(self, frame: Data) -> tuple[bytes, int]:
        """Return the message in a frame, and its checksum."""
        whole, size = b"".join(map(bytes, pieces(frame))), -(-self.algorithm.width // 8)
        if size > 1 and not self.byteorder:
            raise ValueError("the byte order is not known: the samples had ints as checksums")
        end = len(whole) - self.tail - size
        if end < self.start:
            raise ValueError(
                f"a frame must have at least {self.start + size + self.tail} bytes,"
                f" not {len(whole)}"
            )
        value = int.from_bytes(whole[end : end + size], self.byteorder or "big")  # type: ignore[arg-type]
        return whole[self.start : end], value


def identify(samples: Iterable[Sample]) -> list[Match]:
    """Return the algorithms of the catalogue that give the checksums of all samples.

    Parameters
    ----------
    samples : iterable of (buffer, int or bytes)
        Messages with their checksums. If these are bytes, their byte order is found, too.

    Returns
    -------
    list of Match
        Best first.

    Raises
    ------
    TypeError
        A message is not a buffer, or checksums are neither ints nor bytes.
    ValueError
        *samples* is empty, or the checksums have different sizes.

    Examples
    --------
    >>> identify([(b"123456789", bytes.fromhex("83 92 06 e3"))])[0].algorithm.name
    'CRC-32/ISCSI'
    """
    known = _checked(samples)
    found = []
    for byteorder, values in known.readings():
        for algorithm in _BY_SIZE.get(known.size, ()):
            if all(map(_gives, (algorithm,) * len(values), known.messages, values)):
                evidence = algorithm.width * known.distinct - math.log2(2 * len(algorithms))
                found.append(Match(algorithm, byteorder, evidence_bits=evidence))
    return sorted(found, key=lambda match: -match.evidence_bits)


def reverse(
    samples: Iterable[Sample],
    widths: Iterable[int] | None = None,
    crossed: bool | None = None,
    ignore: int = 0,
) -> list[Match]:
    """Return all CRCs of up to 64 bits that give the checksums of all samples.

    Parameters
    ----------
    samples : iterable of (buffer, int or bytes)
        As for `identify`. Four of different lengths determine a CRC; three nearly, and two of one
        length with a third. If all have one length, *init* is not determined.
    widths : iterable of int, optional
        By default all that checksums of this size can have.
    crossed : bool, optional
        Whether to try *refin* other than *refout*, too. By default, if nothing else matches.
    ignore : int
        How many samples may be damaged: 0 or 1.

    Returns
    -------
    list of Match
        Best first: names of the catalogue, then *init* and *xorout* of zeros or of ones, then the
        least width. If there are several, the samples do not tell them apart; one more does.

    Raises
    ------
    TypeError, ValueError
        As for `identify`; or *widths* or *ignore* is out of range.

    Notes
    -----
    In messages above 64 KiB only polynomials of the catalogue are found, and of messages above
    500 bytes if there are too few to determine another one. Above 4 KiB those of the catalogue are
    tried first; to find another one takes seconds for four messages of 10 kB, and a minute for
    four of 60 kB. If no polynomial is determined, the result is that of `identify`. Even
    polynomials are not found.

    Examples
    --------
    >>> import numcrc
    >>> crc = numcrc.Algorithm(width=16, poly=0x5935, init=0x1234, refin=True, refout=True)
    >>> texts = [b"a message", b"another one", b"the third", b"and the last one"]
    >>> match = reverse([(text, crc(text).to_bytes(2, "little")) for text in texts])[0]
    >>> match.algorithm.model == crc.model, match.byteorder
    (True, 'little')
    """
    known = _checked(samples)
    if ignore not in (0, 1):
        raise ValueError(f"ignore must be 0 or 1, not {ignore!r}")
    tried = _widths(known, widths)
    found = list[Match]()
    for either in (False, True) if crossed is None else (crossed,):
        found = found or _reversed(known, tried, either)
        if not found and ignore:
            fewer = -math.log2(len(known.messages))  # each sample may be the damaged one
            for left_out in range(len(known.messages)):
                for match in _reversed(known.without(left_out), tried, either):
                    found.append(match._replace(evidence_bits=match.evidence_bits + fewer))
    if not found and known.size and widths is None:
        found = _reversed(known, _narrower(known), bool(crossed))
    if not found:  # the samples are too few to determine a polynomial, perhaps
        for match in identify(zip(known.messages, known.checksums, strict=True)):
            crc = match.algorithm
            if crc.width in tried and (crossed is not False or crc.refin == crc.refout):
                found.append(match)
    return _ranked(found)


def identify_frames(
    frames: Iterable[Data],
    starts: Iterable[int] = range(9),
    tails: Iterable[int] = range(3),
    progress: Progress | None = None,
) -> list[Match]:
    """Return the algorithms of the catalogue by whose CRC all frames end, or nearly.

    Parameters
    ----------
    frames : iterable of buffer
        Messages, each with its CRC somewhere behind it.
    starts : iterable of int
        The numbers of bytes in front of a message that may not be part of it.
    tails : iterable of int
        The numbers of bytes that may follow the CRC.
    progress : callable, optional
        Called with the part of the places that have been tried.

    Returns
    -------
    list of Match
        Best first; `Match.start` and `Match.tail` say where the message and the CRC are.

    Raises
    ------
    TypeError, ValueError
        As for `identify`.

    Examples
    --------
    >>> frames = [bytes.fromhex("7e 01 03 00 00 00 0a c5 cd 7e")]  # Modbus between two flags
    >>> match = identify_frames(frames)[0]
    >>> match.algorithm.name, match.byteorder, match.start, match.tail
    ('CRC-16/MODBUS', 'little', 1, 1)
    """
    return _in_frames(frames, starts, tails, identify, progress)


def reverse_frames(
    frames: Iterable[Data],
    starts: Iterable[int] = range(9),
    tails: Iterable[int] = range(3),
    crossed: bool | None = None,
    widths: Iterable[int] | None = None,
    ignore: int = 0,
    progress: Progress | None = None,
) -> list[Match]:
    """Return all CRCs by which frames end, or nearly, as `reverse` and `identify_frames` do.

    Parameters
    ----------
    frames, starts, tails, progress
        As for `identify_frames`.
    crossed, widths, ignore
        As for `reverse`.

    Returns
    -------
    list of Match
    """
    wanted = None if widths is None else _in_range(widths)

    def search(samples: list[Sample]) -> list[Match]:
        if wanted is None:
            return reverse(samples, None, crossed, ignore)
        size = len(samples[0][1])  # type: ignore[arg-type]
        fitting = [width for width in wanted if -(-width // 8) == size]
        return reverse(samples, fitting, crossed, ignore) if fitting else []

    return _in_frames(frames, starts, tails, search, progress)


class _Samples(NamedTuple):
    messages: list[bytes]
    checksums: list[Any]
    size: int
    """Bytes of a checksum; 0 if they are ints."""

    @property
    def distinct(self) -> int:
        return len(set(self.messages))

    def readings(self) -> Iterator[tuple[str, list[int]]]:
        """Yield each byte order with the values in it."""
        if not self.size:
            yield "", list(self.checksums)
        elif self.size == 1:
            yield "", [value[0] for value in self.checksums]
        else:
            for order in ("big", "little"):
                yield order, [int.from_bytes(value, order) for value in self.checksums]

    def without(self, number: int) -> _Samples:
        messages, checksums = self.messages.copy(), self.checksums.copy()
        del messages[number], checksums[number]
        return _Samples(messages, checksums, self.size)


def _checked(samples: Iterable[Sample]) -> _Samples:
    samples = map(_pair, samples)
    messages, checksums = list[bytes](), list[Any]()
    for message, checksum in samples:
        if isinstance(message, bytes):  # as most are; no copy
            messages.append(message)
        else:
            messages.append(b"".join(map(bytes, pieces(message))))
        checksums.append(checksum)
    if not messages:
        raise ValueError("expected at least one sample")
    kinds = {type(checksum) for checksum in checksums}
    if kinds <= {bytes, bytearray, memoryview}:
        checksums = list(map(bytes, checksums))
        sizes = {len(checksum) for checksum in checksums}
        if len(sizes) > 1 or not 0 < max(sizes) <= 16:
            raise ValueError(f"checksums must have one size of 1 to 16 bytes, not {sorted(sizes)}")
        return _Samples(messages, checksums, max(sizes))
    if kinds & {bytes, bytearray, memoryview} or not all(map(_is_integer, checksums)):
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"checksums must be all ints or all bytes, not {names}")
    checksums = [index(checksum, "a checksum") for checksum in checksums]
    if min(checksums) < 0:
        raise ValueError(f"a checksum must not be negative: {min(checksums)}")
    return _Samples(messages, checksums, 0)


def _pair(sample: Any) -> tuple[Any, Any]:
    if not isinstance(sample, (tuple, list)) or len(sample) != 2:
        raise TypeError(f"a sample must be a pair (message, checksum), not {sample!r:.80}")
    return sample[0], sample[1]


def _is_integer(value: object) -> bool:
    return hasattr(type(value), "__index__")


def _integers(values: Iterable[int], what: str) -> list[int]:
    return sorted({index(value, what) for value in values})


def _gives(algorithm: Algorithm, message: bytes, value: int) -> bool:
    return value >> algorithm.width == 0 and algorithm(message) == value


def _widths(known: _Samples, widths: Iterable[int] | None) -> list[int]:
    if widths is not None:
        return _in_range(widths)
    if known.size:
        return list(range(max(3, 8 * known.size - 7), min(WIDEST, 8 * known.size) + 1))
    return list(range(max(3, max(known.checksums).bit_length()), WIDEST + 1))


def _narrower(known: _Samples) -> list[int]:
    """Return the widths of checksums that have zero bytes in front."""
    least = min(max(values).bit_length() for _, values in known.readings())
    return list(range(max(3, least), min(WIDEST + 1, 8 * known.size - 7)))


def _reversed(known: _Samples, widths: Sequence[int], crossed: bool) -> list[Match]:
    longest = max(map(len, known.messages))
    found = list[Match]()
    if longest > _QUICK:
        found = _with_polys_of(None, known, widths, crossed)
    if not found and longest <= LONGEST:
        numbers = {refin: _numbers(known.messages, refin) for refin in (False, True)}
        found = _with_polys_of(numbers, known, widths, crossed)
    return found


def _with_polys_of(
    numbers: dict[bool, list[int]] | None, known: _Samples, widths: Sequence[int], crossed: bool
) -> list[Match]:
    """Return the matches with the polynomials that messages leave, or with the catalogue's."""
    found = list[Match]()
    readings = list(known.readings())
    hypotheses = len(readings) * len(widths) * (4 if crossed else 2)
    for (order, values), width, refin in product(readings, widths, (False, True)):
        if max(values) >> width:
            continue
        for refout in (refin, not refin) if crossed else (refin,):
            ordered = [gf2.reflect(v, width) if refout else v for v in values]
            if numbers is None:
                polys = _known_polys(width)
            else:
                polys = _polys(numbers[refin], ordered, list(map(len, known.messages)), width)
            for poly in polys:
                linear = Model(width, poly, refin=refin, refout=refout)
                found += _solved(linear, known, values, order, hypotheses)
    return found


def _in_range(widths: Iterable[int]) -> list[int]:
    tried = _integers(widths, "a width")
    if not tried or tried[0] < 1 or tried[-1] > WIDEST:
        raise ValueError(f"widths must be 1 to {WIDEST}, not {tried}")
    return tried


def _numbers(messages: Sequence[bytes], refin: bool) -> list[int]:
    """Return messages as polynomials."""
    return [int.from_bytes(m.translate(_REVERSED) if refin else m, "big") for m in messages]


def _known_polys(width: int) -> list[int]:
    return sorted({crc.poly for crc in algorithms.values() if crc.width == width})


def _polys(
    messages: Sequence[int], values: Sequence[int], lengths: Sequence[int], width: int
) -> list[int]:
    """Return the polynomials that are possible, without the leading term.

    From a = M x^w + C = I x^n + X: for two messages of one length a + a' = 0 (mod P); for three,
    with n_i - n_1 = g m_i, (a_2 + a_1) s(m_3) = (a_3 + a_1) s(m_2), where s(m) is
    (x^(g m) + 1) / (x^g + 1).
    """
    multiple, first = 0, dict[int, int]()
    for message, value, length in zip(messages, values, lengths, strict=True):
        a = message << width ^ value
        if length in first:
            multiple = _odd(gcd(multiple, a ^ first[length]))
        else:
            first[length] = a
    (shortest, a1), *others = sorted(first.items())
    for (n2, a2), (n3, a3) in pairwise(others):
        step = math.gcd(n2 - shortest, n3 - shortest)
        left = _repeated(a2 ^ a1, (n3 - shortest) // step, 8 * step)
        right = _repeated(a3 ^ a1, (n2 - shortest) // step, 8 * step)
        multiple = _odd(gcd(multiple, left ^ right))
    if multiple.bit_length() <= width:
        return []
    if multiple.bit_length() > _MOST_FACTORED:
        return [p for p in _known_polys(width) if not gf2.mod(multiple, 1 << width | p)]
    return [p ^ 1 << width for p in _divisors(multiple, width)]


def _repeated(a: int, count: int, step: int) -> int:
    """Return ``a (x^(step count) + 1) / (x^step + 1)``."""
    found, have = a, 1
    for bit in f"{count:b}"[1:]:
        found ^= found << have * step
        have *= 2
        if bit == "1":
            found = found << step ^ a
            have += 1
    return found


def _odd(a: int) -> int:
    """Return *a* without its factors x: a generator has none."""
    return a >> (a & -a).bit_length() - 1 if a else 0


def _divisors(p: int, degree: int) -> list[int]:
    """Return the divisors of *p* that have this degree, or some of very many."""
    if p.bit_length() - 1 == degree:
        return [p]
    found = {1}
    for irreducible, count in factor(p, degree):
        for _ in range(count):
            more = (gf2.multiply(irreducible, each) for each in found)
            found |= {each for each in more if each.bit_length() - 1 <= degree}
            if len(found) > _MOST_DIVISORS:
                break
    return sorted(each for each in found if each.bit_length() - 1 == degree)


def _solved(
    linear: Model, known: _Samples, values: Sequence[int], order: str, hypotheses: int
) -> Iterator[Match]:
    """Yield the matches with this polynomial and these bit orders."""
    width, generator, mask = linear.width, linear.generator, linear.mask
    same = _BY_POLY.get((width, linear.poly, linear.refin, linear.refout), ())
    crc = _BY_MODEL[same[0]].linear if same else _algorithm(linear)
    rests: dict[int, int] = {}  # I x^n + X, by n
    for message, value in zip(known.messages, values, strict=True):
        rest = crc(message) ^ value
        rest = gf2.reflect(rest, width) if linear.refout else rest
        if rests.setdefault(len(message), rest) != rest:
            return
    (length, rest), *others = sorted(rests.items())
    power = _power(crc, length)
    # Each other length: I (x^n + x^n1) = its rest + the first one.
    equations = [(_power(crc, n) ^ power, other ^ rest) for n, other in others]
    solved = _init(equations, generator)
    if solved is None:
        return
    solution, unknown = solved
    free = Span(unknown)
    inits = [*(model.init for model in same), 0, mask, solution]
    # What is free makes no difference if it takes none between any two lengths.
    eight = _power(crc, 1) ^ 1
    determined = all(gf2.mod(gf2.multiply(k, eight), generator) == 0 for k in unknown)
    rank = width - len(unknown)
    evidence = width * (known.distinct - 2) - rank - math.log2(hypotheses)
    for init in dict.fromkeys(inits):
        if free.solution(init ^ solution) is None:
            continue
        xorout = rest ^ gf2.mod(gf2.multiply(init, power), generator)
        xorout = gf2.reflect(xorout, width) if linear.refout else xorout
        algorithm = _algorithm(linear._replace(init=init, xorout=xorout))
        if all(map(_gives, (algorithm,) * len(values), known.messages, values)):
            lengths = () if determined else tuple(sorted(rests))
            yield Match(algorithm, order, evidence_bits=evidence, lengths=lengths)
            if determined:
                return


def _power(linear: Algorithm, n: int) -> int:
    """Return ``x^(8 n) mod P``: the register of a one after n bytes of zeros."""
    if not linear.refout:
        return int(linear.zeros(1, n))
    return gf2.reflect(int(linear.zeros(1 << linear.width - 1, n)), linear.width)


def _init(equations: Sequence[tuple[int, int]], generator: int) -> tuple[int, list[int]] | None:
    """Return an I with ``I a = b (mod P)`` for all equations, and a basis of what I may differ by.

    With g = gcd(a, P), an equation has solutions if g divides b, and determines I modulo P / g.
    """
    width = generator.bit_length() - 1
    least: tuple[int, int, int] | None = None
    common = generator
    for a, b in equations:
        divisor, factor_of_b = inverse(a, generator)
        common = gcd(common, divisor)
        quotient, remainder = gf2.divmod_(b, divisor)
        if remainder:
            return None
        if least is None or divisor < least[0]:
            least = divisor, factor_of_b, quotient
    modulus = gf2.divmod_(generator, common)[0]
    if least is None or least[0] == common:  # one equation has all that the others say
        solution = 0
        if least is not None:
            solution = gf2.mod(gf2.multiply(least[1], least[2]), modulus)
        if any(gf2.mod(gf2.multiply(solution, a) ^ b, generator) for a, b in equations):
            return None
        return solution, [modulus << k for k in range(common.bit_length() - 1)]
    columns, wanted = [0] * width, 0
    for a, b in equations:
        wanted = wanted << width | b
        for k in range(width):
            columns[k] = columns[k] << width | gf2.mod(a << k, generator)
    span = Span(columns)
    found = span.solution(wanted)
    return None if found is None else (found, span.kernel)


_BY_SIZE: dict[int, list[Algorithm]] = {0: list(algorithms.values())}
"""The algorithms whose CRCs take so many bytes; those of all sizes as 0."""
for _algorithm_of_size in _BY_SIZE[0]:
    _BY_SIZE.setdefault(-(-_algorithm_of_size.width // 8), []).append(_algorithm_of_size)
_BY_MODEL: dict[Model, Algorithm] = {crc.model: crc for crc in algorithms.values()}
_BY_POLY: dict[tuple[int, int, bool, bool], list[Model]] = {}
for _model in _BY_MODEL:
    _key = _model.width, _model.poly, _model.refin, _model.refout
    _BY_POLY.setdefault(_key, []).append(_model)


def _algorithm(model: Model) -> Algorithm:
    return _BY_MODEL.get(model) or Algorithm(**model._asdict())


def _ranked(matches: Iterable[Match]) -> list[Match]:
    """Return matches, likely ones first, each once."""

    def rank(match: Match) -> tuple[Any, ...]:
        crc = match.algorithm
        usual = sum(value in (0, crc.model.mask) for value in (crc.init, crc.xorout))
        # A multiple of the polynomial matches by chance more often than a divisor.
        return crc.model not in _BY_MODEL, -usual, crc.width, -match.evidence_bits, crc.poly

    return sorted(dict.fromkeys(matches), key=rank)


def _in_frames(
    frames: Iterable[Data],
    starts: Iterable[int],
    tails: Iterable[int],
    search: Callable[[list[Sample]], list[Match]],
    progress: Progress | None,
) -> list[Match]:
    known = [b"".join(map(bytes, pieces(frame))) for frame in frames]
    if not known:
        raise ValueError("expected at least one frame")
    starts, tails = _integers(starts, "a start"), _integers(tails, "a tail")
    if min(starts + tails, default=0) < 0:
        raise ValueError("starts and tails must not be negative")
    shortest = min(map(len, known))
    found = []
    places = list(product(starts, tails, range(1, 9)))
    for number, (start, tail, size) in enumerate(places):
        if progress is not None:
            progress(number / len(places))
        if start + size + tail > shortest:
            continue
        samples: list[Sample] = []
        for frame in known:
            end = len(frame) - tail
            samples.append((frame[start : end - size], frame[end - size : end]))
        found += [match._replace(start=start, tail=tail) for match in search(samples)]

    if progress is not None:
        progress(1)

    def rank(match: Match) -> tuple[Any, ...]:
        # With a constant header, any start matches, with an init of its own.
        named = match.algorithm.model in _BY_MODEL
        return -match.evidence_bits - 2 * match.algorithm.width * named, match.tail, match.start

    return sorted(found, key=rank)
