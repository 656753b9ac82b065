# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Find a flipped bit in an array

A CRC of an array is that of its values in C order, however they lie in memory, in a file or in
chunks. This notebook computes it for a stack of images in NumPy, in a memory-mapped file, in Dask
and in Zarr, and for columns of pandas. Each time one bit flips, and numcrc finds it and names its
image, row, chunk or key.
"""

# %%
import shutil
import tempfile
from pathlib import Path

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import zarr

import numcrc
import numcrc.dask
import numcrc.zarr

crc = numcrc.algorithms["CRC-32C"]
folder = Path(tempfile.mkdtemp(prefix="numcrc-notebook-"))
plt.rcParams.update({"figure.dpi": 100, "font.size": 14})
BLUE, VERMILION = "#0072B2", "#D55E00"  # of Okabe and Ito: distinct for the colour-blind too

# %% [markdown]
"""
## A stack of images

24 images of 200 x 300 pixels with 16 bits each: two spots that move.
"""

# %%
t, y, x = np.ogrid[0:24, 0:200, 0:300]
spots = np.exp(-((x - 60 - 8 * t) ** 2 + (y - 70) ** 2) / 900)
spots = spots + 0.7 * np.exp(-((x - 200) ** 2 + (y - 190 + 6 * t) ** 2) / 400)
noise = np.random.default_rng(1).integers(0, 250, spots.shape)
stack = (40_000 * spots + noise).astype("<u2")
print(f"shape {stack.shape}, {stack.nbytes / 2**20:.1f} MiB, CRC-32C {crc(stack):08x}")

# %% [markdown]
"""
The layout in memory does not matter. A Fortran-ordered copy, a reversed view of a reversed copy and
every second image are read where they are; nothing is copied as a whole.
"""

# %%
whole = crc(stack)
assert whole == crc(stack.tobytes()) == numcrc.crc32c(stack)
assert whole == crc(np.asfortranarray(stack))
assert whole == crc(stack[::-1].copy()[::-1])
assert crc(stack[::2, :, 10:50]) == crc(stack[::2, :, 10:50].tobytes())

# %% [markdown]
"""
## Rows along axes

`rows` gives one CRC for each slice along an axis, or along several: here, one for each image, one
for each row of pixels in all images, and one for each column.
"""

# %%
by_image = crc.rows(stack, axis=(1, 2))
by_row = crc.rows(stack, axis=(0, 2))
by_column = crc.rows(stack, axis=(0, 1))
print(by_image.shape, by_row.shape, by_column.shape, by_image.dtype)
assert by_image[5] == crc(stack[5])
assert by_row[7] == crc(stack[:, 7])
assert by_column[9] == crc(stack[:, :, 9])

# %% [markdown]
"""
These are 524 numbers for 1,440,000 pixels. Together they locate a damaged pixel: it is where the
CRC of its image, of its row and of its column differ.
"""

# %%
damaged = stack.copy()
damaged[17, 120, 233] ^= 1 << 9  # one bit

found = [
    np.flatnonzero(crc.rows(damaged, axis=axis) != expected)
    for axis, expected in (((1, 2), by_image), ((0, 2), by_row), ((0, 1), by_column))
]
image, row, column = (int(place[0]) for place in found)
print(f"image {image}, row {row}, column {column}")
assert [place.tolist() for place in found] == [[17], [120], [233]]

# %% [markdown]
"""
The flipped bit changes the pixel by 512 of 65,535: the eye does not see it in the image.
"""

# %%
figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
shown = axes.imshow(damaged[image] / 1000, cmap="cividis")
axes.axhline(row, color="white", linewidth=1, linestyle=":")
axes.axvline(column, color="white", linewidth=1, linestyle=":")
axes.plot(column, row, "o", ms=16, mfc="none", mec="white", mew=2)
axes.set(xlabel="column, pixels", ylabel="row, pixels")
axes.set_title(f"image {image}: a bit has flipped")
figure.colorbar(shown, label="intensity, thousands", shrink=0.8)
plt.show()

# %% [markdown]
"""
## A memory-mapped file

`numpy.load(..., mmap_mode="r")` reads only the header. The CRC of the map is that of the array, and
the file is read once, piece by piece.
"""

# %%
path = folder / "stack.npy"
np.save(path, stack)
mapped = np.load(path, mmap_mode="r")
assert isinstance(mapped, np.memmap)
assert crc(mapped) == whole

# %% [markdown]
"""
Now a bit flips in the file. The CRCs of the images say which image has changed.
"""

# %%
header = path.stat().st_size - stack.nbytes
with path.open("r+b") as file:
    file.seek(header + stack[:11].nbytes + 1000)
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 1]))

mapped = np.load(path, mmap_mode="r")
(bad,) = np.flatnonzero(crc.rows(mapped, axis=(1, 2)) != by_image)
print("the file differs in image", bad)
assert bad == 11

# %% [markdown]
"""
## pandas

