"""Time engines against each other: in turn, in many rounds, the best time of each.

A shared machine is fast at some moments and slow at others. Engines that take turns run at the
same moments, and the best of many rounds is the speed of the code.
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
"""The least duration of a sample in seconds; the call is repeated until then."""


def take_turns(samplers: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the least of *rounds* samples of each; each round starts with another one."""
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

    Results may be integers, or sequences or arrays of them. A sample takes at least *sample*
    seconds, so most calls find the caches as the same engine left them, not as another one did.

    The times include the loop around the call: a few nanoseconds, the same for each.

    Raises
    ------
    ValueError
        The results of the calls differ.
    """
    results = {name: call(*args) for name, call in calls.items()}
    first, *others = results.values()
    if not all(np.array_equal(first, other) for other in others):
        raise ValueError(f"the engines disagree: {results}")
    samplers = {name: call_sampler(call, *args, sample=sample) for name, call in calls.items()}
    return take_turns(samplers, rounds)


def call_sampler(
    call: Callable[..., object], *args: object, sample: float = SAMPLE
) -> Callable[[], float]:
    """Return a function that times ``call(*args)``, repeated for at least *sample* seconds."""
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
    """Return a function that times *task* once; it should take longer than `SAMPLE`."""
    return partial(Timer(task).timeit, 1)


def process_time(code: str, **environment: str) -> float:
    """Return the wall time in seconds of one fresh Python, from start to exit."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=os.environ | environment, check=True)
    return time.perf_counter() - start


def cold_process_time(code: str) -> float:
    """Return the same with an empty kernel cache."""
    with tempfile.TemporaryDirectory() as folder:
        return process_time(code, NUMCRC_CACHE_DIR=folder)


def process_output(code: str) -> str:
    """Return the output of one fresh Python that runs *code*."""
    return subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
