# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Design a CRC

A sensor sends frames of eight bytes by radio: six bytes of data, four bits that number the sensor,
and twelve bits for a CRC. Which one? This notebook tries every polynomial of twelve bits, finds
some that surely detect four flipped bits where those of the catalogue detect three, and puts the
best of them to use as an `Algorithm`, which runs as fast as any other. Then it tries
random polynomials of 32 bits, where trying all would take years.
"""

# %%
import random
import time
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np

import numcrc
from numcrc.explore import describe, hamming_distance, hd_limits, plot, search
from numcrc.jit import engine

plt.rcParams["font.size"] = 11

WIDTH, NBITS = 12, 52  # of the CRC, and of what it protects

# %% [markdown]
"""
## What the catalogue has

The Hamming distance (HD) is the least number of flipped bits that may go undetected. At 52 bits,
every CRC of twelve bits in the catalogue has 4 at most.
"""

# %%
catalogue = {
    name: hamming_distance(crc, NBITS)
    for name, crc in numcrc.algorithms.items()
    if crc.width == WIDTH and crc.poly & 1
}
for name, distance in catalogue.items():
    print(f"{name:16} 0x{numcrc.algorithms[name].poly:03x}  HD {distance}")
assert max(catalogue.values()) == 4

# %% [markdown]
"""
## Try them all

There are 2048 polynomials of twelve bits that have the term 1, and without it a CRC does not detect
a flip of its last bit. One and its mirror image, the *reciprocal*, detect the same errors, so about
half are left. `search` returns those that reach a Hamming distance; those that keep it for the
longest data come first.
"""

# %%
started = time.perf_counter()
reached = {distance: search(WIDTH, NBITS, distance) for distance in (3, 4, 5, 6)}
print(f"{1000 * (time.perf_counter() - started):.0f} ms")

everything = 1024 + 32  # of 2048 polynomials, 64 are their own reciprocals
numbers = [everything, *(len(found) for found in reached.values())]
exactly = {hd: a - b for hd, a, b in zip((2, 3, 4, 5), numbers, numbers[1:], strict=False)}

axes = plt.figure(figsize=(7.5, 3), layout="constrained").add_subplot()
colours = [plot.COLOURS[0 if hd <= 4 else 1] for hd in exactly]
bars = axes.barh([f"HD {hd}" for hd in exactly], exactly.values(), color=colours, height=0.6)
axes.bar_label(bars, padding=4)
axes.set_xlabel(f"polynomials of {WIDTH} bits, for {NBITS} bits of data")
axes.margins(x=0.1)
axes.spines[["top", "right"]].set_visible(False)
plt.show()
assert exactly == {2: 107, 3: 144, 4: 801, 5: 4}
assert not reached[6]

# %% [markdown]
"""
HD 6 is out of reach, but four polynomials have HD 5: with these, four flipped bits are always
detected. Take the first:
"""

# %%
best = reached[5][0]
print(f"normal 0x{best.normal:03x}, Koopman's notation 0x{best.koopman:03x}: {best.terms}")
print(f"HD 5 up to {hd_limits(numcrc.Algorithm(WIDTH, best.normal))[5].bits} bits of data")

# %% [markdown]
"""
## Make it an algorithm

A polynomial is not yet a CRC. *init* should not be 0, or zeros that are lost or added in front go
unnoticed; *xorout* is a matter of taste. *refin* and *refout* are true where the lowest bit of a
byte is sent first. None of them changes the Hamming distance. `check`, the CRC of `123456789`, goes
into the documentation of your format, so that others can test theirs.
"""

# %%
crc = numcrc.Algorithm(WIDTH, best.normal, init=0xFFF, name="CRC-12/SENSOR")
describe(crc)

# %% [markdown]
"""
## Compare

