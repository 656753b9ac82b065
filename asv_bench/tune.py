"""Time plans against each other on this machine: how the shipped ones were chosen.

    python asv_bench/tune.py CRC-32 CRC-16/ARC --kinds cgcgcgcg cgggcggg --sizes 8192 65536

prints, for each algorithm, a table of GiB/s: a row a plan, a column a message's size. Without
``--kinds`` it tries a choice of them. The plan in use is the first row.
"""

from __future__ import annotations

import argparse
import os
import tempfile

os.environ["NUMCRC_CACHE_DIR"] = tempfile.mkdtemp()  # nobody else wants these kernels

from acceptance import gib_per_s
from benchmarks.records import filled_bytes
from interleaved import best_times

import numcrc
from numcrc.jit import engine
from numcrc.jit.plan import Plan

_KINDS = {
    (1, 1): ("gggggggg", "cggggggg", "gggg"),
    (2, 1): ("cgggcggg", "cggcggcg", "cggggggg", "gggggggg", "cggg"),
    (4, 1): ("cgcgcgcg", "cgcgcggg", "cggcggcg", "ccgcccgc", "cgcg"),
    (8, 1): ("ccgccgcc", "cccgcccg", "cgcgcgcg", "ccgc"),
    (8, 2): ("gccccccg",),
}


def variants(plan: Plan, kinds: list[str] | None) -> dict[str, Plan]:
    """Return *plan* and its relatives, by name."""
    found = [plan]
    if plan.planes:
        register = plan.bits // 8
        found.append(plan._replace(kinds="", planes=0, vectors=1, blocks=plan.blocks[:-1]))
        for mixture in kinds or _KINDS[plan.planes, plan.vectors]:
            blocks = (*plan.blocks[:-1], register * len(mixture))
            found.append(plan._replace(kinds=mixture, blocks=blocks))
    return {variant.name: variant for variant in found}


def main() -> None:
    """Print a table for each algorithm that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("algorithms", nargs="*", default=["CRC-32", "CRC-16/ARC", "CRC-8/SMBUS"])
    parser.add_argument("--kinds", nargs="+")
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[1 << k for k in (10, 13, 16, 20, 24)]
    )
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    for name in options.algorithms:
        crc = numcrc.algorithms[name]
        plans = variants(engine.plan_of(crc._model), options.kinds)
        calls = {
            plan_name: engine.builtin(crc._model, plan, crc._general, "crc")
            for plan_name, plan in plans.items()
        }
        print(f"{name:60}" + "".join(f"{size:>10}" for size in options.sizes))
        columns = [
            best_times(calls, filled_bytes(size), rounds=options.rounds) for size in options.sizes
        ]
        for plan_name in plans:
            speeds = (
                gib_per_s(size, times[plan_name])
                for size, times in zip(options.sizes, columns, strict=True)
            )
            print(f"{plan_name:60}" + "".join(f"{speed:10.1f}" for speed in speeds))


if __name__ == "__main__":
    main()
