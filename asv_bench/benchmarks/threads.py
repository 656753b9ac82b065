"""Time one thread, two threads, and a plain read of the same memory by two threads."""

from __future__ import annotations

from .records import THREADED

_ALGORITHM = "CRC-32C"


class Threads:
    params = (("numcrc, 1 thread", "numcrc, 2 threads", "plain read, 2 threads"), tuple(THREADED))
    param_names = ("engine", "records")

    def setup(self, engine: str, records: str) -> None:
        found = THREADED[records]()
        name, threads, *_ = engine.split(", ")
        if name == "numcrc":
            self.task = found.numcrc(_ALGORITHM, int(threads.split()[0]))
        else:
            self.task = found.read(2)["xor"]
        self.task()

    def time_call(self, engine: str, records: str) -> None:
        self.task()
