"""Compare the kernels of all forced tiers on many short records: ``[CASES [SEED]]``.

Each tier runs in a process of its own, with code for the features of that tier alone, and computes
the same random records: of any address, 0 to 300 bytes long. A case is a record of one algorithm
on one tier; the CRCs must be those of the table kernel. A test in the suite runs a few of them.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys

import numpy as np
from support import KERNELS

import numcrc
from numcrc.jit import target

RECORDS = 1 << 18
"""Records of a round."""
LONGEST = (17, 70, 300)
"""Most bytes of a round's records, in turns."""


def digests(seed: int, rounds: int) -> list[str]:
    """Return the digest of each algorithm's CRCs in each round, on the tier of this process."""
    rng, found = np.random.default_rng(seed), []
    for turn in range(rounds):
        data = rng.integers(256, size=1 << 20, dtype=np.uint8)
        lengths = rng.integers(LONGEST[turn % len(LONGEST)] + 1, size=RECORDS)
        starts = rng.integers(len(data) - max(LONGEST), size=RECORDS)
        for name in KERNELS:
            crcs = numcrc.algorithms[name].segments(data, starts, lengths, threads=1)
            found.append(hashlib.sha256(crcs.tobytes()).hexdigest())
    return found


def compare(cases: int, seed: int) -> bool:
    """Compute *cases* cases or some more, print what was found, and return whether all agree."""
    tiers = [tier.name for tier in target.machine().tiers]
    of_a_round = len(KERNELS) * RECORDS
    rounds = -(-cases // (of_a_round * len(tiers)))
    print(f"seed {seed}: {rounds} rounds of {RECORDS} records, {len(KERNELS)} algorithms")
    results = {}
    for tier in tiers:
        done = subprocess.run(
            [sys.executable, __file__, "--digests", str(seed), str(rounds)],
            env=os.environ | {"NUMCRC_TIER": tier},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        results[tier] = done.stdout.split()
        differ = [
            f"{KERNELS[i % len(KERNELS)]} in round {i // len(KERNELS)}"
            for i, pair in enumerate(zip(results["table"], results[tier], strict=True))
            if len(set(pair)) > 1
        ]
        print(f"{tier}: {rounds * of_a_round} cases, {'; '.join(differ) or 'none differs'}")
    print(f"{len(tiers) * rounds * of_a_round} cases")
    return len(set(map(tuple, results.values()))) == 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--digests"]:
        print(*digests(*map(int, sys.argv[2:])))
    else:
        numbers = [*map(int, sys.argv[1:])]
        count, chosen = [*numbers, *(10**8, random.randrange(2**32))[len(numbers) :]]
        sys.exit(not compare(count, chosen))
