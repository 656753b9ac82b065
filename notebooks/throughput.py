# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# How fast, on this computer

This notebook times numcrc and every other CRC package that is installed here: for one message of 8
bytes to 32 MiB, for many small records, and in several threads. It asserts that all engines give
the same CRCs, but not how fast they are.

All engines take the same bytes, in turn, and the best of several rounds counts. The rounds are few,
so that the notebook ends in less than a minute. The figures stored here come from a computer that
did other work as well: the ratios of engines are more reliable than single figures. Run the
notebook to see those of your own computer. In a clone of numcrc this installs the packages:

```sh
pip install -e '.[bench,notebooks]'
```
"""

# %%
import os
import random
import sys

import matplotlib.pyplot as plt

sys.path.insert(0, "../asv_bench")  # the benchmarks of numcrc's documentation

import plot
from acceptance import gib_per_s
from acceptance_many import loop_times
from benchmarks import rivals
from benchmarks.records import Batch, Rows, Segments
from interleaved import best_times, take_turns, task_sampler

import numcrc

ALGORITHM = "CRC-32"  # or another of rivals.ALGORITHMS
BLUE, ORANGE, GREY = plot.COLOURS["numcrc"], plot.COLOURS["awscrt"], "#999999"
plot.INK = "black"
plt.rcParams.update({"figure.dpi": 100, "font.size": 14})

# %% [markdown]
"""
## The engines
"""

# %%
print(plot.caption(ALGORITHM))
for name, version in rivals.versions().items():
    print(f"  {name} {version}")

# %% [markdown]
"""
First, check that they give the same CRCs, for messages of many lengths and every algorithm in
numcrc's benchmarks:
"""

# %%
data = random.Random(1).randbytes(5000)
for algorithm in rivals.ALGORITHMS:
    calls = rivals.crcs(algorithm)
    for length in (*range(300), 1000, 4095, 5000):
        values = {name: call(data[:length]) for name, call in calls.items()}
        assert len(set(values.values())) == 1, (algorithm, length, values)
    assert calls["numcrc"](b"123456789") == numcrc.algorithms[algorithm].check

# %% [markdown]
"""
## One message

Throughput grows with the size of the message until the message does not fit the caches; then memory
limits it. The dashed line is a plain read of the same bytes by NumPy, which computes almost
nothing, so a checksum can hardly be faster. Where one is, it prefetches memory earlier than NumPy
does. Both scales are logarithmic.
"""

# %%
sizes = [1 << k for k in range(3, 26)]
speeds = plot.measure(ALGORITHM, sizes, rounds=30)

# %%
axes = plt.figure(figsize=(9, 4.5), layout="constrained").add_subplot()
plot.draw(axes, sizes, speeds)
axes.set_title(plot.caption(ALGORITHM), fontsize=13, loc="left")
axes.set(yscale="log", ylim=(0.01, None), yticks=[0.01, 0.1, 1, 10, 100])
axes.set_yticklabels(["0.01", "0.1", "1", "10", "100"])
plt.show()

# %% [markdown]
"""
How many times as fast numcrc is as each of the others, for messages that fit the caches:
"""

# %%
others = [name for name in speeds if name not in ("numcrc", plot.READ)]
shown = [16, 64, 256, 1024, 1 << 14, 1 << 20]
print(f"{'':14}" + "".join(f"{plot.binary(size):>9}" for size in shown))
for name in others:
    ratios = [speeds["numcrc"][sizes.index(n)] / speeds[name][sizes.index(n)] for n in shown]
    print(f"{name:14}" + "".join(f"{ratio:9.2f}" for ratio in ratios))
    assert all(ratio > 0 for ratio in ratios)

# %% [markdown]
"""
For short messages the time of a call matters, which includes Python's own part. This is the same
measurement as time instead of throughput. Slower calls are above the chart.
"""

# %%
short = [size for size in sizes if size <= 4096]
calls_ns = {
    name: [size / speed / 2**30 * 1e9 for size, speed in zip(short, speeds[name], strict=False)]
    for name in ["numcrc", *others]
}
axes = plt.figure(figsize=(9, 4), layout="constrained").add_subplot()
plot.draw(axes, short, calls_ns)
axes.set_ylabel("time of a call, ns")
axes.set_ylim(0, 8 * min(calls_ns["numcrc"]))
plt.show()

# %% [markdown]
"""
## Many records

A loop over small records spends its time in Python. numcrc takes them all in one call: the rows of
an array, a list of buffers, or segments of one buffer. The others run in the fastest loop found for
each. Shorter bars are better: the numbers are nanoseconds for one record.
"""

# %%
workloads = {
    "rows of 64 B": Rows.filled(20_000, 64),
    "rows of 1 KiB": Rows.filled(5_000, 1024),
    "a batch of 64 B": Batch(20_000, 64),
    "segments of 50 to 150 B": Segments(20_000),
}
nanoseconds = {}
for name, records in workloads.items():
    times, _ = loop_times(records, ALGORITHM, rounds=3)  # asserts that the results are the same
    nanoseconds[name] = {engine: taken / records.count * 1e9 for engine, taken in times.items()}

# %%
figure, panels = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained")
for axes, (name, times) in zip(panels.flat, nanoseconds.items(), strict=True):
    by_time = sorted(times, key=times.__getitem__, reverse=True)
    colours = [BLUE if engine == "numcrc" else GREY for engine in by_time]
    bars = axes.barh(by_time, [times[engine] for engine in by_time], color=colours)
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=13)
    axes.set_title(f"{name}: ns a record", fontsize=14)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_xticks([])
    axes.margins(x=0.2)
plt.show()

# %% [markdown]
"""
## Threads

Threads share records by their number of bytes. In the caches, throughput grows with the number of
threads; in memory, it soon reaches the limit of memory itself. The dashed line is a plain read of
memory by as many threads of NumPy.
"""

# %%
threads = sorted({1, 2, min(4, os.cpu_count() or 1), min(8, os.cpu_count() or 1)})
places = {"in the caches": Rows.in_cache(), "in memory, 128 MiB": Rows.filled(128 << 20)}
by_threads = {}
for place, rows in places.items():
    tasks = {str(count): rows.numcrc(ALGORITHM, count) for count in threads}
    times = best_times(tasks, rounds=8)  # asserts that the results are the same
    by_threads[place] = [gib_per_s(rows.size, taken) for taken in times.values()]

reads = []
for count in threads:
    tasks = {name: task_sampler(task) for name, task in rows.read(count).items()}
    reads.append(gib_per_s(rows.size, min(take_turns(tasks, 8).values())))

# %%
axes = plt.figure(figsize=(9, 3.8), layout="constrained").add_subplot()
for (place, found), colour, marker in zip(by_threads.items(), (BLUE, ORANGE), "os", strict=True):
    axes.plot(threads, found, color=colour, marker=marker, markersize=8, linewidth=2.5, label=place)
axes.plot(threads, reads, color=plot.INK, linestyle="--", label=plot.READ)
axes.set_xticks(threads)
axes.set_ylim(bottom=0)
axes.set_xlabel("threads")
axes.set_ylabel("throughput, GiB/s")
plot.legend(axes.lines, axes)
plot.restyle(axes)
plt.show()

# %% [markdown]
"""
## More

- `python asv_bench/compare.py` prints tables for this computer, with more rounds.
- `python asv_bench/plot.py --algorithm CRC-32C` draws the first chart for another algorithm.
- `numcrc info` says which kernels were chosen, and [How a CRC folds](how_a_crc_folds.ipynb) shows
  what they do.
"""
