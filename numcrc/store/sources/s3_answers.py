"""Convert S3's headers and XML to entries, checksums and parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from xml.etree import ElementTree

from numcrc.store.keys import unquoted
from numcrc.store.objects import Checksum, Entry, Part
from numcrc.store.source import StoreError
from numcrc.store.sources.http import base64_bytes, version, xml_root

_CHECKSUM = "x-amz-checksum-"
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


class Page(NamedTuple):
    """One response to ListObjectsV2."""

    entries: list[Entry]
    """The objects, whose keys are their names in the bucket."""
    token: str
    """The token for the next page; empty: this is the last."""


def page(text: bytes) -> Page:
    """Return a page of a listing."""
    root, space = xml_root(text)
    encoded = root.findtext(f"{space}EncodingType") == "url"
    entries = []
    for element in root.iterfind(f"{space}Contents"):
        found = {child.tag: child.text or "" for child in element}
        key = found[f"{space}Key"]
        # AWS and few others list the time until which an archived object is restored.
        restored = element.find(f"{space}RestoreStatus/{space}RestoreExpiryDate") is not None
        entries.append(
            Entry(
                unquoted(key, plus=True) if encoded else key,
                int(found[f"{space}Size"]),
                (),
                version(found.get(f"{space}ETag", ""), found.get(f"{space}LastModified", "")),
                found.get(f"{space}StorageClass") in _ARCHIVES and not restored,
            )
        )
    return Page(entries, root.findtext(f"{space}NextContinuationToken") or "")


def checksums(headers: Mapping[str, str]) -> tuple[Checksum, ...]:
    """Return the checksums of an object from the headers of GET or HEAD, without its parts."""
    kind = headers.get(f"{_CHECKSUM}type", "")
    found = []
    for name, value in headers.items():
        if name.startswith(_CHECKSUM) and name[len(_CHECKSUM) :] not in ("type", "algorithm"):
            digest, _, count = value.partition("-")
            if kind == "COMPOSITE" and not count:
                raise StoreError(f"invalid {name}: COMPOSITE without a number of parts: {value}")
            composite = int(count) if count.isdecimal() and kind != "FULL_OBJECT" else 0
            found.append(Checksum(name[len(_CHECKSUM) :], base64_bytes(digest), composite))
    return tuple(found)


def archived(headers: Mapping[str, str]) -> bool:
    """Return whether an object must be restored before reading, from the headers of HEAD."""
    stored = headers.get("x-amz-storage-class") in _ARCHIVES or "x-amz-archive-status" in headers
    return stored and 'ongoing-request="false"' not in headers.get("x-amz-restore", "")


class Parts(NamedTuple):
    """One response to GetObjectAttributes."""

    parts: list[Part]
    marker: str
    """The marker for the next response; empty: this is the last."""


def parts(text: bytes, algorithm: str) -> Parts:
    """Return the parts in a response; the list is empty if the store keeps none."""
    root, space = xml_root(text)
    listed = root.find(f"{space}ObjectParts")
    if listed is None:
        return Parts([], "")
    found = [
        Part(int(part.findtext(f"{space}Size") or ""), _value(part, space, algorithm))
        for part in listed.iterfind(f"{space}Part")
    ]
    more = listed.findtext(f"{space}IsTruncated") == "true"
    return Parts(found, (more and listed.findtext(f"{space}NextPartNumberMarker")) or "")


def _value(part: ElementTree.Element, space: str, algorithm: str) -> bytes | None:
    text = part.findtext(f"{space}Checksum{algorithm.upper()}")
    return base64_bytes(text) if text else None
