"""Read the completion reports of S3 Batch Operations jobs that computed checksums."""

from __future__ import annotations

import re
from collections.abc import Iterator

from numcrc.checkfiles.strict_json import loads
from numcrc.store.keys import check_key, unquoted
from numcrc.store.manifests.csv_table import check_width, csv_records
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import Format, NumberedEntry, Options
from numcrc.store.manifests.inventory import version_of_etag
from numcrc.store.manifests.referenced import document, find, may_be_document, verified
from numcrc.store.manifests.rows import digits
from numcrc.store.manifests.streams import FileStream
from numcrc.store.objects import Checksum, Entry

SCHEMA = "Bucket,Key,VersionId,TaskStatus,ErrorCode,HTTPStatusCode,ResultMessage"
_WIDTH = SCHEMA.count(",") + 1
_DOCUMENT = re.compile(rb'"(?:ReportSchema|Results)"\s*:')
_LINE = re.compile(rf"{SCHEMA}|[^, ]+,[^, ]+,[^, ]*,\"?(?:succeeded|failed)\"?,")
# S3's documentation shows the JSON in the last cell without the quotes of CSV.
_UNQUOTED = re.compile(r'([^"{]*,)(\{.*\})\s*', re.DOTALL)
_PARTS = re.compile(r"-([0-9]{1,5})$")


def _recognises(stream: FileStream) -> bool:
    if may_be_document(stream):
        return _DOCUMENT.search(stream.start()) is not None
    return _LINE.match(stream.first_line().replace(", ", ",")) is not None


def _read(stream: FileStream, options: Options) -> Iterator[NumberedEntry]:
    """Yield the entries of a report, or of all reports that a manifest.json refers to."""
    if not stream.is_object():
        yield from _report(stream)
        return
    results = document(stream).get("Results")
    if not isinstance(results, list):
        raise ManifestError(stream.name, "not the manifest of an S3 Batch Operations report")
    for result in results:
        if not isinstance(result, dict) or not isinstance(result.get("Key"), str):
            raise ManifestError(stream.name, "a report without a key")
        bucket = str(result.get("Bucket", ""))
        file = find(stream.name, options.files, bucket, result["Key"])
        with verified(file, result.get("MD5Checksum")) as report:
            yield from _report(report)


def _report(stream: FileStream) -> Iterator[NumberedEntry]:
    bucket = None
    for number, cells in csv_records(stream, _quoted):
        if number == 1 and cells[0].strip() == "Bucket":
            continue
        try:
            check_width(cells, _WIDTH)
            if cells[0] != (bucket := bucket or cells[0]):
                raise ValueError(f"expected bucket {bucket!r}, got {cells[0]!r}")
            yield NumberedEntry(number, _entry(cells), stream.name)
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number) from None
    stream.unmarked = True


def _quoted(line: str) -> str:
    """Return *line* with quotes around its JSON."""
    match = _UNQUOTED.fullmatch(line)
    if match is None:
        return line
    message = match[2].replace('"', '""')
    return f'{match[1]}"{message}"\n'


def _entry(cells: list[str]) -> Entry:
    """Return the entry of a task; it has no checksum if the task failed."""
    key = check_key(unquoted(cells[1], plus=True))
    if cells[3] != "succeeded":
        return Entry(key)
    found = loads(cells[-1])
    if not isinstance(found, dict):
        raise ValueError("invalid ResultMessage: not a JSON object")
    algorithm, kind = found.get("checksumAlgorithm"), found.get("checksumType")
    text = found.get("checksum_base64", found.get("checksum_hex"))
    if not isinstance(algorithm, str) or not isinstance(text, str):
        raise ValueError("invalid ResultMessage: no checksumAlgorithm, or no checksum")
    etag = str(found.get("etag", "")).strip('"')
    composite = 0
    if kind == "COMPOSITE":
        # The number of parts follows the checksum where S3 writes it, and every ETag.
        parts = _PARTS.search(text) or _PARTS.search(etag)
        if parts is None:
            raise ValueError("invalid ResultMessage: COMPOSITE without a number of parts")
        composite = int(parts[1])
        text = _PARTS.sub("", text)
    elif kind != "FULL_OBJECT":
        raise ValueError(f"invalid checksumType: expected FULL_OBJECT or COMPOSITE, got {kind!r}")
    name = algorithm.lower()
    checksum = Checksum(name, digits(name, text), composite)
    return Entry(key, None, (checksum,), version_of_etag(etag))


FORMAT = Format(
    "batch", "S3 Batch Operations reports of checksums", _recognises, _read, whole_bucket=True
)
