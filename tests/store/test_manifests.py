"""Manifests: round trips, files of other programs, options and memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import run_python

from numcrc.store import manifests
from numcrc.store.manifests import (
    FORMATS,
    Format,
    checkfiles,
    formats,
    read_manifest,
    write_manifest,
)
from numcrc.store.manifests.rows import _any_entry, _usual_entry, entry_to_row
from numcrc.store.objects import Checksum, Entry, Part
from store.manifest_support import CRC32C, SUFFIXES, TABLE_NAMES, keys, read, sizes, some

WIDTHS = {"crc32c": 4, "crc64nvme": 8, "sha256": 32, "CRC-12/UMTS": 2, "new-in-2030": 5}


@st.composite
def checksums(draw: st.DrawFn) -> Checksum:
    """Draw a checksum, plain or composite, with parts or without."""
    name = draw(st.sampled_from(sorted(WIDTHS)))
    limit = 1 << (12 if name == "CRC-12/UMTS" else 8 * WIDTHS[name])
    values = st.integers(0, limit - 1).map(lambda value: value.to_bytes(WIDTHS[name], "big"))
    parts = draw(st.lists(st.builds(Part, st.integers(0, 2**40), st.none() | values), max_size=4))
    composite = draw(st.sampled_from([0, len(parts) or 7]))
    return Checksum(name, draw(values), composite, tuple(parts))


entries = st.builds(
    Entry,
    keys,
    sizes,
    st.lists(checksums(), max_size=3).map(
        lambda found: tuple(sorted({c[0::2]: c for c in found}.values(), key=lambda c: c[0::2]))
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.booleans(),
    st.booleans(),
)


ODD = st.sampled_from(
    [None, True, -1, 1 << 63, 1.5, "", "a\0", "\u00e9", "\udcff", {}, [], {"": "00"}]
)
DIGITS = st.sampled_from(
    ["e3069283", "E3069283", "e30692 3", "e306928", "4waSgw==", "\u00e9" * 8, "fff"]
)


@given(
    st.fixed_dictionaries(
        {"key": st.just("a") | ODD, "size": st.just(9) | ODD},
        optional={
            "checksums": st.dictionaries(st.sampled_from(sorted(WIDTHS)), DIGITS | ODD) | ODD,
            "version": st.just("v1") | ODD,
            "complete": st.booleans(),
            "crc32": DIGITS,
        },
    )
)
def test_usual_rows_are_read_as_any_others(row):
    if (found := _usual_entry(row)) is not None:
        assert found == _any_entry(row)


def test_usual_rows_take_the_short_way():
    for version in ("", "1-2-3"):
        entry = Entry("a", 9, (Checksum("crc32c", bytes(4)), Checksum("md5", bytes(16))), version)
        assert _usual_entry(entry_to_row(entry)) == entry


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_own_manifests_hold_everything(suffix, tmp_path):
    path = tmp_path / f"manifest.{suffix}"

    @some
    @given(st.lists(entries, max_size=4, unique_by=lambda entry: entry.key))
    def check(found):
        assert write_manifest(path, iter(found)) == len(found)
        assert list(read_manifest(path)) == found
        assert os.listdir(tmp_path) == [path.name]

    check()


@pytest.mark.parametrize("name", [each.name for each in checkfiles.FORMATS])
def test_check_files_hold_what_they_take(name, tmp_path):
    path = tmp_path / "list"

    @some
    @example(" {", "crc32c")
    @example("PAR1", "crc32c")
    @example("\x1f\udc8b", "crc32c")
    @example("(\udcb5/\udcfd", "crc32c")
    @given(keys, st.sampled_from(["crc32c", "md5", "sha512", "crc32"]))
    def check(key, algorithm):
        width = {"md5": 16, "sha512": 64}.get(algorithm, 4)
        entry = Entry(key, None, (Checksum(algorithm, bytes(range(171, 171 + width))),))
        try:
            write_manifest(path, [entry], name)
        except ValueError as error:
            assert "cannot hold" in str(error) or "folder" in str(error)  # noqa: PT017
            return
        chosen = None if name == "bsd" else algorithm
        assert list(read_manifest(path, algorithm=chosen)) == [entry]

    check()


@pytest.mark.parametrize(
    ("name", "entry", "problem"),
    [
        ("gnu", Entry("a"), "'a': a gnu list cannot hold an object without a checksum"),
        ("bsd", Entry("a", 1, (CRC32C._replace(composite=2),)), "hold a composite checksum"),
        ("gnu", Entry("a", 1, (CRC32C, Checksum("md5", bytes(16)))), "hold several checksums"),
        ("gnu", Entry("a//b", 1, (CRC32C,)), "'a//b': a gnu list cannot hold this key"),
        ("bsd", Entry("../b", 1, (CRC32C,)), "'../b' leads out of the folder"),
        ("sfv", Entry("a\nb", 1, (CRC32C,)), "an SFV list cannot hold this name"),
        ("csv", Entry("a\0b", 1, (CRC32C,)), r"invalid key 'a\x00b': it contains a null character"),
        ("xml", Entry("a"), "unknown format 'xml': expected jsonl, parquet, csv, gnu, bsd, sfv"),
    ],
)
def test_what_a_format_cannot_hold(name, entry, problem, tmp_path):
    path = tmp_path / "list"
    path.write_text("what was there")
    with pytest.raises(ValueError, match=re.escape(problem)):
        write_manifest(path, [entry], name)
    assert path.read_text() == "what was there"
    assert os.listdir(tmp_path) == ["list"]


def test_what_is_written(tmp_path, capfdbinary):
    parts = (Part(5, b"\1\2\3\4"), Part(4, None))
    entry = Entry("=x\udcff", 9, (CRC32C, Checksum("crc32", b"\0\0\0\1", 2, parts)), '"etag"')
    write_manifest(None, [entry])
    first, row, last = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert first == {"numcrc": "numcrc manifest 2"}
    assert last == {"numcrc": "end", "rows": 1}
    assert row == {
        "key": "=x\N{REPLACEMENT CHARACTER}",
        "key_base64": "PXj/",
        "size": 9,
        "checksums": {
            "crc32c": "e3069283",
            "crc32": {
                "value": "00000001",
                "composite": 2,
                "part_sizes": [5, 4],
                "part_values": ["01020304", None],
            },
        },
        "version": '"etag"',
    }
    write_manifest("-", [Entry("=x", 9, (CRC32C,))], "csv")
    assert capfdbinary.readouterr().out == (
        b"key,key_base64,size,checksums,version,archived,complete,numcrc manifest 2\r\n"
        b'\'=x,,9,"{""crc32c"": ""e3069283""}",,,,\r\n'
        b",,,,,,,1\r\n"
    )
    write_manifest("-", [entry], "parquet")
    table = pq.read_table(io.BytesIO(capfdbinary.readouterr().out))
    assert table.column("checksums")[0].as_py()[0]["value"] == "e3069283"


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs coreutils")
@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("options", [[], ["--tag"], ["--binary"]])
def test_coreutils(name, options, tmp_path):
    names = ["a", "b c", "new\nline", "back\\slash", "ü", "not utf-8 \udcff"]
    for file in names:
        (tmp_path / file).write_bytes(os.fsencode(file))
    command = [f"{name}sum", *options, "--", *names]
    lines = subprocess.run(command, cwd=tmp_path, stdout=-1, check=True).stdout
    expected = [
        Entry(file, None, (Checksum(name, hashlib.new(name, os.fsencode(file)).digest()),))
        for file in names
    ]
    assert read(lines, f"{name.upper()}SUMS") == expected
    assert read(lines, algorithm=name) == expected
    if "--tag" not in options:  # a guess from the number of digits
        expected = [
            entry._replace(checksums=(entry.checksums[0]._replace(guessed=True),))
            for entry in expected
        ]
    assert read(lines) == expected
    assert read(gzip.compress(lines)) == expected
    assert read(pa.compress(lines, "zstd", asbytes=True)) == expected


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("e3069283  ./a//b\n", "x", [("a/b", "crc32c", "e3069283")]),
        ("cbf43926  a\r\n", "x.crc32", [("a", "crc32", "cbf43926")]),
        ("; rhash\na CBF43926\n", "x.sfv", [("a", "crc32", "cbf43926")]),
        ("ae8b14860a799888  a\n", "list.crc64nvme", [("a", "crc64nvme", "ae8b14860a799888")]),
        ("CRC-32/ISCSI (a) = e3069283\n", "x", [("a", "crc32c", "e3069283")]),
        ("SHA2-256(a)= " + 64 * "0", "x", [("a", "sha256", 64 * "0")]),
        ("BLAKE2b-16 (a) = 00ff\n", "x", [("a", "blake2b-16", "00ff")]),
        (
            "CRC32C (a) = 4waSgw==\nMD5 (a) = " + 32 * "0",
            "x",
            [("a", "crc32c", "e3069283"), ("a", "md5", 32 * "0")],
        ),
        (
            '{"path": "a", "size": 1, "crc": {"CRC-32": "cbf43926"}}',
            "x",
            [("a", "crc32", "cbf43926")],
        ),
        ("\ufeffkey,size,crc32c,md5\na,1,e3069283,\n", "x", [("a", "crc32c", "e3069283")]),
        ('{"key": "a", "sha1": "' + 40 * "1" + '"}', "x", [("a", "sha1", 40 * "1")]),
    ],
)
def test_lists_of_others(text, name, expected):
    (entry,) = read(text, name)
    assert [(entry.key, c.algorithm, c.value.hex()) for c in entry.checksums] == expected


def test_pipes():
    reading, writing = os.pipe()
    os.write(writing, gzip.compress(b"key,size\na,1\n"))
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert list(read_manifest(pipe)) == [Entry("a", 1)]
        assert not pipe.closed


def test_outside_only_when_asked():
    text = "e3069283  ../a\ne3069283  /b\n"
    assert [entry.key for entry in read(text, allow_outside=True)] == ["../a", "/b"]


def test_options():
    with pytest.raises(ValueError, match="unknown algorithm 'x'"):
        read("", algorithm="x")
    with pytest.raises(ValueError, match="unknown format 'x': expected inventory, batch, jsonl, "):
        read("", format="x")
    problem = r"cannot tell the format of x\.xml: expected a name that ends with one of \.jsonl, "
    with pytest.raises(ValueError, match=problem):
        write_manifest("x.xml", [])
    with pytest.raises(TypeError, match="text mode"):
        list(read_manifest(io.StringIO("")))


def test_formats_are_complete():
    """Names and suffixes are unique, and all but the lists of S3 can be written."""
    names = [each.name for each in FORMATS]
    suffixes = [suffix for each in FORMATS for suffix in each.suffixes]
    assert len(set(names)) == len(names)
    assert len(set(suffixes)) == len(suffixes)
    assert set(names) - {each.name for each in formats(writable=True)} == {"inventory", "batch"}
    assert all(each.summary for each in formats())


def test_a_new_format_is_one_record(tmp_path, monkeypatch):
    """A list of keys, which is recognised by its first line, and written by its suffix."""

    def read_keys(stream, _options):
        for number, line in stream.text():
            if number > 1:
                yield number, Entry(line.rstrip("\n")), stream.name

    def write_keys(path, entries):
        return path.write_text("".join(["KEYS\n", *(f"{entry.key}\n" for entry in entries)]))

    added = Format(
        "keys",
        "a list of keys",
        lambda stream: stream.first_line() == "KEYS",
        read_keys,
        write_keys,
        (".keys",),
    )
    monkeypatch.setattr(manifests, "FORMATS", (added, *FORMATS))
    path = tmp_path / "a.keys"
    assert write_manifest(path, [Entry("a"), Entry("b")]) == 9
    assert list(read_manifest(path)) == [Entry("a"), Entry("b")]
    assert list(read_manifest(path, format="keys")) == [Entry("a"), Entry("b")]
    assert added in formats(writable=True)


@pytest.mark.parametrize("suffix", [s for each in FORMATS for s in each.suffixes])
def test_a_suffix_says_the_format(suffix, tmp_path):
    (wanted,) = (each for each in FORMATS if suffix in each.suffixes)
    paths = [tmp_path / f"by{suffix.upper()}", tmp_path / "named"]
    entry = Entry("a", None, (Checksum("crc32", bytes(4)),))
    write_manifest(paths[0], [entry])
    write_manifest(paths[1], [entry], format=wanted.name)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert (
        list(read_manifest(paths[0])) == list(read_manifest(paths[1], algorithm="crc32")) == [entry]
    )


MANY = """
import io, sys
from itertools import chain, repeat
from numcrc.store.manifests import read_manifest

