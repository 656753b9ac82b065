"""Draw what CRCs detect: Hamming distances, undetected errors, the influence of each bit.

Each function draws on matplotlib's axes and returns them. Colours are those of Okabe and Ito, which
colour-blind readers tell apart; lines that coincide stay visible, as they are shifted or dashed.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.algorithm import Algorithm
from numcrc.crc import gf2
from numcrc.crc.model import index
from numcrc.explore._weights import undetected as _undetected
from numcrc.explore.hd import BUDGET, checked_nbits, hd_limits
from numcrc.registry import algorithms, resolved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from numcrc.explore.hd import Limit
    from numcrc.explore.kernels import Progress

__all__ = ["hd", "influence", "undetected"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#000000")
"""The colours of Okabe and Ito, but for yellow, which is hard to see on white."""
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))
_DOTS = (0, (1, 1.2))
_GREY = "#6e6e6e"
_SHIFT = 2.4
"""Points between two lines that coincide."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def hd(
    crcs: Algorithm | str | Iterable[Algorithm | str],
    max_hd: int | None = None,
    budget: int = BUDGET,
    ax: Axes | None = None,
) -> Axes:
    """Draw the Hamming distances of CRCs against the length of the data.

    Each line is a staircase: the longer the data, the fewer flipped bits are surely detected.
    Lines are shifted by some points, so that those that coincide stay visible; their data are
    exact. A line is dotted where its distance is only known to be at least that.

    Parameters
    ----------
    crcs : Algorithm, str, or an iterable of them
        Algorithms, or names in `numcrc.algorithms`; at most 64 bits wide.
    max_hd : int, optional
        The greatest distance of interest, at least 3; by default all that are found.
    budget : int, optional
        As for `numcrc.explore.hd_limits`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes
        Its x axis has data bits (logarithmic, labelled in bytes), its y axis the distance.

    Raises
    ------
    ImportError
        matplotlib is not installed: ``pip install 'numcrc[explore]'``.
    ValueError
        There are no CRCs, a polynomial is even, or *max_hd* or *budget* is too small.
    NotImplementedError
        A CRC is wider than 64 bits.

    See Also
    --------
    numcrc.explore.hd_limits : The numbers.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> ax = hd(["CRC-16/ARC", "CRC-8/SMBUS"])
    >>> [line.get_label() for line in ax.lines]
    ['CRC-16/ARC', 'CRC-8/SMBUS']
    >>> ax.lines[1].get_xdata().tolist(), ax.lines[1].get_ydata().tolist()
    ([1.0, 119.0, 119.0, 131072.0], [4, 4, 2, 2])
    """
    named = _named(crcs)
    profiles = [hd_limits(crc, max_hd, budget) for _, crc in named]
    end = _end(profiles)
    ax = _axes(ax)
    from matplotlib.transforms import ScaledTranslation

    figure: Any = ax.figure
    for number, ((label, _), limits) in enumerate(zip(named, profiles, strict=True)):
        points = _SHIFT * ((len(named) - 1) / 2 - number)
        shift = ScaledTranslation(0, points / 72, figure.dpi_scale_trans)
        for known, x, y in _stairs(limits, end, max_hd):
            ax.plot(
                x,
                y,
                color=COLOURS[number % len(COLOURS)],
                linestyle=_DASHES[number // len(COLOURS) % len(_DASHES)] if known else _DOTS,
                lw=2,
                label=label,
                transform=ax.transData + shift,
            )
            label = "_"  # further pieces of the line are not in the legend
    shown = [distance for limits in profiles for distance in limits if limits[distance].bits > 8]
    greatest = max(shown, default=2)
    ax.set_xscale("log", base=2)
    ax.set_xlim(8, end)
    ax.set_ylim(1.5, greatest + 0.75)
    ax.set_yticks(range(2, greatest + 1, 1 if greatest <= 14 else 2))
    _byte_ticks(ax, end)
    ax.set_xlabel("length of the data")
    ax.set_ylabel("Hamming distance (bits)")
    _finish(ax)
    return ax


def undetected(
    crcs: Algorithm | str | Iterable[Algorithm | str],
    nbits: int,
    ber: ArrayLike | None = None,
    ax: Axes | None = None,
    progress: Progress | None = None,
) -> Axes:
    """Draw the probability of an undetected error against the bit error rate.

    Lines after the first are dashed, so that those that coincide stay visible. For each width, a
    grey line has ``2**-width``, the probability that random data have the right CRC.

    Parameters
    ----------
    crcs : Algorithm, str, or an iterable of them
        Algorithms, or names in `numcrc.algorithms`.
    nbits : int
        The number of data bits, without the CRC's.
    ber : array_like, optional
        The bit error rates, above 0 and at most 1; by default 121 from 1e-7 to 0.5.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure of pyplot.
    progress : callable, optional
        Called with the part of the work for a CRC that is done, from any thread.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes are logarithmic. Its first lines are those of the CRCs, in their order.

    Raises
    ------
    ImportError
        matplotlib is not installed: ``pip install 'numcrc[explore]'``.
    ValueError
        There are no CRCs, a polynomial is even, *nbits* is not positive, or a rate is not from 0
        to 1.
    NotImplementedError
        It would take too long: see `numcrc.explore.dual_weights`.

    See Also
    --------
    numcrc.explore.undetected : The numbers.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> ax = undetected("CRC-16/ARC", 1024, ber=[1e-6, 1e-3])
    >>> print(f"{ax.lines[0].get_ydata()[0]:.4e}")
    1.7081e-18
    """
    named, nbits = _named(crcs), checked_nbits(nbits)
    rates = np.geomspace(1e-7, 0.5, 121) if ber is None else np.asarray(ber, np.float64).ravel()
    if not rates.size or not np.all((rates > 0) & (rates <= 1)):
        raise ValueError(f"ber must be above 0 and at most 1, not {ber!r}")
    probabilities = [_undetected(crc, nbits, rates, progress) for _, crc in named]
    ax = _axes(ax)
    for number, ((label, _), found) in enumerate(zip(named, probabilities, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        dashes = _DASHES[number % len(_DASHES)]
        ax.plot(rates, found, color=colour, linestyle=dashes, lw=2, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    if rates.min() < rates.max():
        ax.set_xlim(rates.min(), rates.max())
    widths = sorted({crc.width for _, crc in named})
    ax.set_ylim(top=1000 * 2.0 ** -widths[0])  # room for its label
    for width in widths:
        ax.axhline(2.0**-width, color=_GREY, lw=1, linestyle=(0, (4, 3)), label="_")
        ax.annotate(
            f"random data: $2^{{-{width}}}$",
            (1, 2.0**-width),
            (-4, 4),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=_GREY,
            ha="right",
            fontsize="small",
        )
    ax.set_xlabel("bit error rate (probability that a bit is flipped)")
    ax.set_ylabel("probability of an undetected error")
    ax.set_title(f"{_size(nbits)} of data and their CRC", loc="left")
    _finish(ax)
    return ax


def influence(crc: Algorithm | str, nbits: int = 128, ax: Axes | None = None) -> Axes:
    """Draw which bits of a CRC change when a bit of the data is flipped.

    Row i is ``x^(width + i)`` modulo the polynomial. Regular patterns show a polynomial that mixes
    slowly.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.
    nbits : int
        How many bits to draw, counted from the end of the data; at most 65536.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default, in a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes
        With an image of *nbits* rows and a column for each bit of the CRC, that of the highest
        power of x first; 1 where the bit changes.

    Raises
    ------
    ImportError
        matplotlib is not installed: ``pip install 'numcrc[explore]'``.
    ValueError
        *nbits* is out of range.

    See Also
    --------
    numcrc.explore.flips : The change of the CRC itself, in its own bit order.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> ax = influence("CRC-4/G-704", nbits=3)
    >>> ax.images[0].get_array().tolist()  # x^4 is x + 1
    [[0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]]
    """
    ((label, algorithm),) = _named(crc)
    if not 1 <= (nbits := index(nbits, "nbits")) <= 1 << 16:
        raise ValueError(f"nbits must be 1..65536, not {nbits}")
    width = algorithm.width
    generator = 1 << width | algorithm.poly
    changed = np.zeros((nbits, width), np.uint8)
    value = algorithm.poly
    for row in changed:
        row[:] = [value >> bit & 1 for bit in reversed(range(width))]
        value = gf2.mod(value << 1, generator)
    ax = _axes(ax, size=(3.6, 4.4))
    from matplotlib.colors import ListedColormap

    colours = ListedColormap(["#f2f0eb", COLOURS[0]])
    ax.imshow(changed, cmap=colours, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    shown = sorted({*range(0, width, -(-width // 4)), width - 1})
    ax.set_xticks([width - 1 - bit for bit in shown], [str(bit) for bit in shown])
    ax.set_xlabel("bit of the CRC (power of x)")
    ax.set_ylabel("flipped bit, from the end of the data")
    ax.set_title(label)
    return ax


def _named(crcs: Algorithm | str | Iterable[Algorithm | str]) -> list[tuple[str, Algorithm]]:
    """Return algorithms with their labels, or raise."""
    found = []
    for crc in [crcs] if isinstance(crcs, (str, Algorithm)) else crcs:
        algorithm = resolved(crc)
        label = crc if isinstance(crc, str) else algorithm.name
        if algorithms.get(label, algorithm).model != algorithm.model:  # CRC-32, but not *the* one
            label = f"{label} {algorithm.poly:#0{2 + -(-algorithm.width // 4)}x}"
        found.append((label, algorithm))
    if not found:
        raise ValueError("expected at least one CRC")
    return found


def _axes(ax: Axes | None, size: tuple[float, float] = (7.5, 4.2)) -> Axes:
    """Return *ax*, or those of a new figure."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"numcrc.explore.plot needs matplotlib: pip install 'numcrc[explore]' ({error})"
        ) from error
    if ax is None:
        return pyplot.subplots(figsize=size, layout="constrained")[1]
    return ax


def _finish(ax: Axes) -> None:
    """Add a legend and a grid, and remove the frame at the top and at the right."""
    ax.grid(color="#e2e2e2")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


def _end(profiles: Iterable[dict[int, Limit]]) -> float:
    """Return where the x axis ends: a power of 2 at least twice the longest limit."""
    most = max((limit.bits for limits in profiles for limit in limits.values()), default=64)
    return 2.0 ** (most.bit_length() + 2)


def _stairs(
    limits: dict[int, Limit], end: float, max_hd: int | None = None
) -> list[tuple[bool, list[float], list[float]]]:
    """Return the pieces of a staircase from 1 to *end* bits: whether exact, x, and y.

    >>> from numcrc.explore.hd import Limit
    >>> for piece in _stairs({3: Limit(50, True), 4: Limit(10, False)}, 64):
    ...     print(*piece)
    True [1.0, 10.0] [4, 4]
    False [10.0, 10.0, 50.0] [4, 3, 3]
    True [50.0, 50.0, 64] [3, 2, 2]
    """
    pieces: list[tuple[bool, list[float], list[float]]] = []
    at, known = 1.0, max_hd not in limits  # the greatest distance asked for may be greater
    x, y = [at], list[float]()
    for distance in [*sorted(limits, reverse=True), 2]:
        limit = limits.get(distance)
        bits = end if limit is None else float(limit.bits)
        if bits > at:
            last = y[-1:]
            if pieces and pieces[-1][0] == known:
                _, x, y = pieces[-1]
            else:
                x, y = [at] * len(last), last
                pieces.append((known, x, y))
            x += [at, bits]
            y += [distance, distance]
            at = bits
        if limit is not None:
            known = limit.exact
    return pieces


def _byte_ticks(ax: Axes, end: float) -> None:
    """Label powers of 2 of an axis of bits in bytes."""
    powers = int(log2(end)) - 3
    step = max(1, -(-powers // 9))
    exponents = range(0, powers + 1, step)
    ax.set_xticks([8.0 * 2**k for k in exponents], [_size(8 << k) for k in exponents])
    ax.minorticks_off()


def _size(nbits: int) -> str:
    """Write a number of bits in bytes, or in bits if they are not whole.

    >>> _size(12112), _size(8 << 20), _size(12)
    ('1514 B', '1 MiB', '12 bits')
    """
    if nbits % 8:
        return f"{nbits} bits"
    size, unit = nbits // 8, 0
    while size and size % 1024 == 0:
        size, unit = size // 1024, unit + 1
    return f"{size} {_UNITS[unit]}"
