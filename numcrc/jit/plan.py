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
        """A short name: "fold512-w64.w128.w256.256-reflected", "crc32c-0-128.1024-clmul"."""
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
        return f"fold{self.bits}-{'.'.join(sizes)}"

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
            return constants.fold(model, self.blocks[-1], self._representation) + streams
        return streams

    @property
    def streams_offset(self) -> int:
        """Where the streams' constants lie, behind those of the fold."""
        return FoldLayout(self.blocks[-1]).size if self.blocks else 0

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
        return NORMAL if self.family in _ALGEBRA or self.order == "normal" else REFLECTED


WIDE = Plan("wide")
ZEROS, ZEROS_MANY, JOIN = Plan("zeros"), Plan("zeros_many"), Plan("join")
_ALGEBRA = {"zeros", "zeros_many", "join"}
COLLECT, RELEASE = Plan("collect"), Plan("release")
TABLE = Plan("table")

# Measured: four accumulators hide the multiply's latency, and eight gain nothing; the
# smaller blocks serve short messages.
_BLOCKS = {128: (16, 64), 256: (16, 32, 128), 512: (256,)}
_WINDOWS = {512: (64, 128, 256)}


def plan(model: Model, target: Target, tier: Tier) -> Plan:
    """Return the plan for checksums of *model*."""
    if model.width > 64:
        return WIDE
    arch, bits = target.arch, tier.fold_bits
    windows, blocks = _WINDOWS.get(bits, ()), _BLOCKS.get(bits, ())
    if tier.name != "table" and target.crc32_instruction and _has_instruction(arch, model):
        return _crc32_plan(arch, bits, windows, blocks, model.poly == CRC32C_POLY)
    order = "reflected" if model.refin else "mirrored" if _mirrors(target) else "normal"
    return Plan("fold", arch, bits, windows, blocks, order) if bits else TABLE


def _mirrors(target: Target) -> bool:
    """Whether the bits of bytes are reversed by one instruction.

    It is not the multiplier's rival, as the byte shuffle is on Intel's: a third more there.
    """
    return target.arch == "aarch64" or "gfni" in target.usable


def _crc32_plan(
    arch: str, bits: int, windows: tuple[int, ...], blocks: tuple[int, ...], castagnoli: bool
) -> Plan:
    """Return the plan of the crc32 instruction: it wins short messages, wide folding long ones."""
    if bits > 128:
        return Plan("crc32", arch, bits, windows, blocks, castagnoli=castagnoli, chain_below=64)
    streams = (128, 1024) if bits else (1024,)
    return Plan("crc32", arch, bits, castagnoli=castagnoli, streams=streams)


def _has_instruction(arch: str, model: Model) -> bool:
    known = {"x86_64": (CRC32C_POLY,), "aarch64": (CRC32_POLY, CRC32C_POLY)}.get(arch, ())
    return model.width == 32 and model.refin and model.poly in known
