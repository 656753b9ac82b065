"""Read the CPU's features from LLVM, and give the tiers that they allow.

The features are those that LLVM reports for the host, and the same LLVM compiles the kernels.
Numba's settings (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``, ``NUMBA_ENABLE_AVX`` or its config
file) may take features away, never add one. LLVM aborts the process when asked for an
instruction that its target lacks, so every kernel keeps to its tier's features.
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from llvmlite import binding as llvm

from numcrc.jit.plan import Mixture, Streams


class TierError(RuntimeError):
    """``NUMCRC_TIER`` does not name a tier, or names one that this CPU cannot run."""


class Tier(NamedTuple):
    """A set of instructions, and the sizes of the kernels that are made of them.

    `numcrc.jit.choice` makes plans of these, by the model and the CPU.
    """

    name: str
    """As ``NUMCRC_TIER`` spells it."""
    needs: frozenset[str] = frozenset()
    """LLVM features that must all be there."""
    bits: int = 0
    """Bits of the registers that are folded by the carry-less multiply; 0: none are."""
    windows: tuple[int, ...] = ()
    """See `Plan.windows`; these need masks of bytes."""
    blocks: tuple[int, ...] = ()
    """See `Plan.blocks`."""
    mixtures: tuple[Mixture, ...] = ()
    """Mixtures of units for one more block, in the order in which they are tried."""
    streams: tuple[Streams, ...] = ()
    """Stretches of the crc32 instruction, where the CPU has it."""


def _features(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Mixtures of 1, 2 or 4 registers a group: enough of them for every polynomial of the catalogue
# (but CRC-64/GO-ISO's on registers below 512 bits, where it would gain nothing). Measured by
# asv_bench/tune.py on a Zen 5: it folds a register in 4 cycles by the multiplier, in half a
# cycle for each matrix on other units.
_UP_TO_16_BITS = tuple(map(Mixture, ("01234567", "00112233", "01230123", "01012323")))
_NARROW = (
    *_UP_TO_16_BITS,
    *(Mixture(units) for units in ("00c0c0cc", "0c00c0cc", "0000cccc")),
    *(Mixture(units, lanes=2) for units in ("000c0ccc", "0c00c0cc", "0000cccc")),
)
_WIDE = (
    *_UP_TO_16_BITS,
    *(Mixture(units) for units in ("00c0c0", "000cc0", "00ccc00c")),
    *(Mixture(units, lanes=2) for units in ("0cc000cc", "0cc00cc0")),
    Mixture("00000000cccccccc"),
)

# The crc32 instruction takes a word a cycle on most CPUs: three streams keep it busy. The blocks
# beside them are those that P. Cawley measured to be fastest (github.com/corsix/fast-crc32: Cascade
# Lake, Ice Lake, Ampere Altra, Apple M1); for 256 bits, the words that fit the same time.
_ALONE = (Streams(4, 128), Streams(4, 1024))

_TABLE = Tier("table")

# The largest blocks are four registers: these hide the multiply's latency, and eight gain nothing
# (measured). The smaller blocks serve short messages.
TIERS = {
    "x86_64": (
        _TABLE,
        Tier("crc32", _features("crc32"), streams=_ALONE[1:]),
        Tier(
            "sse4.2-pclmul",
            _features("pclmul sse4.1 ssse3"),
            bits=128,
            blocks=(16, 64),
            mixtures=_NARROW,
            streams=(*_ALONE, Streams(3, 1536, 3, 128)),
        ),
        Tier(
            "avx2-vpclmul",
            _features("avx avx2 pclmul sse4.1 ssse3 vpclmulqdq"),
            bits=256,
            blocks=(16, 32, 128),
            mixtures=_NARROW,
            streams=(Streams(4, 1024, 2, 128),),
        ),
        Tier(
            "avx512-vpclmul",
            _features(
                "avx avx2 avx512f avx512bw avx512vbmi2 avx512vl pclmul sse4.1 ssse3 vpclmulqdq"
            ),
            bits=512,
            windows=(16, 64, 128, 192, 256),
            blocks=(256,),
            mixtures=_WIDE,
            streams=(Streams(5, 768, 3, 256),),
        ),
    ),
    "aarch64": (
        _TABLE,
        Tier("crc32", _features("crc"), streams=_ALONE[1:]),
        Tier(
            "pmull",
            _features("aes neon"),
            bits=128,
            blocks=(16, 64),
            streams=(*_ALONE, Streams(4, 1024, 2, 48)),
        ),
        Tier(
            "pmull+sha3",
            _features("aes neon sha3"),
            bits=128,
            blocks=(16, 64),
            streams=(*_ALONE, Streams(3, 1024, 2, 144)),
        ),
    ),
}
"""By architecture, the best tier last."""

CRC32_FEATURE = {"x86_64": "crc32", "aarch64": "crc"}
"""The feature of the CRC-32 instructions; every tier above "table" uses them."""

_NUMBA_SETTINGS = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX")
_NUMBA_CONFIG_FILE = ".numba_config.yaml"


class Target(NamedTuple):
    """A CPU that code is generated for."""

    triple: str
    cpu: str
    features: str
    """LLVM's full feature string of the host: ``+sse2,-sse4a,...``."""
    usable: frozenset[str]
    """Features of the host that Numba's settings leave on."""
    numba_settings: str
    """Numba's settings, as they are set; empty if none is."""

    @property
    def arch(self) -> str:
        """The architecture as the keys of `TIERS` spell it."""
        arch = self.triple.partition("-")[0]
        return {"arm64": "aarch64", "amd64": "x86_64"}.get(arch, arch)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that this target can run, the best last."""
        known = TIERS.get(self.arch, (_TABLE,))
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
    except RuntimeError:  # LLVM does not know this CPU: nothing beyond its baseline
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

    *_, features = cpu_target.target_context.codegen().magic_tuple()
    signs = {item[1:]: item[0] for item in features.split(",") if item}  # the last sign wins
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
