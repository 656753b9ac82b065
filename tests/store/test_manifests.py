"""Manifests and reports: round trips, files of other makers, and files that are hostile."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tracemalloc
from contextlib import closing
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import orc
from support import run_python

from numcrc.store.manifests import ManifestError, read_manifest, write_manifest
from numcrc.store.manifests.reports import read_results, report_writer
from numcrc.store.objects import Checksum, Entry, Part, Result, State
from numcrc.store.sources import open_source

CRC32C = Checksum("crc32c", bytes.fromhex("e3069283"))
SUFFIXES = ["jsonl", "csv", "parquet", "jsonl.gz", "csv.gz"]

# Keys as stores have them, with what text formats find special, and bytes that are no UTF-8.
keys = (
    st.binary(min_size=1, max_size=30)
    | st.text("=+-@'\t\r\n\",;#{}/\\. aü✓\ufeff\u2028\x85", min_size=1).map(str.encode)
).map(lambda raw: (raw.replace(b"\0", b"") or b"x").decode("utf-8", "surrogateescape"))
sizes = st.none() | st.integers(0, 2**63 - 1)
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
results = st.builds(
    Result,
    keys,
    st.sampled_from(State),
    sizes,
    st.sampled_from(["", "crc32c"]),
    st.sampled_from(["", "e3069283-3"]),
    st.sampled_from(["", "e3069283"]),
    st.lists(st.integers(1, 10_000), max_size=3).map(tuple),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
)
some = settings(max_examples=40, deadline=None)


def read(data: str | bytes, name: str = "list", **options: object) -> list[Entry]:
    """Read a manifest from memory, as if it were a file called *name*."""
    file = io.BytesIO(data if isinstance(data, bytes) else data.encode())
    file.name = name
    return list(read_manifest(file, **options))


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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_reports_hold_everything(suffix, tmp_path):
    path = tmp_path / f"report.{suffix}"

    @some
    @given(st.lists(results, max_size=4))
    def check(found):
        with report_writer(path) as report:
            for result in found:
                report.write(result)
        assert list(read_results(path)) == found

    check()


@pytest.mark.parametrize("form", ["gnu", "bsd", "sfv"])
def test_check_files_hold_what_they_take(form, tmp_path):
    path = tmp_path / "list"

    @some
    @example(" {", "crc32c")
    @example("PAR1", "crc32c")
    @example("\x1f\udc8b", "crc32c")
    @example("(\udcb5/\udcfd", "crc32c")
    @given(keys, st.sampled_from(["crc32c", "md5", "sha512", "crc32"]))
    def check(key, name):
        width = {"md5": 16, "sha512": 64}.get(name, 4)
        entry = Entry(key, None, (Checksum(name, bytes(range(171, 171 + width))),))
        try:
            write_manifest(path, [entry], form)
        except ValueError as error:
            assert "cannot hold" in str(error) or "folder" in str(error)  # noqa: PT017
            return
        assert list(read_manifest(path, algorithm=None if form == "bsd" else name)) == [entry]

    check()


@pytest.mark.parametrize(
    ("form", "entry", "problem"),
    [
        ("gnu", Entry("a"), "'a': a gnu list cannot hold an object without a checksum"),
        ("bsd", Entry("a", 1, (CRC32C._replace(composite=2),)), "hold a composite checksum"),
        ("gnu", Entry("a", 1, (CRC32C, Checksum("md5", bytes(16)))), "hold several checksums"),
        ("gnu", Entry("a//b", 1, (CRC32C,)), "'a//b': a gnu list cannot hold this key"),
        ("bsd", Entry("../b", 1, (CRC32C,)), "'../b' leads out of the folder"),
        ("sfv", Entry("a\nb", 1, (CRC32C,)), "an SFV list cannot hold this name"),
        ("csv", Entry("a\0b", 1, (CRC32C,)), r"a manifest cannot hold the key 'a\x00b'"),
        ("xml", Entry("a"), "in which form? There are jsonl, csv, parquet, gnu, bsd, sfv"),
    ],
)
def test_what_a_form_cannot_hold(form, entry, problem, tmp_path):
    path = tmp_path / "list"
    path.write_text("what was there")
    with pytest.raises(ValueError, match=re.escape(problem)):
        write_manifest(path, [entry], form)
    assert path.read_text() == "what was there"
    assert os.listdir(tmp_path) == ["list"]


def test_what_is_written(tmp_path, capfdbinary):
    parts = (Part(5, b"\1\2\3\4"), Part(4, None))
    entry = Entry("=x\udcff", 9, (CRC32C, Checksum("crc32", b"\0\0\0\1", 2, parts)), '"etag"')
    write_manifest(None, [entry])
    assert json.loads(capfdbinary.readouterr().out.splitlines()[1]) == {
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
        b"key,key_base64,size,checksums,version,archived,complete,numcrc manifest 1\r\n"
        b'\'=x,,9,"{""crc32c"": ""e3069283""}",,,,\r\n'
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
    assert read(lines) == expected
    assert read(lines, f"{name.upper()}SUMS") == expected
    assert read(lines, algorithm=name) == expected
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


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "list: the file is empty"),
        ("e3069283  a\n\nnonsense\n", "list: line 3: not a line of checksums"),
        ("e3069283  ../a", "list: line 1: '../a' leads out of the folder"),
        ("e3069283  a/../b", "list: line 1: 'a/../b' leads out of the folder"),
        ("e3069283  /etc/passwd", "list: line 1: '/etc/passwd' leads out of the folder"),
        ("e3069283  C:\\a", "list: line 1: 'C:\\\\a' leads out of the folder"),
        ("e3069283  a/", "list: line 1: 'a/' names a folder"),
        (
            "e3069283  a\0b",
            "list: line 1: invalid path 'a\\x00b': it contains a null character",
        ),
        ("MD5 (a) = 123456", "list: line 1: '123456' is not a value of md5"),
        ("XYZ (a) = 0g", "list: line 1: '0g' is not a value in hexadecimal"),
        (
            "e3069283  a\ne3069284  a\n",
            "list: line 2: 'a' is there twice, with two values of crc32c: e3069283 and e3069284",
        ),
        ("#" + (9 << 20) * "x", "list: line 1: longer than 8 MiB"),
        (gzip.compress(bytes(20 << 20)), "list: line 1: longer than 8 MiB"),
        (
            gzip.compress(9999 * b"e3069283  a\n")[:-9],
            "list: damaged, or no gzip or zstd file: Compressed file ended before the "
            "end-of-stream marker was reached",
        ),
        ('{"numcrc": "2"}', "list: line 1: this is '2', and not 'numcrc manifest 1'"),
        ('{"key": "a"}\n{"key": "b"', "list: line 2: no JSON: Expecting ',' delimiter"),
        ('{"key": "a"}\n[]', "list: line 2: no JSON object"),
        ('{"key": "a"}\nnull', "list: line 2: no JSON object"),
        ('{"key": "a", "key": "b"}', "list: line 1: 'key' is there twice"),
        ('{"key": ' + 100_000 * "[", "list: line 1: JSON that is nested too deep"),
        (b'{"key": "\xff"}', "list: line 1: not UTF-8"),
        ('{"key": "\\udcff"}', "list: line 1: 'key' is no Unicode; 'key_base64' holds such keys"),
        ('{"key": "a\\u0000"}', "list: line 1: a key with a null character"),
        ('{"key": ""}', "list: line 1: no key"),
        ('{"key": 1}', "list: line 1: 'key' is not of the kind str: '1'"),
        ('{"key": "a", "key_base64": "%%%"}', "list: line 1: '%%%' is not base64"),
        ('{"key": "a", "size": -1}', "list: line 1: -1 is no size"),
        ('{"key": "a", "size": true}', "list: line 1: 'size' is not of the kind int: 'True'"),
        (f'{{"key": "a", "size": {1 << 63}}}', f"list: line 1: {1 << 63} is no size"),
        ('{"key": "a", "cr32c": "e3069283"}', "list: line 1: unknown column 'cr32c'"),
        ('{"key": "a", "crc32c": "e306928"}', "list: line 1: 'e306928' is not a value of 'crc32c'"),
        ('{"key": "a", "md5": "00 00"}', "list: line 1: '00 00' is not a value of 'md5'"),
        (
            '{"key": "a", "checksums": {"md5": {"valu": ""}}}',
            "list: line 1: no value of 'md5'",
        ),
        (
            '{"key": "a", "checksums": {"crc32c": {"value": "e3069283", "composite": 3, '
            '"part_sizes": [1]}}}',
            "list: line 1: 'crc32c' has other numbers of sizes, of values and of parts",
        ),
        (
            '{"key": "a", "checksums": {"crc32c": {"value": "e3069283", "composite": -1}}}',
            "list: line 1: 'crc32c' has a part count or size that is none",
        ),
        (
            '{"key": "a", "size": 1}\n{"key": "a", "size": 2}',
            "list: line 2: 'a' is there twice, with two sizes: 1 and 2",
        ),
        ("key,size\na,1\nb\n", "list: line 3: 1 cells, and not 2"),
        ('key,size\n"a\nb",1\nc,x\n', "list: line 4: no JSON: Expecting value"),
        ('key,size\n"a,1\n', "list: line 2: no CSV: unexpected end of data"),
        ("key,key\na,b\n", "list: line 1: two columns have the same title"),
        (
            "key,numcrc manifest 2\na,\n",
            "list: line 1: this is 'numcrc manifest 2', and not 'numcrc manifest 1'",
        ),
        (b"key\n\xff\n", "list: line 2: not UTF-8"),
        (
            'key\n"' + 9500 * (999 * "x" + "\n"),
            "list: line 2: no CSV: field larger than field limit (8388608)",
        ),
        (
            '{"fileSchema": 1, "files": 2}',
            "list: not the manifest of an S3 Inventory in CSV, Parquet or ORC",
        ),
        ('{"Results": 1}', "list: not the manifest of an S3 Batch Operations report"),
        (
            "bucket,a,,succeeded,,200,{}",
            "list: line 1: a ResultMessage without checksumAlgorithm, or without a checksum",
        ),
    ],
)
def test_hostile_manifests(data, problem):
    with pytest.raises(ManifestError) as caught:
        read(data)
    assert str(caught.value) == problem
    assert str(pickle.loads(pickle.dumps(caught.value))) == problem


def test_hostile_parquet(tmp_path):
    def problem(data: bytes) -> str:
        with pytest.raises(ManifestError) as caught:
            read(data)
        return str(caught.value)

    good = io.BytesIO()
    pq.write_table(pa.table({"key": ["a", "b"], "size": [1, -1]}), good)
    assert problem(good.getvalue()) == "list: row 2: -1 is no size"
    assert problem(good.getvalue()[:-20]).startswith("list: damaged, or no Parquet file: ")
    file = io.BytesIO()
    pq.write_table(pa.table({"key": ["a"], "checksums": ["x"]}), file)
    assert problem(file.getvalue()) == "list: row 1: a checksum without its algorithm"
    file = io.BytesIO()
    pq.write_table(pa.table({"key": ["a"]}).replace_schema_metadata({"numcrc": "x"}), file)
    assert problem(file.getvalue()) == "list: this is 'x', and not 'numcrc manifest 1'"
    reading, writing = os.pipe()
    os.write(writing, good.getvalue())
    os.close(writing)
    with open(reading, "rb") as pipe, pytest.raises(ManifestError, match="from a pipe"):
        list(read_manifest(pipe))


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
    with pytest.raises(ValueError, match="no algorithm is called 'x'"):
        read("", algorithm="x")
    with pytest.raises(ValueError, match="no such form: 'x'"):
        read("", form="x")
    with pytest.raises(TypeError, match="binary mode"):
        list(read_manifest(io.StringIO("")))


COLUMNS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag, StorageClass"
KEYS = ["a b+c%", "new\nline", "ü/✓", "cold", "plain"]
ROWS = [("bucket", key, "v2", True, False, 5, "abc-2", "STANDARD") for key in KEYS]
ROWS[3] = (*ROWS[3][:-1], "DEEP_ARCHIVE")
ROWS += [
    ("bucket", "plain", "v1", False, False, 4, "old", "STANDARD"),
    ("bucket", "gone", "v1", True, True, None, None, None),
]
LISTED = [Entry(key, 5, (), '"abc-2"', key == "cold") for key in KEYS]


def _cell(value: object) -> object:
    """Return what a CSV inventory has for *value*."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def inventory(folder, form: str) -> str:
    """Write an S3 Inventory below *folder*, and return the path of its manifest.json."""
    file = io.BytesIO()
    names = ["bucket", "key", "version_id", "is_latest", "is_delete_marker"]
    names += ["size", "e_tag", "storage_class"]
    table = pa.table(dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True)))
    if form == "CSV":
        lines = [[row[0], quote_plus(row[1]), *(_cell(value) for value in row[2:])] for row in ROWS]
        text = "".join(
            ",".join(f'"{str(x).lower() if x in (True, False) else x}"' for x in row) + "\n"
            for row in lines
        )
        file.write(gzip.compress(text.encode()))
    elif form == "ORC":
        orc.write_table(table, file)
    else:
        pq.write_table(table, file)
    name = "0f1e.csv.gz" if form == "CSV" else f"0f1e.{form.lower()}"
    (folder / "data").mkdir()
    (folder / "data" / name).write_bytes(file.getvalue())
    (folder / "2030-01-01T01-00Z").mkdir()
    path = folder / "2030-01-01T01-00Z" / "manifest.json"
    document = {
        "sourceBucket": "bucket",
        "destinationBucket": "arn:aws:s3:::lists",
        "version": "2016-11-30",
        "fileFormat": form,
        "fileSchema": COLUMNS,
        "files": [
            {
                "key": f"some/prefix/bucket/config/data/{name}",
                "size": len(file.getvalue()),
                "MD5checksum": hashlib.md5(file.getvalue()).hexdigest(),
            }
        ],
    }
    path.write_text(json.dumps(document, indent=2))
    return str(path)


