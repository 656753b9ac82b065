"""List the tiers: sets of instructions, with the sizes of the kernels that are made of them."""

from __future__ import annotations

from numcrc._light import NamedTuple
from numcrc.jit.plan import Mixture, Streams


class Tier(NamedTuple):
    """A set of instructions, and the sizes of the kernels that are made of them.

    `numcrc.jit.choice` makes plans of these, by the model and the CPU.
    """

    name: str
    """As ``NUMCRC_TIER`` spells it."""
    needs: frozenset[str] = frozenset()
    """LLVM features that must all be there."""
    generation: frozenset[str] = frozenset()
    """Other features of one of the first CPUs with these, for code of a forced tier."""
    cpu: str = ""
    """LLVM's name of that CPU; empty: the architecture's baseline."""
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

TABLE_TIER = Tier("table")
_NEHALEM = _features("sse3 ssse3 sse4.1 sse4.2 crc32 popcnt")
_ZEN3 = _NEHALEM | _features("pclmul avx avx2 fma f16c bmi bmi2 lzcnt movbe")
_ICE_LAKE = _ZEN3 | _features(
    "avx512f avx512bw avx512cd avx512dq avx512vl avx512ifma avx512vbmi avx512vbmi2 avx512bitalg"
    " avx512vnni avx512vpopcntdq gfni"
)

# The largest blocks are four registers: these hide the multiply's latency, and eight gain nothing
# (measured). The smaller blocks serve short messages.
TIERS = {
    "x86_64": (
        TABLE_TIER,
        Tier("crc32", _features("crc32"), _NEHALEM, "nehalem", streams=_ALONE[1:]),
        Tier(
            "sse4.2-pclmul",
            _features("pclmul sse4.1 ssse3"),
            _NEHALEM,
            "westmere",
            bits=128,
            blocks=(16, 64),
            mixtures=_NARROW,
            streams=(*_ALONE, Streams(3, 1536, 3, 128)),
        ),
        Tier(
            "avx2-vpclmul",
            _features("avx avx2 pclmul sse4.1 ssse3 vpclmulqdq"),
            _ZEN3,
            "znver3",
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
            _ICE_LAKE,
            "icelake-server",
            bits=512,
            windows=(16, 64, 128, 192, 256),
            blocks=(256,),
            mixtures=_WIDE,
            streams=(Streams(5, 768, 3, 256),),
        ),
    ),
    "aarch64": (
        TABLE_TIER,
        Tier("crc32", _features("crc"), cpu="cortex-a72", streams=_ALONE[1:]),
        Tier(
            "pmull",
            _features("aes"),
            _features("crc sha2"),
            "cortex-a57",
            bits=128,
            blocks=(16, 64),
            streams=(*_ALONE, Streams(4, 1024, 2, 48)),
        ),
        Tier(
            "pmull+sha3",
            _features("aes sha3"),
            _features("crc sha2 lse"),
            "neoverse-v1",
            bits=128,
            blocks=(16, 64),
            streams=(*_ALONE, Streams(3, 1024, 2, 144)),
        ),
    ),
}
"""By architecture, the best tier last."""

CRC32_FEATURE = {"x86_64": "crc32", "aarch64": "crc"}
"""The feature of the CRC-32 instructions; every tier above "table" uses them."""
