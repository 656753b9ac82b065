"""Time many records, by engine and kind of records; rivals in their fastest loop."""

from __future__ import annotations

import timeit

from .records import WORKLOADS
from .rivals import CRC_CASES, crc

_ALGORITHM = "CRC-32C"
_RIVALS = tuple(
    case for case in CRC_CASES if case.startswith(f"{_ALGORITHM} ") and not case.endswith(" numcrc")
)


class Many:
    params = (("numcrc, 1 thread", "numcrc, 2 threads", *_RIVALS), tuple(WORKLOADS))
    param_names = ("engine", "records")

    def setup(self, engine: str, records: str) -> None:
        call = crc(engine) if engine in _RIVALS else None  # first, since it may not be installed
        found = WORKLOADS[records]()
        self.size = found.size
        if call:
            _, self.task = found.best_loop(call)
        else:
            self.task = found.numcrc(_ALGORITHM, int(engine.split()[1]))
        self.task()  # the first call links the kernel and starts threads

    def time_call(self, engine: str, records: str) -> None:
        self.task()

    def track_throughput(self, engine: str, records: str) -> float:
        return self.size / min(timeit.repeat(self.task, number=1)) / 1e9

    track_throughput.unit = "GB/s"  # type: ignore[attr-defined]
