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

A CRC is the remainder of a division. Dividing bit by bit is slow; numcrc computes CRCs about as
fast as the machine can read memory. This notebook goes from the one to the other in small steps:
polynomials as integers, the CRC as a remainder, folding, reduction, short messages, and bit
matrices beside the multiplier. Each step is computed on real bytes with Python's integers and
compared with `zlib` or with numcrc itself. The last cells show the machine code that numcrc
generates on this computer.
"""

# %%
import random
import re
import struct
import zlib
from collections import Counter

import matplotlib.pyplot as plt

import numcrc
from numcrc.crc import gf2
from numcrc.jit import compiler, constants, engine, matrices, target, tiers
from numcrc.jit.plan import Plan

data = random.Random(1).randbytes(4096)
plt.rcParams.update({"figure.dpi": 100})

# %% [markdown]
"""
## Polynomials are integers

Over GF(2), the field of 0 and 1, a polynomial is a row of bits: bit k is the coefficient of
*x*<sup>k</sup>. Addition is exclusive or, and so is subtraction. Multiplication adds shifted
copies, without carries.
"""


# %%
def terms(polynomial):
    """Write a polynomial as mathematicians do."""
    powers = [k for k in reversed(range(polynomial.bit_length())) if polynomial >> k & 1]
    return " + ".join({0: "1", 1: "x"}.get(k, f"x^{k}") for k in powers)


a, b = 0b1101, 0b11
product = gf2.multiply(a, b)
print(f"({terms(a)}) * ({terms(b)}) = {terms(product)}")
assert a ^ a == 0
assert gf2.divmod_(product, b) == (a, 0)

# %% [markdown]
"""
## A message is a polynomial

The first bit of a message is its highest term. CRC-32 counts the lowest bit of a byte as its first,
so each byte is mirrored.
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

*P* is CRC-32's polynomial. A message *M* of n bits is extended by 32 zero bits, ones are added to
its first 32 bits (the initial value of the register, *R*), and the sum is divided by *P*. The
remainder is mirrored and inverted. This is the definition; the rest of this notebook is about
speed.
"""

# %%
P = 1 << 32 | numcrc.algorithms["CRC-32"].poly
ONES = 0xFFFFFFFF


def crc_by_division(some_bytes):
    n = 8 * len(some_bytes)
    remainder = gf2.mod(ONES << n ^ message(some_bytes) << 32, P)
    return gf2.reflect(remainder, 32) ^ ONES


print(f"{crc_by_division(b'123456789'):08x}")
assert crc_by_division(b"123456789") == zlib.crc32(b"123456789") == 0xCBF43926
assert crc_by_division(data) == zlib.crc32(data) == numcrc.crc32(data)

# %% [markdown]
"""
numcrc's table of the algorithm shows *P* and more. In the normal notation each digit has the
coefficients of four powers, without that of *x*<sup>32</sup>:
"""

# %%
numcrc.algorithms["CRC-32"]

# %% [markdown]
"""
## One kernel for every width

numcrc computes modulo *G* = *P* · *x*<sup>64-w</sup>, which has degree 64 for every width w. The
remainder is the same, shifted by 64-w bits, so the same machine code serves CRC-32, CRC-24 or
CRC-64.
"""

# %%
G = P << 32
R = ONES << 32
M = message(data)
assert gf2.mod(M << 64, G) == gf2.mod(M << 32, P) << 32

# %% [markdown]
"""
## Moving a word to the end

A word *A* that ends D bits before the end of the message is the polynomial *A* · *x*<sup>D</sup>.
Only its remainder matters, and *x*<sup>D</sup> mod *G* is a constant of 64 bits. So a long division
becomes one product of two 64-bit words: a single instruction, the carry-less multiply.
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

