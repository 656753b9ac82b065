"""Print README's tables of speed: a few rows and columns of a machine's record.

python asv_bench/readme.py asv_bench/records/znver5.md
"""

from __future__ import annotations

import sys
from pathlib import Path

_CALLS = (
    ("CRC-32", ("numcrc", "isal", "zlib")),
    ("CRC-32C", ("numcrc", "fastcrc", "google-crc32c")),
    ("CRC-64/NVME", ("numcrc", "awscrt")),
)
_CALL_COLUMNS = ("8 B, ns", "256 B, ns", "64 KiB, GiB/s", "1 MiB, GiB/s")
_RECORDS = (("CRC-32", ("numcrc", "isal")), ("CRC-32C", ("numcrc", "fastcrc")))
_RECORD_COLUMNS = ("rows 16 B, ns", "rows 1 KiB, ns", "batch 64 B, ns", "segments ~100 B, ns")


def tables(record: str) -> str:
    """Return the text of README for what ``compare.py --markdown`` printed."""
    cpu = next(line for line in record.splitlines() if line.startswith("CPU "))
    calls, many = (_parsed(part) for part in record.split("| algorithm | engine |")[1:])
    return "\n".join(
        (
            f"Time of a call and throughput of long ones, on bytes objects. {cpu}",
            "The fastest of each column is bold.",
            "",
            *_table(calls, _CALLS, _CALL_COLUMNS),
            "",
            "Time per record of 100 000: numcrc in one call and one thread, its rivals in the"
            " fastest loop found for each.",
            "",
            *_table(many, _RECORDS, _RECORD_COLUMNS),
        )
    )


def _parsed(part: str) -> dict[tuple[str, str], dict[str, str]]:
    """Return the cells of a table by (algorithm, engine), then by column."""
    lines = part.partition("\n\n")[0].splitlines()
    columns = [cell.strip() for cell in lines[0].strip("| ").split("|")]
    found = {}
    for line in lines[2:]:
        algorithm, engine, *cells = (cell.strip().strip("*") for cell in line.strip("|").split("|"))
        found[algorithm, engine] = dict(zip(columns, cells, strict=True))
    return found


def _table(
    cells: dict[tuple[str, str], dict[str, str]],
    rows: tuple[tuple[str, tuple[str, ...]], ...],
    columns: tuple[str, ...],
) -> list[str]:
    lines = [
        f"| algorithm | engine | {' | '.join(columns)} |",
        f"| --- | --- |{' ---: |' * len(columns)}",
    ]
    for algorithm, engines in rows:
        of_engine = {engine: cells[algorithm, engine] for engine in engines}
        best = {c: min(of_engine, key=lambda e: _cost(c, of_engine[e][c])) for c in columns}
        for engine, row in of_engine.items():
            shown = (f"**{row[c]}**" if best[c] == engine else row[c] for c in columns)
            lines.append(f"| {algorithm} | {engine} | {' | '.join(shown)} |")
    return lines


def _cost(column: str, cell: str) -> float:
    """Return the figure of a cell, smaller for the faster engine."""
    return float(cell) if column.endswith("ns") else -float(cell)


if __name__ == "__main__":
    print(tables(Path(sys.argv[1]).read_text(encoding="utf-8")))
