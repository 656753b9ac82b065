"""Define many records, numcrc's one call for them, and loops around a rival."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from timeit import timeit
from typing import Any

import numpy as np
import numpy.typing as npt

import numcrc

from .rivals import Call

Task = Callable[[], Any]
Bytes = npt.NDArray[np.uint8]

_ROW_BYTES = 1 << 16


def filled(*shape: int) -> Bytes:
    """Return an array of bytes, always the same."""
    size = int(np.prod(shape))
    words = np.random.default_rng(1).integers(0, 1 << 64, -(-size // 8), np.uint64)
    return words.view(np.uint8)[:size].reshape(shape)


def filled_bytes(size: int) -> bytes:
    """Return the same as a bytes object."""
    return filled(size).tobytes()


class Records(ABC):
    """Records, and the ways to compute a CRC of each."""

    count: int
    size: int  # of all, in bytes

    @abstractmethod
    def numcrc(self, algorithm: str, threads: int) -> Task:
        """Return one call of numcrc for all records."""

    @abstractmethod
    def loops(self, call: Call) -> dict[str, Task]:
        """Return loops over *call*, a function of one buffer, by the kind of buffer they pass."""

    def best_loop(self, call: Call) -> tuple[str, Task]:
        """Return the fastest loop for *call* and its name.

        Functions differ in the buffers that they take, and in the time that each kind takes.
        """
        taken = {}
        loops = self.loops(call)
        for form, loop in loops.items():
            with suppress(TypeError, ValueError):  # *call* does not take these buffers
                taken[form] = min(timeit(loop, number=1) for _ in range(2))
        best = min(taken, key=taken.__getitem__)
        return best, loops[best]


class Rows(Records):
    """The slices of an array of bytes along its last axis."""

    def __init__(self, array: Bytes) -> None:
        self.array = array
        self.count = array.size // array.shape[-1]
        self.size = array.size

    @classmethod
    def filled(cls, *shape: int) -> Rows:
        """Return rows that are all different."""
        return cls(filled(*shape))

    @classmethod
    def in_cache(cls) -> Rows:
        """Return 10 000 rows of 64 KiB that are 2500 times the same four, to fit each cache."""
        return cls(np.broadcast_to(filled(4, _ROW_BYTES), (2500, 4, _ROW_BYTES)))

    def numcrc(self, algorithm: str, threads: int) -> Task:
        return partial(numcrc.algorithms[algorithm].rows, self.array, threads=threads)

    def loops(self, call: Call) -> dict[str, Task]:
        array, length = self.array, self.array.shape[-1]

        def views() -> list[int]:
            flat = array.data.cast("B")
            return [call(flat[i : i + length]) for i in range(0, len(flat), length)]

        return {
            "rows": lambda: [call(row) for row in array],
            "memoryviews": views,
            "copies": lambda: [
                call(row) for (row,) in struct.iter_unpack(f"{length}s", array.data)
            ],
        }

    def read(self, threads: int) -> dict[str, Task]:
        """Return plain reads of the same memory by *threads* threads, by what they compute."""
        pieces = self._pieces()
        pool = ThreadPoolExecutor(threads)
        shares = tuple(pieces[number::threads] for number in range(threads))
        return {
            "xor": partial(_read_shares, pool, np.bitwise_xor.reduce, shares),
            "sum": partial(_read_shares, pool, np.add.reduce, shares),
            "max": partial(_read_shares, pool, np.maximum.reduce, shares),
        }

    def _pieces(self) -> Sequence[npt.NDArray[np.uint64]]:
        if not self.array.flags.c_contiguous:
            raise NotImplementedError("cannot read repeated rows without a copy")
        return np.array_split(self.array.reshape(-1).view(np.uint64), 32)


class Batch(Records):
    """A list of bytes objects."""

    def __init__(self, count: int, length: int) -> None:
        data = filled_bytes(count * length)
        self.buffers = [data[i : i + length] for i in range(0, len(data), length)]
        self.count, self.size = count, len(data)

    def numcrc(self, algorithm: str, threads: int) -> Task:
        return partial(numcrc.algorithms[algorithm].batch, self.buffers, threads=threads)

    def loops(self, call: Call) -> dict[str, Task]:
        buffers = self.buffers
        return {
            "comprehension": lambda: [call(buffer) for buffer in buffers],
            "map": lambda: list(map(call, buffers)),
        }


class Segments(Records):
    """Records of 50 to 150 bytes in one bytes object."""

    def __init__(self, count: int) -> None:
        lengths = np.random.default_rng(1).integers(50, 151, count)
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.data = filled_bytes(int(self.offsets[-1]))
        self.count, self.size = count, len(self.data)

    def numcrc(self, algorithm: str, threads: int) -> Task:
        segments = numcrc.algorithms[algorithm].segments
        return partial(segments, self.data, self.offsets, threads=threads)

    def loops(self, call: Call) -> dict[str, Task]:
        data, view, offsets = self.data, memoryview(self.data), self.offsets.tolist()
        starts, stops = offsets[:-1], offsets[1:]  # outside the timed loop
        return {
            "copies": lambda: [call(data[i:j]) for i, j in zip(starts, stops, strict=True)],
            "memoryviews": lambda: [call(view[i:j]) for i, j in zip(starts, stops, strict=True)],
        }


WORKLOADS: dict[str, Callable[[], Records]] = {
    "rows 16 B": partial(Rows.filled, 100_000, 16),
    "rows 64 B": partial(Rows.filled, 100_000, 64),
    "rows 100 B": partial(Rows.filled, 100_000, 100),
    "rows 1 KiB": partial(Rows.filled, 100_000, 1024),
    "rows 64 KiB": partial(Rows.filled, 2_000, _ROW_BYTES),
    "batch 64 B": partial(Batch, 100_000, 64),
    "batch 1 KiB": partial(Batch, 100_000, 1024),
    "segments ~100 B": partial(Segments, 200_000),
}
"""Records for one thread of numcrc and rivals, by name."""

IN_CACHE = "10 000 x 64 KiB, in cache"
MILLION = "10^6 x 64 B"
THREADED: dict[str, Callable[[], Rows]] = {
    MILLION: partial(Rows.filled, 1_000_000, 64),
    IN_CACHE: Rows.in_cache,
    "one array of 256 MiB": partial(Rows.filled, 256 << 20),
}
"""Records that two threads share, by name."""


def _read_shares(
    pool: ThreadPoolExecutor,
    reduce: Callable[[npt.NDArray[np.uint64]], Any],
    shares: Sequence[Sequence[npt.NDArray[np.uint64]]],
) -> None:
    def read(share: Sequence[npt.NDArray[np.uint64]]) -> None:
        for piece in share:
            reduce(piece)

    list(pool.map(read, shares))
