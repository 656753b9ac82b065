"""Fuzz the reading of reports."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from functools import partial

from fuzz.kinds import ByteTarget, equal, outcome
from fuzz.manifests import SUFFIXES, TOKENS, check_pipe, written
from numcrc.store.manifests.reports import read_results, report_writer
from numcrc.store.objects import Result, State

RESULTS = (
    Result("a", State.MATCH, 9, "crc32c", "e3069283", "e3069283"),
    Result("caf\udce9", State.DIFFER, 2**63 - 1, "md5", "00-2", "11-2", (1, 2), "", '"v"'),
    Result("=b\n\r", State.ERROR, None, detail="HTTP status 500: \udcff\u2028\x1b"),
    Result("c", State.MISSING),
)


def run(data: bytes) -> None:
    """Read a report in two ways; what was read can be written, and read back."""
    how = zlib.crc32(data)
    results, problem = outcome(read_results(io.BytesIO(data)))
    check_pipe(read_results, data, None, (results, problem))
    check_results(results, SUFFIXES[how % len(SUFFIXES)])


def check_results(results: list[Result], suffix: str) -> None:
    """Check that *results* are as their class says, and that a report of them is read back."""
    for result in results:
        assert type(result.key) is str
        assert result.key
        assert isinstance(result.state, State)
        assert result.size is None or (type(result.size) is int and 0 <= result.size < 2**63)
        assert all(type(part) is int for part in result.parts)
    if results:
        data = written(partial(write, results), f"again.{suffix}")
        equal(list(read_results(io.BytesIO(data))), results)
        cut = data[: zlib.crc32(data) % (len(data) - 2)]
        assert outcome(read_results(io.BytesIO(cut)))[1], f"{cut!r} is read as a whole file"


def write(results: Iterable[Result], path: str) -> None:
    """Write a report."""
    with report_writer(path) as add:
        for result in results:
            add(result)


def seeds() -> Iterator[bytes]:
    """Yield reports of every format."""
    for suffix in ("jsonl", "csv", "parquet", "csv.gz"):
        for results in ((), RESULTS, *((result,) for result in RESULTS)):
            yield written(partial(write, results), f"x.{suffix}")
    yield b"state,key\nmatch,a\n"


TOKENS = (*TOKENS, b'"state": "', b"size-mismatch", b'"parts": [1, 2]', b"numcrc report 2")
TARGETS = (ByteTarget("reports", "reports of verifications", run, seeds, TOKENS),)
