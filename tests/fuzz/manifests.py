"""Fuzz the reading of manifests: tables, check files, and files of any recognised format."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.kinds import ByteTarget, Choices, equal, outcome
from numcrc.checksums import known
from numcrc.store.keys import check_key, key_bytes, key_text
from numcrc.store.manifests import read_manifest, write_manifest
from numcrc.store.objects import Checksum, Entry, Part

T = TypeVar("T")

NAMES = ("list", "list.csv", "MD5SUMS", "x.sfv", "x.sha3-256", "B2SUMS")
"""Names of files; some say what is in them."""
TOKENS = (
    *(b'{"numcrc": "numcrc manifest 2"}\n', b'{"numcrc": "end", "rows": 1}\n'),
    *(b'"key": "', b'"key_base64": "', b'"size": '),
    *(b'"checksums": {', b'"crc32c": ', b'"e3069283"', b'"value": ', b'"composite": '),
    *(b'"part_sizes": [', b'"part_values": [', b'"version": ', b'"archived": true', b"null"),
    *(b"key,key_base64,size,checksums,version,archived,complete,", b"numcrc manifest 2"),
    *(b"\\ud800", b"\\u0000", b"9223372036854775808", b"1e400", b"NaN", b'""', b"\r\n", b"'="),
    *(b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf"),
)
ENTRIES = (
    Entry("a"),
    Entry("a b/c", 9, (Checksum("crc32c", bytes.fromhex("e3069283")),), '"v1"', True, True),
    Entry(
        "caf\udce9",
        17,
        (
            Checksum("crc32", b"1234", 2, (Part(8, b"abcd"), Part(9))),
            Checksum("crc32", b"1234"),
            Checksum("md5", bytes(16), 3),
            Checksum("sum-17", b"12"),
        ),
    ),
    Entry("=1+1\n\r", 2**63 - 1, (), "'x"),
)
SUFFIXES = ("jsonl", "csv", "parquet", "jsonl.gz", "csv.gz")
"""Suffixes of files that mark their end."""
PLAIN = (
    Entry("a", None, (Checksum("crc32c", b"1234"),)),
    Entry("b\n c", None, (Checksum("crc32c", b"5678"),)),
)


class Pipe(io.RawIOBase):
    """Bytes that cannot be sought, of which each read returns a few."""

    def __init__(self, data: bytes, most: int) -> None:
        self._file, self._most = io.BytesIO(data), most

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most as many bytes as a read returns."""
        return self._file.readinto(memoryview(buffer)[: self._most])


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="numcrc-fuzz-")


def path_of(name: str) -> str:
    """Return the path of a file called *name* in a folder of this process."""
    return os.path.join(_folder().name, name)


def written(write: Callable[[str], object], name: str) -> bytes:
    """Return the content of the file *name* that ``write(path)`` makes."""
    path = path_of(name)
    write(path)
    with open(path, "rb") as file:
        return file.read()


def named(file: Any, name: str) -> Any:
    """Return *file* with a name."""
    file.name = name
    return file


def check_pipe(
    read: Callable[[Any], Iterator[T]],
    data: bytes,
    name: str | None,
    expected: tuple[list[T], str],
) -> None:
    """Check that a file is read from a pipe as from memory, unless it is Parquet."""
    pipe = named(Pipe(data, 1 + zlib.crc32(data) % 60), name)
    found = outcome(read(pipe))
    same = found == expected or found[1].endswith("cannot read Parquet from a pipe")
    assert same, f"from a pipe: {found}, not {expected}"


def check_entry(entry: Entry) -> None:
    """Check that all of *entry* is as its classes say."""
    assert type(entry.key) is str
    check_key(entry.key)
    assert key_text(key_bytes(entry.key)) == entry.key
    assert entry.size is None or (type(entry.size) is int and 0 <= entry.size < 2**63)
    assert type(entry.version) is str
    assert type(entry.archived) is type(entry.complete) is bool
    for checksum in entry.checksums:
        assert type(checksum.algorithm) is str
        assert checksum.composite >= 0
        for value in (checksum.value, *(part.value for part in checksum.parts)):
            algorithm = known(checksum.algorithm)
            if algorithm and value is not None:
                assert len(value) == algorithm.size
                assert not int.from_bytes(value, "big") >> algorithm.width
        assert all(type(part.size) is int and part.size >= 0 for part in checksum.parts)


def check_round_trip(entries: list[Entry], suffix: str) -> None:
    """Check that a manifest of *entries* is read back equal, and not taken for whole if cut."""
    data = written(lambda path: write_manifest(path, entries), f"again.{suffix}")
    again = list(read_manifest(io.BytesIO(data)))
    equal(list(map(_normal, again)), list(map(_normal, entries)))
    cut = data[: zlib.crc32(data) % (len(data) - 2)]  # the last bytes may end only a line
    assert outcome(read_manifest(io.BytesIO(cut)))[1], f"{cut!r} is read as a whole file"


