# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Verify a bucket

Are the objects of a bucket still what was uploaded? This notebook fills a small bucket, damages it
in five ways, and has numcrc find and name each damage. Then it compares a bucket with a local
folder without reading one object, and continues a run that was interrupted. Every claim is an
`assert`.

The bucket is a stand-in for S3 from numcrc's tests, on this computer: no account is needed, and
nothing is sent anywhere. With a real bucket only the URL differs.
"""

# %%
import dataclasses
import os
import random
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

sys.path.insert(0, os.path.abspath("../tests"))  # the stand-in for S3

from store.faults import Flip
from store.faulty import FaultyServer
from store.stub_objects import StubObject

import numcrc
from numcrc.store import Limits, Progress, manifest, verify

KIB, MIB = 1 << 10, 1 << 20
running = ExitStack()  # ended by the last cell
os.chdir(running.enter_context(tempfile.TemporaryDirectory()))

# %% [markdown]
"""
## A bucket

S3 keeps a checksum of each object. For objects of one piece it is the CRC-64/NVME of the bytes, if
the client asks for no other. Large objects are uploaded in parts, and S3 may keep a CRC-32C of each
part: a *composite* checksum. Our bucket has 60 photos of one piece and 6 videos of 8 parts.
"""

# %%
server = running.enter_context(FaultyServer())
os.environ.update(server.env)  # S3's variables: endpoint, region and test credentials
BUCKET = "s3://demo"

generator = random.Random(1)
for n in range(60):
    server.put(f"photos/{n:02}.raw", generator.randbytes(generator.randrange(16, 128) * KIB))
for n in range(6):
    body = generator.randbytes(2 * MIB - 1000 * n)
    in_parts = StubObject.of(body, "crc32c", part_size=256 * KIB, kind="COMPOSITE")
    server.put(f"videos/{n}.mp4", in_parts)

OBJECTS = len(server.objects)
BYTES = sum(len(stored.body) for stored in server.objects.values())
print(f"{OBJECTS} objects, {BYTES / MIB:.1f} MiB")

# %% [markdown]
"""
## Every object matches

`verify` reads each object once, several at a time, and compares it with the checksum that the
bucket itself keeps. A notebook shows the report as a table.
"""

# %%
report = verify(BUCKET)
assert report.ok
assert report.objects == OBJECTS
assert report.bytes == BYTES
report

# %% [markdown]
"""
## A list of what should be there

The bucket's own checksums cannot say that an object was deleted or replaced. A *manifest* can: a
list of keys, sizes and checksums, kept elsewhere. With `stored=True` numcrc writes it from the
checksums that S3 keeps, and reads no object.
"""

# %%
server.requests.clear()
listed = manifest(BUCKET, "bucket.jsonl", stored=True)
assert listed.objects == OBJECTS
assert not server.seen("GetObject")  # no object was read
for line in Path("bucket.jsonl").read_text().splitlines()[:3]:
    print(line[:80], "..." if line[80:] else "")

# %% [markdown]
"""
## Five kinds of damage

One bit flips in a photo, another one in a part of a video, as on a failing disk. A photo is
deleted, one is cut, and one is added. The checksums that the bucket keeps do not change.
"""


# %%
def flip(key, byte, bit=3):
    """Flip one bit of a stored object."""
    stored = server.objects[key]
    body = bytearray(stored.body)
    body[byte] ^= 1 << bit
    server.put(key, dataclasses.replace(stored, body=bytes(body)))


whole = dict(server.objects)
flip("photos/07.raw", 10_000)
flip("videos/2.mp4", 1_000_000)
del server.objects["photos/23.raw"]
server.put("photos/31.raw", whole["photos/31.raw"].body[:-1000])
server.put("photos/99.raw", b"not expected")

report = verify(BUCKET, manifest="bucket.jsonl")
assert not report.ok
assert report.exit_code == 1
report

# %% [markdown]
"""
Each damage is named. Byte 1,000,000 of the video is in its part 4, and only that part differs: it
alone must be uploaded again. Iterating over a report gives its results, and pandas makes a table of
them.
"""

# %%
results = pd.DataFrame(report).set_index("key")
bad = results[results.state != "match"]
assert bad.state.to_dict() == {
    "photos/07.raw": "differ",
    "photos/23.raw": "missing",
    "photos/31.raw": "size-mismatch",
    "photos/99.raw": "extra",
    "videos/2.mp4": "differ",
}
assert results.parts["videos/2.mp4"] == (1_000_000 // (256 * KIB) + 1,)
results.groupby("state")["size"].agg(["count", "sum"]).rename(columns={"sum": "bytes"})

# %% [markdown]
"""
## Damage on the way

A bit can also flip in a cable or in a faulty network card. An object that differs is read again, so
an error on the way is not taken for a damaged object. Here the server flips a bit of one answer
only.
"""

# %%
server.objects.clear()
server.objects.update(whole)  # repaired
server.requests.clear()
server.inject("photos/42.raw", Flip(byte=5000), times=1)

report = verify(BUCKET, manifest="bucket.jsonl")
assert report.ok
print(len(server.seen("GetObject", "photos/42.raw")), "reads of photos/42.raw")
assert len(server.seen("GetObject", "photos/42.raw")) > 1

# %% [markdown]
"""
## Parts, joined without reading

