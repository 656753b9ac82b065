"""Make images of object files: machine code that runs at any address as it is.

An image begins with `HEADER` and the names of the functions of the C API that it calls. The
sections of the object file that are mapped follow: code and constants. References between them are
relative, and resolved here. A table of the addresses of the C API ends where the file of the image
begins in memory (`numcrc.jit.mapping`). Code calls through it, by references that are relative too.
So nothing is left to relocate.

The table costs a short call one load, as pointers in the block of a model would; but no builtin
has to know of it: LLVM makes the references, of position-independent code and ``nonlazybind``.
Since the table is in front of the image, its place depends neither on the image's size nor on the
size of pages.

Offsets are those of the file, whose first byte is at the beginning of a page.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from numcrc.jit.linker import HEADER, START

_ELF = struct.Struct("<4sBBBxxxxxxxxxHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")

_SYMTAB, _RELA, _REL = 2, 4, 9
_PLAIN = {1, 0x70000001}  # SHT_PROGBITS, SHT_X86_64_UNWIND
_WRITE, _ALLOC, _TLS = 1, 2, 0x400
_UNDEFINED, _RESERVED = 0, 0xFF00

_IN_PAGE = 0xFFF
"""The bits of an address within a page of AArch64's ADRP: 4 KiB, also where memory's are larger."""


class ImageError(RuntimeError):
    """An object file cannot be made an image."""


class _Section(NamedTuple):
    name: str
    kind: int
    flags: int
    contents: bytes
    link: int
    """The section's number of the symbols' names."""
    info: int
    """The number of the section that relocations are for."""
    alignment: int


class _Symbol(NamedTuple):
    name: str
    section: int
    value: int


def _word(code: bytearray, at: int, clear: int, bits: int) -> None:
    """Replace the bits *clear* of the instruction at *at*."""
    (word,) = struct.unpack_from("<I", code, at)
    struct.pack_into("<I", code, at, word & ~clear | bits)


def _relative(layout: str) -> Callable[[bytearray, int, int], None]:
    def relative(code: bytearray, at: int, target: int) -> None:
        struct.pack_into(layout, code, at, target - at)

    return relative


def _adrp(code: bytearray, at: int, target: int) -> None:
    pages = (target & ~_IN_PAGE) - (at & ~_IN_PAGE) >> 12
    _word(code, at, 0x60FFFFE0, (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5)


def _low12(scale: int) -> Callable[[bytearray, int, int], None]:
    def low12(code: bytearray, at: int, target: int) -> None:
        offset = target & _IN_PAGE
        if offset % (1 << scale):
            raise ImageError(f"constant at {target:#x} is not aligned to {1 << scale} bytes")
        _word(code, at, 0x3FFC00, offset >> scale << 10)

    return low12


def _branch26(code: bytearray, at: int, target: int) -> None:
    _word(code, at, 0x3FFFFFF, target - at >> 2 & 0x3FFFFFF)


class _Architecture(NamedTuple):
    """How an architecture's relocations are resolved, by their types."""

    own: dict[int, Callable[[bytearray, int, int], None]]
    """Those of references to what the image holds."""
    table: dict[int, Callable[[bytearray, int, int], None]]
    """Those of references to the slots of the table."""


_ARCHITECTURES = {
    62: _Architecture(  # x86-64
        own={
            2: _relative("<i"),  # R_X86_64_PC32
            4: _relative("<i"),  # R_X86_64_PLT32
        },
        table={
            9: _relative("<i"),  # R_X86_64_GOTPCREL
            41: _relative("<i"),  # R_X86_64_GOTPCRELX
            42: _relative("<i"),  # R_X86_64_REX_GOTPCRELX
        },
    ),
    183: _Architecture(  # AArch64
        own={
            260: _relative("<q"),  # R_AARCH64_PREL64
            261: _relative("<i"),  # R_AARCH64_PREL32
            275: _adrp,  # R_AARCH64_ADR_PREL_PG_HI21
            277: _low12(0),  # R_AARCH64_ADD_ABS_LO12_NC
            278: _low12(0),  # R_AARCH64_LDST8_ABS_LO12_NC
            284: _low12(1),  # R_AARCH64_LDST16_ABS_LO12_NC
            285: _low12(2),  # R_AARCH64_LDST32_ABS_LO12_NC
            286: _low12(3),  # R_AARCH64_LDST64_ABS_LO12_NC
            299: _low12(4),  # R_AARCH64_LDST128_ABS_LO12_NC
            282: _branch26,  # R_AARCH64_JUMP26
            283: _branch26,  # R_AARCH64_CALL26
        },
        table={
            311: _adrp,  # R_AARCH64_ADR_GOT_PAGE
            312: _low12(3),  # R_AARCH64_LD64_GOT_LO12_NC
        },
    ),
}


