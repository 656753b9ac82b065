"""Find the functions of each engine: the fastest that its users can call.

Rivals are optional: one that is not installed raises `NotImplementedError`, for which asv skips
a benchmark. A case is an algorithm and an engine that computes it: "CRC-32C awscrt".
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import metadata
from pkgutil import resolve_name
from typing import Any

import numcrc

Call = Callable[..., int]

ALGORITHMS = (
    "CRC-32",
    "CRC-32C",
    "CRC-64/NVME",
    "CRC-64/XZ",
    "CRC-16/ARC",
    "CRC-32/BZIP2",
    "CRC-8/SMBUS",
    "CRC-24/OPENPGP",
)

_CRCS = {
    "numcrc": {
        "CRC-32": "numcrc:crc32",
        "CRC-32C": "numcrc:crc32c",
        "CRC-64/NVME": "numcrc:crc64nvme",
    },
    "zlib": {"CRC-32": "zlib:crc32"},
    "isal": {"CRC-32": "isal.isal_zlib:crc32"},
    "zlib-ng": {"CRC-32": "zlib_ng.zlib_ng:crc32"},
    "fastcrc": {
        "CRC-32": "fastcrc.crc32:iso_hdlc",
        "CRC-32C": "fastcrc.crc32:iscsi",
        "CRC-64/XZ": "fastcrc.crc64:xz",
        "CRC-16/ARC": "fastcrc.crc16:arc",
        "CRC-32/BZIP2": "fastcrc.crc32:bzip2",
        "CRC-8/SMBUS": "fastcrc.crc8:smbus",
    },
    "awscrt": {
        "CRC-32": "awscrt.checksums:crc32",
        "CRC-32C": "awscrt.checksums:crc32c",
        "CRC-64/NVME": "awscrt.checksums:crc64nvme",
    },
    "crc32c": {"CRC-32C": "crc32c:crc32c"},
    "google-crc32c": {"CRC-32C": "google_crc32c:value"},
    "anycrc": {},
}
"""Functions by engine and algorithm. numcrc and anycrc compute all others too: see `crc`."""
_COMBINES = {
    "numcrc": {},
    "isal": {"CRC-32": "isal.isal_zlib:crc32_combine"},
    "zlib-ng": {"CRC-32": "zlib_ng.zlib_ng:crc32_combine"},
    "awscrt": {
        "CRC-32": "awscrt.checksums:combine_crc32",
        "CRC-32C": "awscrt.checksums:combine_crc32c",
        "CRC-64/NVME": "awscrt.checksums:combine_crc64nvme",
    },
    "anycrc": {},
}
_GENERAL = ("numcrc", "anycrc")
RIVALS = tuple(sorted(_CRCS.keys() - {"numcrc"}))
_LINE = 64
USUAL_OFFSET = 48
"""Offset from a cache line of the data of CPython's large bytes objects on 64-bit Linux: malloc's
header has 16 bytes, the object's 32."""


def _cases(known: dict[str, dict[str, str]], algorithms: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        f"{algorithm} {engine}"
        for algorithm in algorithms
        for engine in known
        if engine in _GENERAL or algorithm in known[engine]
    )


CRC_CASES = _cases(_CRCS, ALGORITHMS)
COMBINE_CASES = _cases(_COMBINES, ("CRC-32", "CRC-32C", "CRC-64/NVME"))


def crc(case: str) -> Call:
    """Return the function of a case; numcrc's is `Algorithm.function` or a drop-in function."""
    algorithm, engine = case.split()
    call: Call
    if path := _CRCS[engine].get(algorithm):
        call = _resolved(path)
    else:
        known = numcrc.algorithms[algorithm]
        call = known.function if engine == "numcrc" else _anycrc_model(known).calc
    return call


def combine(case: str) -> Call:
    """Return the function of a case that combines two CRCs."""
    algorithm, engine = case.split()
    call: Call
    if path := _COMBINES[engine].get(algorithm):
        call = _resolved(path)
    else:
        known = numcrc.algorithms[algorithm]
        call = (known if engine == "numcrc" else _anycrc_model(known)).combine
    return call


def crcs(algorithm: str) -> dict[str, Call]:
    """Return the functions of all installed engines that compute *algorithm*, by engine."""
    return _installed(crc, CRC_CASES, algorithm)


def combines(algorithm: str) -> dict[str, Call]:
    """Return the functions of all installed engines that combine CRCs of *algorithm*."""
    return _installed(combine, COMBINE_CASES, algorithm)


def numcrc_on(tier: str, algorithm: str) -> Call:
    """Return numcrc's builtin for *algorithm* on a tier, or raise if this CPU lacks it."""
    from numcrc.compiled import Compiled
    from numcrc.jit import engine, target

    known = numcrc.algorithms[algorithm]
    try:
        plan = engine.plan_of(known.model, target.tier(tier))
    except target.TierError as error:
        raise NotImplementedError(str(error)) from error
    return Compiled(known.model, plan).crc


def versions() -> dict[str, str]:
    """Return the versions of the rivals that are installed."""
    found = {}
    for engine in RIVALS:
        with suppress(metadata.PackageNotFoundError):
            builtin = engine == "zlib"
            found[engine] = zlib.ZLIB_RUNTIME_VERSION if builtin else metadata.version(engine)
    return found


def message(size: int, offset: int | None = None) -> bytes:
    """Return *size* bytes, always the same, *offset* bytes past a cache line.

    The offset changes the speed of long messages by up to a third, so they need the same one in
    every run. For short messages malloc may have none at *offset*: that is a NotImplementedError.
    """
    content = random.Random(size).randbytes(size)
    if offset is None:
        return content
    bytes(4 * size)  # once freed, glibc takes such blocks from its heap, at multiples of 16
    held = []  # keeps these, so that malloc returns others
    for turn in range(64):
        copy = bytes(bytearray(content))
        if (id(copy) + bytes.__basicsize__ - 1) % _LINE == offset:
            return copy
        held += [copy, bytes(16 * (turn % 7) + 1000)]
    raise NotImplementedError(f"malloc did not return {size} bytes {offset} past a cache line")


def _anycrc_model(algorithm: numcrc.Algorithm) -> Any:
    kind, _, name = algorithm.name.partition("/")  # "CRC-32/BZIP2" is "CRC32-BZIP2" there
    return _resolved("anycrc:Model")(f"{kind.replace('-', '')}-{name}")


def _resolved(path: str) -> Any:
    try:
        return resolve_name(path)
    except (ImportError, AttributeError) as error:
        raise NotImplementedError(str(error)) from error


def _installed(
    find: Callable[[str], Call], cases: Iterable[str], algorithm: str
) -> dict[str, Call]:
    found = {}
    for case in cases:
        of, engine = case.split()
        if of == algorithm:
            with suppress(NotImplementedError):
                found[engine] = find(case)
    return found
