# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Identify an unknown CRC

A device sends frames that end in some checksum, and its manual does not say which. This notebook
finds it from three captured frames: where the message begins, where the checksum is and in which
byte order, and which CRC it is. Then it does so for a CRC that is in no catalogue, shows how
sure the answer is, and solves two cases from public bug reports: in one a tool found nothing, in
the other its answer did not work.
"""

# %%
import random
import time

import matplotlib.pyplot as plt

import numcrc
from numcrc.explore import describe, identify_frames, plot, reverse, reverse_frames

plt.rcParams["font.size"] = 11

# %% [markdown]
"""
## Three frames

This is what a logger on a serial line wrote. Which bytes are the message, and which the checksum?
"""

# %%
frames = [
    bytes.fromhex("40 9c 11 03 00 6b 00 03 76 87 0a"),
    bytes.fromhex("41 99 11 03 06 02 2b 00 00 00 64 c8 ba 0a"),
    bytes.fromhex("42 96 11 10 00 01 00 02 04 00 0a 01 02 c6 f0 0a"),
]

for match in identify_frames(frames):
    print(match.algorithm.name)
    print(f"  checksum: {match.byteorder} endian, {match.tail} byte behind it")
    print(f"  message: begins at byte {match.start}")
    print(f"  evidence: {match.evidence_bits:.0f} bits")

found = identify_frames(frames)[0]
assert (found.algorithm.name, found.byteorder) == ("CRC-16/MODBUS", "little")
assert (found.start, found.tail) == (2, 1)

# %% [markdown]
"""
It is Modbus: two bytes that the logger put in front, the message, its CRC-16 with the low byte
first, and a line feed. *Evidence* of n bits says that some wrong answer among all that were
tried fits by chance with probability 2<sup>-n</sup>. One frame is not enough, as some CRCs of
eight bits fit by chance:
"""

# %%
for count in (1, 2, 3):
    matches = identify_frames(frames[:count])
    names = [match.algorithm.name for match in matches]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    print(f"frames: {count}; {matches[0].evidence_bits:3.0f} bits: {', '.join(names[:2])}{more}")

# %% [markdown]
"""
`describe` says what is known of it.
"""

# %%
describe(found.algorithm)

# %% [markdown]
"""
## A CRC that is in no catalogue

The next device has its own polynomial, initial value and final XOR. `identify_frames` finds
nothing; `reverse_frames` computes the parameters. A CRC is linear, so sums of messages with their
checksums are multiples of the polynomial, and their greatest common divisor is the polynomial
itself. Frames of different lengths then give the initial value.
"""

# %%
secret = numcrc.Algorithm(
    16, 0x8D95, init=0xFFFF, refin=True, refout=True, xorout=0x5A5A, name="secret"
)
rng = random.Random(7)


def captured(length):
    """Return a frame of the device: a sync byte, a message, its CRC."""
    message = bytes([0x10, length]) + rng.randbytes(length)
    return b"\x7e" + message + secret(message).to_bytes(2, "big")


frames = [captured(length) for length in (9, 14, 6, 21, 11, 17)]
assert identify_frames(frames) == []

started = time.perf_counter()
matches = reverse_frames(frames[:5])
print(f"{1000 * (time.perf_counter() - started):.0f} ms")
for match in matches:
    crc = match.algorithm
    print(
        f"from byte {match.start}: poly 0x{crc.poly:04x}, init 0x{crc.init:04x},"
        f" xorout 0x{crc.xorout:04x}, refin {crc.refin}, {match.byteorder} endian"
    )
assert {match.algorithm.poly for match in matches} == {secret.poly}
assert secret.model in [match.algorithm.model for match in matches if match.start == 1]

# %% [markdown]
"""
The first two bytes are the same in all frames. What they add to the CRC may as well be part of
*init*, so three places fit. They are the same function of such frames, and any of them will do. The
second one is what its designer thought of: an *init* of 0xffff is usual.
"""

# %%
match = next(match for match in matches if match.algorithm.init == 0xFFFF)
for frame in frames:
    assert match.algorithm(frame[match.start : -2]) == int.from_bytes(frame[-2:], "big")

# %% [markdown]
"""
## How many frames are enough?

The first frames only determine the unknowns: polynomial, initial value and final XOR have 16 bits
each. So three frames leave no evidence: several answers fit by chance. Each further frame adds 16
bits. With four the answer is probably right; with five it is practically certain.
"""

# %%
samples = [(frame[1:-2], frame[-2:]) for frame in frames]
counts = range(3, len(samples) + 1)
answers = [reverse(samples[:count]) for count in counts]
evidence = [max(match.evidence_bits for match in found) for found in answers]

axes = plt.figure(figsize=(7.5, 3.4), layout="constrained").add_subplot()
colours = [plot.COLOURS[1 if bits < 8 else 0] for bits in evidence]
bars = axes.bar(list(counts), evidence, width=0.6, color=colours)
labels = [f"{len(found)} answer{'s' * (len(found) > 1)}" for found in answers]
axes.bar_label(bars, labels, padding=3)
axes.axhline(0, color="black", lw=1)
axes.set(xticks=list(counts), xlabel="frames", ylabel="evidence (bits)")
axes.margins(y=0.15)
axes.spines[["top", "right"]].set_visible(False)
plt.show()

right = [[match.algorithm.model for match in found].count(secret.model) for found in answers]
assert right[1:] == [1] * (len(counts) - 1)
assert len(answers[0]) > len(answers[-1]) == 1
assert evidence[-1] - evidence[-2] == 16

# %% [markdown]
"""
## A frame with a wrong CRC

