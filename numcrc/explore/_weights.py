"""Count undetected errors by weight, and compute how probable they are.

The codewords of n = nbits + width bits are the multiples of P. Their weights A follow from B, those
of the ``2^width`` words of the dual code (MacWilliams), whose bit i is a linear functional of
``x^i mod P``:

- Up to 24 bits, ``n - 2 B`` is the Walsh-Hadamard transform of the histogram of the syndromes.
- For a primitive P up to 32 bits, the words are the windows of one sequence of a shift register,
  which slide bit by bit; for x + 1 times such a polynomial, also their complements.

Of short data, all codewords are tried. Otherwise, without the dual code, patterns of up to 4 bits
are counted by the place of their last bit.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.buffers import refuse_masked
from numcrc.crc import factors, gf2
from numcrc.crc.model import index
from numcrc.explore.hd import BUDGET, checked_generator, checked_nbits
from numcrc.explore.kernels import PIECE, call, in_threads, syndromes
from numcrc.jit.plan import COUNT, PLACES, SYNDROMES, TRANSFORM, WINDOWS
from numcrc.threads import thread_count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from numcrc.algorithm import Algorithm
    from numcrc.explore.kernels import Progress

_SMALL = 20
"""Bits of the widest CRC for which the transform is always the faster way."""
_MANY = 1 << 20
"""Bits of codewords above which it needs less memory than windows."""
_TRANSFORMED = 24
"""Bits of a CRC up to which syndromes are counted: 64 MiB."""
_WINDOWS = 32
"""Bits of a shift register up to which its whole sequence is walked: seconds."""
_LONGEST = 1 << 22
"""Bits of codeword whose weights are counted."""
_TRIED = 20
"""Data bits up to which all codewords are tried, if there are fewer than dual words."""
_MOST_STEPS = 1 << 22
"""Steps that transform the weights of a code into those of its dual: seconds."""
_LANES = 4
_DIGITS = 50, 100, 200, 400
"""Digits of the sum of probabilities: its terms cancel, down to the least number of a double."""


def weights(
    crc: Algorithm | str, nbits: int, upto: int = 6, progress: Progress | None = None
) -> list[int]:
    """Return how many errors of each weight a CRC does not detect.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.
    nbits : int
        The number of data bits, without the CRC's, which may be flipped too.
    upto : int, optional
        The greatest weight, that is number of flipped bits.
    progress : callable, optional
        Called with the part of the work that is done, from any thread.

    Returns
    -------
    list of int
        The exact number of undetected errors of 0, 1, ..., *upto* flipped bits. The first is 1,
        no error.

    Raises
    ------
    ValueError
        The polynomial is even, *nbits* is not positive, or *upto* is negative.
    NotImplementedError
        It would take too long. Feasible are CRCs of at most 24 bits; those whose polynomial is
        primitive, of at most 32 bits, or x + 1 times such a one; and for all CRCs *nbits* at
        most 20, or *upto* at most 4 and *nbits* at most 70 000. Above 64, *upto* times the
        number of bits must not be above 4 million.

    See Also
    --------
    dual_weights : The weights from which these are computed.

    Examples
    --------
    >>> weights("CRC-32", 12112, upto=4)
    [1, 0, 0, 0, 223059]
    >>> weights("CRC-16/ARC", 1024)
    [1, 0, 0, 0, 1709873, 0, 52928343454]
    """
    width, generator = checked_generator(crc)
    nbits = checked_nbits(nbits)
    if (upto := index(upto, "upto")) < 0:
        raise ValueError(f"upto must not be negative, but is {upto}")
    n = nbits + width
    steps = n * min(n, upto)
    if upto > _LONGEST or (upto > 64 and steps > _MOST_STEPS):
        raise NotImplementedError(
            f"up to {upto} flips of {n} bits would take too long (more than {_MOST_STEPS} steps)"
        )
    if _is_short(width, nbits):
        found: list[int] = _by_trying(generator, width, nbits)[: upto + 1].tolist()
        return found + [0] * (upto + 1 - len(found))
    # Counting takes n^2 / 2 steps of 3 ns, windows 2^32 of 1 ns.
    few = upto <= 4 and n * n // 2 <= BUDGET and n <= factors.order(generator)
    if few and (width > _TRANSFORMED or _reason(width, generator, n)):
        numbers = [1, 0, 0, *_three_and_four(generator, width, n, progress)]
        return numbers[: upto + 1]
    if _reason(width, generator, n) and upto > 4 and n * n // 2 <= BUDGET:
        raise NotImplementedError(f"{_reason(width, generator, n)}; upto=4 is feasible")
    return _macwilliams(dual_weights(crc, nbits, progress), upto)


def dual_weights(
    crc: Algorithm | str, nbits: int, progress: Progress | None = None
) -> NDArray[np.int64]:
    """Return the weights of the dual of the code that a CRC makes of data.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.
    nbits : int
        The number of data bits, without the CRC's.
    progress : callable, optional
        Called with the part of the work that is done, from any thread.

    Returns
    -------
    numpy.ndarray
        ``nbits + width + 1`` integers (int64): item w is the number of dual words of weight w.
        Their sum is ``2**width``.

    Raises
    ------
    ValueError
        The polynomial is even, or *nbits* is not positive.
    NotImplementedError
        It would take too long: the CRC is wider than 24 bits, and its polynomial is neither
        primitive, nor x + 1 times a primitive one, of up to 32 bits. Or *nbits* is above 4 million.
        Up to 20 data bits, CRCs of at most 62 bits are feasible.

    Examples
    --------
    >>> dual_weights("CRC-8/SMBUS", 4).tolist()
    [1, 2, 3, 10, 27, 52, 66, 52, 27, 10, 3, 2, 1]
    """
    width, generator = checked_generator(crc)
    n = (nbits := checked_nbits(nbits)) + width
    if reason := _reason(width, generator, n):
        if _is_short(width, nbits) and width < 63:  # the dual of the dual is the code
            return np.array(_macwilliams(_by_trying(generator, width, nbits), n), np.int64)
        raise NotImplementedError(reason)
    transformed = width <= (_TRANSFORMED if n > _MANY else _SMALL)
    register = 0 if transformed else _register(generator)
    if not register:
        return _by_transform(generator, width, n, progress)
    found = _by_windows(register, n, progress)
    return found if register == generator else found + found[::-1]


def undetected(
    crc: Algorithm | str, nbits: int, ber: ArrayLike, progress: Progress | None = None
) -> Any:
    """Return the probability that an error is not detected.

    Each bit of the data and of the CRC is flipped with the same probability, independently.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.
    nbits : int
        The number of data bits, without the CRC's.
    ber : float or array_like
        The bit error rate, 0 to 1: the probability of each flip.
    progress : callable, optional
        Called with the part of the work that is done, from any thread.

    Returns
    -------
    float or numpy.ndarray
        The probability for each rate, exact to the precision of a double.

    Raises
    ------
    TypeError
        A rate is not a number.
    ValueError
        A rate is not from 0 to 1, the polynomial is even, or *nbits* is not positive.
    NotImplementedError
        It would take too long: see `dual_weights`. Up to 20 data bits, all CRCs are feasible.

    Examples
    --------
    >>> print(f"{undetected('CRC-16/ARC', 1024, 1e-6):.4e}")
    1.7081e-18
    >>> undetected("CRC-16/ARC", 1024, [0.0, 0.5]) * 2**16
    array([0., 1.])
    """
    refuse_masked(ber, "ber")
    given = np.asarray(ber)
    if given.dtype.kind not in "biufO":
        raise TypeError(f"ber must be a number or an array of numbers, not {ber!r}")
    rates = given.astype(np.float64)
    if not np.all((rates >= 0) & (rates <= 1)):
        raise ValueError(f"ber must be from 0 to 1, not {ber!r}")
    width, generator = checked_generator(crc)
    if _is_short(width, nbits := checked_nbits(nbits)):
        terms, n = _terms(_by_trying(generator, width, nbits)), nbits + width
        chances = [_sum_of_patterns(terms[1:], n, float(rate)) for rate in rates.flat]
    else:
        terms, n = _terms(dual_weights(crc, nbits, progress)), nbits + width
        chances = [_sum(terms, n, 1 << width, float(rate)) for rate in rates.flat]
    found = np.array(chances, np.float64)
    return found.reshape(rates.shape) if rates.ndim else float(found[0])


def _terms(numbers: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(int(w), int(numbers[w])) for w in np.flatnonzero(numbers)]


def _sum(terms: list[tuple[int, int]], n: int, total: int, rate: float) -> float:
    """Return ``sum of B[w] (1 - 2p)^w / 2^width - (1 - p)^n``."""
    if not rate:
        return 0.0
    found = Decimal(0)
    for digits in _DIGITS:
        with localcontext(_context(digits)):
            p = Decimal(rate)
            base = 1 - 2 * p
            found, power, last = Decimal(0), Decimal(1), 0
            for w, number in terms:
                if w > last:
                    power *= base ** (w - last)
                    last = w
                found += number * power
            found = found / total - (1 - p) ** n
            if found > Decimal(10) ** (25 - digits):  # else too much of it is rounded
                break
    return float(found)


def _sum_of_patterns(terms: list[tuple[int, int]], n: int, rate: float) -> float:
    """Return ``sum of A[w] p^w (1 - p)^(n - w)``."""
    if rate == 1:  # 0^0 is not defined
        return float(sum(number for w, number in terms if w == n))
    with localcontext(_context(_DIGITS[0])):
        p = Decimal(rate)
        return float(sum((number * p**w * (1 - p) ** (n - w) for w, number in terms), Decimal(0)))


def _context(digits: int) -> Context:
    return Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


def _is_short(width: int, nbits: int) -> bool:
    """Return whether all codewords are tried."""
    return nbits <= min(_TRIED, max(12, width))


def _by_trying(generator: int, width: int, nbits: int) -> NDArray[np.int64]:
    """Return the weights of the code, by trying all data."""
    s = syndromes(generator ^ 1 << width, width, nbits + width)[width:]
    crcs, ones = np.zeros(1 << nbits, np.uint64), np.zeros(1 << nbits, np.uint8)
    for bit in range(nbits):
        low, high = slice(1 << bit), slice(1 << bit, 2 << bit)
        crcs[high] = crcs[low] ^ s[bit]
        ones[high] = ones[low] + np.uint8(1)
    ones_of_byte = np.array([byte.bit_count() for byte in range(256)], np.uint8)
    for byte in range(-(-width // 8)):
        ones += ones_of_byte[(crcs >> np.uint64(8 * byte)).astype(np.uint8)]
    return np.bincount(ones, minlength=nbits + width + 1)


def _reason(width: int, generator: int, n: int) -> str:
    """Return why the weights of the dual code are not computed; empty if they are."""
    if n > _LONGEST:
        return f"the weights of codewords of {n} bits would take too long (more than {_LONGEST})"
    if width <= _TRANSFORMED:
        return ""
    if _register(generator):
        return ""
    return (
        f"all weights of a CRC of {width} bits would take too long: its polynomial is neither"
        f" primitive nor x + 1 times a primitive one of up to {_WINDOWS} bits"
    )


def _register(generator: int) -> int:
    """Return the primitive polynomial that *generator* is, perhaps times x + 1; otherwise 0."""
    even = generator.bit_count() % 2 == 0
    register = gf2.divmod_(generator, 3)[0] if even else generator
    degree = register.bit_length() - 1
    return register if degree <= _WINDOWS and factors.order(register) == (1 << degree) - 1 else 0


def _by_transform(
    generator: int, width: int, n: int, progress: Progress | None
) -> NDArray[np.int64]:
    poly, size = generator ^ 1 << width, 1 << width
    counts = np.zeros(size, np.int32)
    value, piece = 1, np.empty(min(n, 1 << 20), np.uint64)
    for start in range(0, n, len(piece)):
        part = piece[: n - start]
        value = call(SYNDROMES, poly, width, value, part, len(part))
        np.add.at(counts, part.astype(np.intp), np.int32(1))
    for level in range(width):
        call(TRANSFORM, counts, width, level, level + 1)
        if progress is not None:
            progress((level + 1) / width)
    return np.bincount((n - counts) >> 1, minlength=n + 1)


def _by_windows(register: int, n: int, progress: Progress | None) -> NDArray[np.int64]:
    """Return the weights of all windows of n bits of the register's sequence, and of zero."""
    degree = register.bit_length() - 1
    poly, period = register ^ 1 << degree, (1 << degree) - 1
    steps = max(1 << 20, n)
    chunks = max(1, period // (_LANES * steps))
    steps = period // (_LANES * chunks)
    found = np.zeros(n + 1, np.int64)
    found[0] = 1
    lock, done = Lock(), 0

    def walk(first: int, distance: int, steps: int) -> NDArray[np.int64]:
        states = np.array(
            [gf2.power_of_x(first + lane * distance, register) for lane in range(_LANES)], np.uint64
        )
        numbers = np.zeros((_LANES, n + 1), np.int64)
        call(WINDOWS, poly, degree, n, steps, states, numbers)
        return numbers

    def work(chunk: int) -> bool:
        nonlocal found, done
        numbers = walk(_LANES * steps * chunk, steps, steps).sum(0)
        with lock:
            found += numbers
            done += 1
        if progress is not None:
            progress(done / chunks)
        return False

    histograms = (1 << 28) // (8 * _LANES * (n + 1))  # 256 MiB in all
    in_threads(work, chunks, min(thread_count(None), max(1, histograms)))
    covered = _LANES * steps * chunks
    if covered < period:
        found += walk(covered, 0, period - covered)[0]
    return found


def _macwilliams(dual: NDArray[np.int64], upto: int) -> list[int]:
    """Return ``A[k] = 2^-width sum of B[w] K_k(w)``, where K_k are Krawtchouk's polynomials.

    (k + 1) K_(k+1) = (n - 2w) K_k - (n - k + 1) K_(k-1)
    """
    n, total = len(dual) - 1, sum(dual.tolist())
    sums = [0] * (min(n, upto) + 1)
    for w, number in _terms(dual):
        before, value = 0, 1
        for k in range(len(sums)):
            sums[k] += number * value
            before, value = value, ((n - 2 * w) * value - (n - k + 1) * before) // (k + 1)
    if any(value % total for value in sums):
        raise AssertionError("the weights of the dual code are wrong")
    return [value // total for value in sums] + [0] * (upto - n)


def _three_and_four(
    generator: int, width: int, n: int, progress: Progress | None
) -> tuple[int, int]:
    """Return the number of undetected patterns of 3 and of 4 bits; n is at most the order."""
    s = syndromes(generator ^ 1 << width, width, n)
    bits = max(12, (4 * n).bit_length())
    keys, indices = np.zeros((2, 1 << bits), np.uint64)
    seen_bits = bits + 2
    seen = np.zeros(1 << (seen_bits - 3), np.uint8)
    call(PLACES, s, n, keys, indices, bits, seen, seen_bits)
    numbers = np.zeros((n, 2), np.int64)
    step = max(1, PIECE // n)
    chunks = -(-n // step)
    done = 0

    def work(chunk: int) -> bool:
        nonlocal done
        first = max(2, chunk * step)
        last = min((chunk + 1) * step, n)
        call(COUNT, s, first, max(first, last), keys, indices, bits, numbers, seen, seen_bits)
        done += 1
        if progress is not None:
            progress(min(done / chunks, 1.0))
        return False

    in_threads(work, chunks)
    # A pattern from bit 0 to bit d has n - d places.
    threes, fours = (numbers * (n - np.arange(n))[:, None]).sum(0).tolist()
    return threes, fours
