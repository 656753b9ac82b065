# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Which errors a CRC detects

By chance, a CRC of 32 bits is right for one in 4.3 billion random messages. Against a few flipped
bits it is much better: up to some length, it detects all of them. This notebook draws how many, for
well-known CRCs and every length, computes how probable an undetected error is, and looks up the
best CRC for a frame of your length. The numbers are exact, and one of them is checked on real
bytes.
"""

# %%
import random
from itertools import combinations

import matplotlib.pyplot as plt
from IPython.display import Markdown

import numcrc
from numcrc.explore import example, hamming_distance, hd_limits, plot, undetected, weights

plt.rcParams["font.size"] = 11

# %% [markdown]
"""
## The Hamming distance

The *Hamming distance* (HD) of a CRC is the least number of flipped bits that it may miss, in the
data or in the CRC itself. With HD 6 every error of up to five bits is detected. It depends on the
polynomial and on the length of the data: the longer, the lower. These are the limits of CRC-32, the
CRC of Ethernet, zip and PNG:
"""

# %%
limits = hd_limits("CRC-32")
for distance, limit in limits.items():
    print(f"HD {distance:2}: up to {limit.bits:>13,} bits of data")
assert [limits[h].bits for h in (4, 5, 6, 7, 8)] == [91607, 2974, 268, 171, 91]  # as published

# %% [markdown]
"""
The next figure has the same limits as a staircase, beside those of five other CRCs. Read it from
your length upwards: the highest line there is that of the CRC that surely detects the most flips.
Lines that coincide are drawn side by side.

The grey line marks 1514 bytes, the longest Ethernet frame without tags. There CRC-32 and CRC-32C
both have HD 4, while CRC-32/MEF and CRC-32/AUTOSAR have 6. In return these two fall to HD 2 at 14
and 8 KiB, which the other two reach at 512 and 256 MiB.
"""

# %%
FAMOUS = ["CRC-32", "CRC-32C", "CRC-32/MEF", "CRC-32/AUTOSAR", "CRC-24/FLEXRAY-A", "CRC-16/ARC"]
FRAME = 1514 * 8

ax = plot.hd(FAMOUS)
ax.set_ylim(1.5, 12.75)
ax.axvline(FRAME, color="#6e6e6e", lw=1.5)
ax.text(FRAME * 1.3, 8.5, "1514 B", color="#6e6e6e")
plt.show()
assert [hamming_distance(crc, FRAME) for crc in FAMOUS] == [4, 4, 6, 6, 2, 4]

# %% [markdown]
"""
## An error that passes

HD 4 at 1514 bytes says that some error of four bits is not detected. `example` finds one. Its
positions count from the end of the frame, as powers of x, so that the CRC itself has positions 0 to
31. An undetected error may be moved: this one is moved by 32 bits, out of the CRC into the data.
"""

# %%
positions = [i + 32 for i in example("CRC-32", FRAME)]
frame = random.Random(1).randbytes(1514)
damaged = bytearray(frame)
for i in positions:
    byte, bit = divmod(i - 32, 8)  # from the end; CRC-32 takes the lowest bit of a byte first
    damaged[-1 - byte] ^= 0x80 >> bit

print("flipped:", ", ".join(f"x^{i}" for i in reversed(positions)))
print(f"before {numcrc.crc32(frame):08x}, after {numcrc.crc32(damaged):08x}")
assert damaged != frame
assert numcrc.crc32(damaged) == numcrc.crc32(frame)
assert numcrc.algorithms["crc32c"](damaged) != numcrc.algorithms["crc32c"](frame)

# %% [markdown]
"""
Any three of these flips are detected, and so are any three others, wherever they are.
"""

# %%
for three in combinations(positions, 3):
    damaged = bytearray(frame)
    for i in three:
        byte, bit = divmod(i - 32, 8)
        damaged[-1 - byte] ^= 0x80 >> bit
    assert numcrc.crc32(damaged) != numcrc.crc32(frame)

# %% [markdown]
"""
## The best CRC for your frame

What does a CRC of 8, 16, 24 or 32 bits offer at your length? The next cell takes the best of each
width in the catalogue; where several are equally good, it names one of them. Put the lengths of
your own frames in the first line.
"""

# %%
LENGTHS = (8, 16, 64, 256, 1514)  # bytes of data
WIDTHS = (8, 16, 24, 32)

one_of_each = {}  # polynomials have several names, and the HD depends on the polynomial only
for name, crc in numcrc.algorithms.items():
    if crc.width in WIDTHS and crc.poly & 1:
        one_of_each.setdefault((crc.width, crc.poly), name)

best = {}
for (width, _), name in one_of_each.items():
    for size in LENGTHS:
        distance = hamming_distance(name, 8 * size)
        best[width, size] = max(best.get((width, size), (0, "")), (distance, name))

rows = ["| data | " + " | ".join(f"{width} bits" for width in WIDTHS) + " |"]
rows.append("|---|" + "---|" * len(WIDTHS))
for size in LENGTHS:
    cells = [f"{size} B"]
    for width in WIDTHS:
        distance, name = best[width, size]
        cells.append(f"**HD {distance}** {name}" if distance > 2 else "HD 2")
    rows.append("| " + " | ".join(cells) + " |")
assert best[32, 1514][0] == 6
assert best[16, 16][0] == 6
Markdown("\n".join(rows))

# %% [markdown]
"""
The longer the data, the more bits a CRC needs, and a polynomial only helps at the lengths that it
was made for. [Design a CRC](design_a_crc.ipynb) searches beyond the catalogue.

