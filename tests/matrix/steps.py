"""The steps of a row, each run as a process: ``steps.py STEP [TARGET] [ALGORITHM ...]``."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterable

from numcrc.crc import catalogue, reference
from numcrc.jit import cache, choice, engine, target
from numcrc.jit.plan import Plan
from numcrc.jit.target import Target

NAMES = ("CRC-32/ISCSI", "CRC-32/ISO-HDLC", "CRC-64/NVME", "CRC-32/BZIP2", "CRC-16/ARC")
LENGTHS = (*range(0, 300, 3), 511, 512, 513, 1000, 4096, 5000)
SEED = 13


def plans(host: Target, names: Iterable[str]) -> set[Plan]:
    """Return the plans that the cases need."""
    tier = host.tiers[-1]
    return {choice.plan(catalogue.find(name).model, host, tier) for name in names}


def compile_for(host: Target, names: Iterable[str]) -> None:
    """Put the kernels for *host* that the cache lacks into it."""
    from llvmlite import binding as llvm

    from numcrc.jit.compiler import compile_kernel

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()

    for plan in plans(host, names):
        key = engine.key(plan, host)
        descriptor = cache.open_file(key)
        if descriptor is None:
            cache.store(key, engine.packed(plan, host, key, compile_kernel(plan, host)))
        else:
            os.close(descriptor)


def cases(names: Iterable[str]) -> int:
    """Return the number of CRCs that are as by definition."""
    import numcrc

    data = random.Random(SEED).randbytes(LENGTHS[-1])
    count = 0
    for name in names:
        crc = numcrc.algorithms[name]
        register, at = reference.register_of(crc.model, None), 0
        for length in LENGTHS:
            bits = reference.message_bits(data[at:length], crc.model.refin)
            register, at = reference.feed(crc.model, register, bits), length
            expected = reference.value_of(crc.model, register)
            for start in range(3):  # at other addresses
                found = crc(memoryview(bytes(start) + data[:length])[start:])
                assert found == expected, (name, length, start, found, expected)
                count += 1
    return count


if __name__ == "__main__":
    if sys.argv[1] == "target":
        found = target.host()
        print(json.dumps([found.triple, found.cpu, sorted(found.usable)]))
    elif sys.argv[1] == "compile":
        triple, cpu, usable = json.loads(sys.argv[2])
        compile_for(Target(triple, cpu, frozenset(usable)), sys.argv[3:] or NAMES)
    else:
        print(cases(sys.argv[2:] or NAMES), "numba" in sys.modules, target.best().name, flush=True)
        os._exit(0)
