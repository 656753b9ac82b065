"""Print the figures of numcrc.explore: right answers, CPU time and memory.

    python asv_bench/explore.py [--quick] [FIGURE ...]

A FIGURE is one of identify, reverse, random, frames, hd, forge, search.

By default all of them; --quick takes fewer cases. CPU times are those of user and system together,
of all threads; medians say less than the best on a shared machine.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import operator
import random
import resource
import statistics
import time
from collections.abc import Callable

import numcrc
from numcrc.explore import flips, forge, hd, hd_limits, identify, reverse, reverse_frames, search

NAMES = [name for name, crc in numcrc.algorithms.items() if crc.width <= 64]
ORDERS = ("big", "little")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], default=list(FIGURES))
    arguments = parser.parse_args()
    print(f"CPU: {numcrc.info()['cpu']}")
    for name in arguments.figures:
        for line in FIGURES[name](arguments.quick):
            print(f"{name}: {line}", flush=True)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> int:
    """Return the most memory that this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def stored(crc: numcrc.Algorithm, message: bytes, order: str) -> bytes:
    return crc(message).to_bytes(-(-crc.width // 8), order)  # type: ignore[arg-type]


def same(a: numcrc.Algorithm, b: numcrc.Algorithm) -> bool:
    """Return whether two algorithms are the same function of bytes."""
    rng = random.Random(1)
    messages = [rng.randbytes(size) for size in (0, 1, 2, 3, 5, 40)]
    return (a.width, a.poly) == (b.width, b.poly) and all(a(m) == b(m) for m in messages)


def of_catalogue(function: Callable[..., list], quick: bool) -> list[str]:
    """Four messages of different lengths; width and byte order unknown."""
    lines = []
    for kind in ("bytes", "ints"):
        times, wrong = [], []
        for name in NAMES:
            crc = numcrc.algorithms[name]
            for seed in range(3 if quick else 20):
                rng = random.Random(f"{name} {seed}")
                messages, order = [rng.randbytes(n) for n in (9, 13, 16, 21)], rng.choice(ORDERS)
                samples = [
                    (m, stored(crc, m, order) if kind == "bytes" else crc(m)) for m in messages
                ]
                best = float("inf")
                for _ in range(3):
                    start = time.perf_counter()
                    found = function(samples)
                    best = min(best, time.perf_counter() - start)
                times.append(best)
                if not found or not same(found[0].algorithm, crc):
                    wrong.append(name)
        lines.append(
            f"checksums as {kind}: {len(times) - len(wrong)} of {len(times)} first, median"
            f" {statistics.median(times) * 1e3:.2f} ms, longest {max(times) * 1e3:.1f} ms;"
            f" others first: {', '.join(sorted(set(wrong))) or 'none'}"
        )
    return lines


def random_sets(quick: bool) -> list[str]:
    rng, first, listed, undetermined, times = random.Random(16), 0, 0, 0, []
    count = 100 if quick else 1000
    for _ in range(count):
        width, refin = rng.randint(9, 64), rng.random() < 0.5
        init, xorout = rng.getrandbits(width), rng.getrandbits(width)
        poly = rng.getrandbits(width) | 1
        crc = numcrc.Algorithm(width, poly, init, refin=refin, refout=refin, xorout=xorout)
        messages = list(map(rng.randbytes, rng.sample(range(6, 40), 5)))
        order = rng.choice(ORDERS)
        samples = [(message, stored(crc, message, order)) for message in messages]
        start = time.perf_counter()
        found = reverse(samples)
        times.append(time.perf_counter() - start)
        first += same(found[0].algorithm, crc)
        listed += any(same(match.algorithm, crc) for match in found)
        undetermined += bool(found[0].lengths)
    return [
        f"{first} of {count} first, {listed} listed, {undetermined} say that the lengths do not"
        f" determine init; median {statistics.median(times) * 1e3:.2f} ms"
    ]


def frames(quick: bool) -> list[str]:
    lines = []
    right, count, times = 0, 0, []
    for name in NAMES[:: 8 if quick else 1]:
        crc = numcrc.algorithms[name]
        if crc.width < 8:
            continue
        rng = random.Random(name)
        start, tail, order = rng.randrange(9), rng.randrange(3), rng.choice(ORDERS)
        captured = []
        for size in (9, 13, 16, 21):
            message = rng.randbytes(size)
            captured.append(
                rng.randbytes(start) + message + stored(crc, message, order) + rng.randbytes(tail)
            )
        before = time.perf_counter()
        found = reverse_frames(captured)
        times.append(time.perf_counter() - before)
        count += 1
        right += bool(found) and same(found[0].algorithm, crc) and found[0].tail == tail
    lines.append(
        f"unknown place: {right} of {count} first, median {statistics.median(times) * 1e3:.0f} ms"
    )
    right = 0
    for name in NAMES:
        crc, rng = numcrc.algorithms[name], random.Random(name)
        samples = [(m, stored(crc, m, "big")) for m in map(rng.randbytes, (7, 9, 12, 13, 20, 22))]
        bad = rng.randrange(6)
        samples[bad] = (bytes([samples[bad][0][0] ^ 4]) + samples[bad][0][1:], samples[bad][1])
        found = reverse(samples, ignore=1)
        right += bool(found) and same(found[0].algorithm, crc)
    lines.append(f"one damaged sample of six: {right} of {len(NAMES)} first")
    three = map(bytes.fromhex, ("c98964f6b9", "a5fa49f2fd", "13370aee7df0"))
    (match,) = reverse([(frame[:-4], frame[-4:]) for frame in three])
    lines.append(f"RevEng's README: {match.algorithm.poly:#x}, init {match.algorithm.init:#x}")
    return lines


def distances(quick: bool) -> list[str]:
    names = {
        f"{crc.poly:x}/{crc.width}": name
        for name, crc in numcrc.algorithms.items()
        if crc.width <= (24 if quick else 40)
    }
    hd_limits("CRC-8/SMBUS", budget=hd.BUDGET)
    total, lines, wrong = 0.0, [], 0
    for name in names.values():
        start = cpu_seconds()
        found = hd_limits(name, budget=hd.BUDGET)
        seconds = cpu_seconds() - start
        total += seconds
        wrong += found != hd_limits(name)
        if seconds > 0.2:
            lines.append(f"{name}: {seconds:.2f} s, {peak()} MiB")
    return [
        f"{len(names)} polynomials, complete and exact: {total:.1f} s, {peak()} MiB;"
        f" {wrong} differ from hd.json",
        *lines,
    ]


def forged(quick: bool) -> list[str]:
    lines = []
    right = count = 0
    for name in NAMES:
        crc, rng = numcrc.algorithms[name], random.Random(name)
        for _ in range(20 if quick else 1000):
            data = rng.randbytes(rng.randrange(40, 200))
            target = rng.getrandbits(crc.width)
            at = rng.randrange(len(data) - 8)
            count += 1
            right += crc(forge(crc, data, target, at=at)) == target
    lines.append(f"{right} of {count} right in messages of up to 200 bytes")
    for size in (1 << 10, 1 << 20, 64 << 20, *([] if quick else [1 << 30])):
        data = bytearray(size)
        crc, rng, best, once = numcrc.algorithms["crc32"], random.Random(1), 9e9, 9e9
        for _ in range(3):
            bits = rng.sample(range(8 * size), 64)
            start = cpu_seconds()
            message = forge(crc, data, 0xDEADBEEF, bits=bits)
            middle = cpu_seconds()
            assert crc(message) == 0xDEADBEEF
            once = min(once, cpu_seconds() - middle)
            best = min(best, middle - start)
        lines.append(
            f"64 bits anywhere in {size >> 10} KiB: {best * 1e3:.2f} ms with the copy of the"
            f" message; its CRC takes {once * 1e3:.2f} ms"
        )
    return lines if quick else [*lines, *in_a_gibibyte()]


def in_a_gibibyte() -> list[str]:
    size, right, cases = 1 << 30, 0, 0
    for name in NAMES:
        crc, rng = numcrc.algorithms[name], random.Random(name)
        zeros = crc.zeros(crc(b""), size)
        for _ in range(1000):
            bits = sorted(rng.sample(range(8 * size), 8), key=lambda bit: bit >> 3)
            value, end = crc(b""), 0  # the CRC by pieces: zero bytes, and those with flips
            for byte, group in itertools.groupby(bits, lambda bit: bit >> 3):
                flipped = bytes([sum(1 << (bit & 7) for bit in group)])
                value, end = crc(flipped, crc.zeros(value, byte - end)), byte + 1
            changes = functools.reduce(operator.xor, flips(crc, size, bits))
            right += crc.zeros(value, size - end) == zeros ^ changes
            cases += 1
    lines = [f"changes by 8 bits anywhere in 1 GiB: {right} of {cases} right"]
    data, right = bytearray(random.Random(1).randbytes(1 << 20) * 1024), 0
    for name in NAMES:
        crc, rng = numcrc.algorithms[name], random.Random(name)
        target, bits = rng.getrandbits(crc.width), rng.sample(range(8 * size), 4 * crc.width + 32)
        right += crc(forge(crc, data, target, bits=bits)) == target
    return [*lines, f"forged in 1 GiB, bits anywhere: {right} of {len(NAMES)} right"]


# P. Koopman, "Best CRC Polynomials": the longest data for a distance, by width.
BEST = {8: {3: 247, 4: 119, 5: 9, 6: 4}, 16: {3: 65519, 4: 32751, 5: 241, 6: 135}}


def searched(quick: bool) -> list[str]:
    lines = []
    for width, bests in BEST.items():
        start, found = cpu_seconds(), {}
        for distance, longest in bests.items():
            reached = bool(search(width, longest, distance))
            found[distance] = longest if reached and not search(width, longest + 1, distance) else 0
        lines.append(
            f"{width} bits, all: {'as published' if found == bests else found};"
            f" {cpu_seconds() - start:.1f} s for {2 * len(bests)} searches"
        )
    start = cpu_seconds()
    count = 20 if quick else 200
    some = search(32, 1024, 5, count=count, seed=1)
    lines.append(
        f"32 bits, HD 5 at 1024 bits: {len(some)} of {count}, {cpu_seconds() - start:.1f} s"
    )
    return lines


FIGURES: dict[str, Callable[[bool], list[str]]] = {
    "identify": lambda quick: of_catalogue(identify, quick),
    "reverse": lambda quick: of_catalogue(reverse, quick),
    "random": random_sets,
    "frames": frames,
    "hd": distances,
    "forge": forged,
    "search": searched,
}


if __name__ == "__main__":
    main()