The new CRC, in blue, is above the catalogue's from 17 to 53 bits, which is where the frame is, and
pays for it with longer data: one polynomial cannot be best at all lengths.
"""

# %%
rivals = ["CRC-12/CDMA2000", "CRC-12/GSM", "CRC-12/UMTS"]
axes = plot.hd([crc, *rivals])
axes.axvline(NBITS, color="#6e6e6e", lw=1.5)
axes.text(NBITS * 1.15, 6.3, f"{NBITS} bits", color="#6e6e6e")
axes.set_xlim(left=4)
plt.show()
assert hamming_distance(crc, NBITS) == 5

# %% [markdown]
"""
Each step of the HD multiplies the probability of an undetected error by about the bit error rate.
If one bit in 100,000 is flipped, the other CRCs miss some ten thousand times as many errors:
"""

# %%
axes = plot.undetected([crc, *rivals], NBITS)
plt.show()
mine, *others = (line.get_ydata() for line in axes.lines[: 1 + len(rivals)])
at = np.searchsorted(axes.lines[0].get_xdata(), 1e-5)
for name, other in zip(rivals, others, strict=True):
    print(f"{name:16} {other[at] / mine[at]:>7,.0f} times as many")
assert all(other[at] > 100 * mine[at] for other in others)

# %% [markdown]
"""
## Use it

It behaves as any other `Algorithm`. Here it checks a hundred thousand frames in one call. The CRC
covers seven bytes, whose first four bits are zero and are not sent: 52 bits count. A flip of
any four bits of data is detected; all 270,725 of them are tried.
"""

# %%
rng = np.random.default_rng(1)
messages = rng.integers(0, 256, (100_000, 7), np.uint8)
messages[:, 0] &= 0x0F
values = crc.rows(messages)
assert values[7] == crc(messages[7])

changes = [0] * NBITS
zero = crc(bytes(7))
for bit in range(NBITS):
    changes[bit] = crc((1 << bit).to_bytes(7, "big")) ^ zero
missed = sum(a ^ b ^ c ^ d == 0 for a, b, c, d in combinations(changes, 4))
print(f"{len(values):,} frames; undetected flips of four bits: {missed}")
assert missed == 0

# %% [markdown]
"""
## It is as fast

numcrc compiles no code for a single polynomial: all CRCs of a kind share one kernel, and the
polynomial is a constant in its memory. So a CRC of your own is as fast as those of the catalogue.
The next cell shows that the plan is the same, the one after it measures.
"""

# %%
plans = {engine.plan_of(each.model).name for each in (crc, numcrc.algorithms["CRC-12/CDMA2000"])}
print(*plans)
assert len(plans) == 1

# %%
data = random.Random(1).randbytes(1 << 20)


def gib_per_s(algorithm):
    algorithm(data)
    times = []
    for _ in range(20):
        started = time.perf_counter()
        algorithm(data)
        times.append(time.perf_counter() - started)
    return len(data) / min(times) / 2**30


speeds = {crc.name: gib_per_s(crc)}
speeds |= {name: gib_per_s(numcrc.algorithms[name]) for name in rivals}
axes = plt.figure(figsize=(7.5, 2.4), layout="constrained").add_subplot()
colours = [plot.COLOURS[0 if name == crc.name else 5] for name in speeds]
bars = axes.barh(list(speeds), list(speeds.values()), color=colours, height=0.6)
axes.bar_label(bars, fmt="{:.1f}", padding=4)
axes.invert_yaxis()
axes.set_xlabel("GiB/s, messages of 1 MiB, one thread")
axes.margins(x=0.1)
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
"""
## 32 bits

There are two billion polynomials of 32 bits, too many to try, and at 512 bytes hardly one in a
hundred random ones has HD 6. The best known ones are products of few irreducible factors, such
as two of degree 15 and twice x + 1. `factors` gives the degrees; then some of 200 tries succeed.
"""

# %%
started = time.perf_counter()
found = search(32, 4096, hd=6, count=200, seed=1, factors=(1, 1, 15, 15))
print(f"{len(found)} found in {time.perf_counter() - started:.1f} s")
for polynomial in found[:3]:
    print(f"0x{polynomial.normal:08x}")
    for factor, power in polynomial.factors:
        print("  ", f"({factor.terms})" * power)
wide = numcrc.Algorithm(32, found[0].normal, init=0xFFFFFFFF, refin=True, refout=True)
assert hamming_distance(wide, 4096) >= 6
assert hamming_distance("CRC-32", 4096) == 4

# %% [markdown]
"""
## Before you invent one

- If a standard CRC is good enough at your length, take it: others have it, too. [Which
  errors a CRC detects](error_detection.ipynb) lists the best for each length.
- Write down all parameters with `check`: width, poly, init, refin, refout, xorout, and the byte
  order in the frame.
- A CRC is not a secret: `reverse` finds all its parameters from five frames, as
  [Identify an unknown CRC](identify_a_crc.ipynb) shows.
"""