@pytest.mark.parametrize("form", ["CSV", "Parquet", "ORC"])
def test_inventory(form, tmp_path):
    path = inventory(tmp_path, form)
    assert list(read_manifest(path)) == LISTED
    (cut,) = read_manifest(path, prefix="ü/")
    assert cut.key == "✓"
    (file,) = (tmp_path / "data").iterdir()
    file.write_bytes(b"x" + file.read_bytes()[1:])
    with pytest.raises(ManifestError, match=r"data/0f1e\.\S+: its MD5 is \w{32}, and not \w{32}"):
        list(read_manifest(path))
    file.unlink()
    with pytest.raises(ManifestError, match="neither beside it nor in 'data' beside its folder"):
        list(read_manifest(path))


def test_inventory_names_no_file_elsewhere(tmp_path):
    path = inventory(tmp_path, "CSV")
    (tmp_path / "secret").write_text("x")
    for key in ("../secret", "../../secret", "x/..", ""):
        with open(path) as file:
            document = json.load(file)
        document["files"][0]["key"] = key
        with open(path, "w") as file:
            json.dump(document, file)
        with pytest.raises(ManifestError, match="of a file is no path"):
            list(read_manifest(path))


MESSAGE = (
    r'{"checksum_base64":"4waSgw\u003d\u003d","etag":"abc-2","checksumAlgorithm":"CRC32C",'
    r'"checksumType":"%s","checksum_hex":"E3069283"}'
)


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize(("kind", "parts"), [("FULL_OBJECT", 0), ("COMPOSITE", 2)])
def test_batch_report(kind, parts, quoted, tmp_path):
    message = MESSAGE % kind
    if quoted:
        message = '"{}"'.format(message.replace('"', '""'))
    text = f"bucket,a+b%2Fc,,succeeded,,200,{message}\n"
    failed = 'bucket,"b",v1,failed,AccessDenied,403,"Access denied, for ""you"""\n'
    good = Entry("a b/c", None, (CRC32C._replace(composite=parts),), '"abc-2"')
    assert read(text + failed) == [good, Entry("b")]
    header = "Bucket,Key,VersionId,TaskStatus,ErrorCode,HTTPStatusCode,ResultMessage\n"
    assert read(header + text) == [good]
    reports = []
    for name, content in (("ok.csv", text), ("failed.csv", failed)):
        (tmp_path / name).write_text(content)
        digest = hashlib.md5(content.encode()).hexdigest()
        reports.append({"Bucket": "r", "Key": f"job-1/results/{name}", "MD5Checksum": digest})
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"Format": "Report_CSV_20180820", "Results": reports}))
    assert list(read_manifest(manifest)) == [good, Entry("b")]
    (tmp_path / "failed.csv").write_text("other" + failed)
    with pytest.raises(ManifestError, match=r"failed\.csv: its MD5 is"):
        list(read_manifest(str(manifest)))