class Repeated(io.RawIOBase):
    def __init__(self, piece, count):
        self.pieces, self.left = repeat(piece, count), b""
    def readable(self):
        return True
    def readinto(self, buffer):
        self.left = self.left or next(self.pieces, b"")
        count = min(len(buffer), len(self.left))
        buffer[:count], self.left = self.left[:count], self.left[count:]
        return count

piece = b"".join(b"e3069283  folder/%d\\n" % k for k in range(1000))
for times in (20, 250):
    file = io.BufferedReader(Repeated(piece, times))
    assert sum(1 for _ in read_manifest(file)) == 1000 * times
    with open("/proc/self/status") as file:
        print(next(line.split()[1] for line in file if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no VmHWM")
def test_long_manifests_take_no_memory():
    result = run_python(MANY)
    assert not result.returncode, result.stderr
    few, many = map(int, result.stdout.split())
    assert many - few < 1 << 10  # KiB


@pytest.mark.parametrize("suffix", TABLE_NAMES)
def test_memory_is_bounded(suffix, tmp_path):
    path = tmp_path / f"manifest.{suffix}"
    write_manifest(path, (Entry(f"{k:0100}", k, (CRC32C,)) for k in range(20_000)))
    next(read_manifest(path))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_manifest(path)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < (12 << 20 if suffix == "parquet" else 1 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", TABLE_NAMES)
def test_ten_thousand_parts(suffix, tmp_path):
    parts = tuple(Part(5 << 20, bytes(64)) for _ in range(10_000))
    entry = Entry("a", 10_000 * (5 << 20), (Checksum("sha512", bytes(64), 10_000, parts),))
    path = tmp_path / f"manifest.{suffix}"
    write_manifest(path, [entry])
    assert list(read_manifest(path)) == [entry]


@pytest.mark.parametrize("dictionary", [True, False])
def test_parquet_with_row_groups_without_rows(dictionary, tmp_path):
    schema, path = pa.schema({"key": pa.string(), "crc32c": pa.string()}), tmp_path / "m.parquet"
    with pq.ParquetWriter(path, schema, use_dictionary=dictionary) as writer:
        for names in ([], ["a"], []):
            writer.write_table(pa.table([names, ["e3069283"] * len(names)], schema=schema))
    assert [entry.key for entry in read_manifest(path)] == ["a"]
