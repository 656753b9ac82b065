"""Time numcrc on each tier of this architecture."""

from __future__ import annotations

from numcrc.jit import target
from numcrc.jit.tiers import TIERS

from .rivals import message, numcrc_on


class Tiers:
    params = (
        tuple(tier.name for tier in TIERS.get(target.host().arch, target.host().tiers)),
        ("CRC-32C", "CRC-64/NVME", "CRC-32/BZIP2"),
        (64, 1000, 65536),
    )
    param_names = ("tier", "algorithm", "size")

    def setup(self, tier: str, algorithm: str, size: int) -> None:
        self.call, self.data = numcrc_on(tier, algorithm), message(size)

    def time_call(self, tier: str, algorithm: str, size: int) -> None:
        self.call(self.data)
