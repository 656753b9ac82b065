"""Make numcrc/crc/hd.json: the Hamming distances of all polynomials of the catalogue up to 64 bits.

    python asv_bench/explore_hd.py [--again] [ALGORITHM ...]

By default of all algorithms. Polynomials that are in the file are skipped, unless --again is
given, so that the work can go on after an interruption. Up to 40 bits all limits are exact and
take 20 s in all. Polynomials of 64 bits take up to ten minutes of one CPU each, and 1 GiB.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explore_logs import first_of_five, first_of_four

import numcrc
from numcrc.crc.distances import key
from numcrc.explore import hd

FILE = Path(__file__).parents[1] / "numcrc" / "crc" / "hd.json"
ABOUT = (
    "Hamming distances, made by asv_bench/explore_hd.py. By generator polynomial, or its reciprocal"
    " if that is less: the most data bits for HD 3, 4, ...; the HDs whose limits are only lower"
    " bounds; and undetected errors of 4 and 5 bits where a search for them takes minutes, with"
    " the function of asv_bench/explore_logs.py that found them, and its CPU time on an AMD EPYC"
    " (Zen 1) at 2 GHz."
)
BUDGET = 20_000_000_000
LONG = {
    "CRC-64/XZ": {4: 1 << 20},
    "CRC-64/MS": {4: 6 << 20},
    "CRC-64/NVME": {4: 4 << 20, 5: 143_000},
    "CRC-64/REDIS": {4: 2 << 20, 5: 160_000},
    "CRC-64/GO-ISO": {4: 8 << 20},
}
"""For each number of flipped bits, the bits of codeword among which `explore_logs` looks."""
_FIRST = {4: first_of_four, 5: first_of_five}


class _Known(hd._Search):
    """A search that is given some of its answers."""

    patterns: dict[int, list[int]]

    def _span(self, weight: int, n: int) -> tuple[int, int]:
        if weight in self.patterns:
            span = self.patterns[weight][-1]
            return (span, 0) if span < n else (0, 0)
        return super()._span(weight, n)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("algorithms", nargs="*", default=list(numcrc.algorithms))
    arguments = parser.parse_args()
    content: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    entries: dict[str, dict[str, Any]] = content.get("polynomials", {})
    if arguments.again:
        for name in arguments.algorithms:
            entries.pop(key(_generator(numcrc.algorithms[name])), None)
    for name in arguments.algorithms:
        algorithm = numcrc.algorithms[name]
        if algorithm.width <= 64:
            entry = entries.setdefault(key(_generator(algorithm)), {})
            if "limits" not in entry:
                start = time.process_time()
                for _ in complete(entry, algorithm):
                    write(entries)
                print(f"{name}: {entry}; {time.process_time() - start:.1f} s", flush=True)


def _generator(algorithm: numcrc.Algorithm) -> int:
    return 1 << algorithm.width | algorithm.poly


def complete(entry: dict[str, Any], algorithm: numcrc.Algorithm) -> Iterator[None]:
    """Add to an entry of the file what it lacks, and yield after each addition."""
    search = _Known(algorithm, BUDGET, None)
    patterns = [_mirrored(bits, search.generator) for bits in entry.get("patterns", ())]
    search.patterns = {len(pattern): pattern for pattern in patterns}
    for weight, n in LONG.get(algorithm.name, {}).items():
        if weight in search.patterns:
            continue
        start = time.process_time()
        function = _FIRST[weight]
        if pattern := function(search.generator, n):
            seconds = time.process_time() - start
            add_pattern(entry, search.generator, pattern, f"{function.__name__}, {seconds:.0f} s")
            search.patterns[weight] = pattern
            yield
    limits = hd._searched(search)
    assert list(limits) == list(range(3, 3 + len(limits)))
    entry["limits"] = [limit.bits for limit in limits.values()]
    entry["at least"] = [distance for distance, limit in limits.items() if not limit.exact]
    for name in [name for name, value in entry.items() if not value]:
        del entry[name]
    yield


def add_pattern(entry: dict[str, Any], generator: int, pattern: list[int], method: str) -> None:
    """Add a pattern, and the function and the CPU time that proved that none is shorter."""
    entry.setdefault("patterns", []).append(_mirrored(pattern, generator))
    entry.setdefault("found by", []).append(method)


def _mirrored(pattern: list[int], generator: int) -> list[int]:
    """Return a pattern as it is in the file, or one of the file as it is."""
    if f"{generator:x}" == key(generator):
        return pattern
    return [pattern[-1] - bit for bit in reversed(pattern)]


def write(entries: dict[str, Any]) -> None:
    order = {
        key(_generator(algorithm)): number
        for number, algorithm in enumerate(numcrc.algorithms.values())
    }
    lines = [
        f'    "{name}": {json.dumps(entries[name])}'
        for name in sorted(entries, key=order.__getitem__)
    ]
    text = f'{{\n  "about": {json.dumps(ABOUT)},\n  "polynomials": {{\n'
    new = FILE.with_suffix(".new")
    new.write_text(text + ",\n".join(lines) + "\n  }\n}\n")
    os.replace(new, FILE)


if __name__ == "__main__":
    main()
