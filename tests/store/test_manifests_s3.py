"""Manifests of S3: Inventory, the reports of Batch Operations, and manifests in a store."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from contextlib import closing
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from numcrc.store.manifests import ManifestError, read_manifest, write_manifest
from numcrc.store.objects import Entry
from numcrc.store.sources import open_source
from store.fakes import FakeSource
from store.manifest_support import CRC32C, read

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


def inventory(folder, kind: str) -> str:
    """Write an S3 Inventory below *folder*, and return the path of its manifest.json."""
    file = io.BytesIO()
    names = ["bucket", "key", "version_id", "is_latest", "is_delete_marker"]
    names += ["size", "e_tag", "storage_class"]
    table = pa.table(dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True)))
    if kind == "CSV":
        lines = [[row[0], quote_plus(row[1]), *(_cell(value) for value in row[2:])] for row in ROWS]
        text = "".join(
            ",".join(f'"{str(x).lower() if x in (True, False) else x}"' for x in row) + "\n"
            for row in lines
        )
        file.write(gzip.compress(text.encode()))
    elif kind == "ORC":
        orc.write_table(table, file)
    else:
        pq.write_table(table, file)
    name = "0f1e.csv.gz" if kind == "CSV" else f"0f1e.{kind.lower()}"
    (folder / "data").mkdir()
    (folder / "data" / name).write_bytes(file.getvalue())
    (folder / "2030-01-01T01-00Z").mkdir()
    path = folder / "2030-01-01T01-00Z" / "manifest.json"
    document = {
        "sourceBucket": "bucket",
        "destinationBucket": "arn:aws:s3:::lists",
        "version": "2016-11-30",
        "fileFormat": kind,
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


@pytest.mark.parametrize("kind", ["CSV", "Parquet", "ORC"])
def test_inventory(kind, tmp_path):
    path = inventory(tmp_path, kind)
    assert list(read_manifest(path)) == LISTED
    (cut,) = read_manifest(path, prefix="ü/")
    assert cut.key == "✓"
    (file,) = (tmp_path / "data").iterdir()
    file.write_bytes(b"x" + file.read_bytes()[1:])
    with pytest.raises(ManifestError, match=r"data/0f1e\.\S+: expected MD5 \w{32}, got \w{32}"):
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
        with pytest.raises(ManifestError, match="of a file is not a path"):
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
    with pytest.raises(ManifestError, match=r"failed\.csv: expected MD5"):
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


def test_a_referenced_file_of_unknown_size_is_read_to_its_end(tmp_path, monkeypatch):
    path = inventory(tmp_path, "CSV")
    (file,) = (tmp_path / "data").iterdir()
    source = FakeSource({f"some/prefix/bucket/config/data/{file.name}": file.read_bytes()})
    monkeypatch.setattr(source, "stat", Entry)
    assert list(read_manifest(path, files=source)) == LISTED
