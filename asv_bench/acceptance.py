"""Measure the project's claims about its speed; each gives PASS or MISS and the figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import NamedTuple

from benchmarks import rivals, startup
from interleaved import best_process_times, best_times, call_sampler, cold_process_time, take_turns

import numcrc

_LONG = (1 << 16, 1 << 20)
_SIZES = tuple(1 << k for k in (13, 16, 18, 20, 24))
_AGAINST_PEERS = {
    "CRC-32": (1.3, 1.55, 1.65, 1.65, 1.3),
    "CRC-32C": (1.3, 1.55, 1.65, 1.65, 1.3),
    "CRC-32/BZIP2": (1.3, 1.55, 1.65, 1.65, 1.3),
    "CRC-16/ARC": (1.3, 1.55, 2.2, 2.2, 1),
    "CRC-64/NVME": (1, 1, 1.25, 1.25, 1),
    "CRC-64/XZ": (1, 1, 1.25, 1.25, 1),
    "CRC-24/OPENPGP": (3, 3, 3, 3, 3),
}
"""The least ratio to the fastest rival at each of `_SIZES`, on a CPU that folds by matrices."""
_SHORT = (0, 1, 7, 8, 15, 16, 31, 64, 100, 127, 255, 256, 511, 1000, 1024)
_DROP_IN = ("CRC-32", "CRC-32C", "CRC-64/NVME")
_AT_PEERS_SPEED = (*_DROP_IN, "CRC-64/XZ", "CRC-16/ARC", "CRC-32/BZIP2")
_WITHOUT_DROP_IN = ("CRC-16/ARC", "CRC-8/SMBUS", "CRC-64/XZ", "CRC-32/BZIP2")


class Result(NamedTuple):
    """A claim, whether it holds, and the figure."""

    claim: str
    passed: bool
    figure: str

    def __str__(self) -> str:
        return f"{'PASS' if self.passed else 'MISS'}  {self.claim}: {self.figure}"


def results(rounds: int) -> Iterator[Result]:
    """Measure every claim, best of *rounds*, or of fewer where processes are timed."""
    yield from _long_messages(rounds)
    yield from _forced_128(rounds)
    yield from _forced_table(rounds)
    for algorithm in _DROP_IN:
        yield _short_messages(algorithm, rounds, 0)
        yield _short_messages(algorithm, rounds, 1)
    for algorithm in _WITHOUT_DROP_IN:
        yield from _functions(algorithm, rounds)
    yield _combine(rounds)
    yield from _processes(min(rounds, 15))


def fastest(times: Mapping[str, float]) -> str:
    """Return the fastest engine other than numcrc with any number of threads."""
    others = [engine for engine in times if not engine.startswith("numcrc")]
    return min(others, key=times.__getitem__)


def gib_per_s(size: int, seconds: float) -> float:
    """Return a throughput in GiB/s, the unit of all tables."""
    return size / seconds / 2**30


def _long_messages(rounds: int) -> Iterator[Result]:
    """Measure long messages on a cache line and at the usual offset; the worse counts."""
    claims = [
        (name, size, least, None)
        for name, ratios in _AGAINST_PEERS.items()
        for size, least in zip(_SIZES, ratios, strict=True)
    ]
    claims += [("CRC-8/SMBUS", size, 20, "fastcrc") for size in (1 << 18, 1 << 20)]
    for algorithm, size, least, named in claims:
        calls = rivals.crcs(algorithm)
        found = []
        for offset in (0, rivals.USUAL_OFFSET):
            times = best_times(calls, rivals.message(size, offset), rounds=rounds)
            rival = named or fastest(times)
            ratio = times[rival] / times["numcrc"]
            speeds = f"{gib_per_s(size, times['numcrc']):.1f} GiB/s"
            beside = f"{rival} {gib_per_s(size, times[rival]):.1f}"
            found.append((ratio, f"{ratio:.2f}x at offset {offset} ({speeds}, {beside})"))
        yield Result(
            f"{algorithm}, {size >> 10} KiB, >= {least}x {named or 'the fastest'}",
            min(found)[0] >= least,
            ", ".join(text for _, text in found),
        )


def _forced_128(rounds: int) -> Iterator[Result]:
    times = {
        (algorithm, size): best_times(
            {
                "numcrc": rivals.numcrc_on("128", algorithm),
                "anycrc": rivals.crcs(algorithm)["anycrc"],
            },
            rivals.message(size, rivals.USUAL_OFFSET),
            rounds=rounds,
        )
        for algorithm in _AT_PEERS_SPEED
        for size in _LONG
    }
    best = max(gib_per_s(size, found["anycrc"]) for (_, size), found in times.items())
    for (algorithm, size), found in times.items():
        speed = gib_per_s(size, found["numcrc"])
        yield Result(
            f"{algorithm}, {size >> 10} KiB, tier 128, >= 0.9x anycrc's best",
            speed >= 0.9 * best,
            f"{speed / best:.2f}x, numcrc {speed:.1f} GiB/s, anycrc's best {best:.1f}"
            f" (here {gib_per_s(size, found['anycrc']):.1f})",
        )


def _forced_table(rounds: int) -> Iterator[Result]:
    size = _LONG[0]
    for algorithm in _AT_PEERS_SPEED:
        calls = {"numcrc": rivals.numcrc_on("table", algorithm)}
        if algorithm == "CRC-32":
            calls["zlib"] = rivals.crcs(algorithm)["zlib"]
        times = best_times(calls, rivals.message(size, rivals.USUAL_OFFSET), rounds=rounds)
        speed, *others = (gib_per_s(size, seconds) for seconds in times.values())
        beside = "".join(f", zlib {other:.2f}" for other in others)
        yield Result(
            f"{algorithm}, table tier, >= 1.5 GiB/s", speed >= 1.5, f"{speed:.2f} GiB/s{beside}"
        )


def _short_messages(algorithm: str, rounds: int, offset: int) -> Result:
    """Measure calls of every short size, on a view *offset* bytes into a bytes object."""
    ratios: dict[int, tuple[float, str]] = {}
    calls = rivals.crcs(algorithm)
    if offset:
        calls = {name: call for name, call in calls.items() if _takes_views(call)}
    for size in _SHORT:
        data = rivals.message(size + offset)
        view = memoryview(data)[offset:] if offset else data
        times = best_times(calls, view, rounds=rounds)
        rival = fastest(times)
        ratio = times["numcrc"] / times[rival]
        text = f"{size} B {ratio:.2f}x ({times['numcrc'] * 1e9:.0f} ns, {rival}"
        ratios[size] = ratio, f"{text} {times[rival] * 1e9:.0f})"
    worst = max(ratios.values())
    # Two runs differ by a nanosecond.
    over = [text for ratio, text in ratios.values() if ratio > 1.05]
    middle = median(ratio for ratio, _ in ratios.values())
    return Result(
        f"{algorithm}, 0..1024 bytes{', view at offset 1' if offset else ''},"
        " no slower than the fastest, median <= 0.8x its time",
        not over and middle <= 0.8,
        f"median {middle:.2f}x, " + ("over: " + "; ".join(over) if over else f"worst {worst[1]}"),
    )


def _functions(algorithm: str, rounds: int) -> Iterator[Result]:
    """Measure `Algorithm.function` against `numcrc.crc32` and fastcrc."""
    engines = rivals.crcs(algorithm)
    for size in (8, 64):
        data = rivals.message(size)
        # `best_times` would raise, since CRC-32 is another algorithm.
        samplers = {
            "numcrc": call_sampler(engines["numcrc"], data),
            "crc32": call_sampler(numcrc.crc32, data),
            "fastcrc": call_sampler(engines["fastcrc"], data),
        }
        times = take_turns(samplers, rounds)
        ratio = times["numcrc"] / times["crc32"]
        beside = ", ".join(f"{name} {seconds * 1e9:.0f} ns" for name, seconds in times.items())
        yield Result(
            f"{algorithm}, {size} bytes, <= 1.15x the time of numcrc.crc32, faster than fastcrc",
            ratio <= 1.15 and times["numcrc"] < times["fastcrc"],
            f"{ratio:.2f}x ({beside})",
        )


def _takes_views(call: Callable[..., object]) -> bool:
    try:
        call(memoryview(b"123")[1:])
    except (TypeError, ValueError):
        return False
    return True


def _combine(rounds: int) -> Result:
    size, algorithm = 1 << 20, "CRC-64/NVME"
    crc = numcrc.algorithms[algorithm]
    first, second = crc(b"first"), crc(rivals.message(size))
    times = best_times(rivals.combines(algorithm), first, second, size, rounds=rounds)
    beside = ", ".join(f"{name} {seconds * 1e6:.2f}" for name, seconds in times.items())
    return Result(f"{algorithm}, combine over 1 MiB, <= 5 us", times["numcrc"] <= 5e-6, beside)


def _processes(rounds: int) -> Iterator[Result]:
    cold = min(cold_process_time(startup.FIRST_CRC32C) for _ in range(2))
    yield Result("process to first crc32c, empty cache, <= 5 s", cold <= 5, f"{cold:.2f} s")
    programs = {
        "llvmlite.binding": startup.IMPORT_LLVMLITE,
        "first crc32c": startup.FIRST_CRC32C,
        "nothing": "",
    }
    times = best_process_times(programs, rounds)
    ratio = times["first crc32c"] / times["llvmlite.binding"]
    beyond = {name: seconds - times["nothing"] for name, seconds in times.items()}
    net = beyond["first crc32c"] / beyond["llvmlite.binding"]
    beside = ", ".join(f"{name} {seconds * 1e3:.0f} ms" for name, seconds in times.items())
    yield Result(
        "process to first crc32c, warm cache, <= 1.5x import llvmlite.binding",
        ratio <= 1.5,
        f"{ratio:.2f}x ({beside}; without Python's own start {net:.2f}x)",
    )
