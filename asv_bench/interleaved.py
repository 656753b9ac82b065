"""Time several engines against each other: in turn, in many rounds, the best of each.

A shared machine is fast in some moments and slow in others. Engines that take turns meet
the same moments, and the best of many rounds is what the code can do.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from timeit import Timer

import numpy as np

SAMPLE = 200e-6
"""Seconds: what a sample takes at least, by repeating the call."""


def take_turns(samplers: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the least of *rounds* samples of each, each round beginning with another."""
    names = list(samplers)
    best = dict.fromkeys(names, math.inf)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            best[name] = min(best[name], samplers[name]())
    return best


def best_times(
    calls: Mapping[str, Callable[..., object]],
    *args: object,
    rounds: int,
    sample: float = SAMPLE,
) -> dict[str, float]:
    """Return the seconds that ``call(*args)`` takes, for each of *calls*.

    Results may be integers, or sequences or arrays of them. A sample takes *sample* seconds
    at least: more repetitions follow on themselves and not on another engine's work.

    The loop around the call counts too: a few nanoseconds, the same for each.

    Raises
    ------
    ValueError
        The calls do not all give the same result.
    """
    results = {name: call(*args) for name, call in calls.items()}
    first, *others = results.values()
    if not all(np.array_equal(first, other) for other in others):
        raise ValueError(f"the engines disagree: {results}")
    return take_turns({name: _sampler(call, args, sample) for name, call in calls.items()}, rounds)


def _sampler(
    call: Callable[..., object], args: tuple[object, ...], sample: float
) -> Callable[[], float]:
    names = ", ".join(f"argument{i}" for i in range(len(args)))
    timer = Timer(f"call({names})", f"call, {names} = case", globals={"case": (call, *args)})
    number = 1
    while (taken := timer.timeit(number)) < sample:
        number = max(2 * number, math.ceil(number * 1.1 * sample / max(taken, 1e-9)))
    return lambda: timer.timeit(number) / number


def best_process_times(programs: Mapping[str, str], rounds: int) -> dict[str, float]:
    """Return the wall time in seconds of a fresh Python that runs each of *programs*."""
    return take_turns(
        {name: partial(process_time, code) for name, code in programs.items()}, rounds
    )


def task_sampler(task: Callable[[], object]) -> Callable[[], float]:
    """Return what times one *task*, which should take longer than `SAMPLE`."""
    return partial(Timer(task).timeit, 1)


def process_time(code: str, **environment: str) -> float:
    """Return the wall time in seconds of one fresh Python, from start to exit."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=os.environ | environment, check=True)
    return time.perf_counter() - start


def cold_process_time(code: str) -> float:
    """Return the same with an empty folder for compiled kernels."""
    with tempfile.TemporaryDirectory() as folder:
        return process_time(code, NUMCRC_CACHE_DIR=folder)


def process_output(code: str) -> str:
    """Return what one fresh Python prints."""
    return subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