def test_manifests_by_url(tmp_path):
    path = tmp_path / "m 1.jsonl"
    write_manifest(path, [Entry("a", 9, (CRC32C,))])
    assert list(read_manifest(path.as_uri())) == [Entry("a", 9, (CRC32C,))]


@pytest.mark.parametrize("given", [False, True])
def test_inventory_in_a_store(given, tmp_path, faulty, monkeypatch):
    for name, value in faulty.env.items():
        monkeypatch.setenv(name, value)
    path = inventory(tmp_path, "CSV")
    (file,) = (tmp_path / "data").iterdir()
    key = f"some/prefix/bucket/config/data/{file.name}"
    faulty.put(key, file.read_bytes())
    faulty.put("x/manifest.json", (tmp_path / "2030-01-01T01-00Z/manifest.json").read_bytes())
    if given:
        with closing(open_source("s3://any")) as source:
            assert list(read_manifest(path, files=source)) == LISTED
    else:
        assert list(read_manifest("s3://lists/x/manifest.json")) == LISTED
        del faulty.objects[key]
        with pytest.raises(ManifestError, match=f"s3://lists/{key}: "):
            list(read_manifest("s3://lists/x/manifest.json"))


def test_a_report_survives_its_process(tmp_path):
    first, second = Result("a", State.MATCH), Result("b", State.DIFFER, 9)
    path = tmp_path / "report.jsonl"
    with report_writer(path) as report:
        report.write(first)
        assert list(read_results(path)) == [first]
    with open(path, "ab") as file:
        file.write(b'{"state": "mat')
    with pytest.raises(ManifestError, match="line 3: no JSON"):
        list(read_results(path))
    with report_writer(path, append=True) as report:
        report.write(second)
    assert list(read_results(path)) == [first, second]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl.gz"])
