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
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from numcrc.cli.arguments import new_parser
from numcrc.cli.output import print_text
from numcrc.crc import catalogue, gf2, reference
from numcrc.threads import thread_count

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from numcrc.algorithm import Algorithm
    from numcrc.crc.model import Model
    from numcrc.jit.plan import Plan

EPILOG = """\
Every tier is tested in a process of its own. Its output is for bug reports.

examples:
  numcrc selftest
  numcrc selftest --seed 7            repeat the cases of another run

exit status: 0 success; 1 a tier fails; 2 wrong usage.
"""

SECONDS = 17.0
"""How long the tests take at most; kernels that are not in the cache are compiled in that time."""
_CASES_SECONDS = 1.0
"""How much of it is kept for the random messages of each tier."""

# One for each kind of kernel, before the rest of the catalogue.
_FIRST = (
    *("CRC-32/ISCSI", "CRC-82/DARC", "CRC-32/ISO-HDLC", "CRC-32/BZIP2"),
    *("CRC-64/NVME", "CRC-16/ARC"),
)
_LONGEST = 100_000
_BOUNDS, _WEIGHTS = (40, 400, 4000, _LONGEST), (50, 40, 9, 1)

_COVERED = f"""\
Algorithms: the check value is right, and so is the CRC of at least one random message.
Cases: random messages of up to {_LONGEST} bytes, compared with the definition.
Not tested: many records in one call, combine, zeros, join, and functions compiled by Numba."""


