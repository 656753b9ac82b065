"""Compare the CRCs of every tier, each forced in a process of its own, with the definition."""

from __future__ import annotations

import hashlib
import os
import random
from functools import cache

import pytest
from support import KERNELS, prefix_crcs, run_python

from numcrc.crc import catalogue
from numcrc.jit import target

SEED, LONGEST = 13, 60_000
LENGTHS = [*range(600), *range(600, LONGEST, 997)]
MANY = ["CRC-32/ISCSI", "CRC-32/BZIP2"]
CODE = f"""
import hashlib, random
import numcrc
data = random.Random({SEED}).randbytes({LONGEST})
for name in {KERNELS}:
    crc = numcrc.algorithms[name]
    found = [crc(data[:length]) for length in {LENGTHS}]
    if name in {MANY}:
        assert crc.segments(data, [0] * len(found), {LENGTHS}).tolist() == found, name
    print(hashlib.sha256(repr(found).encode()).hexdigest(), name)
print(*numcrc.info()["features"])
"""


@cache
def expected() -> list[str]:
    data = random.Random(SEED).randbytes(LONGEST)
    lines = []
    for name in KERNELS:
        crcs = prefix_crcs(catalogue.find(name).model, data)
        found = repr([crcs[length] for length in LENGTHS])
        lines.append(f"{hashlib.sha256(found.encode()).hexdigest()} {name}")
    return lines


@pytest.mark.parametrize("tier", target.machine().tiers, ids=lambda tier: tier.name)
def test_a_forced_tier_has_its_own_code_and_the_same_crcs(tier):
    done = run_python(CODE, NUMCRC_TIER=tier.name, NUMCRC_CACHE_DIR=os.environ["NUMCRC_CACHE_DIR"])
    assert (done.returncode, done.stderr) == (0, "")
    *lines, used = done.stdout.splitlines()
    assert lines == expected()
    assert set(used.split()) == target.machine().lowered(tier).usable