def test_a_report_is_whole_or_not_there(suffix, tmp_path):
    path = tmp_path / f"report.{suffix}"
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), report_writer(path) as report:  # noqa: PT012
            report.write(Result("a", State.MATCH))
            assert not path.exists()
            raise error
        assert path.exists() == (error is KeyboardInterrupt)
        assert len(os.listdir(tmp_path)) == path.exists()
    assert list(read_results(path)) == [Result("a", State.MATCH)]
    with pytest.raises(ManifestError, match="'numcrc report 1', and not 'numcrc manifest 1'"):
        list(read_manifest(path))


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
for times in (20, 1000):
    file = io.BufferedReader(Repeated(piece, times))
    assert sum(1 for _ in read_manifest(file)) == 1000 * times
    with open("/proc/self/status") as file:
        print(next(line.split()[1] for line in file if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no VmHWM")
def test_a_million_rows_take_no_memory():
    result = run_python(MANY)
    assert not result.returncode, result.stderr
    few, many = map(int, result.stdout.split())
    assert many - few < 1 << 10  # KiB


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_memory_is_bounded(suffix, tmp_path):
    path = tmp_path / f"manifest.{suffix}"
    write_manifest(path, (Entry(f"{k:0100}", k, (CRC32C,)) for k in range(20_000)))
    next(read_manifest(path))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_manifest(path)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < (9 << 20 if suffix == "parquet" else 1 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_ten_thousand_parts(suffix, tmp_path):
    parts = tuple(Part(5 << 20, bytes(64)) for _ in range(10_000))
    entry = Entry("a", 10_000 * (5 << 20), (Checksum("sha512", bytes(64), 10_000, parts),))
    path = tmp_path / f"manifest.{suffix}"
    write_manifest(path, [entry])
    assert list(read_manifest(path)) == [entry]
