"""The one truth about the CPU: what may be emitted here, and the tiers that follow.

LLVM's own report of the host decides, the same that compiles the kernels. Numba's
settings (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``, ``NUMBA_ENABLE_AVX`` or its config
file) may take features away, never add one. LLVM aborts the process when asked for an
instruction its target lacks, so no kernel is emitted outside its tier's features.
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from llvmlite import binding as llvm


class TierError(RuntimeError):
    """``NUMCRC_TIER`` names no tier, or one that this CPU cannot run."""


class Tier(NamedTuple):
    """A set of instructions that kernels are written for."""

    name: str
    """As ``NUMCRC_TIER`` spells it."""
    fold_bits: int
    """Vector width of carry-less-multiply folding; 0: none."""
    needs: frozenset[str]
    """LLVM features that must all be there."""


def _tier(name: str, fold_bits: int, needs: str) -> Tier:
    return Tier(name, fold_bits, frozenset(needs.split()))


#: Best last. "crc32" is what a CPU with that instruction but no carry-less multiply has.
TIERS = {
    "x86_64": (
        _tier("table", 0, ""),
        _tier("crc32", 0, "crc32"),
        _tier("sse4.2-pclmul", 128, "pclmul sse4.1 ssse3"),
        _tier("avx2-vpclmul", 256, "avx avx2 pclmul sse4.1 ssse3 vpclmulqdq"),
        _tier(
            "avx512-vpclmul",
            512,
            "avx avx2 avx512f avx512bw avx512vbmi2 avx512vl pclmul sse4.1 ssse3 vpclmulqdq",
        ),
    ),
    "aarch64": (
        _tier("table", 0, ""),
        _tier("crc32", 0, "crc"),
        _tier("pmull", 128, "aes neon"),
        _tier("pmull+sha3", 128, "aes neon sha3"),
    ),
}

#: The feature of the CRC-32 instructions; used by every tier above "table".
CRC32_FEATURE = {"x86_64": "crc32", "aarch64": "crc"}

_NUMBA_SETTINGS = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX")
_NUMBA_CONFIG_FILE = ".numba_config.yaml"


class Target(NamedTuple):
    """What code is generated for."""

    triple: str
    cpu: str
    features: str
    """LLVM's full feature string of the host: ``+sse2,-sse4a,...``."""
    usable: frozenset[str]
    """Features of the host that Numba's settings leave on."""
    numba_settings: str
    """Those settings, as set; empty where there are none."""

    @property
    def arch(self) -> str:
        """The architecture as the keys of `TIERS` spell it."""
        arch = self.triple.partition("-")[0]
        return {"arm64": "aarch64", "amd64": "x86_64"}.get(arch, arch)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers this target can run, best last."""
        known = TIERS.get(self.arch, (_tier("table", 0, ""),))
        return tuple(tier for tier in known if tier.needs <= self.usable)

    @property
    def crc32_instruction(self) -> bool:
        """Whether the CPU's own CRC-32 instructions may be used."""
        return CRC32_FEATURE.get(self.arch) in self.usable


@cache
def host() -> Target:
    """Return the target of this process."""
    llvm.initialize_native_target()
    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:  # LLVM cannot tell for this CPU: nothing beyond its baseline
        features = llvm.FeatureMap()
    usable = {name for name, present in features.items() if present}
    settings = numba_settings()
    if settings:
        usable &= numba_features()
    return Target(
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        features.flatten(),
        frozenset(usable),
        settings,
    )


def numba_settings() -> str:
    """Return the user's Numba settings that bear on code generation, as one string."""
    found = [f"{name}={os.environ[name]}" for name in _NUMBA_SETTINGS if name in os.environ]
    try:
        with open(_NUMBA_CONFIG_FILE, encoding="utf-8", errors="replace") as file:
            found.append(file.read())
    except OSError:
        pass
    return "\n".join(found)


def numba_features() -> set[str]:
    """Return the features that Numba's code generator is explicitly given (imports Numba)."""
    from numba.core.registry import cpu_target

    *_, features = cpu_target.target_context.codegen().magic_tuple()
    signs = {item[1:]: item[0] for item in features.split(",") if item}  # the last sign wins
    return {name for name, sign in signs.items() if sign == "+"}


@cache
def best() -> Tier:
    """Return the tier in use: the best one, or what ``NUMCRC_TIER`` lowers it to."""
    wanted = os.environ.get("NUMCRC_TIER")
    return tier(wanted) if wanted else host().tiers[-1]


def tier(name: str) -> Tier:
    """Return the tier called *name* (or by its vector width: "128"), or raise `TierError`."""
    known = TIERS.get(host().arch, host().tiers)
    wanted = {name} | {t.name for t in known if t.fold_bits and str(t.fold_bits) == name}
    runnable = [t for t in host().tiers if t.name in wanted]
    if runnable:
        return runnable[-1]
    for refused in known:
        if refused.name in wanted:
            missing = " ".join(sorted(refused.needs - host().usable))
            raise TierError(
                f"tier {refused.name!r} needs features that are not available here: {missing}"
                f" (best tier here: {host().tiers[-1].name!r})"
            )
    names = ", ".join(t.name for t in known)
    raise TierError(f"no tier is called {name!r}; there are: {names}")
