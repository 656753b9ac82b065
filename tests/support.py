"""What several test files need."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import numcrc
from numcrc.compiled import Compiled
from numcrc.crc import reference
from numcrc.crc.model import Model
from numcrc.jit import choice
from numcrc.jit.target import Target, Tier


class Machine(NamedTuple):
    """A CPU to choose kernels for, this one or less of it."""

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
"""Algorithms that among them use every kernel, in both bit orders."""


class Callee(NamedTuple):
    """A function or an algorithm to call, and the algorithm that it computes."""

    call: Callable[..., int]
    algorithm: numcrc.Algorithm

    def expected(self, data: bytes, value: int | None = None) -> int:
        """Return the right answer."""
        return reference.crc(self.algorithm.model, data, value)


def crc_on(crc: numcrc.Algorithm, machine: Machine) -> numcrc.Algorithm:
    """Return *crc*, computed by the kernels that *machine* would use."""
    plan = choice.plan(crc.model, machine.target, machine.tier)
    return numcrc.Algorithm.from_compiled(Compiled(crc.model, plan), crc.name, crc.check)


def prefix_crcs(model: Model, data: bytes, value: int | None = None) -> list[int]:
    """Return the reference CRC of every prefix of *data*, the empty one first."""
    register = reference.register_of(model, value)
    found = [reference.value_of(model, register)]
    for byte in data:
        register = reference.feed(model, register, reference.message_bits((byte,), model.refin))
        found.append(reference.value_of(model, register))
    return found


def run_python(
    code: str, *, cwd: str | None = None, unset: tuple[str, ...] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    """Run *code* in a fresh interpreter, the environment changed by *env* and *unset*."""
    environment = {k: v for k, v in os.environ.items() if k not in unset} | env
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
