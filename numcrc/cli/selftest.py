"""``numcrc selftest``: test the kernels of every tier that this CPU runs.

Each tier is tested in a process of its own, which runs this module, so that an illegal instruction
is a row of the report.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, NamedTuple

from numcrc.cli.arguments import new_parser

EPILOG = """\
Every tier is tested in a process of its own. Its output is for bug reports.

examples:
  numcrc selftest
  numcrc selftest --seed 7            repeat the cases of another run

exit status: 0 success; 1 a tier fails; 2 wrong usage.
"""

SECONDS = 12.0
"""How long the tests take; kernels that are not in the cache are compiled in that time."""

# One for each kind of kernel, before the rest of the catalogue.
_FIRST = ("CRC-32/ISCSI", "CRC-32/ISO-HDLC", "CRC-64/NVME", "CRC-32/BZIP2", "CRC-16/ARC")
_LONGEST = 100_000


def run(arguments: list[str]) -> int:
    """Run ``numcrc selftest`` and return its exit status: 1 if a tier fails."""
    parser = new_parser(
        "selftest", "Test the kernels of every tier that this CPU runs, for some seconds.", EPILOG
    )
    parser.add_argument("--seed", type=int, help="seed of the random messages (default: random)")
    options = parser.parse_args(arguments)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    passed, text = report(seed, SECONDS)
    print(text)
    return 0 if passed else 1


class Result(NamedTuple):
    """What the test of a tier has found."""

    tier: str
    algorithms: int = 0
    """Algorithms whose check values are right."""
    cases: int = 0
    """Random messages whose CRCs are right."""
    wrong: str = ""
    """The first thing that is wrong; empty if all is well."""


def report(seed: int, seconds: float) -> tuple[bool, str]:
    """Return whether all tiers of this machine passed, and a text for a bug report."""
    from llvmlite import binding as llvm

    import numcrc
    from numcrc.jit import target

    info = numcrc.info()
    try:
        listed = " ".join(name for name, on in llvm.get_host_cpu_features().items() if on)
    except RuntimeError:
        listed = "LLVM does not know this CPU"
    names = [tier.name for tier in target.machine().tiers]
    together = min(os.cpu_count() or 1, len(names))
    share = seconds * together / len(names)
    with ThreadPoolExecutor(together) as pool:
        results = list(pool.map(lambda name: _in_a_process(name, seed, share), names))
    rows = [("tier", "algorithms", "cases", "result")]
    rows += [(r.tier, str(r.algorithms), str(r.cases), r.wrong or "ok") for r in results]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = [
        f"  {tier:{widths[0]}}  {algorithms:>{widths[1]}}  {cases:>{widths[2]}}  {result}"
        for tier, algorithms, cases, result in rows
    ]
    text = "\n".join([str(info), f"LLVM lists: {listed}", f"self-test, seed {seed}:", *table])
    return not any(result.wrong for result in results), text


def _in_a_process(tier: str, seed: int, seconds: float) -> Result:
    done = subprocess.run(
        [sys.executable, "-m", "numcrc.cli.selftest", str(seed), str(seconds)],
        env=os.environ | {"NUMCRC_TIER": tier},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        try:
            cause = signal.Signals(-done.returncode).name
        except ValueError:
            cause = f"signal {-done.returncode}"
        return Result(tier, wrong=f"ended by {cause}")
    try:
        return Result(**json.loads(done.stdout))
    except (ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Result(tier, wrong=f"status {done.returncode}: {last}")


def examine(seed: int, seconds: float) -> Result:
    """Test the tier of this process for about *seconds*.

    Random messages are compared with the table kernel, and short ones with the definition.
    """
    import numcrc
    from numcrc.compiled import Compiled
    from numcrc.crc import reference
    from numcrc.jit import engine, target
    from numcrc.jit.plan import TABLE

    end = monotonic() + seconds
    tier = target.best().name
    rng = random.Random(seed)
    data = memoryview(rng.randbytes(_LONGEST))
    tested: list[tuple[Any, Any]] = []
    for name in (*_FIRST, *(name for name in numcrc.algorithms if name not in _FIRST)):
        if tested and monotonic() > end - seconds / 2:
            break
        crc = numcrc.algorithms[name]
        found = crc(b"123456789")
        if engine.refused:
            return Result(tier, len(tested), wrong=f"{name}: {engine.refused[0].name} is refused")
        if found != crc.check:
            return Result(tier, len(tested), wrong=f"{name}: check {found:#x}")
        tables = Compiled(crc.model, TABLE).crc if crc.width <= 64 else None
        tested.append((crc, tables))
    cases = 0
    while not cases or monotonic() < end:
        for crc, tables in tested:
            length = rng.randrange(rng.choice((40, 400, 4000, _LONGEST)))
            start = rng.randrange(_LONGEST - length)
            value = rng.getrandbits(crc.width)
            message = data[start : start + length]
            found, expected = crc(message, value), None
            if tables is not None:
                expected = tables(message, value)
            if length <= 40 and expected in (found, None):
                expected = reference.crc(crc.model, bytes(message), value)
            if expected not in (found, None):
                case = f"{crc.name}: {length} bytes from {start}, value {value:#x}: {found:#x}"
                return Result(tier, len(tested), cases, f"{case}, expected {expected:#x}")
            cases += 1
    return Result(tier, len(tested), cases)


if __name__ == "__main__":
    print(json.dumps(examine(int(sys.argv[1]), float(sys.argv[2]))._asdict()))