Suppose the originals are still in a local folder. A list of their CRC-32Cs is soon made:
"""

# %%
originals = Path("originals")
for key, stored in whole.items():
    if key.startswith("videos/"):
        path = originals / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored.body)

manifest(originals, "originals.crc32c", algorithm="crc32c", format="gnu")
print(Path("originals.crc32c").read_text())

# %% [markdown]
"""
S3 keeps the CRC-32C of each part, not that of the whole video. The one follows from the other: from
the CRCs of A and of B, and the length of B, `combine` computes the CRC of A + B.
"""

# %%
crc = numcrc.algorithms["CRC-32C"]
video = whole["videos/0.mp4"].body
parts = [video[i : i + 256 * KIB] for i in range(0, len(video), 256 * KIB)]

joined = crc(parts[0])
for part in parts[1:]:
    joined = crc.combine(joined, crc(part), len(part))
assert joined == crc(video)
print(f"{joined:08x}, from the CRCs of {len(parts)} parts")

# %% [markdown]
"""
With `mode="parts"`, `verify` asks S3 for the CRCs of the parts, joins them, and compares the result
with the list. It takes a few requests for each object, however large the object is. The report also
says that a list in this form does not show whether it was cut; numcrc's own manifests do.
"""

# %%
server.requests.clear()
options = {"manifest": "originals.crc32c", "mode": "parts", "one_way": True}
report = verify(BUCKET, **options)
assert report.ok
assert report.objects == 6
assert not server.seen("GetObject")
report

# %% [markdown]
"""
This says that the right bytes were uploaded. It does not say that the disk still has them: S3
computed these CRCs at the upload. Only reading finds a bit that flipped since.
"""

# %%
flip("videos/2.mp4", 1_000_000)
assert verify(BUCKET, **options).ok
assert not verify(BUCKET, **options | {"mode": "full"}).ok
server.objects["videos/2.mp4"] = whole["videos/2.mp4"]  # repaired

# %% [markdown]
"""
## Resume

A run over a large bucket takes hours, and may be killed. With `state=`, results are recorded as
they arrive. Here the run is stopped after 30 results, and the same call continues it. numcrc reads
ahead: results that were recorded, but not yet returned, count for the second run too. Only what was
in progress at that moment is read again.
"""


# %%
def reads():
    return {request.key for request in server.seen("GetObject")}


arguments = {
    "manifest": "bucket.jsonl",
    "state": "run.state",
    "limits": Limits(threads=1),
}
stop, seen = threading.Event(), []


def interrupt(result):
    seen.append(result)
    if len(seen) == 30:
        stop.set()


server.requests.clear()
first_progress = Progress()
first = verify(BUCKET, **arguments, on_result=interrupt, stop=stop, progress=first_progress)
read_first = reads()
assert not first.ok
assert first.stopped
first

# %%
server.requests.clear()
second_progress = Progress()
second = verify(BUCKET, **arguments, progress=second_progress)
read_second = reads()
assert second.ok
assert second.objects == OBJECTS
assert len(read_second) <= OBJECTS - 30
assert read_first | read_second == set(whole)
print(f"{len(read_first)} objects were read at first, {len(read_second)} in the second run")
second

# %% [markdown]
"""
## What was read

The bytes that each kind of run transfers from our bucket:
"""

# %%
server.requests.clear()
full_progress, parts_progress = Progress(), Progress()
verify(BUCKET, manifest="bucket.jsonl", progress=full_progress)
verify(BUCKET, **options, progress=parts_progress)
read = {
    "read every object": full_progress.bytes,
    "interrupted run": first_progress.bytes,
    "its second run": second_progress.bytes,
    "join CRCs of parts": parts_progress.bytes,
}
assert read["read every object"] == BYTES
assert read["join CRCs of parts"] == 0

plt.rcParams.update({"figure.dpi": 100, "font.size": 15})
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
bars = axes.barh(list(read), [count / MIB for count in read.values()], color="#0072B2")
axes.bar_label(bars, fmt="{:.1f}", padding=4)
axes.invert_yaxis()
axes.margins(x=0.12)
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("bytes of objects read, MiB")
plt.show()

# %%
os.chdir(tempfile.gettempdir())
running.close()

# %% [markdown]
"""
## On the command line

```sh
numcrc verify s3://demo
numcrc manifest s3://demo --stored -o bucket.jsonl
numcrc verify s3://demo --manifest bucket.jsonl --report results.csv
numcrc verify s3://demo --manifest originals.crc32c --mode parts --one-way
numcrc verify s3://demo --manifest bucket.jsonl --state run.state
```

The exit status is 0 if everything matches, 1 if an object differs, is missing or extra, and 3 if
one could not be checked.
"""