def _normal(entry: Entry) -> Entry:
    """Return *entry* as rows have it: checksums of an algorithm together, and none guessed."""
    checksums = sorted(entry.checksums, key=lambda checksum: checksum.algorithm)
    return entry._replace(checksums=tuple(each._replace(guessed=False) for each in checksums))


def run(form: str | None, data: bytes) -> None:
    """Read a manifest in two ways; what was read can be written, and read back."""
    name = None
    if form is None:
        choices = Choices(data)
        name = choices.pick(NAMES)
        encoding = choices.below(8)
        data = choices.rest()
        data = gzip.compress(data, 1, mtime=0) if encoding == 1 else data
        data = b"\xef\xbb\xbf" + data if encoding == 2 else data
        data = data.decode(errors="replace").encode("utf-16") if encoding == 3 else data
    how = zlib.crc32(data)
    entries, problem = outcome(read_manifest(named(io.BytesIO(data), name), format=form))
    if form != "parquet":
        read = partial(read_manifest, format=form)
        check_pipe(read, data, name, (entries, problem))
    for entry in entries:
        check_entry(entry)
    if entries:
        check_round_trip(entries, SUFFIXES[how % len(SUFFIXES)])
        check_lists(entries)


def check_lists(entries: list[Entry]) -> None:
    """Check that check files of *entries* are read back equal, if they can be written."""
    for form in ("gnu", "bsd", "sfv"):
        try:
            data = written(partial(_write, entries, form), "list")
        except ValueError:
            continue
        algorithm = None if form == "bsd" else entries[0].checksums[0].algorithm
        if algorithm is None or known(algorithm):
            options = {"algorithm": algorithm, "format": form}
            again, problem = outcome(read_manifest(io.BytesIO(data), **options))
            problem = f"a {form} list of {_kind(entries)} algorithms: {data!r}: {problem}"
            assert list(map(_listed, again)) == list(map(_listed, entries)), problem


def _kind(entries: list[Entry]) -> str:
    names = [checksum.algorithm for entry in entries for checksum in entry.checksums]
    return "known" if all(map(known, names)) else "unknown"


def _write(entries: list[Entry], form: str, path: str) -> None:
    write_manifest(path, entries, form)


def _listed(entry: Entry) -> tuple[str, list[tuple[str, bytes]]]:
    """Return what a check file has of *entry*; it has one name for each algorithm."""
    names = [known(checksum.algorithm) for checksum in entry.checksums]
    return entry.key, [
        (checksum.algorithm.lower() if name is None else name.name, checksum.value)
        for name, checksum in zip(names, entry.checksums, strict=True)
    ]


def seeds(suffix: str) -> Iterator[bytes]:
    """Yield manifests by their writer, of one entry and of several."""
    entries: tuple[Entry, ...]
    for entries in ((), *((entry,) for entry in ENTRIES), ENTRIES):
        yield written(lambda path, entries=entries: write_manifest(path, entries), f"x.{suffix}")


def parquet_seeds() -> Iterator[bytes]:
    """Yield Parquet, also a file that is small."""
    yield from seeds("parquet")
    table = pa.table({"key": ["a", "b"], "size": [9, None], "md5": ["0" * 32, None]})
    file = io.BytesIO()
    options = {"compression": "none", "use_dictionary": False, "store_schema": False}
    pq.write_table(table, file, write_statistics=False, **options)
    yield file.getvalue()


def csv_seeds() -> Iterator[bytes]:
    """Yield CSV, also by other programs."""
    yield from seeds("csv")
    yield b'key,size,crc32c,md5\n"a",9,e3069283,\nb,,,d41d8cd98f00b204e9800998ecf8427e\n'


def jsonl_seeds() -> Iterator[bytes]:
    """Yield JSON Lines, also by other programs."""
    yield from seeds("jsonl")
    yield b'{"key": "a", "crc32c": "4waSgw==", "size": null}\n\n{"key": "b"}'


def list_seeds() -> Iterator[bytes]:
    """Yield check files."""
    for form in ("gnu", "bsd", "sfv"):
        some = [entry._replace(key="b c") for entry in PLAIN[1:]] if form == "sfv" else PLAIN
        yield written(partial(_write, list(some), form), "list")


def all_seeds() -> Iterator[bytes]:
    """Yield files of every format, with the choices before them."""
    for make in (csv_seeds, jsonl_seeds, list_seeds, parquet_seeds):
        for seed in make():
            yield b"\0\0" + seed
            yield b"\1\1" + seed


TARGETS = (
    ByteTarget("jsonl", "manifests in JSON Lines", partial(run, "jsonl"), jsonl_seeds, TOKENS),
    ByteTarget("csv", "manifests in CSV", partial(run, "csv"), csv_seeds, TOKENS),
    ByteTarget(
        "parquet",
        "manifests in Parquet, byte by byte",
        partial(run, "parquet"),
        parquet_seeds,
        TOKENS,
    ),
    ByteTarget("gnu", "check files as manifests", partial(run, "gnu"), list_seeds, TOKENS),
    ByteTarget(
        "manifest", "manifests of a format to recognise", partial(run, None), all_seeds, TOKENS
    ),
)
