"""Choose the plan for a model on a tier: the one measured to be fastest.

Measured on a Zen 5, by asv_bench/tune.py; for other CPUs, comments give the reason. Tried there
and left out: folding by a sparse multiple of P, with shifts and sums alone (31 GiB/s for 64 bits,
72 for 32, since loads straddle cache lines; multiplier and matrices reach 90 and 125, and the L2
cache gives little more); several read streams beyond the caches (5 % more from main memory, 10 %
less from the L3 cache).
"""

from __future__ import annotations

from numcrc.crc.model import Model
from numcrc.jit.plan import CRC32_POLY, CRC32C_POLY, TABLE, WIDE, Plan, Streams
from numcrc.jit.target import Target
from numcrc.jit.tiers import Tier

# A Zen 5 takes 8 words in 3 cycles: measured, 66 GiB/s alone, 85 to 98 fused.
_EIGHT = (Streams(8, 64), Streams(8, 512))
_ZEN5_STREAMS = {
    "sse4.2-pclmul": (*_EIGHT, Streams(8, 1536, 6, 64), Streams(8, 6144, 6, 64)),
    "avx2-vpclmul": (*_EIGHT, Streams(8, 1280, 5, 128), Streams(8, 5120, 5, 128)),
}


def plan(model: Model, target: Target, tier: Tier) -> Plan:
    """Return the plan for checksums of *model*."""
    if model.width > 64:
        return WIDE
    if tier.streams and target.crc32_instruction and _has_instruction(target, model):
        return _crc32_plan(model, target, tier)
    return _fold_plan(model, target, tier) if tier.bits else TABLE


def _crc32_plan(model: Model, target: Target, tier: Tier) -> Plan:
    streams = _streams(target, tier)
    castagnoli = model.poly == CRC32C_POLY
    if tier.bits <= 128:  # at this width the instruction is faster than folding, for any length
        return Plan("crc32", target.arch, tier.bits, castagnoli=castagnoli, streams=streams)
    folds = _multiplying_plan if streams else _fold_plan
    folding = folds(model, target, tier)
    return folding._replace(family="crc32", castagnoli=castagnoli, streams=streams)


def _streams(target: Target, tier: Tier) -> tuple[Streams, ...]:
    if tier.bits == 512 and _mixes(target):
        return ()  # measured: matrices beside the multiplier fold 125 GiB/s, fused 95
    return _ZEN5_STREAMS.get(tier.name, tier.streams) if target.cpu == "znver5" else tier.streams


def _fold_plan(model: Model, target: Target, tier: Tier) -> Plan:
    folding = _multiplying_plan(model, target, tier)
    if not (_mixes(target) or _matrices_are_cheap(model, target)):
        return folding
    enough = (mixture for mixture in tier.mixtures if mixture.elements >= model.width)
    mixed = (folding.mixed(*mixture) for mixture in enough)
    return next((mixing for mixing in mixed if mixing.suits(model)), folding)


def _multiplying_plan(model: Model, target: Target, tier: Tier) -> Plan:
    order = "reflected" if model.refin else "mirrored" if _mirrors(target) else "normal"
    return Plan("fold", target.arch, tier.bits, tier.windows, tier.blocks, order=order)


def _mixes(target: Target) -> bool:
    """Whether bit matrices beside the multiplier are a gain.

    They are on AMD's Zen, which multiplies carry-less every other cycle (measured by
    asv_bench/tune.py on a Zen 5). Intel's multiplier is twice as fast, and shares its ports.
    """
    return "gfni" in target.usable and target.cpu.startswith("znver")


def _matrices_are_cheap(model: Model, target: Target) -> bool:
    """Whether matrices alone are a gain on any CPU: one product where the multiplier has two.

    Estimated from the ports of Intel's CPUs, not measured: two or three times its speed.
    """
    return "gfni" in target.usable and model.width <= 8


def _mirrors(target: Target) -> bool:
    """Whether one instruction reverses the bits of bytes.

    On Intel's CPUs that is a third faster than a byte shuffle, which competes with the multiplier.
    """
    return target.arch == "aarch64" or "gfni" in target.usable


def _has_instruction(target: Target, model: Model) -> bool:
    known = {"x86_64": (CRC32C_POLY,), "aarch64": (CRC32_POLY, CRC32C_POLY)}.get(target.arch, ())
    return model.width == 32 and model.refin and model.poly in known
