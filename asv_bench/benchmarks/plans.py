"""Time plans: the multiplier alone, and each mixture of multiplier and matrices."""

from __future__ import annotations

from collections.abc import Iterator

import numcrc
from numcrc.compiled import Compiled
from numcrc.jit import engine, target
from numcrc.jit.plan import Plan
from numcrc.jit.tiers import Tier

from .records import filled_bytes

ALGORITHMS = ("CRC-32", "CRC-16/ARC", "CRC-64/NVME")  # all reflected, so one plan may suit all


def variants(algorithm: str, tier: Tier) -> Iterator[Plan]:
    """Yield the plan for *algorithm* with the multiplier alone, then with each mixture of *tier*.

    Nothing if *tier* does not fold; only the first if the CPU lacks GFNI.
    """
    plan = engine.plan_of(numcrc.algorithms[algorithm].model, tier).multiplying
    if not plan.blocks:
        return
    yield plan
    if "gfni" in target.host().usable:
        yield from (plan.mixed(*mixture) for mixture in tier.mixtures)


def names() -> list[str]:
    """Return the names of all variants of plans for ALGORITHMS."""
    plans = (plan for name in ALGORITHMS for plan in variants(name, target.best()))
    return list(dict.fromkeys(plan.name for plan in plans))


class Mixtures:
    params = (ALGORITHMS, names() or ["table"])
    param_names = ("algorithm", "plan")

    def setup(self, algorithm: str, plan: str) -> None:
        model, parsed = numcrc.algorithms[algorithm].model, Plan.parse(plan)
        if not parsed.suits(model):
            raise NotImplementedError(f"{plan} does not suit {algorithm}")
        self.call = Compiled(model, parsed).crc
        self.data = filled_bytes(1 << 16)

    def time_call(self, algorithm: str, plan: str) -> None:
        self.call(self.data)
