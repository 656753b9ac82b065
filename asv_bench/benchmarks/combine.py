"""Time combine and zeros, by algorithm and length."""

from __future__ import annotations

import numcrc

from .rivals import COMBINE_CASES, combine

_LENGTHS = (1, 2**20, 2**40 - 1)


class Combine:
    params = (COMBINE_CASES, _LENGTHS)
    param_names = ("case", "length")

    def setup(self, case: str, length: int) -> None:
        self.call = combine(case)
        self.time_combine(case, length)  # the first call links the kernel

    def time_combine(self, case: str, length: int) -> None:
        self.call(0x12345678, 0x9ABCDEF0, length)


class Zeros:
    params = (("CRC-32C", "CRC-64/NVME", "CRC-16/ARC"), (-(2**20), *_LENGTHS))
    param_names = ("algorithm", "length")

    def setup(self, algorithm: str, length: int) -> None:
        self.call = numcrc.algorithms[algorithm].zeros
        self.time_zeros(algorithm, length)

    def time_zeros(self, algorithm: str, length: int) -> None:
        self.call(0x1234, length)
