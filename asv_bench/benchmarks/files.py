"""Time a large file in the page cache, and a rival in a loop of reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import numcrc

from .rivals import Call, crc, message

_ALGORITHM = "CRC-32C"
_SIZE = 256 << 20
_BLOCK = 1 << 20


def read_loop(call: Call, path: str) -> int:
    """Return the CRC of a file as users of a one-shot function compute it."""
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    value = call(b"")
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            value = call(view[:count], value)
    return value


class File:
    params = ("numcrc, 1 thread", "numcrc, 2 threads", "fastcrc, readinto loop")
    param_names = ("reader",)

    def setup_cache(self) -> str:
        path = os.path.abspath("file.bin")
        block = message(_BLOCK)
        with open(path, "wb") as file:
            for _ in range(_SIZE // _BLOCK):
                file.write(block)
        return path

    def setup(self, path: str, reader: str) -> None:
        self.read: Callable[[str], int]
        engine, how = reader.split(", ")
        if engine == "numcrc":
            self.read = partial(numcrc.algorithms[_ALGORITHM].file, threads=int(how.split()[0]))
        else:
            self.read = partial(read_loop, crc(f"{_ALGORITHM} {engine}"))
        self.read(path)

    def time_read(self, path: str, reader: str) -> None:
        self.read(path)
