"""Measure the project's claims about many records and about threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from acceptance import Result, fastest, gib_per_s
from benchmarks import rivals
from benchmarks.records import IN_CACHE, MILLION, THREADED, WORKLOADS, Records, Rows
from interleaved import best_times, process_output, take_turns, task_sampler

_ALGORITHMS = ("CRC-32", "CRC-32C")
_AGAINST_LOOPS = {
    "rows 16 B": 30,
    "rows 64 B": 20,
    "rows 100 B": 12,
    "rows 1 KiB": 3,
    "batch 64 B": 3,
    "batch 1 KiB": 2,
    "segments ~100 B": 12,
}
_SAMPLE = 10e-3
"""Seconds, as long as a rival's loop, after which one or two calls of numcrc find cold caches."""
_TRANSPOSED = ((1 << 15, 1 << 15), (1 << 20, 1 << 10), (1 << 10, 1 << 20))
_PEAK_MEMORY = """
import resource, sys
import numpy as np
import numcrc

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

rows = numcrc.algorithms["CRC-32C"].rows
rows(np.ones((64, 64), "u1").T, threads=2)
a = np.ones({shape}, "u1")
before = peak()
rows(a.T, threads=2)
print(peak() - before)
"""


def results(rounds: int) -> Iterator[Result]:
    """Measure every claim, best of a tenth of *rounds*, since these calls are long."""
    if sys.platform != "win32":  # no getrusage
        yield from _memory()  # first, since a child inherits its parent's peak on Linux
    rounds = max(rounds // 10, 3)
    for workload, least in _AGAINST_LOOPS.items():
        records = WORKLOADS[workload]()
        for algorithm in _ALGORITHMS:
            yield _against_loops(f"{algorithm}, {workload}", records, algorithm, least, rounds)
    for workload in (IN_CACHE, MILLION):
        rows = THREADED[workload]()
        for algorithm in _ALGORITHMS:
            yield _two_threads(f"{algorithm}, {workload}", rows, algorithm, rounds)
    for size, threads, least in ((1 << 28, 1, 0.95), (1 << 28, 2, 0.95), (1 << 30, 2, 0.9)):
        yield from _as_fast_as_a_read(rounds, size, threads, least)


def loop_times(
    records: Records, algorithm: str, rounds: int, threads: tuple[int, ...] = (1,)
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the seconds of each engine for all records, and the form of each rival's loop.

    numcrc with one thread is "numcrc", with two it is "numcrc, 2 threads".
    """
    tasks = {_numcrc(count): records.numcrc(algorithm, count) for count in threads}
    forms = {}
    for engine, call in rivals.crcs(algorithm).items():
        if engine != "numcrc":
            forms[engine], tasks[engine] = records.best_loop(call)
    return best_times(tasks, rounds=rounds, sample=_SAMPLE), forms


def _numcrc(threads: int) -> str:
    return "numcrc" if threads == 1 else f"numcrc, {threads} threads"


def _against_loops(
    name: str, records: Records, algorithm: str, least: float, rounds: int
) -> Result:
    times, forms = loop_times(records, algorithm, rounds)
    rival = fastest(times)
    ratio = times[rival] / times["numcrc"]
    each = {engine: f"{seconds / records.count * 1e9:.1f}" for engine, seconds in times.items()}
    return Result(
        f"{name}, 1 thread, >= {least}x the fastest's best loop",
        ratio >= least,
        f"{ratio:.1f}x ({each['numcrc']} ns per record, {rival} {each[rival]}, a loop over"
        f" {forms[rival]})",
    )


def _two_threads(name: str, rows: Rows, algorithm: str, rounds: int) -> Result:
    tasks = {_numcrc(threads): rows.numcrc(algorithm, threads) for threads in (1, 2)}
    one, two = best_times(tasks, rounds=rounds).values()
    speeds = f"{gib_per_s(rows.size, two):.1f} GiB/s, one {gib_per_s(rows.size, one):.1f}"
    return Result(
        f"{name}, 2 threads >= 1.7x one", one / two >= 1.7, f"{one / two:.2f}x ({speeds})"
    )


def _as_fast_as_a_read(rounds: int, size: int, threads: int, least: float) -> Iterator[Result]:
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") < 3 * size:
        size >>= 2
    rows = Rows.filled(size)
    tasks = {algorithm: rows.numcrc(algorithm, threads) for algorithm in _ALGORITHMS}
    tasks |= rows.read(threads)
    times = take_turns({name: task_sampler(task) for name, task in tasks.items()}, rounds)
    read = min(times.keys() - set(_ALGORITHMS), key=times.__getitem__)
    for algorithm in _ALGORITHMS:
        ratio = times[read] / times[algorithm]
        yield Result(
            f"{algorithm}, one array of {size >> 20} MiB, {threads} threads >= {least}x a read",
            ratio >= least,
            f"{ratio:.2f}x ({gib_per_s(size, times[algorithm]):.1f} GiB/s, the fastest read, a"
            f" {read}, {gib_per_s(size, times[read]):.1f})",
        )


def _memory() -> Iterator[Result]:
    for shape in _TRANSPOSED:
        mib = int(process_output(_PEAK_MEMORY.format(shape=shape))) / 2**20
        yield Result(
            f"rows of a transposed {shape[0]} x {shape[1]} array, 2 threads, <= 64 MiB more",
            mib <= 64,
            f"{mib:.1f} MiB",
        )
