"""Which kernel computes which model on which tier: a plan, a value with a name.

A plan says everything that decides a kernel's machine code, and nothing else. Its name
is the kernel's identity: in the cache key, in `numcrc.info`, in the benchmarks.
"""

from __future__ import annotations

from typing import NamedTuple

from numcrc import constants
from numcrc.constants import MEMORY, NORMAL, REFLECTED, FoldLayout
from numcrc.jit.target import Target, Tier
from numcrc.model import Model
from numcrc.planes import LANES, matrices, planes

CRC32_POLY, CRC32C_POLY = 0x04C11DB7, 0x1EDC6F41


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
    """How each register of the largest block is folded: "c" by the carry-less multiply, "g" by
    bit matrices; empty: all by the former."""
    planes: int = 0
    """Lanes a set of the matrices (`numcrc.planes`)."""
    vectors: int = 1
    """Registers that are folded together by them."""
    order: str = "reflected"
    """How the fold makes polynomials of bytes (`numcrc.jit.kernels.fold`)."""
    castagnoli: bool = False
    """Whether the crc32 instruction's polynomial is CRC-32C's."""
    streams: tuple[int, ...] = ()
    """Lengths in bytes of each of four streams of the crc32 instruction."""
    chain_below: int = 0
    """Messages shorter than this are one stream of the crc32 instruction."""
    form: str = "call"
    """What the machine code is: "call", the builtin for one buffer; "records", the one
    for many; "raw", a C function ``crc(block, p, n, value) -> crc``."""

    @property
    def name(self) -> str:
        """A short name: "fold512-w16.w64.w128.w256.256-reflected", "crc32c-0-128.1024-clmul"."""
        if self.family == "fold":
            return f"{self._fold_name}-{self.order}"
        if self.family == "crc32":
            streams = ".".join(map(str, self.streams)) or "chain"
            then = f"-{self._fold_name}" if self.blocks else ""
            kind = "crc32c" if self.castagnoli else "crc32"
            clmul = "clmul" if self.bits else "soft"
            return f"{kind}-{self.chain_below}-{streams}-{clmul}{then}"
        return self.family

    @property
    def _fold_name(self) -> str:
        sizes = [f"w{size}" for size in self.windows] + [str(size) for size in self.blocks]
        together = f"by{self.vectors}" if self.vectors > 1 else ""
        mixture = f"-{self.planes}{together}{self.kinds}" if self.kinds else ""
        return f"fold{self.bits}-{'.'.join(sizes)}{mixture}"

    def constants(self, model: Model) -> bytes:
        """Return the constants that this plan's kernel reads, for *model*."""
        if self.family == "table":
            return constants.table(model)
        if self.family == "wide":
            return constants.wide_table(model)
        if self.family in _ALGEBRA:
            return constants.zeros(model)
        streams = constants.crc32_streams(model, self.streams)
        if self.blocks:
            block = self.blocks[-1]
            return (
                constants.fold(model, block, self._representation) + self._matrices(model) + streams
            )
        return streams

    @property
    def layout(self) -> FoldLayout:
        """Where the fold's constants lie. The matrices are behind them."""
        return FoldLayout(self.blocks[-1])

    @property
    def reflected(self) -> bool:
        """Whether what is folded has the lowest terms in the highest bits."""
        return self.order != "normal"

    @property
    def streams_offset(self) -> int:
        """Where the streams' constants lie, behind those of the fold."""
        words = LANES * self.planes // self.vectors * (self.vectors**2 + 1)
        return self.layout.size + 8 * words if self.blocks else 0

    def _matrices(self, model: Model) -> bytes:
        gap = _gap(self.kinds, self.bits) if self.vectors > 1 else 0
        found = self.kinds and planes(model.generator, gap)
        return constants.words(matrices(found, 8 * self.blocks[-1], model.refin)) if found else b""

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
# By lanes a set and registers together.
_KINDS = {
    (1, 1): "gggggggg",
    (2, 1): "cgggcggg",
    (4, 1): "cgcgcgcg",
    (8, 1): "ccgccgcc",
    (8, 2): "gccccccg",  # whose gap suits every 64-bit polynomial of the catalogue
}


def plan(model: Model, target: Target, tier: Tier) -> Plan:
    """Return the plan for checksums of *model*."""
    if model.width > 64:
        return WIDE
    folding = _fold_plan(model, target, tier.fold_bits) if tier.fold_bits else TABLE
    if tier.name == "table" or not target.crc32_instruction or not _has_instruction(target, model):
        return folding
    # The instruction wins short messages, wide folding long ones.
    castagnoli = model.poly == CRC32C_POLY
    if tier.fold_bits > 128:
        return folding._replace(family="crc32", castagnoli=castagnoli, chain_below=64)
    streams = (128, 1024) if tier.fold_bits else (1024,)
    return Plan("crc32", target.arch, tier.fold_bits, castagnoli=castagnoli, streams=streams)


def _fold_plan(model: Model, target: Target, bits: int) -> Plan:
    order = "reflected" if model.refin else "mirrored" if _mirrors(target) else "normal"
    folding = Plan("fold", target.arch, bits, _WINDOWS.get(bits, ()), _BLOCKS[bits], order=order)
    if bits < 512 or not _mixes(target):
        return folding
    found = planes(model.generator) or planes(model.generator, _gap(_KINDS[8, 2], bits))
    if found is None:
        return folding
    lanes, vectors = found.size * found.vectors, found.vectors
    kinds = _KINDS[lanes, vectors]
    blocks = (*folding.blocks, bits // 8 * len(kinds))
    return folding._replace(blocks=blocks, kinds=kinds, planes=lanes, vectors=vectors)


def _mixes(target: Target) -> bool:
    """Whether bit matrices beside the multiplier are a gain.

    They are on AMD's Zen, which multiplies carry-less every other cycle (measured by
    asv_bench/tune.py on a Zen 5). Intel's multiplier is twice as fast, and shares its ports.
    """
    return "gfni" in target.usable and target.cpu.startswith("znver")


def _gap(kinds: str, bits: int) -> int:
    """Return the bits between the first two registers that are folded by matrices."""
    first = kinds.index("g")
    return bits * (kinds.index("g", first + 1) - first)


def _mirrors(target: Target) -> bool:
    """Whether the bits of bytes are reversed by one instruction.

    It is not the multiplier's rival, as the byte shuffle is on Intel's: a third more there.
    """
    return target.arch == "aarch64" or "gfni" in target.usable


def _has_instruction(target: Target, model: Model) -> bool:
    known = {"x86_64": (CRC32C_POLY,), "aarch64": (CRC32_POLY, CRC32C_POLY)}.get(target.arch, ())
    return model.width == 32 and model.refin and model.poly in known
