# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# A CRC is not a signature

A CRC finds accidents. It does not find intent: anyone can give a message the CRC that they like, in
less than a millisecond, by changing four bytes, or the case of a few letters, or the lowest bits of
some pixels. This notebook does all of it, so that you know what a matching CRC says and what it
does not. It ends with what to use instead.
"""

# %%
import hashlib
import hmac
import secrets
import tempfile
import time
import zlib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import numcrc
from numcrc.explore import flips, forge, plot

plt.rcParams["font.size"] = 11

# %% [markdown]
"""
## The case of letters

A CRC is *linear*: flipping a bit of the message changes the CRC by a number that depends on the
place of the bit, but not on the message. To reach a given CRC is to solve 32 linear equations, one
for each bit of the CRC. Any 32 bits or a few more will do as unknowns. Here they are the bits 0x20
of the letters, which make them small or capital.
"""

# %%
text = b"The quick brown fox jumps over the lazy dog, which does not notice it."
cases = [8 * i + 5 for i, letter in enumerate(text) if chr(letter).isalpha()]

forge("CRC-32", text, 0)  # the first call loads numcrc's kernels
started = time.perf_counter()
forged = forge("CRC-32", text, 0xDEADBEEF, bits=cases)
took = time.perf_counter() - started

print(forged.decode())
print(f"CRC-32: {zlib.crc32(forged):08x}, found in {1e6 * took:.0f} µs, {len(cases)} letters")
assert zlib.crc32(forged) == numcrc.crc32(forged) == 0xDEADBEEF
assert forged.lower() == text.lower()

# %% [markdown]
"""
`flips` gives the change of the CRC by each of these bits, from the length alone. The sum (XOR) of
those that were flipped is the difference of the CRCs.
"""

# %%
changes = flips("CRC-32", len(text), cases)
difference = 0
for bit, change in zip(cases, changes, strict=True):
    if (text[bit // 8] ^ forged[bit // 8]) >> bit % 8 & 1:
        difference ^= change
assert difference == zlib.crc32(text) ^ zlib.crc32(forged)

# %% [markdown]
"""
## Four bytes of a large array

To forge an array of 64 MiB is to copy it and to read it once; the rest takes less than a
millisecond, as the distance of the chosen bytes from the end only enters as a power of x. The four
bytes may be anywhere; here they are in the middle.
"""

# %%
array = np.random.default_rng(1).integers(0, 256, (64, 1024, 1024), np.uint8)
middle = array.size // 2

started = time.perf_counter()
numcrc.crc32(array)
read = time.perf_counter() - started
started = time.perf_counter()
altered = forge("CRC-32", array, 0x00000000, at=middle)
took = time.perf_counter() - started

altered = np.frombuffer(altered, np.uint8).reshape(array.shape)
changed = np.flatnonzero(altered != array)
print(f"one CRC: {1e3 * read:.0f} ms; to copy the array and to forge it: {1e3 * took:.0f} ms")
print(f"changed bytes: {changed - middle} from the middle, of {array.size:,}")
print(f"CRC-32: {numcrc.crc32(altered):08x}")
assert numcrc.crc32(altered) == 0
assert set(changed - middle) <= {0, 1, 2, 3}

# %% [markdown]
"""
## A file that contains its own CRC

The sentence states a CRC of our choice; then the cases of its letters are chosen so that it is
true. Any tool agrees.
"""

# %%
claim = b"I, the undersigned file, hereby declare that my CRC-32 is C0FFEE00, and I do not lie.\n"
number = claim.index(b"C0FFEE00")
letters = [
    8 * i + 5
    for i, letter in enumerate(claim)
    if chr(letter).isalpha() and i not in range(number, number + 8)
]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "declaration.txt")
    path.write_bytes(forge("CRC-32", claim, 0xC0FFEE00, bits=letters))
    print(path.read_text())
    print(f"zlib says {zlib.crc32(path.read_bytes()):08X}")
    assert zlib.crc32(path.read_bytes()) == numcrc.algorithms["CRC-32"].file(path) == 0xC0FFEE00
    assert b"C0FFEE00" in path.read_bytes()

# %% [markdown]
"""
## Which picture is genuine?

