"""Compare the CPU time of `numcrc.zarr.verify` with that of reading the array by zarr.

``python asv_bench/ecosystem/zarr_verify.py [GiB] [FOLDER]`` writes arrays of 1 MiB chunks, flat and
in shards of 64, with zarr's codec crc32c, and prints CPU seconds per GiB: the best of several
rounds, in turns.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec

import numcrc.zarr

ROUNDS = 3
SIDE = 512  # of a chunk of float32
SHARD = 64  # chunks


def write(place: Path, gib: int, shards: bool) -> zarr.Array:
    """Write chunks of random bytes, one shard at a time."""
    options = {
        "shape": (gib * 1024 * SIDE, SIDE),
        "dtype": "<f4",
        "chunks": (SIDE, SIDE),
        "compressors": [Crc32cCodec()],
    }
    if shards:
        inner = [BytesCodec(), Crc32cCodec()]
        options["serializer"] = ShardingCodec(chunk_shape=(SIDE, SIDE), codecs=inner)
        options |= {"chunks": (SHARD * SIDE, SIDE), "compressors": None}
    array = zarr.create_array(place, **options)
    random = np.random.default_rng(1)
    step = SHARD * SIDE
    for start in range(0, array.shape[0], step):
        array[start : start + step] = random.random((step, SIDE), np.float32)
    return array


def read(place: Path) -> None:
    """Read the array in blocks of 64 MiB, so that they take no new memory."""
    array = zarr.open_array(place, mode="r")
    step = SHARD * SIDE
    for start in range(0, array.shape[0], step):
        array[start : start + step]


def verify(place: Path) -> None:
    """Check the array."""
    report = numcrc.zarr.verify(place)
    assert report.ok, report


def seconds(call: Callable[[Path], None], place: Path) -> float:
    """Return the CPU seconds of all threads."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    call(place)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure."""
    gib = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    with TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        for name, shards in (("flat", False), ("shards", True)):
            place = Path(folder, name)
            write(place, gib, shards)
            best = {read: float("inf"), verify: float("inf")}
            for _ in range(ROUNDS):
                for call in best:
                    best[call] = min(best[call], seconds(call, place) / gib)
            for call, time in best.items():
                print(f"{name:6} {call.__name__:6} {time:.3f} CPU s/GiB")
            print(f"{name:6} ratio  {best[verify] / best[read]:.2f}")


if __name__ == "__main__":
    main()
