"""Read what CPUID says, by a small image for any CPU of x86-64 that LLVM makes.

Only what LLVM may read, and is the same on all cores: no numbers of cores and no sizes of state.
"""

from __future__ import annotations

import os
import struct

from numcrc.jit import cache as kernel_cache
from numcrc.jit import linker
from numcrc.jit.native import Char, Pointer, addressof, function
from numcrc.process import imported

# A function (leaves, end, answers): pairs of leaf and subleaf, and four words for each. Without
# leaves it answers with XCR0.
_IR = f"""
define void @{linker.SYMBOL}(ptr %leaves, ptr %end, ptr %answers) {{
  %none = icmp eq ptr %leaves, %end
  br i1 %none, label %state, label %next

next:
  %at = phi ptr [ %leaves, %0 ], [ %after, %next ]
  %to = phi ptr [ %answers, %0 ], [ %beyond, %next ]
  %leaf = load i32, ptr %at
  %at.1 = getelementptr i32, ptr %at, i64 1
  %subleaf = load i32, ptr %at.1
  %abcd = call {{ i32, i32, i32, i32 }} asm sideeffect "cpuid",
    "={{ax}},={{bx}},={{cx}},={{dx}},{{ax}},{{cx}}"(i32 %leaf, i32 %subleaf)
  %a = extractvalue {{ i32, i32, i32, i32 }} %abcd, 0
  %b = extractvalue {{ i32, i32, i32, i32 }} %abcd, 1
  %c = extractvalue {{ i32, i32, i32, i32 }} %abcd, 2
  %d = extractvalue {{ i32, i32, i32, i32 }} %abcd, 3
  %to.1 = getelementptr i32, ptr %to, i64 1
  %to.2 = getelementptr i32, ptr %to, i64 2
  %to.3 = getelementptr i32, ptr %to, i64 3
  store i32 %a, ptr %to
  store i32 %b, ptr %to.1
  store i32 %c, ptr %to.2
  store i32 %d, ptr %to.3
  %after = getelementptr i32, ptr %at, i64 2
  %beyond = getelementptr i32, ptr %to, i64 4
  %done = icmp eq ptr %after, %end
  br i1 %done, label %return, label %next

state:
  %xcr = call {{ i32, i32 }} asm sideeffect ".byte 0x0f, 0x01, 0xd0",
    "={{ax}},={{dx}},{{cx}}"(i32 0)
  %low = extractvalue {{ i32, i32 }} %xcr, 0
  %high = extractvalue {{ i32, i32 }} %xcr, 1
  %answers.1 = getelementptr i32, ptr %answers, i64 1
  store i32 %low, ptr %answers
  store i32 %high, ptr %answers.1
  br label %return

return:
  ret void
}}
"""

_ALL, _EAX, _EBX, _NOT_EBX = (1, 1, 1, 1), (1, 0, 0, 0), (0, 1, 0, 0), (1, 0, 1, 1)
# By leaf and subleaf, the registers that count. Leaf 1 has the number of the core in EBX, leaf 13
# a size, leaf 0x80000008 numbers of cores.
_LEAVES = {
    (0, 0): _ALL,
    (1, 0): _NOT_EBX,
    **{(7, subleaf): _ALL for subleaf in range(3)},
    (0xD, 1): _EAX,
    (0x14, 0): _ALL,
    (0x19, 0): _ALL,
    **{(leaf, subleaf): _ALL for leaf in (0x1E, 0x24) for subleaf in range(2)},
    (0x8000_0000, 0): _ALL,
    (0x8000_0001, 0): _ALL,
    (0x8000_0007, 0): _ALL,
    (0x8000_0008, 0): _EBX,
    (0x8000_0021, 0): _ALL,
}
_OSXSAVE = 1 << 27
"""In ECX of leaf 1: XCR0 can be read."""


def _key() -> bytes:
    return kernel_cache.digest(kernel_cache.MAGIC, _IR.encode())


def store_image() -> None:
    """Let LLVM make the image, and store it in the cache."""
    llvm = imported("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()  # LLVM aborts without it
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu="x86-64", reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(_IR)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    made = imported("numcrc.jit.image").image(bytes(machine.emit_object(module)), linker.SYMBOL)
    kernel_cache.store(_key(), kernel_cache.packed(_key(), made, "asks CPUID"), "cpuid")


def read() -> bytes | None:
    """Return what CPUID and XCR0 say; None if the image is not in the cache."""
    descriptor = kernel_cache.open_file(_key(), "cpuid")
    if descriptor is None:
        return None
    try:
        address = linker.link_file(_key(), descriptor, image=True)
    except linker.NoMachineCodeError:
        return None
    finally:
        os.close(descriptor)
    if address is None:
        kernel_cache.discard(_key(), "cpuid")
        return None
    return _read(address)


def _read(address: int) -> bytes:
    call = function(address, None, Pointer, Pointer, Pointer)

    def ask(leaves: list[tuple[int, int]]) -> list[tuple[int, ...]]:
        asked = bytearray(struct.pack(f"{2 * len(leaves)}I", *sum(leaves, ())) or 1)
        answers = bytearray(16 * max(len(leaves), 1))
        start = addressof(Char.from_buffer(asked))
        call(start, start + 8 * len(leaves), addressof(Char.from_buffer(answers)))
        return list(struct.iter_unpack("4I", answers))

    limits = {leaf: ask([(leaf, 0)])[0][0] for leaf in (0, 0x8000_0000)}
    # Beyond the last leaf, some CPUs answer as if asked for it.
    leaves = [at for at in _LEAVES if at[0] <= limits[at[0] & 0x8000_0000]]
    answers = dict(zip(leaves, ask(leaves), strict=True))
    found = [
        word if counts else 0
        for at, words in answers.items()
        for word, counts in zip(words, _LEAVES[at], strict=True)
    ]
    if answers[1, 0][2] & _OSXSAVE:
        found += ask([])[0]
    return struct.pack(f"{len(found)}I", *found)
