"""Time numcrc.store.scan against what users have today, in CPU seconds.

    python asv_bench/ecosystem/scan.py [FOLDER]

FOLDER, by default /dev/shm or the temporary folder, gets files of about 250 MB. Needs pyarrow and
google-crc32c. Each figure is the least of several runs, in turns, in one process: user and system
time together, so that work in other threads counts.
"""

from __future__ import annotations

import gzip
import os
import resource
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import numcrc
from numcrc import store

RUNS = 5
ONE_THREAD = store.Limits(threads=1)


def main() -> None:
    default = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else default) as folder:
        print("| file | scan, ms | rival | ms | ratio |\n|---|---:|---|---:|---:|")
        for make in (npz, deflated, parquet, long_records, short_records, blocks):
            compare(Path(folder), make)


def compare(
    folder: Path, make: Callable[[Path], tuple[Path, str, Callable[[Path], object]]]
) -> None:
    path, name, rival = make(folder)
    best = [float("inf")] * 2
    for _ in range(RUNS):
        for place, run in enumerate((scan, rival)):
            before = cpu_seconds()
            run(path)
            best[place] = min(best[place], cpu_seconds() - before)
    ours, theirs = (seconds * 1e3 for seconds in best)
    size = path.stat().st_size >> 20
    print(f"| {path.name}, {size} MiB | {ours:.0f} | {name} | {theirs:.0f} | {ours / theirs:.2f} |")
    path.unlink()


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def scan(path: Path) -> None:
    report = store.scan(path, keep=False, limits=ONE_THREAD)
    assert report.ok, report


def npz(folder: Path) -> tuple[Path, str, Callable[[Path], object]]:
    random = np.random.default_rng(0)
    path = folder / "arrays.npz"
    np.savez(path, **{f"a{i}": random.random(2_000_000) for i in range(16)})
    return path, "ZipFile.testzip", _testzip


def deflated(folder: Path) -> tuple[Path, str, Callable[[Path], object]]:
    random = np.random.default_rng(0)
    path = folder / "deflated.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(200):
            archive.writestr(f"{number}", random.integers(0, 50, 250_000, np.uint8).tobytes())
    return path, "ZipFile.testzip", _testzip


def _testzip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def parquet(folder: Path) -> tuple[Path, str, Callable[[Path], object]]:
    random, rows = np.random.default_rng(0), 2_000_000
    columns = {
        "a": random.integers(0, 1 << 60, rows),
        "b": random.random(rows),
        "c": pa.array(random.integers(0, 100, rows).astype(str)).dictionary_encode(),
    }
    path = folder / "pages.parquet"
    pq.write_table(
        pa.table(columns),
        path,
        write_page_checksum=True,
        row_group_size=500_000,
        compression="snappy",
    )

    def read(path: Path) -> None:
        pq.read_table(path, page_checksum_verification=True, use_threads=False, memory_map=True)

    return path, "pyarrow, read and verify", read


def long_records(folder: Path) -> tuple[Path, str, Callable[[Path], object]]:
    return _records(folder / "records_100k.tfrecord", 2000, 100_000)


def short_records(folder: Path) -> tuple[Path, str, Callable[[Path], object]]:
    return _records(folder / "records_500.tfrecord", 200_000, 500)


def _records(path: Path, count: int, size: int) -> tuple[Path, str, Callable[[Path], object]]:
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for _ in range(count):
            data, length = random.bytes(size), struct.pack("<Q", size)
            file.write(length + _masked(length) + data + _masked(data))
    return path, "google_crc32c loop", _loop


def _masked(data: bytes) -> bytes:
    crc = numcrc.crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _loop(path: Path) -> None:
    """Check records as a reader in Python does: one after another."""
    with path.open("rb") as file:
        while header := file.read(12):
            size, length_crc = struct.unpack("<QI", header)
            data, (crc,) = file.read(size), struct.unpack("<I", file.read(4))
            for found, stored in ((header[:8], length_crc), (data, crc)):
                value = google_crc32c.value(found)
                assert ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF == stored


def blocks(folder: Path) -> tuple[Path, str, Callable[[Path], object]]:
    random = np.random.default_rng(0)
    path = folder / "blocks.bgz"
    with path.open("wb") as file:
        for number in range(1000):
            data = random.integers(0, 50, 65280, np.uint8).tobytes() if number < 999 else b""
            deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
            packed = deflate.compress(data) + deflate.flush()
            head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\6\0BC\2\0"
            file.write(head + struct.pack("<H", len(packed) + 25) + packed)
            file.write(struct.pack("<II", zlib.crc32(data), len(data)))

    def read(path: Path) -> None:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass

    return path, "gzip.open", read


if __name__ == "__main__":
    main()
