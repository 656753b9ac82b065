"""Which kernel computes which model on which tier: a plan, a value with a name.

A plan says everything that decides a kernel's machine code, and nothing else. Its name
is the kernel's identity: in the cache key, in `numcrc.info`, in the benchmarks.
"""

from __future__ import annotations

from typing import NamedTuple

from numcrc import constants
from numcrc.constants import MEMORY, NORMAL, REFLECTED, FoldLayout
from numcrc.jit.target import Target, Tier
from numcrc.matrices import matrices, spans
from numcrc.model import Model

CRC32_POLY, CRC32C_POLY = 0x04C11DB7, 0x1EDC6F41


class Streams(NamedTuple):
    """How a stretch of a message is cut up for the crc32 instruction, and folded beside it."""

    ways: int
    length: int
    """Bytes of each stream."""
    words: int = 1
    """Words of each that are taken at a time."""
    block: int = 0
    """Bytes that are folded at the same time, of a part in front; 0: there is none."""

    @property
    def folded(self) -> int:
        """Bytes of the part in front."""
        return self.block * self.length // (8 * self.words)

    @property
    def size(self) -> int:
        """Bytes of the stretch."""
        return self.folded + self.ways * self.length

    @property
    def distances(self) -> list[int]:
        """The bytes behind each part but the last."""
        parts = self.ways + bool(self.block)
        return [self.length * behind for behind in range(parts - 1, 0, -1)]

    def __str__(self) -> str:
        beside = f"v{self.block}" if self.block else ""
        return f"{beside}s{self.ways}x{self.words}.{self.length}"