## How probable is an undetected error?

The Hamming distance says nothing about errors of more bits. If each bit is flipped with the same
probability, the *bit error rate*, then the probability that a damaged frame passes can be computed
exactly, from the number of undetected errors of each weight. This takes some seconds for CRCs of 32
bits.

Where errors are rare, nearly all undetected ones have the fewest bits possible. So the lines are
straight: with HD 4, a tenth of the bit error rate makes an undetected error 10,000 times less
probable. CRC-16/T10-DIF has HD 3 at this length, so its line is flatter. On the right, half of the
bits are flipped: the frame is random, and passes with probability 2<sup>-16</sup> or
2<sup>-32</sup>.
"""

# %%
COMPARED = ["CRC-32", "CRC-32C", "CRC-16/T10-DIF", "CRC-16/ARC"]

figure, (above, below) = plt.subplots(
    2, 1, figsize=(7.5, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
)
plot.undetected(COMPARED, FRAME, ax=above)
above.set_ylim(1e-27, 1e-2)
above.set_xlabel("")

crc32, crc32c, *_ = above.lines
rates, ratio = crc32.get_xdata(), crc32c.get_ydata() / crc32.get_ydata()
below.plot(rates, ratio, color=plot.COLOURS[1], lw=2)
below.axhline(1, color="#6e6e6e", lw=1)
below.set(ylim=(0, 2.2), xlabel="bit error rate", ylabel="CRC-32C / CRC-32")
below.grid(color="#e2e2e2")
below.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
"""
CRC-32 and CRC-32C nearly coincide above, so the lower panel has their ratio. Where errors are rare,
CRC-32C passes 1.4 times as many of them: it misses 312,496 errors of four bits, CRC-32 223,059. All
errors of five bits, and of any odd number, are detected by CRC-32C, as x + 1 divides its
polynomial; of those of an even number it misses about twice as many.
"""

# %%
missed = {crc: weights(crc, FRAME, upto=4)[4] for crc in COMPARED}
for crc, count in missed.items():
    print(f"{crc:15} {count:>15,} undetected errors of four bits")
assert missed["CRC-32"] == 223_059  # as published
assert missed["CRC-32C"] == 312_496
assert abs(ratio[0] - 312_496 / 223_059) < 0.01
assert abs(ratio[-1] - 1) < 1e-9

# %% [markdown]
"""
## A CRC outside of its range

CRC-16/DNP was made for the blocks of 16 bytes of the DNP3 protocol, where it has HD 6. On the left,
it is far better than CRC-16/X-25, with HD 4. But beyond 135 bits its HD is 2. On the right, with
128 bytes, fewer flips make it *worse*: at a bit error rate of 0.002 it misses a hundred times as
many errors as with random data. CRC-16/X-25 has no such hump.
"""

# %%
PAIR = ["CRC-16/DNP", "CRC-16/X-25"]
figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for nbits, panel in zip((128, 1024), panels, strict=True):
    plot.undetected(PAIR, nbits, ax=panel)
    panel.set_xlabel("bit error rate")
    panel.set(xlim=(1e-5, 0.5), ylim=(1e-18, 1))
    panel.get_legend().remove()
panels[0].legend(frameon=False, loc="lower right")
panels[1].set_ylabel("")
plt.show()
assert [hamming_distance(crc, 128) for crc in PAIR] == [6, 4]
assert max(panels[1].lines[0].get_ydata()) > 100 * 2**-16
assert max(panels[1].lines[1].get_ydata()) < 1.01 * 2**-16
assert undetected("CRC-16/DNP", 128, 1e-4) < undetected("CRC-16/X-25", 128, 1e-4) / 1000

# %% [markdown]
"""
## What a flipped bit does

Each row of the next figure is a bit of the data, the last one at the top, each column a bit of the
CRC; it is blue where a flip of the one changes the other. CRC-64/XZ mixes well from the first rows
on. CRC-64/GO-ISO has only five terms in its polynomial, so its pattern stays sparse. The polynomial
itself is an undetected error, of five bits, so its HD is never above 5. CRC-16/ARC has four terms.
"""

# %%
shown = ("CRC-16/ARC", "CRC-32", "CRC-64/GO-ISO", "CRC-64/XZ")
figure, panels = plt.subplots(1, 4, figsize=(9, 4), sharey=True, layout="constrained")
for crc, panel in zip(shown, panels, strict=True):
    plot.influence(crc, ax=panel)
    panel.set_title(crc, fontsize=10)
    panel.set(xlabel="", ylabel="")
panels[0].set_ylabel("flipped bit, from the end of the data")
figure.get_layout_engine().set(wspace=0.05)
figure.supxlabel("bit of the CRC (power of x)", fontsize=11)
plt.show()
assert sum(map(sum, panels[2].images[0].get_array().tolist())) < 64 * 128 / 4

# %% [markdown]
"""
## More

- Flips that come in *bursts* are another matter: a CRC of w bits detects every burst of up to w
  bits, at any length, if it is sent in the order of its bits.
- `hd_limits`, `example`, `weights` and `undetected` take any `numcrc.Algorithm`, not only those of
  the catalogue. For CRCs of 64 bits, limits may be lower bounds; they say so.
- `numcrc explore hd CRC-32C` prints the limits in a shell.
"""
