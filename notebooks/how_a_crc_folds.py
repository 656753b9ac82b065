# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# How a CRC folds

A CRC is the remainder of a division. Done bit by bit, that is slow; numcrc reads memory about as
fast as the machine can. This notebook goes from the one to the other in small steps. Each step is
computed on real bytes with Python's integers and compared with `zlib` or with numcrc itself; the
last cells show the machine code that numcrc makes of it on this computer.
"""

# %%
import random
import re
import struct
import zlib
from collections import Counter

import matplotlib.pyplot as plt

import numcrc
from numcrc import constants, gf2, planes
from numcrc.jit import compiler, engine, target

data = random.Random(1).randbytes(4096)

# %% [markdown]
"""
## Polynomials are integers

Over GF(2), the field of 0 and 1, a polynomial is a row of bits: bit k is the coefficient of `x^k`.
Addition is exclusive or, so it is subtraction too. Multiplication adds up shifted copies, and
nothing is ever carried.
"""


# %%
def terms(polynomial):
    """Write a polynomial as mathematicians do."""
    return " + ".join(f"x^{k}" for k in range(200, -1, -1) if polynomial >> k & 1)


a, b = 0b1101, 0b11
product = gf2.multiply(a, b)
print(f"({terms(a)}) * ({terms(b)}) = {terms(product)}")
assert a ^ a == 0
assert gf2.divmod_(product, b) == (a, 0)

# %% [markdown]
"""
## A message is a polynomial

The first bit of a message is its highest term. CRC-32 counts the lowest bit of a byte as its
first, so each byte is mirrored.
"""


# %%
def message(some_bytes):
    """Return a message as a polynomial."""
    return int.from_bytes(bytes(gf2.reflect(byte, 8) for byte in some_bytes), "big")


assert message(b"\x01\x00") == 1 << 15
assert message(b"\x00\x80") == 1

# %% [markdown]
"""
## A CRC is a remainder

