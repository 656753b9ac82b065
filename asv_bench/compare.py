"""Compare numcrc with every installed engine on this machine: the table of the README.

All engines compute the same buffer in one process, in turn; the best of many rounds counts.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator, Sequence

import acceptance
from acceptance import fastest, gib_per_s
from benchmarks import rivals
from interleaved import best_times
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

import numcrc

_SHORT = (8, 64, 256, 1000)
_LONG = {1 << 16: "64 KiB", 1 << 20: "1 MiB"}
_HEADINGS = (
    "algorithm",
    "engine",
    *(f"{size} B, ns" for size in _SHORT),
    *(f"{size}, GiB/s" for size in _LONG.values()),
)
_TEXTS = 2
_CAPTION = (
    "Time of a call, throughput of long ones, on bytes objects, the long ones where malloc puts"
    f" them: {rivals.USUAL_OFFSET} bytes past a cache line. The best is bold. The last row of each"
    " algorithm: how many times as fast as its fastest rival numcrc is."
)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: rough figures")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--check", action="store_true", help="judge the project's claims instead")
    arguments = parser.parse_args()
    rounds = 20 if arguments.quick else 200
    print(*_machine(), sep="\n", flush=True)
    if arguments.check:
        if missing := set(rivals.RIVALS) - rivals.versions().keys():
            parser.error(f"--check needs these packages too: {', '.join(sorted(missing))}")
        return _check(rounds)
    print(_CAPTION, end="\n\n")
    bold = "**{}**" if arguments.markdown else "[bold]{}[/bold]"
    progress = track(rivals.ALGORITHMS, console=Console(stderr=True), transient=True)
    rows = [row for algorithm in progress for row in _rows(algorithm, rounds, bold)]
    if arguments.markdown:
        print(*_markdown(rows), sep="\n")
    else:
        _print_table(rows)
    return 0


def _machine() -> Iterator[str]:
    info = numcrc.info()
    yield f"CPU {info['cpu']} ({platform.system()}, {platform.machine()}), tier {info['tier']}."
    versions = info["versions"] | rivals.versions()
    yield ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def _check(rounds: int) -> int:
    missed = 0
    for result in acceptance.results(rounds):
        print(result, flush=True)
        missed += not result.passed
    print(f"{missed} missed")
    return int(missed > 0)


def _rows(algorithm: str, rounds: int, bold: str) -> Iterator[list[str]]:
    """Give a row for each engine, and one for the speed of numcrc over the fastest rival's."""
    calls = rivals.crcs(algorithm)
    messages = {size: rivals.message(size) for size in _SHORT}
    messages |= {size: rivals.message(size, rivals.USUAL_OFFSET) for size in _LONG}
    columns = {size: best_times(calls, data, rounds=rounds) for size, data in messages.items()}
    for engine in calls:
        row = []
        for size, times in columns.items():
            cell = _figure(size, times[engine])
            row.append(bold.format(cell) if times[engine] == min(times.values()) else cell)
        yield [algorithm, engine, *row]
    if len(calls) > 1:
        ratios = (times[fastest(times)] / times["numcrc"] for times in columns.values())
        yield ["", "numcrc : fastest rival", *(f"{ratio:.2f}x" for ratio in ratios)]


def _figure(size: int, seconds: float) -> str:
    return f"{gib_per_s(size, seconds):.1f}" if size in _LONG else f"{seconds * 1e9:.0f}"


def _markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    rule = ["---"] * _TEXTS + ["---:"] * (len(_HEADINGS) - _TEXTS)
    for row in (_HEADINGS, rule, *rows):
        yield f"| {' | '.join(row)} |"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    table = Table(*_HEADINGS, box=box.SIMPLE)
    for column in table.columns[_TEXTS:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
