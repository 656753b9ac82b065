"""Time plans against each other on this machine: how the shipped ones were chosen.

    python asv_bench/tune.py CRC-32 CRC-16/ARC --mixtures 00c0c0 2:00c0c0cc --sizes 8192 65536
    python asv_bench/tune.py CRC-32C --tier 256 --streams s8x1.512,v128s8x5.1280 v128s4x2.1024

prints, for each algorithm, a table of GiB/s: a row a plan, a column a message's size. The plan in
use is the first row, the multiplier alone the second. Without ``--mixtures``, every one is tried
that numcrc knows, where a group of its registers suits the polynomial; "2:" takes pairs of lanes
together. ``--streams`` are for the crc32 instruction: "v128s8x5.1280" folds 128 bytes while it
takes 5 words from each of 8 streams of 1280 bytes.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Iterator

os.environ["NUMCRC_CACHE_DIR"] = tempfile.mkdtemp()  # nobody else wants these kernels

from acceptance import gib_per_s
from benchmarks.plans import mixtures
from benchmarks.records import filled_bytes
from interleaved import best_times

import numcrc
from numcrc.compiled import Compiled
from numcrc.jit import engine, target
from numcrc.jit.choice import unmixed
from numcrc.jit.plan import Plan, Streams
from numcrc.jit.target import Tier


def variants(
    algorithm: str, tier: Tier, names: list[str] | None, stretches: list[str]
) -> Iterator[Plan]:
    """Give the plan in use and its relatives."""
    plan = engine.plan_of(numcrc.algorithms[algorithm].model, tier)
    yield plan
    yield from mixtures(algorithm, tier, names)
    plain = unmixed(plan) if plan.blocks else plan
    for stretch in stretches:
        yield plain._replace(streams=tuple(map(streams, stretch.split(","))))


def streams(name: str) -> Streams:
    """Return what is called *name* in a plan's name."""
    found = re.fullmatch(r"(?:v(\d+))?s(\d+)x(\d+)\.(\d+)", name)
    if found is None:
        raise SystemExit(f"no streams: {name!r}")
    block, ways, words, length = (int(number or 0) for number in found.groups())
    if not ways or not words or length % (8 * words):
        raise SystemExit(f"no streams: {name!r} is not whole times {words} words")
    return Streams(ways, length, words, block)


def main() -> None:
    """Print a table for each algorithm that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("algorithms", nargs="*", default=["CRC-32", "CRC-16/ARC", "CRC-8/SMBUS"])
    parser.add_argument("--tier", help="a lower tier, as NUMCRC_TIER names it")
    parser.add_argument("--mixtures", nargs="*")
    parser.add_argument("--streams", nargs="+", default=[])
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[1 << k for k in (10, 13, 16, 20, 24)]
    )
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    tier = target.tier(options.tier) if options.tier else target.best()
    for name in options.algorithms:
        crc = numcrc.algorithms[name]
        plans = dict.fromkeys(variants(name, tier, options.mixtures, options.streams))
        calls = {plan.name: Compiled(crc.model, plan).crc for plan in plans}
        print(f"{name:72}" + "".join(f"{size:>10}" for size in options.sizes))
        columns = [
            best_times(calls, filled_bytes(size), rounds=options.rounds) for size in options.sizes
        ]
        for plan_name in calls:
            speeds = (
                gib_per_s(size, times[plan_name])
                for size, times in zip(options.sizes, columns, strict=True)
            )
            print(f"{plan_name:72}" + "".join(f"{speed:10.1f}" for speed in speeds))


if __name__ == "__main__":
    main()