`P` is CRC-32's polynomial. A message `M` of n bits is extended by 32 zero bits, ones are added to
its first 32 bits (that is the register's first value, `R`), and all is divided by `P`. The
remainder is mirrored and inverted. This is the definition: everything below is about being fast.
"""

# %%
P = 1 << 32 | numcrc.algorithms["CRC-32"].poly
ONES = 0xFFFFFFFF


def crc_by_division(some_bytes):
    n = 8 * len(some_bytes)
    remainder = gf2.mod(ONES << n ^ message(some_bytes) << 32, P)
    return gf2.reflect(remainder, 32) ^ ONES


print(f"P = {terms(P)}")
print(f"{crc_by_division(b'123456789'):08x}")
assert crc_by_division(b"123456789") == zlib.crc32(b"123456789") == 0xCBF43926
assert crc_by_division(data) == zlib.crc32(data) == numcrc.crc32(data)

# %% [markdown]
"""
## One kernel for every width

numcrc computes modulo `G = P * x^(64-w)`, which has degree 64 whatever the width w. The remainder
is the same, 64-w bits further up, so the same machine code serves CRC-32, CRC-24 or CRC-64.
"""

# %%
G = P << 32
R = ONES << 32
M = message(data)
assert gf2.mod(M << 64, G) == gf2.mod(M << 32, P) << 32

# %% [markdown]
"""
## What is far away may come near

A word `A` that stands D bits before the end of the message is the polynomial `A * x^D`. Only its
remainder matters, and `x^D mod G` is a constant of 64 bits. So a long division becomes one product
of two 64-bit words: a single instruction, the carry-less multiply.
"""

# %%
A, D = message(data[:8]), 8 * 4088
near = gf2.multiply(A, gf2.power_of_x(D, G))
print(f"A * x^{D} has {(A << D).bit_length()} bits, its substitute {near.bit_length()}")
assert gf2.mod(near, G) == gf2.mod(A << D, G)
assert near.bit_length() < 128

# %% [markdown]
"""
## Folding a pair

A product of two words is a *pair* of words, 128 bits. To move a pair `H * x^64 + L` forward again,
multiply each half by its own constant and add: the sum is no longer than a pair. That is a *fold*.
"""

# %%
WORD = (1 << 64) - 1


def fold(pair, distance):
    high, low = pair >> 64, pair & WORD
    return gf2.multiply(high, gf2.power_of_x(distance + 64, G)) ^ gf2.multiply(
        low, gf2.power_of_x(distance, G)
    )


pair = message(data[:16])
folded = fold(pair, 128)
assert gf2.mod(folded, G) == gf2.mod(pair << 128, G)
assert folded.bit_length() < 128

# %% [markdown]
"""
Folding a pair over 128 bits puts it on top of the next 16 bytes, where it can be added to them. In
this way 4096 bytes become 16, and only those are divided. The first value `R` is added to the
first eight bytes.
"""

# %%
pairs = [message(data[i : i + 16]) for i in range(0, len(data), 16)]
folded = pairs[0] ^ R << 64
for behind in pairs[1:]:
    folded = fold(folded, 128) ^ behind
remainder = gf2.mod(folded << 64, G) >> 32
assert gf2.reflect(remainder, 32) ^ ONES == zlib.crc32(data)


# %% [markdown]
"""
## Side by side

Each fold waits for the one before it. So several pairs are folded independently: four in a 512-bit
register, and four registers or more in a *block*, all over the same distance, the block's length.
Below, each lane has the term that its lowest bit stands for, and each pair its first byte.
"""


# %%
HIGH, LOW, RED = "#9ecae1", "#deebf7", "#c0392b"


def canvas(height, rows):
    axes = plt.figure(figsize=(10, height), layout="constrained").add_subplot()
    axes.set(xlim=(-2, 16.05), ylim=(0, rows))
    axes.axis("off")
    return axes


def label(axes, y, text, colour="black"):
    axes.text(-0.2, y, text, ha="right", va="center", fontsize=10, color=colour)


def box(axes, x, y, width, text, colour):
    axes.add_patch(plt.Rectangle((x, y), width, 0.8, facecolor=colour, edgecolor="white", lw=2))
    axes.text(x + width / 2, y + 0.4, text, ha="center", va="center", fontsize=9)


axes = canvas(3.8, 5.8)
for q in range(8):
    box(axes, 2 * q, 4.2, 2, f"lane {q}\nx^{64 * (7 - q)}", LOW if q % 2 else HIGH)
for k in range(4):
    axes.text(4 * k + 2, 5.15, f"pair {k}: high, low", ha="center", fontsize=9)
axes.plot([0, 0], [3, 4.15], [4, 16], [3, 4.15], color="grey", lw=0.8, ls=":")
for k in range(16):
    colour = LOW if k // 4 % 2 else HIGH
    box(axes, k, 2.1, 1, str(16 * k), colour)
    box(axes, k, 0.1, 1, str(256 + 16 * k), colour)
    axes.annotate(
        "", (k + 0.5, 0.95), (k + 0.5, 2.05), arrowprops={"arrowstyle": "->", "color": RED}
    )
label(axes, 4.6, "one register:\n64 bytes")
label(axes, 2.5, "a block:\n16 pairs")
label(axes, 1.5, "16 folds\nover 2048 bits", RED)
label(axes, 0.5, "the next\nblock")
plt.show()

# %% [markdown]
"""
A length that is no multiple of 256 costs one more fold: the first block is folded over the odd
bytes only, and what stands behind it is added. There is no loop over bytes.
"""

# %%
PAIR = (1 << 128) - 1


def pairs_of(some_bytes):
    whole, count = message(some_bytes), len(some_bytes) // 16
    return [whole >> 128 * i & PAIR for i in reversed(range(count))]


def fold_block(block, distance, behind):
    return [fold(pair, distance) ^ more for pair, more in zip(block, behind, strict=True)]


def fold_message(some_bytes, size=256):
    block = pairs_of(some_bytes[:size])
    block[0] ^= R << 64
    i, odd = size, len(some_bytes) % size
    if odd:
        behind = bytes(size - odd) + some_bytes[i : i + odd]
        block = fold_block(block, 8 * odd, pairs_of(behind))
        i += odd
    while i < len(some_bytes):
        block = fold_block(block, 8 * size, pairs_of(some_bytes[i : i + size]))
        i += size
    return block


text = data[:1003]
whole = sum(pair << 128 * i for i, pair in enumerate(reversed(fold_message(text))))
assert whole.bit_length() <= 8 * 256
assert gf2.mod(whole, G) == gf2.mod(message(text) ^ R << 8 * len(text) - 64, G)

# %% [markdown]
"""
## Weights

One block is left. A lane that stands d bits before its end is multiplied by its own *weight*,
`x^(d+64) mod G`. All products are in the same place then, and their sum `T` is 128 bits that leave
the remainder of `M * x^64`.
"""


# %%
def weigh(block):
    lanes = [word for pair in block for word in (pair >> 64, pair & WORD)]
    total = 0
    for d, lane in zip(range(0, 64 * len(lanes), 64), reversed(lanes), strict=True):
        total ^= gf2.multiply(lane, gf2.power_of_x(d + 64, G))
    return total


T = weigh(fold_message(text))
assert T.bit_length() < 128
assert gf2.mod(T, G) == gf2.mod((message(text) << 64) ^ (R << 8 * len(text)), G)

# %% [markdown]
"""
## Barrett reduction

A division by a constant is a multiplication by its reciprocal. The quotient `floor(T / G)` comes
of one product with `floor(x^128 / G)`, and what the quotient times `G` leaves of `T` is the
remainder. Polynomials have no carries, so the quotient is exact.
"""

# %%
RECIPROCAL = gf2.divmod_(1 << 128, G)[0]


def reduce(total):
    quotient = gf2.multiply(total >> 64, RECIPROCAL) >> 64
    return total ^ gf2.multiply(quotient, G)


assert reduce(T) == gf2.mod(T, G)


def crc(some_bytes):
    return gf2.reflect(reduce(weigh(fold_message(some_bytes))) >> 32, 32) ^ ONES


for n in range(256, 1300, 29):
    assert crc(data[:n]) == zlib.crc32(data[:n]) == numcrc.crc32(data[:n])

# %% [markdown]
"""
These are the constants that numcrc hands to its kernels: the reciprocal and `G`, each without its
leading term, a spare word, and `x^0, x^8, x^16, ...` modulo `G`.
"""

# %%
block = constants.fold(numcrc.algorithms["CRC-32"]._model, 256, constants.NORMAL)
reciprocal, generator, _, *powers = struct.unpack_from("<259Q", block)
assert reciprocal | 1 << 64 == RECIPROCAL
assert generator | 1 << 64 == G
assert powers == [gf2.power_of_x(8 * j, G) for j in range(256)]

# %% [markdown]
"""
## Short messages

Most checksums are of a few bytes. Zeros in front of a message do not change its polynomial, so the
kernel loads it into the *end* of a register, the rest masked to zero, and has a last block at once.
Only `R` stands elsewhere, and gets its own power of x. Every length takes the same instructions.
"""


# %%
def short_crc(some_bytes, size=64):
    n = len(some_bytes)
    window = bytes(size - n) + some_bytes
    total = weigh(pairs_of(window)) ^ gf2.multiply(R, gf2.power_of_x(8 * n, G))
    return gf2.reflect(reduce(total) >> 32, 32) ^ ONES


for n in range(1, 65):
    assert short_crc(data[:n]) == zlib.crc32(data[:n])

# %% [markdown]
"""
## A second multiplier

The unit for carry-less multiplication is busy all the time now. Newer CPUs have GFNI: an
instruction that multiplies each byte by a matrix of 8 x 8 bits, one matrix a lane. To move bits
forward by `x^D` is linear, so it is a matrix; but one of n x n bits, for a polynomial of degree n.
"""


# %%
def affine(byte, matrix):
    """Compute a byte of `vgf2p8affineqb`: bit i is the parity of row i and the byte."""
    rows = matrix.to_bytes(8, "big")
    return sum((rows[i] & byte).bit_count() % 2 << i for i in range(8))


identity = sum(1 << i << 8 * (7 - i) for i in range(8))
assert all(affine(byte, identity) == byte for byte in range(256))

# %% [markdown]
"""
So n/8 lanes work together as a *set*. Their bits must be a basis of the polynomials modulo `P`;
then every lane's new bytes are the sum of n/8 products, one with each lane of its set. Which lanes
may be a set depends on `P` alone, and is searched for. Colours are sets here.
"""

# %%
SETS = ("#9ecae1", "#fdae6b", "#a1d99b", "#d4b9da", "#fdd0a2", "#c7e9c0", "#dadaeb", "#f2b6b6")
names = ("CRC-8/SMBUS", "CRC-16/ARC", "CRC-32")
axes = canvas(2.4, 3)
for y, name in enumerate(reversed(names)):
    found = planes.planes(numcrc.algorithms[name]._model.generator, 0)
    assert sorted(lane for lanes in found.sets for lane in lanes) == list(range(8))
    label(axes, y + 0.4, name)
    for lanes, colour in zip(found.sets, SETS, strict=False):
        for q in lanes:
            box(axes, 2 * q, y, 2, f"lane {q}", colour)
plt.show()

# %% [markdown]
"""
CRC-32 has two sets of four lanes. In turn r = 0..3 each lane sees the r-th next one of its set,
multiplied by a matrix for that turn and lane. Here is a fold of 64 bytes over 4096 bits.
"""

# %%
found = planes.planes(P, 0)
turns, step = found.size, 8 * 512
words = planes.matrices(found, step, True)
rows = [words[i : i + 8] for i in range(0, len(words), 8)]
matrices, seen = rows[:turns], rows[turns:]

axes = canvas(3, turns)
for r in range(turns):
    label(axes, turns - 1 - r + 0.4, f"turn {r} sees")
    for q, other in enumerate(seen[r]):
        colour = next(c for lanes, c in zip(found.sets, SETS, strict=False) if other in lanes)
        box(axes, 2 * q, turns - 1 - r, 2, f"lane {other}", colour)
plt.show()


# %%
def fold_by_matrices(register):
    lanes = [register[8 * q : 8 * q + 8] for q in range(8)]
    folded = bytearray(64)
    for r in range(turns):
        for q in range(8):
            for i, byte in enumerate(lanes[seen[r][q]]):
                folded[8 * q + i] ^= affine(byte, matrices[r][q])
    return bytes(folded)


register = data[:64]
assert gf2.mod(message(fold_by_matrices(register)), P) == gf2.mod(message(register) << step, P)

# %% [markdown]
"""
## Both at once

The sum is not the same as the multiplier's, but it leaves the same remainder, so one block may have
registers of either kind: for CRC-32, eight of them, `cgcgcgcg`, c for the carry-less multiply and g
for GFNI. Two units of the CPU work instead of one. That is a gain on AMD's Zen; on Intel's CPUs,
whose multiplier is twice as fast, numcrc multiplies only.
"""

# %%
KINDS = "cgcgcgcg"


def fold_register(kind, register):
    if kind == "c":
        return [fold(pair, step) for pair in register]
    as_bytes = bytes(gf2.reflect(b, 8) for pair in register for b in pair.to_bytes(16, "big"))
    return pairs_of(fold_by_matrices(as_bytes))


block = pairs_of(data[:512])
block[0] ^= R << 64
for i in range(512, len(data), 512):
    folded = [
        p for k, kind in enumerate(KINDS) for p in fold_register(kind, block[4 * k : 4 * k + 4])
    ]
    block = [a ^ b for a, b in zip(folded, pairs_of(data[i : i + 512]), strict=True)]
mixed = gf2.reflect(reduce(weigh(block)) >> 32, 32) ^ ONES
assert mixed == crc(data) == zlib.crc32(data)

# %% [markdown]
"""
## What runs on this computer

numcrc asks LLVM which CPU this is and plans the kernel for it. The plan's name says how: after
`fold`, the bits of a register; the windows (`w`) and blocks in bytes; lanes in a set and the kinds.
"""

# %%
model = numcrc.algorithms["CRC-32"]._model
host = target.host()
plan = engine.plan_of(model)._replace(form="raw")
print(f"{host.cpu}: {plan.name}")

# %% [markdown]
"""
Numba turns the kernel, which is plain Python, into LLVM's language, and LLVM optimises that. These
are the products in the main loop, or the longest piece of code if this CPU has no multiplier.
"""

# %%
machine = compiler.target_machine(host)
module = compiler.optimised(compiler.emit_module(plan, "crc32"), "crc32", machine)
pieces = str(module).partition("\n!")[0].split("\n\n")
piece = max(pieces, key=lambda piece: (len(re.findall("clmul|pmull|affine", piece)), len(piece)))
products = [line for line in piece.splitlines() if re.search("clmul|pmull|affine", line)]
for line in products[:3] + products[-3:] or piece.splitlines()[:12]:
    print(re.sub(r"tail call |, !.*", "", line)[:110])

# %% [markdown]
"""
And this is the loop in machine code. With AVX-512, the next block's bytes are added by the same
instruction that adds two products: `vpternlogq $150` is the exclusive or of three operands.
"""


# %%
def main_loop(assembly):
    """Return the lines of the innermost loop with the most products, or of the longest one."""
    lines, starts, loops = assembly.splitlines(), {}, []
    for i, line in enumerate(lines):
        if found := re.match(r"(\.?L\w+):", line):
            starts[found[1]] = i
        elif (found := re.match(r"\s+[jbct]\S*\s.*?(\.?L\w+)$", line)) and found[1] in starts:
            start = starts[found[1]]
            if not any(start <= inner for inner, _ in loops):
                loops.append((start, i + 1))
    bodies = [lines[start:end] for start, end in loops]
    products = "clmul|pmull|affine|crc32"
    return max(bodies, key=lambda body: (len(re.findall(products, "".join(body))), len(body)))


def mnemonics(loop):
    return Counter(line.split()[0] for line in loop if line.startswith("\t") and line.strip())


loop = main_loop(compiler.assembly(plan, host))
print(*(line.replace("\t", "    ", 1).expandtabs(20) for line in loop), sep="\n")
counts = mnemonics(loop)
if plan.kinds:
    assert counts["vpclmulqdq"] == 2 * plan.kinds.count("c")
    assert counts["vgf2p8affineqb"] == plan.planes * plan.kinds.count("g")

# %% [markdown]
"""
The same kernel for every set of instructions that this kind of CPU may have:
"""

# %%
shown = ("vpclmulqdq", "pclmulqdq", "vgf2p8affineqb", "vpternlogq", "pmull", "pmull2", "eor3")
for tier in target.TIERS.get(host.arch, ()):
    if tier not in host.tiers:
        print(f"{tier.name:15} this CPU lacks {', '.join(sorted(tier.needs - host.usable))}")
        continue
    lower = engine.plan_of(model, tier)._replace(form="raw")
    counts = mnemonics(main_loop(compiler.assembly(lower, host)))
    found = ", ".join(f"{counts[name]} {name}" for name in shown if counts[name])
    print(f"{tier.name:15} {sum(counts.values()):3} instructions; {found or 'no products: tables'}")
