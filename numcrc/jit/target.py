"""Read the CPU's features from LLVM, less what the user's settings take away.

The features are those that LLVM reports for the host, as far as they form a closed set
(`numcrc.jit.features`). Numba's settings (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``,
``NUMBA_ENABLE_AVX`` or its config file) may take features away, never add one. LLVM aborts the
process when asked for an instruction that its target lacks, so every kernel keeps to the features
of its tier (`numcrc.jit.tiers`).
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from llvmlite import binding as llvm

from numcrc.jit import features
from numcrc.jit.tiers import CRC32_FEATURE, TABLE_TIER, TIERS, Tier


class TierError(RuntimeError):
    """``NUMCRC_TIER`` does not name a tier, or names one that this CPU cannot run."""


_NUMBA_SETTINGS = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX")
_NUMBA_CONFIG_FILE = ".numba_config.yaml"


class Target(NamedTuple):
    """A CPU that code is generated for."""

    triple: str
    cpu: str
    """LLVM's name of the host, by which code is tuned and plans are chosen."""
    usable: frozenset[str]
    """The features that code may use beyond the baseline, a closed set."""

    @property
    def arch(self) -> str:
        """The architecture as the keys of `TIERS` spell it."""
        arch = self.triple.partition("-")[0]
        return {"arm64": "aarch64", "amd64": "x86_64"}.get(arch, arch)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that this target can run, the best last."""
        known = TIERS.get(self.arch, (TABLE_TIER,))
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
        listed = {name for name, present in llvm.get_host_cpu_features().items() if present}
    except RuntimeError:  # LLVM does not know this CPU: nothing beyond its baseline
        listed = set()
    if numba_settings():
        listed &= numba_features()
    found = Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), frozenset())
    return found._replace(usable=features.closed(found.arch, listed))


def numba_settings() -> str:
    """Return the user's Numba settings that affect code generation, as one string."""
    found = [f"{name}={os.environ[name]}" for name in _NUMBA_SETTINGS if name in os.environ]
    try:
        with open(_NUMBA_CONFIG_FILE, encoding="utf-8", errors="replace") as file:
            found.append(file.read())
    except OSError:
        pass
    return "\n".join(found)


def numba_features() -> set[str]:
    """Return the features that are explicitly on in Numba's code generator (imports Numba)."""
    from numba.core.registry import cpu_target

    *_, text = cpu_target.target_context.codegen().magic_tuple()
    signs = {item[1:]: item[0] for item in text.split(",") if item}  # the last sign wins
    return {name for name, sign in signs.items() if sign == "+"}


@cache
def best() -> Tier:
    """Return the tier in use: the best one, or the one that ``NUMCRC_TIER`` names."""
    wanted = os.environ.get("NUMCRC_TIER")
    return tier(wanted) if wanted else host().tiers[-1]


def tier(name: str) -> Tier:
    """Return the tier of this *name*, or the best of this width ("128"), or raise `TierError`."""
    known = TIERS.get(host().arch, host().tiers)
    wanted = {name} | {t.name for t in known if t.bits and str(t.bits) == name}
    runnable = [t for t in host().tiers if t.name in wanted]
    if runnable:
        return runnable[-1]
    for refused in known:
        if refused.name in wanted:
            missing = " ".join(sorted(refused.needs - host().usable))
            raise TierError(
                f"cannot run tier {refused.name!r}: missing features: {missing}"
                f" (the best tier here is {host().tiers[-1].name!r})"
            )
    names = ", ".join(t.name for t in known)
    raise TierError(f"invalid tier: {name!r}; expected one of {names}")
