"""Make small files of every format that `numcrc.store.scan` knows."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import numcrc

Made = tuple[str, bytes, int, str]
"""A key, the file, the offset of a byte in a record, and the name of this record."""


def zip_file(method: int = zipfile.ZIP_STORED, members: int = 3) -> bytes:
    """Return an archive of members "0", "1"..., of 1000 bytes and more."""
    numbers, file = random.Random(1), io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number in range(members):
            data = bytes(numbers.choices(b"abcd", k=1000 + number))
            archive.writestr(zipfile.ZipInfo(str(number)), data, method)
    return file.getvalue()


def checkpoint() -> bytes:
    """Return an archive as PyTorch writes it: stored, aligned, with a descriptor behind each."""
    file, directory, names = io.BytesIO(), b"", ("m/data.pkl", "m/data/0", "m/version")
    numbers = random.Random(2)
    for name in names:
        data, at = numbers.randbytes(500), file.tell()
        crc = zlib.crc32(data)
        padding = -(at + 30 + len(name) + 4) % 64
        extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        fields = (0, 0x808, 0, 0, 0)
        file.write(struct.pack("<4s5H3L2H", b"PK\3\4", *fields, 0, 0, 0, len(name), len(extra)))
        file.write(name.encode() + extra + data)
        file.write(struct.pack("<4s3L", b"PK\7\10", crc, len(data), len(data)))
        sizes = (crc, len(data), len(data), len(name), 0, 0, 0, 0, 0, at)
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 0, *fields, *sizes) + name.encode()
    start, count = file.tell(), len(names)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
    return file.getvalue() + directory + end


def npz() -> bytes:
    """Return arrays "a" and "b" of NumPy."""
    file = io.BytesIO()
    np.savez(file, a=np.arange(300), b=np.ones(200))
    return file.getvalue()


def png() -> bytes:
    """Return an image of several chunks. Their contents are not those of an image."""
    numbers = random.Random(3)
    parts = [(b"IHDR", bytes(13)), *((b"IDAT", numbers.randbytes(n)) for n in (0, 300, 90, 2000))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in [*parts, (b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def gzip_file() -> bytes:
    """Return two members, and zeros behind them."""
    data = random.Random(4).randbytes(2000)
    return gzip.compress(b"a" * 5000, mtime=0) + gzip.compress(data, mtime=0) + bytes(50)


def bgzf(sizes: tuple[int, ...] = (1000, 0, 2000, 0)) -> bytes:
    """Return blocks of these sizes; an empty one marks the end."""
    file, numbers = b"", random.Random(5)
    for size in sizes:
        data = numbers.randbytes(size)
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = deflate.compress(data) + deflate.flush()
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\6\0BC\2\0" + struct.pack("<H", len(packed) + 25)
        file += head + packed + struct.pack("<LL", zlib.crc32(data), len(data))
    return file


def tfrecord(sizes: tuple[int, ...] = (100, 0, 2000, 7)) -> bytes:
    """Return records of these sizes."""
    numbers = random.Random(6)
    return b"".join(_tfrecord(numbers.randbytes(size)) for size in sizes)


def _tfrecord(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def masked(data: bytes) -> bytes:
    """Return the masked CRC-32C of *data*."""
    crc = numcrc.crc32c(data)
    return struct.pack("<L", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def leveldb(sizes: tuple[int, ...] = (100, 40_000, 0, 25_000, 3000)) -> bytes:
    """Return a log of records of these sizes, some of which are cut into fragments."""
    file, numbers = b"", random.Random(7)
    for size in sizes:
        data, first = numbers.randbytes(size), True
        while True:
            left = 32768 - len(file) % 32768
            if left < 7:
                file, left = file + bytes(left), 32768
            part, data = data[: left - 7], data[left - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}
            mark = bytes([kind[first, not data]])
            file += masked(mark + part) + struct.pack("<H", len(part)) + mark + part
            first = False
            if not data:
                break
    return file


def parquet(*, checksums: bool = True, **options: object) -> bytes:
    """Return columns "a" and "b" in two row groups."""
    numbers = np.random.default_rng(8)
    table = pa.table({"a": np.arange(2000), "b": numbers.integers(0, 9, 2000).astype(str)})
    file = io.BytesIO()
    sizes = {"row_group_size": 1000, "data_page_size": 2000}
    pq.write_table(table, file, write_page_checksum=checksums, **sizes, **options)
    return file.getvalue()


def damaged(data: bytes, at: int, bit: int = 1) -> bytes:
    """Return *data* with one bit flipped."""
    changed = bytearray(data)
    changed[at] ^= bit
    return bytes(changed)


PAGE = "row group 0, column 'a', dictionary at byte 4"
FILES: dict[str, Callable[[], Made]] = {
    "stored": lambda: ("a.zip", zip_file(), 1500, "member '1'"),
    "deflated": lambda: ("a.zip", zip_file(zipfile.ZIP_DEFLATED), 500, "member '1'"),
    "npz": lambda: ("a.npz", npz(), 1000, "member 'a.npy'"),
    "pt": lambda: ("a.pt", checkpoint(), 900, "member 'm/data/0'"),
    "png": lambda: ("a.png", png(), 200, "chunk 3, IDAT, at byte 45"),
    "gzip": lambda: ("a.gz", gzip_file(), 1000, "member 2 at byte 41"),
    "bgzf": lambda: ("a.bgz", bgzf(), 500, "block 1 at byte 0"),
    "tfrecord": lambda: ("train-0", tfrecord(), 1000, "record 2 at byte 132"),
    "leveldb": lambda: ("db/000003.log", leveldb(), 40_000, "record 2 at byte 32768"),
    "parquet": lambda: (
        "a.parquet",
        parquet(),
        3000,
        "row group 0, column 'a', dictionary at byte 4",
    ),
}
"""By name, a file of each kind; its key is enough for it to be recognised."""
