"""Fuzz rows of any types: JSON Lines and Parquet files that are valid, with odd content."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.kinds import ByteTarget, Choices, outcome
from fuzz.manifests import check_entry, check_round_trip
from fuzz.reports import check_results
from numcrc.store.manifests import read_manifest
from numcrc.store.manifests.reports import read_results

COLUMNS = ("key", "key_base64", "size", "checksums", "version", "archived", "complete")
COLUMNS += ("crc32c", "md5", "CRC-12/UMTS", "sum-17", "state", "algorithm", "expected", "actual")
COLUMNS += ("parts", "detail", "numcrc", "key.x", "", "value", "composite", "part_sizes")
COLUMNS += ("part_values", "path", "crc", "is_latest", "storage_class", "e_tag")
TEXTS = ("", "a", "b", "a\n\0", "e3069283", "4waSgw==", "match", "differ", "numcrc manifest 2")
TEXTS += ("\ud800", "caf\udce9", "YQ==", "00", "crc32c", "_", "true", "9", "é\u2028", "\x1b[31m")
FIXED = (
    *(pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.date32(), pa.date64()),
    *(pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.time64("ns")),
    *(pa.time32("s"), pa.duration("us"), pa.duration("ns"), pa.decimal128(38, 2), pa.binary(4)),
    *(pa.float16(), pa.decimal256(76, -2)),
)


def _value(choices: Choices, depth: int = 0) -> Any:
    """Return a value of JSON, most likely one that a row can have."""
    kind = choices.below(12 if depth < 3 else 8)
    if kind < 4:
        return choices.pick(TEXTS)
    if kind < 6:
        return choices.integer()
    if kind == 6:
        return choices.pick((None, True, False, 0.5, 1e300))
    if kind == 7:
        nested: Any = []
        for _ in range(choices.pick((1, 10, 400)) + 4 * choices.below(256)):
            nested = [nested] if depth % 2 else {"value": nested}
        return nested
    if kind < 10:
        return [_value(choices, depth + 1) for _ in range(choices.below(4))]
    return {choices.pick(COLUMNS): _value(choices, depth + 1) for _ in range(choices.below(5))}


def run_rows(data: bytes) -> None:
    """Read rows of any JSON as a manifest and as a report."""
    choices = Choices(data)
    mark = choices.pick(("", "numcrc manifest 2", "numcrc report 2"))
    lines: list[str] = []
    while choices and len(lines) < 3:
        row = {"key": "a", "state": "match"} if choices.below(4) else {}
        row |= {choices.pick(COLUMNS): _value(choices) for _ in range(choices.below(6))}
        try:
            lines.append(json.dumps(row))
        except RecursionError:
            return
    if mark:
        end = json.dumps({"numcrc": "end", "rows": len(lines)})
        lines = [json.dumps({"numcrc": mark}), *lines, end]
    _check("\n".join(lines).encode(), "jsonl")


def run_arrow(data: bytes) -> None:
    """Read a Parquet file with any columns as a manifest and as a report."""
    choices = Choices(data)
    rows = choices.pick((0, 1, 2, 3, 3, 5000))
    names, columns = ["key", "state"], [pa.array(["match"] * rows), pa.array(["match"] * rows)]
    del columns[(drop := choices.below(3)) :], names[drop:]
    try:
        while choices and len(columns) < 8:
            names.append(choices.pick(COLUMNS))
            columns.append(column(choices, rows))
        file = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(columns, names), file)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, OSError):
        return  # not a file
    _check(file.getvalue(), "parquet")


def _check(data: bytes, form: str) -> None:
    entries, _ = outcome(read_manifest(io.BytesIO(data), format=form))
    for entry in entries:
        check_entry(entry)
    if entries:
        check_round_trip(entries, "parquet" if form == "jsonl" else "jsonl")
    results, _ = outcome(read_results(io.BytesIO(data), form))
    check_results(results, "parquet" if form == "jsonl" else "jsonl")


def column(choices: Choices, rows: int, depth: int = 0) -> Any:
    """Return an array of some type and content, without a check of the content."""
    kind = choices.below(10 if depth < 3 else 6)
    if kind < 2:
        texts = [choices.pick(TEXTS).encode(errors="surrogatepass") for _ in range(rows)]
        if choices.below(8) == 1 and rows:
            texts[0] = b"\xff" + choices.raw(2)
        made = pa.array(texts, pa.binary())
        made = made if choices.below(4) == 3 else made.view(pa.string())
        return made.dictionary_encode() if choices.below(8) == 7 else made
    if kind == 2 and choices.below(4) == 3:  # much text in a short file
        return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [100_000 * "a"])
    if kind == 2:
        values = [choices.pick((True, False, None)) for _ in range(rows)]
        return pa.array(values, pa.bool_())
    if kind < 5:
        kind = choices.pick(FIXED)
        size = rows * kind.bit_width // 8
        return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(choices.raw(size))])
    if kind == 5:
        return pa.nulls(rows, choices.pick((pa.null(), pa.string(), pa.int64())))
    if kind < 8:
        ends = [0]
        for _ in range(rows):
            ends.append(ends[-1] + choices.below(3))
        inner = column(choices, ends[-1], depth + 1)
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), inner)
    fields = [choices.pick(COLUMNS) for _ in range(1 + choices.below(4))]
    if kind == 8:
        fields += ["algorithm", "value"]
    inners = [column(choices, rows, depth + 1) for _ in fields]
    return pa.StructArray.from_arrays(inners, fields)


def seeds() -> Iterator[bytes]:
    """Yield choices."""
    for number in range(16):
        yield bytes((number * (5 + 2 * number) + place * 7) % 256 for place in range(60))


TARGETS = (
    ByteTarget("rows", "JSON Lines with values of any type", run_rows, seeds),
    ByteTarget("arrow", "Parquet files with columns of any type", run_arrow, seeds),
)
