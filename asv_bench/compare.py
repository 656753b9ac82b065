"""Compare numcrc with every installed engine on this machine: the tables of records/.

    python asv_bench/compare.py
    python asv_bench/compare.py --markdown > asv_bench/records/znver5.md

All engines compute the same buffer in one process, in turn; the best of many rounds counts.

The second command makes the record of a machine whose CPU LLVM calls znver5; `numcrc info` prints
this name. Install all engines (pip install -e '.[bench]') and leave the machine idle. README's
tables come from a record by readme.py.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

import acceptance
import acceptance_many
from acceptance import fastest, gib_per_s
from benchmarks import rivals
from benchmarks.records import WORKLOADS
from interleaved import best_times
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

import numcrc

_Key = TypeVar("_Key")
_SHORT = (8, 64, 256, 1000)
_LONG = {1 << 16: "64 KiB", 1 << 20: "1 MiB"}
_HEADINGS = (
    "algorithm",
    "engine",
    *(f"{size} B, ns" for size in _SHORT),
    *(f"{size}, GiB/s" for size in _LONG.values()),
)
_MANY = ("CRC-32", "CRC-32C")
_MANY_HEADINGS = ("algorithm", "engine", *(f"{name}, ns" for name in WORKLOADS))
_TEXTS = 2
_CAPTION = (
    "Time of a call, and throughput of long ones, on bytes objects. Long ones start"
    f" {rivals.USUAL_OFFSET} bytes past a cache line, where malloc puts them. The best is bold. The"
    " last row of each algorithm is the ratio of numcrc to its fastest rival."
)
_MANY_CAPTION = (
    "Time per record of 100 000 (64 KiB: 2000; segments: 200 000): numcrc in one call of rows,"
    " batch or segments, its rivals in the fastest loop found for each, over rows, memoryviews or"
    " copies. The last row is the ratio of numcrc with one thread to its fastest rival."
)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: rough figures")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--check", action="store_true", help="check the project's claims instead")
    parser.add_argument("--check-many", action="store_true", help="check those about many records")
    arguments = parser.parse_args()
    rounds = 20 if arguments.quick else 200
    if arguments.markdown:
        print(f"# {numcrc.info()['cpu']}\n")
    print(*_machine(), sep="\n", flush=True)
    if arguments.check or arguments.check_many:
        if missing := set(rivals.RIVALS) - rivals.versions().keys():
            parser.error(f"cannot check: not installed: {', '.join(sorted(missing))}")
        checks = [acceptance.results(rounds)] if arguments.check else []
        checks += [acceptance_many.results(rounds)] if arguments.check_many else []
        return _check(chain.from_iterable(checks))
    bold = "**{}**" if arguments.markdown else "[bold]{}[/bold]"
    show = _print_markdown if arguments.markdown else _print_table
    rows = [row for name in _progress(rivals.ALGORITHMS) for row in _rows(name, rounds, bold)]
    show(_CAPTION, _HEADINGS, rows)
    show(_MANY_CAPTION, _MANY_HEADINGS, list(_many_rows(max(rounds // 10, 3), bold)))
    return 0


def _machine() -> Iterator[str]:
    info = numcrc.info()
    yield f"CPU {info['cpu']} ({platform.system()}, {platform.machine()}), tier {info['tier']}."
    versions = info["versions"] | rivals.versions()
    yield ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def _progress(steps: Sequence[str]) -> Iterable[str]:
    return track(steps, console=Console(stderr=True), transient=True)


def _check(results: Iterable[acceptance.Result]) -> int:
    missed = 0
    for result in results:
        print(result, flush=True)
        missed += not result.passed
    print(f"{missed} missed")
    return int(missed > 0)


def _rows(algorithm: str, rounds: int, bold: str) -> Iterator[list[str]]:
    """Yield a row for each engine, and one for the ratio of numcrc to its fastest rival."""
    calls = rivals.crcs(algorithm)
    messages = {size: rivals.message(size) for size in _SHORT}
    messages |= {size: rivals.message(size, rivals.USUAL_OFFSET) for size in _LONG}
    columns = {size: best_times(calls, data, rounds=rounds) for size, data in messages.items()}
    yield from _engine_rows(algorithm, columns, _figure, bold)


def _many_rows(rounds: int, bold: str) -> Iterator[list[str]]:
    """Yield the same for many records, with two threads of numcrc too."""
    columns: dict[str, dict[str, dict[str, float]]] = {algorithm: {} for algorithm in _MANY}
    for workload in _progress(tuple(WORKLOADS)):
        records = WORKLOADS[workload]()
        for algorithm, by_workload in columns.items():
            times, _ = acceptance_many.loop_times(records, algorithm, rounds, threads=(1, 2))
            by_workload[workload] = {name: taken / records.count for name, taken in times.items()}
    for algorithm, by_workload in columns.items():
        yield from _engine_rows(algorithm, by_workload, lambda _, taken: f"{taken * 1e9:.1f}", bold)


def _engine_rows(
    algorithm: str,
    columns: Mapping[_Key, Mapping[str, float]],
    figure: Callable[[_Key, float], str],
    bold: str,
) -> Iterator[list[str]]:
    engines = list(next(iter(columns.values())))
    for engine in engines:
        row = []
        for key, times in columns.items():
            cell = figure(key, times[engine])
            row.append(bold.format(cell) if times[engine] == min(times.values()) else cell)
        yield [algorithm, engine, *row]
    if any(not engine.startswith("numcrc") for engine in engines):
        ratios = (times[fastest(times)] / times["numcrc"] for times in columns.values())
        yield ["", "numcrc : fastest rival", *(f"{ratio:.2f}x" for ratio in ratios)]


def _figure(size: int, seconds: float) -> str:
    return f"{gib_per_s(size, seconds):.1f}" if size in _LONG else f"{seconds * 1e9:.0f}"


def _print_markdown(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("", caption, "", sep="\n")
    rule = ["---"] * _TEXTS + ["---:"] * (len(headings) - _TEXTS)
    for row in (headings, rule, *rows):
        print(f"| {' | '.join(row)} |")


def _print_table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("", caption, sep="\n")
    table = Table(*headings, box=box.SIMPLE)
    for column in table.columns[_TEXTS:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


if __name__ == "__main__":
    sys.exit(main())