`batch` gives one CRC for each value of a column of strings, in place, and masks missing ones.
`rows` takes the numbers of a table.
"""

# %%
table = pd.DataFrame(
    {
        "station": ["Bergen", "Oslo", None, "Tromsø"],
        "temperature": [7.25, 3.5, 1.0, -4.75],
        "pressure": [1009.5, 1013.0, 998.25, 1002.0],
    }
)
names = crc.batch(table["station"])
assert names[3] == crc("Tromsø".encode())
assert names.mask.tolist() == [False, False, True, False]

numbers = crc.rows(table[["temperature", "pressure"]].to_numpy())
table.assign(**{"CRC of numbers": [f"{value:08x}" for value in numbers]})

# %% [markdown]
"""
A later copy of the table has one other number. Printed, it looks the same:
"""

# %%
later = table.copy()
later.loc[2, "pressure"] = np.nextafter(998.25, 999)  # the last bit
changed = crc.rows(later[["temperature", "pressure"]].to_numpy()) != numbers
assert changed.tolist() == [False, False, True, False]
later[changed]

# %% [markdown]
"""
## Dask: the same number in any chunks

`numcrc.dask.crc` is lazy. Each chunk is read where it is and gives one number, and the sum of these
is the CRC of the whole array. Nothing is rechunked, and nothing else travels between workers.
"""

# %%
for chunks in [(24, 200, 300), (1, 200, 300), (5, 64, 64), (24, 1, 300), (7, 200, 11)]:
    lazy = da.from_array(stack, chunks=chunks)
    value = int(numcrc.dask.crc(lazy, crc))
    print(f"{chunks!s:15} {lazy.npartitions:4} chunks: {value:08x}")
    assert value == whole

# %% [markdown]
"""
`chunk_crcs` gives the CRC of each chunk, and `verify_chunks` compares each chunk when it is
computed. In the damaged stack it stops at the chunk that differs.
"""

# %%
chunks = (6, 50, 75)
expected = numcrc.dask.chunk_crcs(da.from_array(stack, chunks=chunks), crc).compute()
print("CRCs for", expected.shape, "chunks")

checked = numcrc.dask.verify_chunks(da.from_array(damaged, chunks=chunks), expected, crc)
try:
    checked.max().compute()
except numcrc.dask.ChecksumError as error:
    print(error)
    where = error.chunk
assert where == (17 // 6, 120 // 50, 233 // 75)

# %% [markdown]
"""
The picture shows all chunks, six images in each panel. A cross marks the chunk that differs:
"""

# %%
differ = numcrc.dask.chunk_crcs(da.from_array(damaged, chunks=chunks), crc).compute() != expected
figure, panels = plt.subplots(1, len(differ), figsize=(9, 3), layout="constrained", sharey=True)
for n, (axes, bad) in enumerate(zip(panels, differ, strict=True)):
    for i, j in np.ndindex(bad.shape):
        colour, mark = (VERMILION, "X") if bad[i, j] else (BLUE, "")
        axes.add_patch(plt.Rectangle((j, i), 1, 1, facecolor=colour, edgecolor="white", lw=2))
        axes.text(j + 0.5, i + 0.5, mark, ha="center", va="center", color="white", weight="bold")
    axes.set(xlim=(0, 4), ylim=(4, 0), xticks=[0, 2, 4], xticklabels=[0, 150, 300])
    axes.set(yticks=range(5), yticklabels=range(0, 201, 50))
    axes.tick_params(labelsize=12)
    axes.set_title(f"images {6 * n} to {6 * n + 5}", fontsize=13)
panels[0].set_ylabel("row, pixels")
figure.supxlabel("column, pixels", fontsize=14)
plt.show()
assert np.argwhere(differ).tolist() == [list(where)]

# %% [markdown]
"""
## Zarr: chunks in files

Zarr's codec `crc32c` appends a CRC to each chunk that it stores. `numcrc.zarr.verify` checks the
stored chunks; it decodes nothing, and needs no memory for the array.
"""

# %%
store = folder / "stack.zarr"
array = zarr.create_array(
    store,
    shape=stack.shape,
    chunks=(8, 100, 100),
    dtype=stack.dtype,
    compressors=[zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()],
)
array[:] = stack
assert int(numcrc.dask.crc(da.from_zarr(array), crc)) == whole  # the file has the stack

report = numcrc.zarr.verify(store)
assert report.ok
report

# %% [markdown]
"""
One bit flips in one file. The report names the key, which has the place of the chunk.
"""

# %%
chunk = store / "c" / "2" / "1" / "0"
data = bytearray(chunk.read_bytes())
data[len(data) // 2] ^= 1
chunk.write_bytes(data)

report = numcrc.zarr.verify(store)
assert not report.ok
assert [result.key for result in report if result.state == "differ"] == ["c/2/1/0"]
report

# %% [markdown]
"""
Reading the array finds it too. With numcrc's codecs the error names the chunk:
"""

# %%
numcrc.zarr.enable()
try:
    zarr.open_array(store)[:]
except Exception as error:
    print(f"{type(error).__name__}: {error}")
    message = str(error)
assert "c/2/1/0" in message

# %% [markdown]
"""
All other chunks still have their values:
"""

# %%
kept = np.zeros(stack.shape, bool)
for place in np.ndindex(3, 2, 3):
    if place != (2, 1, 0):
        part = tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, array.chunks, strict=True))
        assert crc(zarr.open_array(store)[part]) == crc(stack[part])
        kept[part] = True
print(f"{kept.mean():.1%} of the pixels are intact")
assert kept.mean() == 17 / 18

# %%
shutil.rmtree(folder)

# %% [markdown]
"""
## More

- `crc.contribution` is the algebra behind Dask's part: what a block adds to the CRC of the whole.
- `numcrc.xarray.crcs` gives the CRC of each variable of a dataset.
- `numcrc scan data.zarr` checks the chunks of an array on the command line.
"""
