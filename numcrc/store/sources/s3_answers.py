"""Convert S3's headers and XML to entries, checksums and parts."""

from __future__ import annotations

from collections.abc import Mapping

from numcrc.store.keys import unquoted
from numcrc.store.objects import Checksum, Entry, Part
from numcrc.store.source import StoreError
from numcrc.store.sources.answers import base64_bytes, decimal, version, xml_root
from numcrc.store.sources.bucket import Page

_CHECKSUM = "x-amz-checksum-"
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


def page(text: bytes) -> Page:
    """Return a page of a listing."""
    root, space = xml_root(text, "ListBucketResult")
    encoded = root.findtext(f"{space}EncodingType") == "url"
    entries: list[Entry] = []
    for element in root.iterfind(f"{space}Contents"):
        found = {child.tag: child.text or "" for child in element}
        key = found.get(f"{space}Key", "")
        if not key or f"{space}Size" not in found:
            raise StoreError(f"object {len(entries) + 1} has no key or no size: {key!r:.200}")
        # AWS and few others list the time until which an archived object is restored.
        restored = element.find(f"{space}RestoreStatus/{space}RestoreExpiryDate") is not None
        entries.append(
            Entry(
                unquoted(key, plus=True) if encoded else key,
                decimal(found[f"{space}Size"]),
                (),
                version(found.get(f"{space}ETag", ""), found.get(f"{space}LastModified", "")),
                found.get(f"{space}StorageClass") in _ARCHIVES and not restored,
            )
        )
    if root.find(f"{space}CommonPrefixes") is not None:
        raise StoreError("it has prefixes instead of all objects")
    counted = root.findtext(f"{space}KeyCount") or str(len(entries))
    if decimal(counted) != len(entries):
        raise StoreError(f"expected {counted} objects, got {len(entries)}")
    token = root.findtext(f"{space}NextContinuationToken") or ""
    truncated = root.findtext(f"{space}IsTruncated") or ""
    if truncated.strip().lower() != ("true" if token else "false"):
        raise StoreError(f"IsTruncated is {truncated!r:.80}, but the next token is {token!r:.80}")
    return Page(entries, token)


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


def parts(text: bytes, algorithm: str, last: int) -> tuple[list[Part], int]:
    """Return the parts after number *last*, and the number of the last of these.

    *text* is an answer to GetObjectAttributes. The list is empty if the store keeps no more.
    """
    root, space = xml_root(text, "GetObjectAttributesResponse")
    found = []
    for part in root.iterfind(f"{space}ObjectParts/{space}Part"):
        before, last = last, decimal(part.findtext(f"{space}PartNumber"))
        if last <= before:
            raise StoreError(f"part {last} is listed after part {before}")
        value = part.findtext(f"{space}Checksum{algorithm.upper()}")
        size = decimal(part.findtext(f"{space}Size"))
        found.append(Part(size, base64_bytes(value) if value else None))
    return found, last