A picture of cells from a microscope, simulated. In the second picture one cell has been removed.
Then the lowest bits of forty pixels in its bottom row were chosen so that the CRC is that of the
first. The third panel shows all that differs.
"""

# %%
rng = np.random.default_rng(4)
y, x = np.mgrid[:160, :160]
cells = [(*rng.uniform(20, 140, 2), rng.uniform(4, 9), rng.uniform(80, 150)) for _ in range(9)]


def picture(some_cells):
    light = sum(a * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 2 / s**2) for u, v, s, a in some_cells)
    noise = np.random.default_rng(5).normal(20, 5, x.shape)
    return np.clip(light + noise, 0, 255).astype(np.uint8)


genuine = picture(cells)
tampered = picture(cells[:3] + cells[4:])
last_row = [8 * (tampered.size - 1 - i) for i in range(40)]  # bit 0 of each pixel
matched = np.frombuffer(
    forge("CRC-32", tampered, numcrc.crc32(genuine), bits=last_row), np.uint8
).reshape(genuine.shape)

figure, panels = plt.subplots(1, 3, figsize=(9, 3.5), layout="constrained")
panels[0].imshow(genuine, cmap="cividis", vmin=0, vmax=255)
panels[0].set_title(f"genuine\nCRC-32 {numcrc.crc32(genuine):08x}", fontsize=11)
panels[1].imshow(matched, cmap="cividis", vmin=0, vmax=255)
panels[1].set_title(f"tampered\nCRC-32 {numcrc.crc32(matched):08x}", fontsize=11)
panels[2].imshow(genuine != matched, cmap="Greys", interpolation="nearest")
panels[2].set_title("pixels that differ\n", fontsize=11)
for panel in panels:
    panel.set(xticks=[], yticks=[])
plt.show()

assert numcrc.crc32(matched) == numcrc.crc32(genuine)
assert np.abs(matched.astype(int) - tampered).max() == 1
bits = int(np.sum(matched != tampered))
print(f"{bits} pixels of the bottom row differ by 1 from the tampered picture")

# %% [markdown]
"""
## A secret does not help

What if a secret key goes in front of the message, so that only its owners can compute the CRC? A
CRC is still linear: anyone who sees a message with its CRC can change both, without the key. The
difference of two CRCs depends only on the difference of the messages. The Wi-Fi encryption WEP had
this flaw.
"""

# %%
key = secrets.token_bytes(16)
order = b"pay 00100 to alice"
tag = numcrc.crc32(key + order)  # what travels: order, tag

wanted = b"pay 99999 to mallo"
change = numcrc.crc32(order) ^ numcrc.crc32(wanted)  # no key
new_tag = tag ^ change
assert new_tag == numcrc.crc32(key + wanted)
print("accepted:", wanted.decode())

# %% [markdown]
"""
## What to use instead

| Against | Use |
|---|---|
| accidents: flipped bits, lost blocks, mixed-up files | a CRC, wider for longer data |
| someone who changes data, but not your list of hashes | SHA-256, or BLAKE2b: `hashlib` |
| someone who can change both | a MAC with a secret key: `hmac`, or keyed BLAKE2b |
| someone, where readers must not forge data either | a signature: Ed25519, of another package |

The forger above fails against the last three. Compare with `hmac.compare_digest`, which takes as
long for a wrong digest as for a right one.
"""

# %%
assert hashlib.sha256(genuine).digest() != hashlib.sha256(matched).digest()

seal = hmac.digest(key, order, "sha256")
assert hmac.compare_digest(seal, hmac.digest(key, order, "sha256"))
assert not hmac.compare_digest(seal, hmac.digest(key, wanted, "sha256"))
print("SHA-256 tells the pictures apart, and the MAC refuses the altered order")

# %% [markdown]
"""
The last figure has the speed of each on this computer, for 16 MiB. Accidents are much more frequent
than attacks, and a CRC finds them nearly for free; that is what it is for.
"""

# %%
engines = {
    "CRC-32": numcrc.crc32,
    "CRC-64/NVME": numcrc.crc64nvme,
    "SHA-256": lambda data: hashlib.sha256(data).digest(),
    "BLAKE2b": lambda data: hashlib.blake2b(data).digest(),
}
gib_per_s = {}
part = array[:16]
for name, digest in engines.items():
    digest(part)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        digest(part)
        times.append(time.perf_counter() - started)
    gib_per_s[name] = part.nbytes / min(times) / 2**30

axes = plt.figure(figsize=(7.5, 2.6), layout="constrained").add_subplot()
colours = [plot.COLOURS[0 if name.startswith("CRC") else 1] for name in engines]
bars = axes.barh(list(gib_per_s), list(gib_per_s.values()), color=colours, height=0.6)
axes.bar_label(bars, fmt="{:.1f}", padding=4)
axes.invert_yaxis()
axes.set_xlabel("GiB/s, one thread")
axes.margins(x=0.12)
axes.spines[["top", "right"]].set_visible(False)
plt.show()
