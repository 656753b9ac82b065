"""Share data and helpers among the test files."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import numcrc
from numcrc.compiled import Compiled
from numcrc.crc import reference
from numcrc.crc.model import Model
from numcrc.jit import choice
from numcrc.jit.target import Target
from numcrc.jit.tiers import Tier


class Machine(NamedTuple):
    """A CPU to choose kernels for: this one, or one that has fewer features."""

    name: str
    target: Target
    tier: Tier


DROP_IN = {"crc32": "CRC-32/ISO-HDLC", "crc32c": "CRC-32/ISCSI", "crc64nvme": "CRC-64/NVME"}
"""The drop-in functions and their algorithms."""

KERNELS = [
    "CRC-32/ISCSI",
    "CRC-32/ISO-HDLC",
    "CRC-64/NVME",
    "CRC-32/BZIP2",
    "CRC-64/ECMA-182",
    "CRC-16/ARC",
    "CRC-12/UMTS",
    "CRC-8/SMBUS",
    "CRC-3/GSM",
]
"""Algorithms that together use every kernel, in both bit orders."""

DTYPES = [
    *("?", "i1", "u1", "<i2", ">i2", "<u4", ">u4", "<i8", ">u8", "<f2", ">f4", "f8", "g"),
    *("c8", ">c16", "<U3", ">U2", "S5", "V7", "M8[ns]", ">M8[D]", "m8[us]"),
]
STRUCTURES = {
    "packed": np.dtype([("a", "u1"), ("b", ">f8"), ("c", "S3")]),
    "padded": np.dtype([("a", "u1"), ("b", "f8")], align=True),
    "nested": np.dtype([("a", [("b", "u1"), ("c", "f8")]), ("d", "u2", (3,))], align=True),
    "overlapping": np.dtype(
        {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2], "itemsize": 12}
    ),
    "field named O": np.dtype([("O", "f8"), ("OO", "i4")]),
    "long titles": np.dtype([(("a long title with an O", "O"), "i8")]),
    "times": np.dtype([("when", "M8[s]"), ("what", "i4")]),
}
ALL_DTYPES = {name: np.dtype(name) for name in DTYPES} | STRUCTURES


class Callee(NamedTuple):
    """A function or an algorithm to call, and the algorithm that it computes."""

    call: Callable[..., int]
    algorithm: numcrc.Algorithm

    def expected(self, data: bytes, value: int | None = None) -> int:
        """Return the CRC of *data* by definition."""
        return reference.crc(self.algorithm.model, data, value)


def in_c_order(array: np.ndarray) -> bytes:
    """Return ``array.tobytes()`` including padding, which `tobytes` leaves uninitialised."""
    return (array.view(f"V{array.itemsize}") if array.dtype.names else array).tobytes()


def crc_on(crc: numcrc.Algorithm, machine: Machine) -> numcrc.Algorithm:
    """Return *crc* computed by the kernels for *machine*."""
    plan = choice.plan(crc.model, machine.target, machine.tier)
    return numcrc.Algorithm.from_compiled(Compiled(crc.model, plan), crc.name, crc.check)


def prefix_crcs(model: Model, data: bytes, value: int | None = None) -> list[int]:
    """Return the CRC of every prefix of *data* by definition, from the empty one on."""
    register = reference.register_of(model, value)
    found = [reference.value_of(model, register)]
    for byte in data:
        register = reference.feed(model, register, reference.message_bits((byte,), model.refin))
        found.append(reference.value_of(model, register))
    return found


def run_python(
    code: str,
    *,
    cwd: str | None = None,
    flags: tuple[str, ...] = (),
    unset: tuple[str, ...] = (),
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Run *code* in a new process whose environment has *env* and lacks *unset*."""
    environment = {k: v for k, v in os.environ.items() if k not in unset} | env
    return subprocess.run(
        [sys.executable, *flags, "-c", code],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


ARMED = """
import random, signal

armed = False

def interrupt(number, frame):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
"""
"""Code whose process takes SIGALRM for an interrupt, once each time that ``armed`` is set."""

DEADLINE = 240
"""Seconds that a process of `passes` may take."""


def passes(code: str, *, flags: tuple[str, ...] = (), **env: str) -> None:
    """Run *code* under a deadline and expect it to print "done"."""
    deadline = f"import faulthandler; faulthandler.dump_traceback_later({DEADLINE}, exit=True)\n"
    found = run_python(deadline + textwrap.dedent(code), flags=flags, **env)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split()[-1:] == ["done"], found.stdout + found.stderr