class Plan(NamedTuple):
    """A kernel, as data."""

    family: str
    """"table", "fold", "crc32", "wide", or a tool named below."""
    arch: str = ""
    bits: int = 0
    """Width of the carry-less multiply; 0: none is used."""
    windows: tuple[int, ...] = ()
    """Sizes in bytes of the vectors, masked, that messages below the smallest block lie in."""
    blocks: tuple[int, ...] = ()
    """Block sizes in bytes that messages are folded in."""
    kinds: str = ""
    """How each register of the largest block is folded: "c" by the carry-less multiply, a digit
    by bit matrices, the registers of one digit being a group (`numcrc.matrices`); empty: all by
    the former."""
    lanes: int = 1
    """Lanes of a register that the matrices take together."""
    order: str = "reflected"
    """How the fold makes polynomials of bytes (`numcrc.jit.kernels.fold`)."""
    castagnoli: bool = False
    """Whether the crc32 instruction's polynomial is CRC-32C's."""
    streams: tuple[Streams, ...] = ()
    """Stretches in streams of the crc32 instruction, the longest last."""
    chain_below: int = 0
    """Messages shorter than this are one stream of the crc32 instruction."""
    form: str = "call"
    """What the machine code is: "call", the builtin for one buffer; "records", the one
    for many; "raw", a C function ``crc(block, p, n, value) -> crc``."""

    @property
    def name(self) -> str:
        """A short name: "fold512-w16.w64.w128.w256.256-reflected", "crc32c-0-s4x1.128-clmul"."""
        if self.family == "fold":
            return f"{self._fold_name}-{self.order}"
        if self.family == "crc32":
            streams = ",".join(map(str, self.streams)) or "chain"
            then = f"-{self._fold_name}" if self.blocks else ""
            kind = "crc32c" if self.castagnoli else "crc32"
            clmul = "clmul" if self.bits else "soft"
            return f"{kind}-{self.chain_below}-{streams}-{clmul}{then}"
        return self.family

    @property
    def _fold_name(self) -> str:
        sizes = [f"w{size}" for size in self.windows] + [str(size) for size in self.blocks]
        by = "by2-" if self.lanes > 1 else ""
        mixture = f"-{by}{self.kinds}" if self.kinds else ""
        return f"fold{self.bits}-{'.'.join(sizes)}{mixture}"

    def constants(self, model: Model) -> bytes:
        """Return the constants that this plan's kernel reads, for *model*."""
        if self.family == "table":
            return constants.table(model)
        if self.family == "wide":
            return constants.wide_table(model)
        if self.family in _ALGEBRA:
            return constants.zeros(model)
        distances = [distance for streams in self.streams for distance in streams.distances]
        joins = constants.crc32_joins(model, distances)
        if not self.largest:
            return joins
        folds = constants.fold(model, self.largest, self._representation)
        return folds + self._matrices(model) + joins

    @property
    def largest(self) -> int:
        """Bytes of the largest block; 0: nothing is folded."""
        return max(*self.blocks, *(streams.block for streams in self.streams), 0, 0)

    @property
    def layout(self) -> FoldLayout:
        """Where the fold's constants lie. The matrices are behind them."""
        return FoldLayout(self.largest)

    @property
    def reflected(self) -> bool:
        """Whether what is folded has the lowest terms in the highest bits."""
        return self.order != "normal"

    @property
    def streams_offset(self) -> int:
        """Where the streams' constants lie, behind those of the fold."""
        return self.layout.size + 8 * self.lanes * self.factors if self.largest else 0

    @property
    def groups(self) -> list[list[int]]:
        """The positions of the registers of each group."""
        return [
            [position for position, kind in enumerate(self.kinds) if kind == digit]
            for digit in sorted(set(self.kinds) - {"c"})
        ]

    def least(self, block: int) -> int:
        """Return the bytes from which a message is folded in blocks of *block* bytes.

        Matrices take some blocks to pay for the odd piece, which is multiplied: measured, two
        of them up to 16 matrices, four with 32, eight with 64.
        """
        mixes = self.kinds and block == self.blocks[-1]
        return block * max(2, self.factors // 8) if mixes else block

    @property
    def factors(self) -> int:
        """How many matrices a group is folded by."""
        return self.lanes * len(self.groups[0]) ** 2 if self.kinds else 0

    @property
    def above(self) -> tuple[int, ...]:
        """The bits that each register of a group stands above its last: of all groups alike."""
        group = self.groups[0]
        return tuple(self.bits * (group[-1] - position) for position in group)

    def _matrices(self, model: Model) -> bytes:
        if not self.kinds:
            return b""
        distance = 8 * self.blocks[-1]
        return constants.words(
            matrices(model.generator, self.above, self.lanes, distance, model.refin)
        )

    def header(self, model: Model) -> bytes:
        """Return the words by which this plan's builtin makes a CRC a register and back."""
        if self.family == "wide":  # whose caller does that
            return bytes(8 * len(constants.Header._fields))
        return constants.words(list(constants.header(model, self._representation)))

    @property
    def _representation(self) -> str:
        """How the kernel holds its register."""
        if self.family == "table":
            return MEMORY
        return NORMAL if self.family in _ALGEBRA or not self.reflected else REFLECTED


WIDE = Plan("wide")
ZEROS, ZEROS_MANY, JOIN = Plan("zeros"), Plan("zeros_many"), Plan("join")
_ALGEBRA = {"zeros", "zeros_many", "join"}
COLLECT, RELEASE = Plan("collect"), Plan("release")
TABLE = Plan("table")

# Measured: four accumulators hide the multiply's latency, and eight gain nothing; the
# smaller blocks serve short messages.
_BLOCKS = {128: (16, 64), 256: (16, 32, 128), 512: (256,)}
_WINDOWS = {512: (16, 64, 128, 256)}
# Mixtures for a group of as many registers, and as many lanes of them together: those to be
# tried first first, and enough of them for every polynomial of the catalogue (but CRC-64/GO-ISO's
# on narrower registers, where it would gain nothing). Measured by asv_bench/tune.py on a Zen 5: it
# folds a register in 4 cycles by the multiplier, in half a cycle for each matrix on other units.
# Of as many "c", those that stand apart are faster.
_NARROW = {
    (1, 1): ("01234567",),
    (1, 2): ("00112233", "01230123", "01012323"),
    (1, 4): ("00c0c0cc", "0c00c0cc", "0000cccc"),
    (2, 4): ("000c0ccc", "0c00c0cc", "0000cccc"),
}
KINDS = {
    128: _NARROW,
    256: _NARROW,
    512: {
        **_NARROW,
        (1, 4): ("00c0c0", "000cc0", "00ccc00c"),
        (2, 4): ("c0c0c0c0cc", "0cc000cc", "0cc00cc0"),
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
    castagnoli = model.poly == CRC32C_POLY
    if tier.fold_bits <= 128:
        return Plan("crc32", target.arch, tier.fold_bits, castagnoli=castagnoli, streams=streams)
    # The instruction wins short messages, wide folding longer ones.
    folding = _fold_plan(model, target, tier.fold_bits)
    if streams:
        folding = unmixed(folding)
    return folding._replace(family="crc32", castagnoli=castagnoli, chain_below=64, streams=streams)


def _fold_plan(model: Model, target: Target, bits: int) -> Plan:
    order = "reflected" if model.refin else "mirrored" if _mirrors(target) else "normal"
    folding = Plan("fold", target.arch, bits, _WINDOWS.get(bits, ()), _BLOCKS[bits], order=order)
    if not _mixes(target):
        return folding
    for (lanes, vectors), arrangements in KINDS[bits].items():
        if 8 * lanes * vectors < model.width:
            continue
        for kinds in arrangements:
            mixing = mixed(folding, kinds, lanes)
            if spans(model.generator, mixing.above, lanes):
                return mixing
    return folding


def unmixed(plan: Plan) -> Plan:
    """Return *plan* without its largest block, if that has matrices."""
    return plan._replace(blocks=_BLOCKS[plan.bits], kinds="", lanes=1)


def mixed(plan: Plan, kinds: str, lanes: int) -> Plan:
    """Return *plan* with a largest block of these *kinds*."""
    blocks = (*_BLOCKS[plan.bits], plan.bits // 8 * len(kinds))
    return plan._replace(blocks=blocks, kinds=kinds, lanes=lanes)


def _mixes(target: Target) -> bool:
    """Whether bit matrices beside the multiplier are a gain.

    They are on AMD's Zen, which multiplies carry-less every other cycle (measured by
    asv_bench/tune.py on a Zen 5). Intel's multiplier is twice as fast, and shares its ports.
    """
    return "gfni" in target.usable and target.cpu.startswith("znver")


def _mirrors(target: Target) -> bool:
    """Whether the bits of bytes are reversed by one instruction.

    It is not the multiplier's rival, as the byte shuffle is on Intel's: a third more there.
    """
    return target.arch == "aarch64" or "gfni" in target.usable


def _has_instruction(target: Target, model: Model) -> bool:
    known = {"x86_64": (CRC32C_POLY,), "aarch64": (CRC32_POLY, CRC32C_POLY)}.get(target.arch, ())
    return model.width == 32 and model.refin and model.poly in known
