"""Fuzz the formats of scans: damaged files give one result, the same in memory and by ranges."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from store import scan_files

from fuzz.kinds import ByteTarget
from numcrc.store.formats import Body, formats, scan_body
from numcrc.store.objects import State

KEYS = {
    "zip": "a.zip",
    "png": "a.png",
    "gzip": "a.gz",
    "parquet": "a.parquet",
    "leveldb": "000003.log",
    "tfrecord": "a.tfrecord",
}
"""By format, a key by which an object is recognised."""
SMALL, LARGE = 1 << 15, 1 << 20
"""Bytes in memory."""
RESULTS = {State.MATCH, State.DIFFER, State.NO_CHECKSUM, State.UNSUPPORTED, State.SKIPPED}
TOKENS = (
    *(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08", b"\1\0\x18\0"),
    *(b"IHDR", b"IDAT", b"IEND", b"\x1f\x8b\x08\4", b"\6\0BC\2\0", b"PAR1", b"PARE"),
    *(b"\xff\xff\xff\xff", b"\xff" * 8, b"\xff\xff\xff\x7f", b"\0\0\0\x80", bytes(8)),
)


def run(name: str, data: bytes) -> None:
    """Scan a file in two ways."""
    found = [
        scan_body(Body.of(data, KEYS[name], limit=limit), formats([name]))
        for limit in (SMALL, LARGE)
    ]
    assert found[0].state in RESULTS, found[0]
    assert found[0] == found[1], f"by ranges: {found[0]}, in memory: {found[1]}"


def seeds(name: str) -> Iterator[bytes]:
    """Yield a file of each kind."""
    for key, data, _, _ in (make() for make in scan_files.FILES.values()):
        if formats([name])[0].recognises(Body.of(data, key)):
            yield data
    if name == "parquet":
        yield scan_files.parquet(checksums=False)


TARGETS = tuple(
    ByteTarget(
        f"scan-{name}",
        f"files of {name} in a scan",
        partial(run, name),
        partial(seeds, name),
        TOKENS,
    )
    for name in KEYS
)
