"""Describe a kernel by a plan: a value with a name.

A plan holds everything that decides a kernel's machine code, and nothing else. Its name holds
the same, for `numcrc.info`, the benchmarks and the tuner.
"""

from __future__ import annotations

from itertools import pairwise

from numcrc._light import NamedTuple
from numcrc.crc.model import Model
from numcrc.jit import constants
from numcrc.jit.constants import MEMORY, NORMAL, REFLECTED, FoldLayout
from numcrc.jit.matrices import matrices, spans
from numcrc.process import imported

CRC32_POLY, CRC32C_POLY = 0x04C11DB7, 0x1EDC6F41
"""The polynomials of the CPUs' CRC-32 instructions."""


class Streams(NamedTuple):
    """How a stretch of a message is cut for the crc32 instruction, and folded beside it."""

    ways: int
    length: int
    """Bytes of each stream, a multiple of 8 times *words*."""
    words: int = 1
    """Words that are taken from each stream at a time."""
    block: int = 0
    """Bytes that are folded at the same time, of a part in front; 0: nothing is folded."""

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

    @classmethod
    def parse(cls, text: str) -> Streams:
        """Return the streams of a *text* such as "s4x1.1024" or "v128s3x3.1536"."""
        found = imported("re").fullmatch(r"(?:v(\d+))?s(\d+)x(\d+)\.(\d+)", text)
        if found is None:
            raise ValueError(f"invalid streams: {text!r}")
        block, ways, words, length = (int(number or 0) for number in found.groups())
        return cls(ways, length, words, block)


class Mixture(NamedTuple):
    """How the registers of a block are folded: see `Plan.units` and `Plan.lanes`."""

    units: str
    lanes: int = 1

    @property
    def elements(self) -> int:
        """The greatest width of a polynomial whose matrices this mixture can find."""
        return 8 * self.lanes * self.units.count("0")


