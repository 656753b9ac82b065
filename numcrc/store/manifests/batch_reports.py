"""Completion reports of S3 Batch Operations jobs that computed checksums."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from numcrc.store.manifests import tables
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.inventory import decoded, version
from numcrc.store.manifests.referenced import Named, verified
from numcrc.store.manifests.rows import Row, digits
from numcrc.store.manifests.streams import Stream
from numcrc.store.objects import Checksum, Entry

SCHEMA = "Bucket,Key,VersionId,TaskStatus,ErrorCode,HTTPStatusCode,ResultMessage"
_WIDTH = SCHEMA.count(",") + 1
_LINE = re.compile(rf"{SCHEMA}|[^, ]+,[^, ]+,[^, ]*,\"?(?:succeeded|failed)\"?,")
# S3's documentation shows the JSON of the last cell without the quotes of CSV.
_BARE = re.compile(r'([^"{]*,)(\{.*\})\s*', re.DOTALL)
_PARTS = re.compile(r"-([0-9]{1,5})$")


def looks(line: str) -> bool:
    """Return whether *line* may be the first one of a report."""
    return _LINE.match(line.replace(", ", ",")) is not None


def read_all(
    name: str, manifest: Row, fetch: Callable[[str, str], Named]
) -> Iterator[tuple[int, Entry, str]]:
    """Yield (line number, entry, file it is from) of the reports that a manifest.json names."""
    results = manifest.get("Results")
    if not isinstance(results, list):
        raise ManifestError(name, "not the manifest of an S3 Batch Operations report")
    for result in results:
        if not isinstance(result, dict) or not isinstance(result.get("Key"), str):
            raise ManifestError(name, "a report without its key")
        named = fetch(str(result.get("Bucket", "")), result["Key"])
        with verified(named, result.get("MD5Checksum")) as stream:
            for number, entry in read(stream):
                yield number, entry, stream.name


def read(stream: Stream) -> Iterator[tuple[int, Entry]]:
    """Yield (line number, entry) of one report; a task that failed has no checksum."""
    bucket = None
    for number, cells in tables.csv_records(stream, _quoted):
        if number == 1 and cells[0].strip() == "Bucket":
            continue
        try:
            if len(cells) != _WIDTH:
                raise ValueError(f"{len(cells)} cells, and not {_WIDTH}")
            if cells[0] != (bucket := bucket or cells[0]):
                raise ValueError(f"another bucket than {bucket!r}: {cells[0]!r}")
            yield number, _entry(cells)
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number) from None


def _quoted(line: str) -> str:
    """Return *line* with the quotes that its JSON may lack."""
    bare = _BARE.fullmatch(line)
    if bare is None:
        return line
    message = bare[2].replace('"', '""')
    return f'{bare[1]}"{message}"\n'


def _entry(cells: list[str]) -> Entry:
    key = decoded(cells[1])
    if not key or "\0" in key:
        raise ValueError("no key, or one with a null character")
    if cells[3] != "succeeded":
        return Entry(key)
    found = tables.loads(cells[-1])
    if not isinstance(found, dict):
        raise ValueError("a ResultMessage that is no JSON object")
    algorithm, kind = found.get("checksumAlgorithm"), found.get("checksumType")
    text = found.get("checksum_base64", found.get("checksum_hex"))
    if not isinstance(algorithm, str) or not isinstance(text, str):
        raise ValueError("a ResultMessage without checksumAlgorithm, or without a checksum")
    etag = str(found.get("etag", "")).strip('"')
    composite = 0
    if kind == "COMPOSITE":
        # The parts' number is behind the checksum where S3 writes it, and behind every ETag.
        parts = _PARTS.search(text) or _PARTS.search(etag)
        if parts is None:
            raise ValueError("a COMPOSITE checksum that tells not of how many parts")
        composite = int(parts[1])
        text = _PARTS.sub("", text)
    elif kind != "FULL_OBJECT":
        raise ValueError(f"the checksumType is neither FULL_OBJECT nor COMPOSITE: {kind!r}")
    name = algorithm.lower()
    return Entry(key, None, (Checksum(name, digits(name, text), composite),), version(etag))
