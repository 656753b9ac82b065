"""A kernel as a plan, a value with a name.

A plan says everything that decides a kernel's machine code, and nothing else. Its name
is the kernel's identity: in the cache key, in `numcrc.info`, in the benchmarks.
"""

from __future__ import annotations

from typing import NamedTuple

from numcrc.crc.model import Model
from numcrc.jit import constants
from numcrc.jit.constants import MEMORY, NORMAL, REFLECTED, FoldLayout
from numcrc.jit.matrices import matrices


class Streams(NamedTuple):
    """How a stretch of a message is cut up for the crc32 instruction, and folded beside it."""

    ways: int
    length: int
    """Bytes of each stream: whole times *words*."""
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
    units: str = ""
    """How each register of the largest block is folded: "c" by the carry-less multiply, a digit
    by bit matrices, the registers of one digit being a group (`numcrc.jit.matrices`); empty: all by
    the former."""
    lanes: int = 1
    """Lanes of a register that the matrices take together."""
    order: str = "reflected"
    """How the fold makes polynomials of bytes (`numcrc.jit.kernels.fold`)."""
    castagnoli: bool = False
    """Whether the crc32 instruction's polynomial is CRC-32C's."""
    streams: tuple[Streams, ...] = ()
    """Stretches in streams of the crc32 instruction, the longest last."""
    form: str = "call"
    """What the machine code is: "call", the builtin for one buffer; "records", the one
    for many; "raw", a C function ``crc(block, p, n, value) -> crc``."""

    @property
    def name(self) -> str:
        """A short name: "fold128-16.64.128-00c0c0cc-reflected", "crc32c-s4x1.128-clmul"."""
        if self.family == "fold":
            return f"{self._fold_name}-{self.order}"
        if self.family == "crc32":
            streams = ",".join(map(str, self.streams)) or "chain"
            then = f"-{self._fold_name}" if self.blocks else ""
            instruction = "crc32c" if self.castagnoli else "crc32"
            clmul = "clmul" if self.bits else "soft"
            return f"{instruction}-{streams}-{clmul}{then}"
        return self.family

    @property
    def _fold_name(self) -> str:
        sizes = [f"w{size}" for size in self.windows] + [str(size) for size in self.blocks]
        by = "by2-" if self.lanes > 1 else ""
        mixture = f"-{by}{self.units}" if self.units else ""
        return f"fold{self.bits}-{'.'.join(sizes)}{mixture}"

    @property
    def is_message(self) -> bool:
        """Whether the builtin is ``crc(data, value=None)``."""
        return self.form == "call" and self.family in ("table", "fold", "crc32")

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
        return max((*self.blocks, *(streams.block for streams in self.streams)), default=0)

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
            [position for position, unit in enumerate(self.units) if unit == digit]
            for digit in sorted(set(self.units) - {"c"})
        ]

    def least(self, block: int) -> int:
        """Return the bytes from which a message is folded in blocks of *block* bytes.

        Matrices pay off only after a few blocks, since leftover bytes are multiplied: measured,
        two blocks up to 16 matrices, four with 32, eight with 64.
        """
        mixes = self.units and block == self.blocks[-1]
        return block * max(2, self.factors // 8) if mixes else block

    @property
    def factors(self) -> int:
        """How many matrices a group is folded by."""
        return self.lanes * len(self.groups[0]) ** 2 if self.units else 0

    @property
    def above(self) -> tuple[int, ...]:
        """The bits that each register of a group stands above its last: of all groups alike."""
        group = self.groups[0]
        return tuple(self.bits * (group[-1] - position) for position in group)

    def _matrices(self, model: Model) -> bytes:
        if not self.units:
            return b""
        distance = 8 * self.blocks[-1]
        return constants.words(
            matrices(model.generator, self.above, self.lanes, distance, model.refin)
        )

    def header(self, model: Model) -> bytes:
        """Return the words by which this plan's builtin makes a CRC a state and back."""
        if self.family == "wide":  # whose caller does that
            return bytes(8 * len(constants.Header._fields))
        return constants.words(list(constants.header(model, self._representation)))

    @property
    def _representation(self) -> str:
        """How the kernel holds its state."""
        if self.family == "table":
            return MEMORY
        return NORMAL if self.family in _ALGEBRA or not self.reflected else REFLECTED


WIDE = Plan("wide")
ZEROS, ZEROS_MANY, JOIN = Plan("zeros"), Plan("zeros_many"), Plan("join")
_ALGEBRA = {"zeros", "zeros_many", "join"}
COLLECT, RELEASE = Plan("collect"), Plan("release")
TABLE = Plan("table")
