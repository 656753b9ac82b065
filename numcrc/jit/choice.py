"""Which plan computes which model on which tier: what was measured to be fastest.

On a Zen 5, that is, by asv_bench/tune.py; where another CPU is meant, a comment says why. Tried
there and left: to fold by a sparse multiple of P, shifts and sums alone (31 GiB/s for 64 bits, 72
for 32, for the loads straddle cache lines, where multiplier and matrices have 90 and 125, and the
second cache little more to give); several read streams beyond the caches (a twentieth more from
main memory, a tenth less from the third cache).
"""

from __future__ import annotations

from numcrc.crc.model import Model
from numcrc.jit.matrices import spans
from numcrc.jit.plan import TABLE, WIDE, Plan, Streams
from numcrc.jit.target import Target, Tier

_CRC32_POLY, _CRC32C_POLY = 0x04C11DB7, 0x1EDC6F41

# Measured: four accumulators hide the multiply's latency, and eight gain nothing; the
# smaller blocks serve short messages.
_BLOCKS = {128: (16, 64), 256: (16, 32, 128), 512: (256,)}
_WINDOWS = {512: (16, 64, 128, 192, 256)}
# Mixtures for a group of as many registers, and as many lanes of them together: those to be
# tried first first, and enough of them for every polynomial of the catalogue (but CRC-64/GO-ISO's
# on narrower registers, where it would gain nothing). Measured by asv_bench/tune.py on a Zen 5: it
# folds a register in 4 cycles by the multiplier, in half a cycle for each matrix on other units.
_NARROW = {
    (1, 1): ("01234567",),
    (1, 2): ("00112233", "01230123", "01012323"),
    (1, 4): ("00c0c0cc", "0c00c0cc", "0000cccc"),
    (2, 4): ("000c0ccc", "0c00c0cc", "0000cccc"),
}
MIXTURES = {
    128: _NARROW,
    256: _NARROW,
    512: {
        **_NARROW,
        (1, 4): ("00c0c0", "000cc0", "00ccc00c"),
        (2, 4): ("0cc000cc", "0cc00cc0"),
        (1, 8): ("00000000cccccccc",),
    },
}


# By tier, the stretches of the crc32 instruction. It takes a word a cycle on most CPUs: three
# streams keep it busy, and what is folded beside them is what P. Cawley measured to be fastest
# (github.com/corsix/fast-crc32: Cascade Lake, Ice Lake, Ampere Altra, Apple M1; for 256 bits, the
# words that it takes meanwhile).
_ALONE = (Streams(4, 128), Streams(4, 1024))
_STREAMS = {
    "crc32": _ALONE[1:],
    "sse4.2-pclmul": (*_ALONE, Streams(3, 1536, 3, 128)),
    "avx2-vpclmul": (Streams(4, 1024, 2, 128),),
    "avx512-vpclmul": (Streams(5, 768, 3, 256),),
    "pmull": (*_ALONE, Streams(4, 1024, 2, 48)),
    "pmull+sha3": (*_ALONE, Streams(3, 1024, 2, 144)),
}
# A Zen 5 takes 8 words in 3 cycles: measured, 66 GiB/s alone, 85 to 98 fused.
_EIGHT = (Streams(8, 64), Streams(8, 512))
_ZEN5_STREAMS = _STREAMS | {
    "sse4.2-pclmul": (*_EIGHT, Streams(8, 1536, 6, 64), Streams(8, 6144, 6, 64)),
    "avx2-vpclmul": (*_EIGHT, Streams(8, 1280, 5, 128), Streams(8, 5120, 5, 128)),
}


def plan(model: Model, target: Target, tier: Tier) -> Plan:
    """Return the plan for checksums of *model*."""
    if model.width > 64:
        return WIDE
    if tier.name != "table" and target.crc32_instruction and _has_instruction(target, model):
        return _crc32_plan(model, target, tier)
    return _fold_plan(model, target, tier.fold_bits) if tier.fold_bits else TABLE


def _crc32_plan(model: Model, target: Target, tier: Tier) -> Plan:
    streams = (_ZEN5_STREAMS if target.cpu == "znver5" else _STREAMS)[tier.name]
    if tier.fold_bits == 512 and _mixes(target):
        streams = ()  # measured: matrices beside the multiplier fold 125 GiB/s, fused 95
    castagnoli = model.poly == _CRC32C_POLY
    if tier.fold_bits <= 128:
        return Plan("crc32", target.arch, tier.fold_bits, castagnoli=castagnoli, streams=streams)
    folds = _multiplying_plan if streams else _fold_plan
    folding = folds(model, target, tier.fold_bits)
    return folding._replace(family="crc32", castagnoli=castagnoli, streams=streams)


def _fold_plan(model: Model, target: Target, bits: int) -> Plan:
    folding = _multiplying_plan(model, target, bits)
    if not (_mixes(target) or _is_cheap(model, target)):
        return folding
    for (lanes, vectors), arrangements in MIXTURES[bits].items():
        if 8 * lanes * vectors < model.width:
            continue
        for units in arrangements:
            mixing = mixed(folding, units, lanes)
            if spans(model.generator, mixing.above, lanes):
                return mixing
    return folding


def _multiplying_plan(model: Model, target: Target, bits: int) -> Plan:
    order = "reflected" if model.refin else "mirrored" if _mirrors(target) else "normal"
    return Plan("fold", target.arch, bits, _WINDOWS.get(bits, ()), _BLOCKS[bits], order=order)


def unmixed(plan: Plan) -> Plan:
    """Return *plan* without its largest block, if that has matrices."""
    return plan._replace(blocks=_BLOCKS[plan.bits], units="", lanes=1)


def mixed(plan: Plan, units: str, lanes: int) -> Plan:
    """Return *plan* with a largest block of these *units*.

    Raises
    ------
    ValueError
        Their groups differ in how their registers lie: the same matrices would not do for all.
    """
    blocks = (*_BLOCKS[plan.bits], plan.bits // 8 * len(units))
    mixing = plan._replace(blocks=blocks, units=units, lanes=lanes)
    if len({tuple(at - group[0] for at in group) for group in mixing.groups}) != 1:
        raise ValueError(f"the groups of {units!r} are not alike")
    return mixing


def _mixes(target: Target) -> bool:
    """Whether bit matrices beside the multiplier are a gain.

    They are on AMD's Zen, which multiplies carry-less every other cycle (measured by
    asv_bench/tune.py on a Zen 5). Intel's multiplier is twice as fast, and shares its ports.
    """
    return "gfni" in target.usable and target.cpu.startswith("znver")


def _is_cheap(model: Model, target: Target) -> bool:
    """Whether matrices alone are a gain on any CPU: one product where the multiplier has two.

    Reckoned: by the ports of Intel's CPUs, two or three times its speed.
    """
    return "gfni" in target.usable and model.width <= 8


def _mirrors(target: Target) -> bool:
    """Whether the bits of bytes are reversed by one instruction.

    It is not the multiplier's rival, as the byte shuffle is on Intel's: a third more there.
    """
    return target.arch == "aarch64" or "gfni" in target.usable


def _has_instruction(target: Target, model: Model) -> bool:
    known = {"x86_64": (_CRC32C_POLY,), "aarch64": (_CRC32_POLY, _CRC32C_POLY)}.get(target.arch, ())
    return model.width == 32 and model.refin and model.poly in known
