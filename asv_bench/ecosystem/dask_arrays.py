"""Compare the CRC of a Dask array with its sum, and with zlib, for five chunkings.

Usage: python asv_bench/ecosystem/dask_arrays.py [GIB]

The array, by default of 8 GiB, is in the memory of two processes.
"""

from __future__ import annotations

import sys
import time
import zlib

import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster, wait

import numcrc.dask

COLUMNS = 32768
ROUNDS = 5


def values(rows: slice, columns: slice) -> np.ndarray:
    """Return a part of the array: numbers that depend on the place."""
    row = np.arange(rows.start, rows.stop, dtype=np.uint64)[:, None] * np.uint64(COLUMNS)
    numbers = row + np.arange(columns.start, columns.stop, dtype=np.uint64)
    numbers *= np.uint64(0x9E3779B97F4A7C15)
    return (numbers >> np.uint64(11)).astype(np.float64)


def of_place(block: np.ndarray, block_info: dict) -> np.ndarray:
    return values(*(slice(*axis) for axis in block_info[0]["array-location"]))


def seconds(lazy: da.Array) -> float:
    start = time.perf_counter()
    lazy.compute()
    return time.perf_counter() - start


def main() -> None:
    gib = float(sys.argv[1]) if len(sys.argv) > 1 else 8
    rows = int(gib * 2**30) // (8 * COLUMNS)
    expected = 0
    for start in range(0, rows, 1024):
        band = values(slice(start, min(rows, start + 1024)), slice(0, COLUMNS))
        expected = zlib.crc32(band, expected)
    chunkings = {
        "rows": (rows // 32, COLUMNS),
        "columns": (rows, COLUMNS // 32),
        "squares": (4096, 4096),
        "small squares": (1024, 1024),
        "ragged": ((rows // 7 + 1, rows // 3, rows - rows // 7 - 1 - rows // 3), 3001),
    }
    options = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": 0}
    with LocalCluster(dashboard_address=":0", **options) as cluster, Client(cluster):
        for name, chunks in chunkings.items():
            empty = da.zeros((rows, COLUMNS), chunks=chunks)
            x = empty.map_blocks(of_place, dtype=float).persist()
            wait(x)
            crc, total = numcrc.dask.crc(x, "crc32"), x.sum()
            assert int(crc) == expected
            times = [(seconds(crc), seconds(total)) for _ in range(ROUNDS)]
            crc_time, sum_time = (min(column) for column in zip(*times, strict=True))
            print(
                f"{name}: {x.npartitions} chunks, crc {crc_time:.2f} s, sum {sum_time:.2f} s:"
                f" {crc_time / sum_time:.2f}; {gib / crc_time:.1f} GiB/s",
                flush=True,
            )
            del x, crc, total


if __name__ == "__main__":
    main()
