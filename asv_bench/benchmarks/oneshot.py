"""Time one call on one buffer, by algorithm, engine and size."""

from __future__ import annotations

import timeit

from .rivals import CRC_CASES, USUAL_OFFSET, crc, message


class _OneShot:
    param_names = ("case", "size")
    offset: int | None = None

    def setup(self, case: str, size: int) -> None:
        self.call, self.data = crc(case), message(size, self.offset)
        self.call(self.data)  # the first call links the kernel


class Short(_OneShot):
    params = (CRC_CASES, (0, 8, 15, 64, 100, 255, 256, 1000, 1024))

    def time_thousand_calls(self, case: str, size: int) -> None:
        call, data = self.call, self.data
        for _ in range(1000):
            call(data)


class Long(_OneShot):
    params = (CRC_CASES, (4096, 65536, 1048576))
    offset = USUAL_OFFSET

    def time_call(self, case: str, size: int) -> None:
        self.call(self.data)

    def track_throughput(self, case: str, size: int) -> float:
        number = max(1, 2**20 // size)
        names = {"call": self.call, "data": self.data}
        return number * size / min(timeit.repeat("call(data)", globals=names, number=number)) / 1e9

    track_throughput.unit = "GB/s"  # type: ignore[attr-defined]