class Plan(NamedTuple):
    """A kernel, as data."""

    family: str
    """"table", "fold", "crc32", "wide", or one of the tools below, such as "zeros"."""
    arch: str = ""
    """The architecture whose instructions are used; empty: none but the common ones."""
    bits: int = 0
    """Bits of the registers that are multiplied carry-less; 0: none are."""
    windows: tuple[int, ...] = ()
    """Sizes in bytes of the masked vectors that hold messages shorter than a block, ascending."""
    blocks: tuple[int, ...] = ()
    """Sizes in bytes of the blocks that messages are folded in, ascending."""
    units: str = ""
    """How each register of the largest block is folded: "c" by the carry-less multiply, a digit
    by bit matrices, the registers of one digit being a group (`numcrc.jit.matrices`); empty: all
    by the carry-less multiply."""
    lanes: int = 1
    """Lanes of a register that the matrices take together."""
    order: str = "reflected"
    """How the fold makes polynomials of bytes (`numcrc.jit.kernels.reduce`)."""
    castagnoli: bool = False
    """Whether the crc32 instruction's polynomial is CRC-32C's."""
    streams: tuple[Streams, ...] = ()
    """Stretches in streams of the crc32 instruction, the longest last."""
    form: str = "call"
    """The form of the machine code: "call", the builtin for one buffer; "records", the one
    for many; "raw", a C function ``crc(block, p, n, value) -> crc``."""

    # Names

    @property
    def name(self) -> str:
        """The plan in words, as `parse` reads them.

        For example "table"; "fold128-16.64.128-00c0c0cc-reflected-x86_64", which gives blocks,
        units and order; "crc32c-s4x1.128,s4x1.1024-clmul128-aarch64-raw", streams and form.
        """
        words = [] if self.family in ("fold", "crc32") else [self.family]
        if self.family == "crc32":
            words.append("crc32c" if self.castagnoli else "crc32")
            words.append(",".join(map(str, self.streams)) or "chain")
            if not self.blocks:
                words.append(f"clmul{self.bits}" if self.bits else "soft")
        if self.family == "fold" or self.blocks:
            sizes = [f"w{size}" for size in self.windows] + [str(size) for size in self.blocks]
            together = f"by{self.lanes}" if self.lanes > 1 else ""
            words += [f"fold{self.bits}", ".".join(sizes), together, self.units, self.order]
        words += [self.arch, self.form if self.form != "call" else ""]
        return "-".join(filter(None, words))

    @classmethod
    def parse(cls, name: str) -> Plan:
        """Return the plan of this *name*.

        Raises
        ------
        ValueError
            *name* is not the name of a plan.
        """
        re = imported("re")
        found = re.fullmatch(_NAME, name, re.VERBOSE)
        if found is None:
            raise ValueError(f"invalid plan name: {name!r}")
        words = {key: text or "" for key, text in found.groupdict().items()}
        sizes = re.findall(r"(w?)(\d+)", words["sizes"])
        streams = [text for text in words["streams"].split(",") if text not in ("", "chain")]
        plan = cls(
            family=words["tool"] or words["table"] or ("crc32" if words["instruction"] else "fold"),
            arch=words["arch"],
            bits=int(words["fold"] or words["clmul"] or 0),
            windows=tuple(int(size) for window, size in sizes if window),
            blocks=tuple(int(size) for window, size in sizes if not window),
            units=words["units"],
            lanes=int(words["lanes"] or 1),
            order=words["order"] or "reflected",
            castagnoli=words["instruction"] == "crc32c",
            streams=tuple(map(Streams.parse, streams)),
            form=words["form"] or "call",
        )
        if plan.name != name or not plan._is_sound():
            raise ValueError(f"invalid plan name: {name!r}")
        return plan

    def _is_sound(self) -> bool:
        """Whether a kernel of this plan compiles, and computes messages of any length."""
        return not self.arch or (
            self._has_instructions and self._sizes_are_whole and self._sizes_are_enough
        )

    @property
    def _has_instructions(self) -> bool:
        """Whether the architecture has the instructions that this plan uses."""
        if self.family == "crc32" and self.order != "reflected":
            return False
        if self.largest and not self.bits:
            return False
        if self.arch == "aarch64":
            return self.bits <= 128 and not self.windows and not self.units
        # Windows need masks of bytes (AVX-512).
        return (self.castagnoli or self.family == "fold") and (self.bits == 512 or not self.windows)

    @property
    def _sizes_are_whole(self) -> bool:
        """Whether sizes are positive, ascend, and are of whole registers, groups and words.

        The smallest window, of 16 bytes, and blocks may also be parts of a register.
        """
        register = self.bits // 8
        lists = self.windows, self.blocks, [streams.size for streams in self.streams]
        folded = (*self.blocks, *(streams.block for streams in self.streams if streams.block))
        return (
            all(less < more for sizes in lists for less, more in pairwise((0, *sizes)))
            and all(size == 16 or size % register == 0 for size in self.windows)
            and all(size % 16 == 0 for size in folded)
            and all(size % register == 0 or register % size == 0 for size in folded)
            and all(streams.length % (8 * streams.words) == 0 for streams in self.streams)
            and (
                8 * self.blocks[-1] == self.bits * len(self.units) and self._groups_are_alike
                if self.units
                else self.lanes == 1
            )
        )

    @property
    def _sizes_are_enough(self) -> bool:
        """Whether each message fits a window, or is long enough for a block.

        Without windows, scalar registers take messages below 16 bytes. The constants suffice for
        windows up to the size of the largest block.
        """
        multiplied = self.multiplying.blocks
        if not multiplied:
            return not self.blocks and self.family != "fold"
        if not self.windows:
            return multiplied[0] == 16
        return multiplied[0] <= self.windows[-1] <= multiplied[-1]

    @property
    def lengths(self) -> list[int]:
        """Lengths of messages that take all paths through the kernel, ascending."""
        lengths = {77} if self.family == "wide" else {77, 700, 4999}  # from 4 KiB, loads align
        for size in self.windows:
            lengths |= {size - 3, size}
        for size in self.blocks:
            lengths.add(2 * self.least(size) + 13)
        for streams in self.streams:
            lengths.add(streams.size + 13)
        return sorted(lengths)

    # Relatives

    @property
    def multiplying(self) -> Plan:
        """Return this plan without the block that has matrices, if it has one."""
        if not self.units:
            return self
        return self._replace(blocks=self.blocks[:-1], units="", lanes=1)

    def mixed(self, units: str, lanes: int = 1) -> Plan:
        """Return this plan with one more block, the largest, that these units fold.

        Raises
        ------
        ValueError
            The groups differ in how far apart their registers are, so that the same matrices
            do not fold all of them.
        """
        plain = self.multiplying
        blocks = (*plain.blocks, self.bits // 8 * len(units))
        mixed = plain._replace(blocks=blocks, units=units, lanes=lanes)
        if not mixed._groups_are_alike:
            raise ValueError(f"invalid units {units!r}: the groups are not alike")
        return mixed

    def suits(self, model: Model) -> bool:
        """Whether this plan's kernel computes *model*."""
        if self.family in ("table", "wide"):
            return (self.family == "wide") == (model.width > 64)
        if self.family == "crc32":
            poly = CRC32C_POLY if self.castagnoli else CRC32_POLY
            if (model.width, model.poly, model.refin) != (32, poly, True):
                return False
        elif self.family != "fold" or model.width > 64:
            return False
        if (self.order == "reflected") != model.refin:
            return False
        return not self.units or spans(model.generator, self.above, self.lanes)

    # The kernel's constants

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

    def header(self, model: Model) -> bytes:
        """Return the words by which this plan's builtin makes a CRC a state and back."""
        if self.family == "wide":  # its caller does that
            return bytes(8 * len(constants.Header._fields))
        return constants.words(constants.header(model, self._representation))

    def _matrices(self, model: Model) -> bytes:
        if not self.units:
            return b""
        distance = 8 * self.blocks[-1]
        return constants.words(
            matrices(model.generator, self.above, self.lanes, distance, model.refin)
        )

    @property
    def _representation(self) -> str:
        """How the kernel holds its state."""
        if self.family == "table":
            return MEMORY
        return NORMAL if self.family in _ALGEBRA or not self.high_terms_first else REFLECTED

    # The fold

    @property
    def largest(self) -> int:
        """Bytes of the largest block; 0: nothing is folded."""
        return max((*self.blocks, *(streams.block for streams in self.streams)), default=0)

    @property
    def layout(self) -> FoldLayout:
        """Where the fold's constants are. The matrices follow them."""
        return FoldLayout(self.largest)

    @property
    def high_terms_first(self) -> bool:
        """Whether the highest terms are in the lowest bits and lanes: all orders but "normal"."""
        return self.order != "normal"

    @property
    def streams_offset(self) -> int:
        """Where the streams' constants are, behind those of the fold."""
        return self.layout.size + 8 * self.lanes * self.matrix_count if self.largest else 0

    @property
    def groups(self) -> list[list[int]]:
        """The positions of the registers of each group."""
        return [
            [position for position, unit in enumerate(self.units) if unit == digit]
            for digit in sorted(set(self.units) - {"c"})
        ]

    @property
    def _groups_are_alike(self) -> bool:
        return len({tuple(at - group[0] for at in group) for group in self.groups}) == 1

    @property
    def matrix_count(self) -> int:
        """The number of matrices that fold a group."""
        return self.lanes * len(self.groups[0]) ** 2 if self.units else 0

    @property
    def above(self) -> tuple[int, ...]:
        """Bit offset of each register from its group's last; equal for all groups."""
        group = self.groups[0]
        return tuple(self.bits * (group[-1] - position) for position in group)

    def mixes(self, block: int) -> bool:
        """Whether some registers of a block of *block* bytes are folded by matrices."""
        return bool(self.units) and block == self.blocks[-1]

    def least(self, block: int) -> int:
        """Return the bytes from which a message is folded in blocks of *block* bytes.

        Matrices pay off only after a few blocks, since leftover bytes are multiplied: measured,
        two blocks up to 16 matrices, four with 32, eight with 64.
        """
        return block * max(2, self.matrix_count // 8) if self.mixes(block) else block


WIDE, TABLE = Plan("wide"), Plan("table")
_ALGEBRA = ("zeros", "zeros_many", "join")
_BUFFERS = ("collect", "release")
_SEARCHES = ("syndromes", "walk", "rehash", "span", "filter", "span4", "places", "count", "profile")
_DUAL = ("transform", "windows")
_TOOLS = (*_ALGEBRA, *_BUFFERS, *_SEARCHES, *_DUAL)
ZEROS, ZEROS_MANY, JOIN = map(Plan, _ALGEBRA)
COLLECT, RELEASE = map(Plan, _BUFFERS)
SYNDROMES, WALK, REHASH, SPAN, FILTER, SPAN4, PLACES, COUNT, PROFILE = map(Plan, _SEARCHES)
TRANSFORM, WINDOWS = map(Plan, _DUAL)

_STREAMS = r"(?:v\d+)?s[1-9]\d*x[1-9]\d*\.\d+"
_NAME = rf"""
    (?P<tool> wide | {" | ".join(_TOOLS)} )
    | (?: (?P<table> table )
        | (?: (?P<instruction> crc32c? ) - (?P<streams> chain | {_STREAMS} (?:,{_STREAMS})* ) - )?
          (?: soft
            | clmul (?P<clmul> 128 )
            | fold (?P<fold> 128 | 256 | 512 ) - (?P<sizes> w?\d+ (?: \.w?\d+ )* )
              (?: -by (?P<lanes> 2 ) )? (?: - (?P<units> [0-9c]+ ) )?
              - (?P<order> reflected | normal | mirrored )
          )
          - (?P<arch> x86_64 | aarch64 )
      )
      (?: - (?P<form> records | raw ) )?
"""
