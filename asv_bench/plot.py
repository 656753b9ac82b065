"""Draw the throughput of every installed engine against a message's size, on this machine.

    python asv_bench/plot.py --algorithm CRC-32 --output throughput

writes throughput.svg and throughput.png, legible on light and on dark pages. The dashed line is a
plain read of the same bytes by the fastest of NumPy's reductions.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from acceptance import gib_per_s
from benchmarks import rivals
from interleaved import best_times, take_turns, task_sampler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import numcrc

Speeds = dict[str, list[float]]
"""GiB/s for each of some sizes, by engine."""

READ = "plain read (NumPy)"
INK = "#7d8590"
"""Legible on white and on black."""
COLOURS = {
    "numcrc": "#0072b2",
    "anycrc": "#56b4e9",
    "awscrt": "#e69f00",
    "crc32c": "#cc79a7",
    "fastcrc": "#009e73",
    "google-crc32c": "#e69f00",
    "isal": "#d55e00",
    "zlib": "#009e73",
    "zlib-ng": "#cc79a7",
    READ: INK,
}
"""Of Okabe and Ito: distinct for the colour-blind, too."""
STYLES = {"crc32c": "-.", "google-crc32c": "-.", "zlib": "-.", "anycrc": "-.", READ: "--"}
"""Engines of one colour have different lines."""
_PLACED = (1 << 12, 1 << 20)
"""The smallest and the largest message at `rivals.USUAL_OFFSET`."""
_READ_FROM = 1 << 14
"""The smallest read; the time of a smaller one is that of NumPy's call."""
_READ_AT_LEAST = 1 << 25
_READS = {"max": np.maximum.reduce, "xor": np.bitwise_xor.reduce}
_MIB = 1 << 20


def measure(algorithm: str, sizes: Iterable[int], rounds: int) -> Speeds:
    """Return the speed of every engine, and of a read, for messages of each of *sizes*.

    Raises
    ------
    ValueError
        The results of the engines differ.
    """
    calls = rivals.crcs(algorithm)
    found: Speeds = {name: [] for name in (*calls, READ)}
    for size in sizes:
        data = _message(size)
        turns = rounds if size <= _MIB else max(rounds // 10, 3)
        times = best_times(calls, data, rounds=turns)
        times[READ] = _read_time(data, turns) if size >= _READ_FROM else np.inf
        for name, seconds in times.items():
            found[name].append(gib_per_s(size, seconds) if seconds < np.inf else np.nan)
    return found


def draw(axes: Axes, sizes: Sequence[int], speeds: Mapping[str, Sequence[float]]) -> None:
    """Draw *speeds* against *sizes*, and a legend with the fastest engine first."""
    drawn = [name for name in speeds if not np.isnan(speeds[name]).all()]
    at_best = sorted(drawn, key=lambda name: np.nanmax(speeds[name]), reverse=True)
    for name in sorted(at_best, key=lambda name: name != READ):
        ours = name == "numcrc"
        axes.plot(
            sizes,
            speeds[name],
            color=COLOURS.get(name),
            label=name,
            linewidth=3 if ours else 1.8,
            linestyle=STYLES.get(name, "-"),
            zorder=3 if ours else 2,
        )
    axes.set_xscale("log", base=2)
    every = 5 if len(sizes) > 12 else 3
    ticks = [size for size in sizes if (size.bit_length() - 1) % every == 0]
    axes.set_xticks(ticks, [binary(size) for size in ticks])
    axes.set_xlim(sizes[0], sizes[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("size of the message")
    axes.set_ylabel("throughput, GiB/s")
    lines = dict(zip(axes.get_legend_handles_labels()[1], axes.lines, strict=True))
    legend([lines[name] for name in at_best], axes)
    restyle(axes)


def binary(size: int) -> str:
    """Return a size with its unit, such as "64 KiB"."""
    units = ("B", "KiB", "MiB", "GiB")
    step = min((size.bit_length() - 1) // 10, len(units) - 1)
    return f"{size >> 10 * step} {units[step]}"


def legend(lines: Sequence[object], axes: Axes) -> None:
    """Put a legend of *lines* to the right of *axes*."""
    axes.legend(
        handles=lines,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        labelcolor=INK,
        handlelength=2.2,
    )


def restyle(axes: Axes) -> None:
    """Remove frame and ticks from *axes*, and colour the rest for any background."""
    axes.grid(axis="y", color=INK, alpha=0.25, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(colors=INK, which="both", length=0, pad=6)
    axes.tick_params(axis="x", which="major", length=4)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def caption(algorithm: str) -> str:
    """Return the caption of a chart of *algorithm* on this machine."""
    info = numcrc.info()
    return f"{algorithm} of one message, one thread; CPU {info['cpu']}, tier {info['tier']}"


def chart(algorithm: str, sizes: Sequence[int], speeds: Speeds) -> Figure:
    """Return the whole chart."""
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_title(caption(algorithm), color=INK, fontsize=10, loc="left", pad=12)
    draw(axes, sizes, speeds)
    return figure


def save(figure: Figure, stem: Path) -> None:
    """Write *figure* as SVG and PNG; equal data gives equal files."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "numcrc"}):
        figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(stem.with_suffix(".png"), dpi=160)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--algorithm", choices=rivals.ALGORITHMS, default="CRC-32")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).with_name("throughput"),
        help="the files to write, without .svg and .png",
    )
    parser.add_argument("--largest", type=int, default=64 * _MIB, help="bytes of a message")
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    sizes = [1 << k for k in range(3, options.largest.bit_length())]
    speeds = measure(options.algorithm, sizes, options.rounds)
    save(chart(options.algorithm, sizes, speeds), options.output)


def _message(size: int) -> bytes:
    if _PLACED[0] <= size <= _PLACED[1]:
        with suppress(NotImplementedError):
            return rivals.message(size, rivals.USUAL_OFFSET)
    return rivals.message(size)


def _read_time(data: bytes, rounds: int) -> float:
    """Return the seconds of one of many consecutive reads of *data*."""
    words = np.frombuffer(data, np.uint64)
    count = -(-_READ_AT_LEAST // len(data))
    rows = np.broadcast_to(words, (count, len(words)))
    tasks = {name: partial(reduce, rows, axis=1) for name, reduce in _READS.items()}
    times = take_turns({name: task_sampler(task) for name, task in tasks.items()}, rounds)
    return min(times.values()) / count


if __name__ == "__main__":
    main()