class _Relocation(NamedTuple):
    section: int
    offset: int
    kind: int
    symbol: _Symbol
    addend: int


class _ObjectFile:
    """What is read of a relocatable ELF file of 64 bits, little-endian."""

    def __init__(self, elf: bytes) -> None:
        magic, bits, order, _, kind, machine, *_, at, _, _, _, _, size, count, names = (
            _ELF.unpack_from(elf)
        )
        if (magic, bits, order, kind) != (b"\x7fELF", 2, 1, 1) or machine not in _ARCHITECTURES:
            raise ImageError(f"not an object file of a known architecture: {elf[:20].hex()}")
        self.architecture = _ARCHITECTURES[machine]
        headers = [_SECTION.unpack_from(elf, at + size * i) for i in range(count)]
        all_names = elf[headers[names][4] :]
        self.sections = [
            _Section(
                _name(all_names, name),
                kind,
                flags,
                elf[offset : offset + length],
                link,
                info,
                max(alignment, 1),
            )
            for name, kind, flags, _, offset, length, link, info, alignment, _ in headers
        ]

    def mapped(self) -> Iterator[int]:
        """Yield the numbers of the sections that are mapped, all but frames for unwinding.

        Kernels never raise, and a thread that exits in one is not unwound beyond it.
        """
        for number, section in enumerate(self.sections):
            if not section.flags & _ALLOC or section.name == ".eh_frame" or not section.contents:
                continue
            if section.kind not in _PLAIN or section.flags & (_WRITE | _TLS):
                raise ImageError(f"cannot map section {section.name}: not constant")
            yield number

    def symbols(self, number: int) -> list[_Symbol]:
        """Return the symbols of section *number*."""
        section = self.sections[number]
        names = self.sections[section.link].contents
        return [
            _Symbol(_name(names, name), place, value)
            for name, _, _, place, value, _ in _SYMBOL.iter_unpack(section.contents)
        ]

    def relocations(self, mapped: set[int]) -> Iterator[_Relocation]:
        """Yield the relocations of the sections *mapped*."""
        for section in self.sections:
            if section.kind not in (_RELA, _REL) or section.info not in mapped:
                continue
            if section.kind == _REL:
                raise ImageError(f"cannot resolve {section.name}: has no addends")
            symbols = self.symbols(section.link)
            for offset, info, addend in _RELOCATION.iter_unpack(section.contents):
                kind = info & 0xFFFFFFFF
                yield _Relocation(section.info, offset, kind, symbols[info >> 32], addend)


def _name(names: bytes, at: int) -> str:
    return names[at : names.index(b"\0", at)].decode()


def image(elf: bytes, symbol: str) -> bytes:
    """Return the image of an object file, whose function *symbol* it exports.

    Raises
    ------
    ImageError
        Something would be left to relocate, or is not constant.
    """
    file = _ObjectFile(elf)
    mapped = list(file.mapped())
    relocations = list(file.relocations(set(mapped)))
    called = list(dict.fromkeys(r.symbol.name for r in relocations if not r.symbol.section))
    names = "\0".join(called).encode()
    contents = bytearray(START + HEADER.size) + names
    places = {}
    for number in mapped:
        section = file.sections[number]
        contents += bytes(-len(contents) % section.alignment)
        places[number] = len(contents)
        contents += section.contents
    slots = {name: 8 * (number - len(called)) for number, name in enumerate(called)}
    for relocation in relocations:
        _resolve(contents, relocation, file.architecture, places, slots)
    entry = _entry(file, symbol, places)
    HEADER.pack_into(contents, START, entry, len(names))
    return bytes(contents[START:])


def _resolve(
    contents: bytearray,
    relocation: _Relocation,
    architecture: _Architecture,
    places: dict[int, int],
    slots: dict[str, int],
) -> None:
    section, offset, kind, symbol, addend = relocation
    if symbol.section == _UNDEFINED:
        resolve, target = architecture.table.get(kind), slots[symbol.name]
    elif symbol.section in places:
        resolve, target = architecture.own.get(kind), places[symbol.section] + symbol.value
    else:
        resolve, target = None, 0
    if resolve is None:
        raise ImageError(f"cannot resolve relocation {kind} of symbol {symbol.name!r}")
    resolve(contents, places[section] + offset, target + addend)


def _entry(file: _ObjectFile, name: str, places: dict[int, int]) -> int:
    for number, section in enumerate(file.sections):
        if section.kind == _SYMTAB:
            for symbol in file.symbols(number):
                if symbol.name == name and symbol.section in places:
                    return places[symbol.section] + symbol.value
    raise ImageError(f"function {name} is not in the object file")
