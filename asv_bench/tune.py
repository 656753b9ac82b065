"""Time plans against each other on this machine.

    python asv_bench/tune.py CRC-32 CRC-16/ARC --sizes 8192 65536
    python asv_bench/tune.py CRC-32C --plans crc32c-s8x1.512,v64s8x6.1536-clmul128-x86_64

prints a table of GiB/s for each algorithm, with a row for each plan and a column for each size of
message. The first row is the plan in use. Without ``--plans``, the others are the multiplier alone
and every mixture of the tier that suits the polynomial. Names are those of `numcrc.jit.plan.Plan`:
"v64s8x6.1536" folds 64 bytes while the crc32 instruction takes 6 words from each of 8 streams of
1536 bytes; in "by2-00c0c0cc", "c" is a register that is multiplied, a digit is a group that
matrices fold, two lanes together.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator

os.environ["NUMCRC_CACHE_DIR"] = tempfile.mkdtemp()  # keeps these kernels out of the user's cache

from acceptance import gib_per_s
from benchmarks.plans import variants
from benchmarks.records import filled_bytes
from interleaved import best_times

import numcrc
from numcrc.compiled import Compiled
from numcrc.jit import engine, target
from numcrc.jit.plan import Plan
from numcrc.jit.tiers import Tier


def plan(name: str) -> Plan:
    """Return the plan of this *name*, for argparse."""
    try:
        return Plan.parse(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def plans(algorithm: str, tier: Tier, chosen: list[Plan] | None) -> Iterator[Plan]:
    """Yield the plan in use, then those *chosen* or its variants, if they suit *algorithm*."""
    model = numcrc.algorithms[algorithm].model
    yield engine.plan_of(model, tier)
    others = variants(algorithm, tier) if chosen is None else chosen
    yield from (other for other in others if other.suits(model))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("algorithms", nargs="*", default=["CRC-32", "CRC-16/ARC", "CRC-8/SMBUS"])
    parser.add_argument("--tier", help="a lower tier, as NUMCRC_TIER names it")
    parser.add_argument("--plans", nargs="+", type=plan, metavar="NAME")
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[1 << k for k in (10, 13, 16, 20, 24)]
    )
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    tier = target.tier(options.tier) if options.tier else target.best()
    for name in options.algorithms:
        crc = numcrc.algorithms[name]
        calls = {
            found.name: Compiled(crc.model, found).crc for found in plans(name, tier, options.plans)
        }
        print(f"{name:88}" + "".join(f"{size:>10}" for size in options.sizes))
        columns = [
            best_times(calls, filled_bytes(size), rounds=options.rounds) for size in options.sizes
        ]
        for plan_name in calls:
            speeds = (
                gib_per_s(size, times[plan_name])
                for size, times in zip(options.sizes, columns, strict=True)
            )
            print(f"{plan_name:88}" + "".join(f"{speed:10.1f}" for speed in speeds))


if __name__ == "__main__":
    main()
