"""Time joins of equal lengths, contributions of blocks, and Series of short values.

Usage: python asv_bench/ecosystem/arrays.py

CPU time of one thread, the best of many rounds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import numcrc

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
COUNT = 10**6


def nanoseconds(call: Callable[[], object], times: int, each: int) -> float:
    best = float("inf")
    for _ in range(10):
        start = time.thread_time_ns()
        for _ in range(times):
            call()
        best = min(best, time.thread_time_ns() - start)
    return best / times / each


def main() -> None:
    numbers = random.Random(1)
    crcs = np.array([numbers.getrandbits(32) for _ in range(COUNT)], np.uint32)
    print(f"join, equal lengths: {nanoseconds(lambda: CRC.join(crcs, 8), 1, COUNT):.1f} ns a value")
    shape, start = (1024, 1024), (256, 512)
    for dtype in ("f8", "f4", "u1"):
        block = np.zeros(shape, dtype)[256:512, 512:768]
        rows = nanoseconds(lambda b=block: CRC.linear.rows(b, threads=1), 200, 1)
        part = nanoseconds(lambda b=block: CRC.contribution(b, shape, start, threads=1), 200, 1)
        print(f"contribution of 256 x 256 {dtype}: {part / rows:.2f} of its rows")
    values = [numbers.randbytes(numbers.randrange(4, 13)) for _ in range(COUNT)]
    data = np.frombuffer(b"".join(values), np.uint8)
    offsets = np.cumsum([0, *map(len, values)])
    calls = {
        "segments": lambda: CRC.segments(data, offsets, threads=1),
        "list": lambda: CRC.batch(values, threads=1),
    }
    for name, series in {
        "pyarrow binary": pa.array(values),
        "polars Binary": pl.Series(values),
        "polars String": pl.Series([value.hex()[:12] for value in values]),
        "pandas str": pd.Series([value.hex()[:12] for value in values]),
        "pandas object": pd.Series(values, dtype=object),
    }.items():
        calls[name] = lambda s=series: CRC.batch(s, threads=1)
    for name, call in calls.items():
        print(f"{name}: {nanoseconds(call, 1, COUNT):.1f} ns a value of 4 to 12 bytes")


if __name__ == "__main__":
    main()
