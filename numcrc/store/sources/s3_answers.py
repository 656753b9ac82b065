"""What S3's headers and XML say of objects, as `Entry` and `Checksum`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from numcrc.store.objects import Checksum, Entry, Part
from numcrc.store.source import StoreError
from numcrc.store.sources.bodies import version

_CHECKSUM = "x-amz-checksum-"
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


class Page(NamedTuple):
    """One answer to ListObjectsV2."""

    entries: list[Entry]
    """By their keys in the bucket."""
    token: str
    """For the next one; empty: this is the last."""


def page(text: bytes) -> Page:
    """Return what a listing has."""
    root, space = parsed(text)
    encoded = root.findtext(f"{space}EncodingType") == "url"
    entries = []
    for element in root.iterfind(f"{space}Contents"):
        found = {child.tag: child.text or "" for child in element}
        key = found[f"{space}Key"]
        # Only AWS and its likes write a restored object's time of expiry here.
        restored = element.find(f"{space}RestoreStatus/{space}RestoreExpiryDate") is not None
        entries.append(
            Entry(
                unquote_plus(key, errors="surrogateescape") if encoded else key,
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
                raise StoreError(f"{name}: {value} is composite, but of how many parts?")
            composite = int(count) if count.isdecimal() and kind != "FULL_OBJECT" else 0
            found.append(Checksum(name[len(_CHECKSUM) :], decoded(digest), composite))
    return tuple(found)


def archived(headers: Mapping[str, str]) -> bool:
    """Tell whether an object must be restored first, from the headers of HEAD."""
    away = headers.get("x-amz-storage-class") in _ARCHIVES or "x-amz-archive-status" in headers
    return away and 'ongoing-request="false"' not in headers.get("x-amz-restore", "")


class Parts(NamedTuple):
    """One answer to GetObjectAttributes."""

    parts: list[Part]
    marker: str
    """For the next one; empty: this is the last."""


def parts(text: bytes, algorithm: str) -> Parts:
    """Return the parts that an answer lists; none where the store keeps none."""
    root, space = parsed(text)
    listed = root.find(f"{space}ObjectParts")
    if listed is None:
        return Parts([], "")
    found = [
        Part(int(part.findtext(f"{space}Size") or ""), _value(part, space, algorithm))
        for part in listed.iterfind(f"{space}Part")
    ]
    more = listed.findtext(f"{space}IsTruncated") == "true"
    return Parts(found, (more and listed.findtext(f"{space}NextPartNumberMarker")) or "")


def decoded(text: str) -> bytes:
    """Return the bytes of a checksum."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise StoreError(f"{text!r} is no checksum in base64") from None


def parsed(text: bytes) -> tuple[ElementTree.Element, str]:
    """Return the root of an answer, and the namespace before its tags."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise StoreError(f"the store's answer is no XML: {error}") from None
    return root, root.tag[: root.tag.rindex("}") + 1] if "}" in root.tag else ""


def _value(part: ElementTree.Element, space: str, algorithm: str) -> bytes | None:
    text = part.findtext(f"{space}Checksum{algorithm.upper()}")
    return decoded(text) if text else None