A product of two words is a *pair* of words, 128 bits. To move a pair *H* · *x*<sup>64</sup> + *L*
again, multiply each half by its own constant and add the products: the sum is again a pair. This is
a *fold*.
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
Folding a pair over 128 bits moves it to the next 16 bytes, to which it is added. In this way 4096
bytes become 16, and only those are divided. The initial value *R* is added to the first eight
bytes.
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
The figure shows the term of each lane's lowest bit, and the first byte of each pair.
"""


# %%
SKY, PALE, ORANGE, GREEN = "#56B4E9", "#BBE1F6", "#E69F00", "#009E73"
PURPLE, VERMILION = "#CC79A7", "#D55E00"  # of Okabe and Ito, but PALE, which is a light SKY


def canvas(height, rows):
    axes = plt.figure(figsize=(9, height), layout="constrained").add_subplot()
    axes.set(xlim=(-3.1, 16.05), ylim=(0, rows))
    axes.axis("off")
    return axes


def label(axes, y, text, colour="black"):
    axes.text(-0.2, y, text, ha="right", va="center", fontsize=13, color=colour)


def box(axes, x, y, width, text, colour):
    axes.add_patch(plt.Rectangle((x, y), width, 0.8, facecolor=colour, edgecolor="white", lw=2))
    axes.text(x + width / 2, y + 0.4, text, ha="center", va="center", fontsize=12)


# %%
axes = canvas(4.6, 5.8)
for q in range(8):
    box(axes, 2 * q, 4.2, 2, f"lane {q}\n$x^{{{64 * (7 - q)}}}$", PALE if q % 2 else SKY)
for k in range(4):
    axes.text(4 * k + 2, 5.15, f"pair {k}: high, low", ha="center", fontsize=12)
axes.plot([0, 0], [3, 4.15], [4, 16], [3, 4.15], color="grey", lw=0.8, ls=":")
for k in range(16):
    colour = PALE if k // 4 % 2 else SKY
    box(axes, k, 2.1, 1, str(16 * k), colour)
    box(axes, k, 0.1, 1, str(256 + 16 * k), colour)
    axes.annotate(
        "", (k + 0.5, 0.95), (k + 0.5, 2.05), arrowprops={"arrowstyle": "->", "color": VERMILION}
    )
label(axes, 4.6, "one register:\n64 bytes")
label(axes, 2.5, "a block:\n16 pairs")
label(axes, 1.5, "16 folds\nover 2048 bits", VERMILION)
label(axes, 0.5, "the next\nblock")
plt.show()

# %% [markdown]
"""
A length that is not a multiple of 256 costs one more fold: the first block is folded over the
remaining bytes only, and the bytes that follow it are added. The kernel has no loop over bytes.
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
    i, rest = size, len(some_bytes) % size
    if rest:
        behind = bytes(size - rest) + some_bytes[i : i + rest]
        block = fold_block(block, 8 * rest, pairs_of(behind))
        i += rest
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

One block is left. A lane that ends d bits before the block's end is multiplied by its own *weight*,
*x*<sup>d+64</sup> mod *G*. The sum of all products, *T*, has 128 bits and the same remainder as
*M* · *x*<sup>64</sup>.
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

A division by a constant is a multiplication by its reciprocal. One product with the quotient
*x*<sup>128</sup> / *G*, without its remainder, gives the quotient *T* / *G*, and *T* minus this
quotient times *G* is the remainder. Polynomials have no carries, so the quotient is exact.
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
These are the constants that numcrc passes to its kernels: the reciprocal and *G*, each without its
leading term, an unused word, and *x*<sup>0</sup>, *x*<sup>8</sup>, *x*<sup>16</sup> and so on,
modulo *G*.
"""

# %%
block = constants.fold(numcrc.algorithms["CRC-32"].model, 256, constants.NORMAL)
reciprocal, generator, _, *powers = struct.unpack_from("<259Q", block)
assert reciprocal | 1 << 64 == RECIPROCAL
assert generator | 1 << 64 == G
assert powers == [gf2.power_of_x(8 * j, G) for j in range(256)]

# %% [markdown]
"""
## Short messages

Many messages have only a few bytes. Zeros in front of a message do not change its polynomial, so
the kernel loads it into the *end* of a register, with zeros before it: this is already the last
block. *R* has another place, so it is multiplied by its own power of *x*. Every length takes the
same instructions.
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

The carry-less multiplier is now always busy. Newer CPUs have GFNI, with an instruction that
multiplies each byte by a matrix of 8 x 8 bits, one matrix for each lane. Multiplication by
*x*<sup>D</sup> modulo a polynomial of degree n is linear, so it is a matrix too, but one of n x n
bits.
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
So n/8 registers form a *group*. Take one byte position: the bits of the registers' bytes there must
span the polynomials modulo *P*. Then each register's new bytes are the sum of n/8 products, one
with each register of the group. The position itself is a common factor and does not matter: one
matrix serves all bytes of a register, and bytes stay where they are. Whether the bits span depends
on *P* and on the distances between the registers, so numcrc has several arrangements of a block and
takes the first that suits *P*. In the figure, registers with one number form a group, and c is the
carry-less multiply.
"""

# %%
GROUPS = (SKY, PALE, GREEN, PURPLE)
BITS = 512
mixtures = {
    "CRC-16/ARC": ("00112233", 1),
    "CRC-32": ("00c0c0", 1),
    "CRC-64/NVME": ("0cc000cc", 2),
}
axes = canvas(2.8, 3)
for y, (name, (units, lanes)) in enumerate(reversed(mixtures.items())):
    mixture = Plan("fold", bits=BITS, units=units, lanes=lanes)
    assert matrices.spans(numcrc.algorithms[name].model.generator, mixture.above, lanes)
    label(axes, y + 0.4, name)
    for i, unit in enumerate(units):
        box(axes, 1.6 * i, y, 1.6, unit, ORANGE if unit == "c" else GROUPS[int(unit)])
plt.show()

# %% [markdown]
"""
For CRC-32, four registers form a group, with 32 bits at each position and 16 matrices. For 64 bits
it is four registers again, and the two lanes of each pair work together. The next cell folds the
four registers marked 0, of a block of six, over the block's length.
"""

# %%
UNITS = "00c0c0"
mixture = Plan("fold", bits=BITS, units=UNITS)
(group,) = mixture.groups
step = BITS * len(UNITS)
words = matrices.matrices(P, mixture.above, 1, step, True)
rows = [words[i : i + len(group)] for i in range(0, len(words), len(group))]


def fold_group(registers):
    return [
        bytes(
            affine(a, m[0]) ^ affine(b, m[1]) ^ affine(c, m[2]) ^ affine(d, m[3])
            for a, b, c, d in zip(*registers, strict=True)
        )
        for m in rows
    ]


def group_sum(registers):
    """Return the polynomial of a block's registers that are in the group."""
    return sum(message(r) << above for r, above in zip(registers, mixture.above, strict=True))