def run(arguments: list[str]) -> int:
    """Run ``numcrc selftest`` and return its exit status: 1 if a tier fails."""
    options = build_parser().parse_args(arguments)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    passed, text = report(seed, SECONDS)
    print_text(text)
    return 0 if passed else 1


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc selftest``."""
    description = "Test the kernels of every tier that this CPU runs, for some seconds."
    parser = new_parser("selftest", description, EPILOG)
    parser.add_argument(
        "--seed", metavar="N", type=int, help="seed of the random messages (default: random)"
    )
    return parser


class Result(NamedTuple):
    """What the test of a tier has found."""

    tier: str
    kernels: str = "0"
    """How many of the kernels are right, such as "3/4"."""
    algorithms: str = "0"
    """How many of the algorithms are right."""
    cases: int = 0
    """Random messages whose CRCs are right."""
    wrong: str = ""
    """The first thing that is wrong; empty if all is well."""
    untested: tuple[str, ...] = ()
    """The kernels for which there was no time."""


def report(seed: int, seconds: float) -> tuple[bool, str]:
    """Return whether all tiers of this machine passed, and a text for a bug report."""
    from llvmlite import binding as llvm

    import numcrc
    from numcrc.jit import choice, target

    info = numcrc.info()
    try:
        listed = " ".join(name for name, on in llvm.get_host_cpu_features().items() if on)
    except RuntimeError:
        listed = "LLVM does not know this CPU"
    machine, entries = target.machine(), catalogue.entries().values()
    kernels = {
        tier.name: len({choice.plan(each.model, machine.lowered(tier), tier) for each in entries})
        for tier in machine.tiers
    }
    results = _results(kernels, seed, seconds)
    rows = [("tier", "kernels", "algorithms", "cases", "result")]
    rows += [(r.tier, r.kernels, r.algorithms, str(r.cases), r.wrong or "ok") for r in results]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = [
        "  ".join([f"  {row[0]:{widths[0]}}", *map(str.rjust, row[1:4], widths[1:]), row[4]])
        for row in rows
    ]
    table += [f"no time for {r.tier}: {', '.join(r.untested)}" for r in results if r.untested]
    lines = [str(info), f"LLVM lists: {listed}", f"self-test, seed {seed}:", *table, _COVERED]
    return not any(result.wrong for result in results), "\n".join(lines)


def _results(kernels: dict[str, int], seed: int, seconds: float) -> list[Result]:
    """Return what the tests of tiers find in *seconds*, shared by their numbers of kernels.

    The best tier's starts first. Time that one leaves is for those that start later.
    """
    end, unfinished = monotonic() + seconds, sum(kernels.values())
    together = min(thread_count(), len(kernels))

    def result(tier: str) -> Result:
        nonlocal unfinished
        left = end - monotonic()
        share = min(1.0, together * kernels[tier] / unfinished)
        found = _in_a_process(tier, seed, left * share)
        unfinished -= kernels[tier]
        return found

    with ThreadPoolExecutor(together) as pool:
        return list(pool.map(result, reversed(kernels)))[::-1]


def _in_a_process(tier: str, seed: int, seconds: float) -> Result:
    done = subprocess.run(
        [sys.executable, "-m", "numcrc.cli.selftest", str(seed), str(seconds)],
        env=os.environ | {"NUMCRC_TIER": tier},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    *_, last = done.stdout.splitlines() or [""]
    if done.returncode < 0:
        try:
            cause = signal.Signals(-done.returncode).name
        except ValueError:
            cause = f"signal {-done.returncode}"
        return Result(tier, wrong=f"ended by {cause}{last and f' in {last}'}")
    try:
        return Result(**json.loads(last))
    except (ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Result(tier, wrong=f"status {done.returncode}: {last}")


def examine(seed: int, seconds: float, begin: Callable[[str], object] = str) -> Result:
    """Test the tier of this process for at most about *seconds*.

    *begin* is called with the name of each kernel before it is compiled.
    """
    import numcrc
    from numcrc.jit import engine, target

    start = monotonic()
    tier = target.best().name
    names = (*_FIRST, *(name for name in numcrc.algorithms if name not in _FIRST))
    by_plan: dict[Plan, list[Algorithm]] = defaultdict(list)
    for name in names:
        crc = numcrc.algorithms[name]
        by_plan[engine.plan_of(crc.model)].append(crc)
    tested: list[_Messages] = []
    kernels = cases = 0
    expected = 0.0

    def result(wrong: str = "") -> Result:
        return Result(
            tier,
            f"{kernels}/{len(by_plan)}",
            f"{len(tested)}/{len(names)}",
            cases,
            wrong,
            tuple(plan.name for plan in list(by_plan)[kernels:]) if not wrong else (),
        )

    for plan, crcs in by_plan.items():
        began = monotonic()
        if kernels and began + expected + _CASES_SECONDS > start + seconds:
            break
        begin(plan.name)
        for crc in crcs:
            found = crc(b"123456789")
            if engine.refused:
                return result(f"{crc.name}: {engine.refused[0].name} is refused")
            if found != crc.check:
                return result(f"{crc.name}: check {found:#x}")
            messages = _Messages(crc, seed)
            if wrong := messages.compare(_LONGEST if crc is crcs[0] else _BOUNDS[0]):
                return result(wrong)
            tested.append(messages)
            cases += 1
        kernels += 1
        took = monotonic() - began
        # The first imports Numba too, which takes as long as a kernel.
        expected = took / 2 if kernels == 1 else max(expected, took)
    end = min(start + seconds, monotonic() + _CASES_SECONDS)
    for messages in (tested[turn % len(tested)] for turn in count()):
        if monotonic() > end:
            break
        if wrong := messages.compare():
            return result(wrong)
        cases += 1
    return result()


class _Messages:
    """Random messages whose CRCs are compared with the definition.

    They depend on the seed and the algorithm only.
    """

    def __init__(self, crc: Algorithm, seed: int) -> None:
        self._crc, self._expected = crc, by_definition(crc.model)
        self._random = random.Random(f"{seed} {crc.name}")

    def compare(self, bound: int = 0) -> str:
        """Compare a message shorter than *bound*; return what is wrong with it, or ""."""
        rng = self._random
        message = rng.randbytes(rng.randrange(bound or rng.choices(_BOUNDS, _WEIGHTS)[0]))
        value = rng.getrandbits(self._crc.width)
        found, expected = self._crc(message, value), self._expected(message, value)
        if found == expected:
            return ""
        case = f"{self._crc.name}: {len(message)} bytes, value {value:#x}"
        return f"{case}: {found:#x}, expected {expected:#x}"


def by_definition(model: Model) -> Callable[[bytes, int], int]:
    """Return ``(data, value) -> crc``, which uses the remainders of all bytes.

    The register is multiplied by a power of x that makes it at least 8 bits wide.
    """
    scale = max(0, 8 - model.width)
    above, mask = model.width + scale - 8, (1 << model.width + scale) - 1
    order = bytes(gf2.reflect(byte, 8) if model.refin else byte for byte in range(256))
    remainders = [gf2.mod(byte << model.width, model.generator) << scale for byte in range(256)]

    def crc(data: bytes, value: int) -> int:
        register = reference.register_of(model, value) << scale
        for byte in data.translate(order):
            register = register << 8 & mask ^ remainders[register >> above ^ byte]
        return reference.value_of(model, register >> scale)

    return crc


if __name__ == "__main__":
    print(
        json.dumps(
            examine(
                int(sys.argv[1]),
                float(sys.argv[2]),
                lambda kernel: print(kernel, flush=True),
            )._asdict()
        )
    )