Now that the CRC is known, each frame can be checked. One arrives with a flipped bit. A single flip
changes the CRC in its own way, so `match.locate` names the bit. It is a guess, not a correction:
errors of more bits may look the same. It helps to find out what happens on a line.
"""

# %%
sent = frames[3]
received = bytearray(sent)
received[8] ^= 0x20
assert match.verify(sent)
assert not match.verify(received)

for (flipped,) in match.locate(received):
    byte, bit = divmod(flipped, 8)
    print(f"byte {byte} of the frame, bit {bit}")
    received[byte] ^= 1 << bit
assert bytes(received) == sent

# %% [markdown]
"""
## A meter

A user recorded eight frames of an electricity meter by radio, and reported that a tool for this
found nothing. All have one length. With the first six bytes stripped, as the tool's guide asks:
"""

# %%
recorded = """
80FF2A55002330EFFFFFFFFFFFFE902482A0001A006D1E05A40B112C82E001001935060C7B7C7031A6
80FF2A55002330FFFFFFFFFFFFFE9024178C001200892C7AA40B9024178C01001635050A5F7E709EC1
80FF2A55002330FFFFFFFFFFFFFE90247AF800EC0087CC06A40B90247AF8010016350503437E704642
80FF2A55002330FFFFFFFFFFFFFE90241B200006008AC0F6A40B90241B20010015350513657E7084C8
80FF2A55002330FFFFFFFFFFFFFE90241B0700D40089654BA40B90241B07010015350506457E70E732
80FF2A55002330FFFFFFFFFFFFFE90241CE500C400896B5CA40B90241CE5010015350506D17E702B87
80FF2A55002330FFFFFFFFFFFFFE90241CE500CC00896B67A40B90241CE501001535050B317E70935F
80FF2A55002330FFFFFFFFFFFFFE9023FA7100520086AA48A40B9023FA710100153505117B7E7087D6
"""
meter = [bytes.fromhex(frame) for frame in recorded.split()]
samples = [(frame[6:-2], frame[-2:]) for frame in meter]
print(f"all eight: {len(reverse(samples))} answers")

# %% [markdown]
"""
Nothing fits all eight. But one of them may be damaged, or come from another device. With `ignore=1`
each sample is left out in turn:
"""

# %%
matches = reverse(samples, ignore=1)
for match in matches:
    crc = match.algorithm
    print(
        f"poly 0x{crc.poly:04x}, init 0x{crc.init:04x}, xorout 0x{crc.xorout:04x}:"
        f" {match.evidence_bits:.0f} bits, for messages of {match.lengths[0]} bytes"
    )
fits = [matches[0].algorithm(message) == int.from_bytes(crc, "big") for message, crc in samples]
print("frames that fit:", fits)
assert {match.algorithm.poly for match in matches} == {0x1021}
assert fits == [False] + 7 * [True]

# %% [markdown]
"""
The first frame is the odd one, and differs from the others in its first bytes, too. The other seven
have the polynomial 0x1021 with 75 bits of evidence. As all have one length, they cannot tell *init*
from *xorout*: the three answers are the same function of messages of 33 bytes, and `lengths` says
that nothing else is known. One frame of another length would decide.

## A sensor

In the other report, the answer of a tool, polynomial 0x2f and initial value 0x03, did not work in
its user's hands, and looked too odd to be right. Ten frames of a sensor, with a CRC of eight bits:
"""

# %%
sensor = [
    bytes.fromhex(frame)
    for frame in (
        "00 24 c0 89 06 54 4c c8",
        "00 24 c0 89 06 54 4d e7",
        "00 24 c0 89 06 4b 4c a9",
        "00 24 c0 89 06 44 4d c2",
        "00 24 c0 89 06 3c 4d bc",
        "00 24 c0 89 06 37 4c 02",
        "00 24 c0 89 06 31 4d 05",
        "00 24 c0 89 06 2c 4c b6",
        "00 24 c0 89 06 28 4c 63",
        "00 24 c0 89 06 24 4d 1c",
    )
]
samples = [(frame[:-1], frame[-1:]) for frame in sensor]
for count in (2, 3, 4, 6, 10):
    matches = reverse(samples[:count])
    polys = sorted({match.algorithm.poly for match in matches})
    print(
        f"{count:2} frames: {matches[0].evidence_bits:4.0f} bits, polynomials",
        ", ".join(f"0x{poly:02x}" for poly in polys),
    )
for match in matches:
    print(f"init 0x{match.algorithm.init:02x}, xorout 0x{match.algorithm.xorout:02x}")
assert polys == [0x2F]
assert {(m.algorithm.init, m.algorithm.xorout) for m in matches} == {(0, 0x03), (0xFF, 0x96)}

# %% [markdown]
"""
The polynomial was right: 0x2f, that of CRC-8/AUTOSAR. With an *init* of 0, 0x03 is
*xorout*, or something that the sensor adds to its message. Again, all frames have one length, and
`lengths` says so.

## What helps

- Frames of *different lengths*: three if the catalogue has the CRC, at least five if not.
- Checksums as bytes, not as integers, so that both byte orders are tried.
- Frames without what may differ by chance, such as time stamps of the logger. Or say where
  the message may begin: `starts=`.
- `numcrc explore identify` and `reverse` do the same in a shell.
"""