registers = [data[64 * i : 64 * i + 64] for i in group]
assert gf2.mod(group_sum(fold_group(registers)), P) == gf2.mod(group_sum(registers) << step, P)

# %% [markdown]
"""
## Both at once

The sum differs from the multiplier's, but has the same remainder, so some registers of a block can
be folded by matrices and the others by the multiplier. Two units of the CPU work instead of one. On
AMD's Zen 5 this folds CRC-32 at twice the multiplier's speed; on Intel's CPUs, whose multiplier is
twice as fast, numcrc only multiplies.
"""


# %%
def fold_mixed(block):
    folded = [[fold(pair, step) for pair in register] for register in block]
    as_bytes = [
        bytes(gf2.reflect(b, 8) for pair in block[i] for b in pair.to_bytes(16, "big"))
        for i in group
    ]
    for i, register in zip(group, fold_group(as_bytes), strict=True):
        folded[i] = pairs_of(register)
    return folded


# %%
def registers_of(some_bytes):
    return [pairs_of(some_bytes[i : i + 64]) for i in range(0, len(some_bytes), 64)]


size = step // 8
whole = len(data) - len(data) % size
block = registers_of(data[:size])
block[0][0] ^= R << 64
for i in range(size, whole, size):
    message_block = registers_of(data[i : i + size])
    block = [
        [a ^ b for a, b in zip(*pairs, strict=True)]
        for pairs in zip(fold_mixed(block), message_block, strict=True)
    ]
every_pair = [pair for register in block for pair in register]
mixed = gf2.reflect(reduce(weigh(every_pair)) >> 32, 32) ^ ONES
assert mixed == crc(data[:whole]) == zlib.crc32(data[:whole])

# %% [markdown]
"""
## What runs on this computer

LLVM names the CPU, and numcrc plans the kernel for it. The plan's name has, after `fold`, the bits
of a register, the windows (`w`) and blocks in bytes, and the unit that folds each register.
"""

# %%
model = numcrc.algorithms["CRC-32"].model
host = target.host()
plan = engine.plan_of(model)._replace(form="raw")
print(f"{host.cpu}: {plan.name}")

# %% [markdown]
"""
Numba translates the kernel, which is plain Python, into LLVM IR, and LLVM optimises it. These are
the products in the main loop, or the longest piece of code if this CPU has no multiplier.
"""

# %%
machine = compiler.target_machine(host)
module = compiler.optimised(compiler.emit_module(plan, "crc32", host.cpu), "crc32", machine)
pieces = str(module).partition("\n!")[0].split("\n\n")
piece = max(pieces, key=lambda piece: (len(re.findall("clmul|pmull|affine", piece)), len(piece)))
products = [line for line in piece.splitlines() if re.search("clmul|pmull|affine", line)]
for line in products[:3] + products[-3:] or piece.splitlines()[:12]:
    print(re.sub(r"tail call |, !.*", "", line)[:110])

# %% [markdown]
"""
This is the loop in machine code. With AVX-512, one instruction adds two products and the next
block's bytes: `vpternlogq $150` is the exclusive or of three operands.
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
    bodies = [body for body in bodies if not any("\tret" in line for line in body)]  # only jumps
    products = "clmul|pmull|affine|crc32"
    return max(bodies, key=lambda body: (len(re.findall(products, "".join(body))), len(body)))


def mnemonics(loop):
    return Counter(line.split()[0] for line in loop if line.startswith("\t") and line.strip())


# %%
loop = main_loop(compiler.assembly(plan, host))
print(*(line.replace("\t", "    ", 1).expandtabs(20) for line in loop), sep="\n")
counts = mnemonics(loop)
if plan.units:
    assert counts["vpclmulqdq"] == 2 * plan.units.count("c")
    assert counts["vgf2p8affineqb"] == len(plan.groups) * plan.matrix_count

# %% [markdown]
"""
The same kernel for every set of instructions that this kind of CPU may have:
"""

# %%
shown = ("vpclmulqdq", "pclmulqdq", "vgf2p8affineqb", "vpternlogq", "pmull", "pmull2", "eor3")
for tier in tiers.TIERS.get(host.arch, ()):
    if tier not in host.tiers:
        print(f"{tier.name:15} this CPU lacks {', '.join(sorted(tier.needs - host.usable))}")
        continue
    lower = engine.plan_of(model, tier)._replace(form="raw")
    counts = mnemonics(main_loop(compiler.assembly(lower, host)))
    found = ", ".join(f"{counts[name]} {name}" for name in shown if counts[name])
    print(f"{tier.name:15} {sum(counts.values()):3} instructions; {found or 'no products: tables'}")
