"""Plans against each other: what each mixture of multiplier and matrices gives, by its name."""

from __future__ import annotations

from collections.abc import Iterator

import numcrc
from numcrc.compiled import Compiled
from numcrc.jit import engine, target
from numcrc.jit.choice import MIXTURES, mixed, unmixed
from numcrc.jit.matrices import spans
from numcrc.jit.plan import Plan
from numcrc.jit.target import Tier

from .records import filled_bytes

ALONE = "multiplier"


def known(bits: int) -> list[str]:
    """Return the mixtures that numcrc chooses from: lanes taken together, and units."""
    return [f"{lanes}:{units}" for (lanes, _), many in MIXTURES[bits].items() for units in many]


def mixtures(algorithm: str, tier: Tier, names: list[str] | None = None) -> Iterator[Plan]:
    """Give the plan for *algorithm* by the multiplier alone, then by all mixtures that suit.

    None where *tier* folds nothing; no mixtures where there is no instruction for them.
    """
    model = numcrc.algorithms[algorithm].model
    plan = engine.plan_of(model, tier)
    if not plan.blocks:
        return
    yield unmixed(plan)
    if "gfni" not in target.host().usable:
        return
    for name in known(plan.bits) if names is None else names:
        lanes, _, units = name.rpartition(":")
        variant = mixed(unmixed(plan), units, int(lanes or 1))
        if spans(model.generator, variant.above, variant.lanes):
            yield variant


class Mixtures:
    params = (
        ("CRC-32", "CRC-16/ARC", "CRC-64/NVME"),
        (ALONE, *known(target.best().fold_bits)) if target.best().fold_bits else (ALONE,),
    )
    param_names = ("algorithm", "mixture")

    def setup(self, algorithm: str, mixture: str) -> None:
        crc, alone = numcrc.algorithms[algorithm], mixture == ALONE
        found = mixtures(algorithm, target.best(), [] if alone else [mixture])
        plan = next((plan for plan in found if alone or plan.units), None)
        if plan is None:
            raise NotImplementedError(f"no {mixture} for {algorithm} here")
        self.call = Compiled(crc.model, plan).crc
        self.data = filled_bytes(1 << 16)

    def time_call(self, algorithm: str, mixture: str) -> None:
        self.call(self.data)
