"""Convert S3's headers and XML to entries, checksums and parts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from numcrc.store.composite import MOST_PARTS
from numcrc.store.keys import unquoted
from numcrc.store.objects import Checksum, Entry, Part
from numcrc.store.source import StoreError
from numcrc.store.sources.answers import bare_etag, base64_bytes, decimal, version_of, xml_root
from numcrc.store.sources.bucket import Page

_CHECKSUM = "x-amz-checksum-"
# S3 has no composite checksums of this algorithm.
_ALWAYS_WHOLE = "crc64nvme"
_CUSTOMER_KEY = "x-amz-server-side-encryption-customer-algorithm"
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
_ETAG_OF_MD5 = re.compile('"?([0-9a-f]{32})(?:-([0-9]{1,5}))?"?', re.IGNORECASE)
_ETAG_OF_PARTS = re.compile("[^-]+-([0-9]{1,5})")


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
                version_of(found.get(f"{space}ETag", ""), found.get(f"{space}LastModified", "")),
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
    """Return the checksums of an object from the headers of GET or HEAD, without its parts.

    The ETag is the last one, if it is an MD5.
    """
    kind = headers.get(f"{_CHECKSUM}type", "")
    uploaded = _uploaded_parts(headers)
    found: list[Checksum] = []
    for name, value in headers.items():
        algorithm = name.removeprefix(_CHECKSUM)
        if algorithm in (name, "type", "algorithm"):
            continue
        digest, dash, count = value.partition("-")
        checksum = Checksum(algorithm, base64_bytes(digest))
        if (dash and kind == "FULL_OBJECT") or (kind == "COMPOSITE" and not (count or uploaded)):
            raise StoreError(f"invalid {name} of type {kind}: {value:.80}")
        if dash:
            found.append(checksum._replace(composite=_parts_count(count)))
        elif kind == "COMPOSITE":
            found.append(checksum._replace(composite=uploaded))
        elif kind == "FULL_OBJECT" or not uploaded or algorithm == _ALWAYS_WHOLE:
            found.append(checksum)
        else:  # older stores send composite checksums like others
            found.append(checksum._replace(guessed=True))
            found.append(checksum._replace(composite=uploaded, guessed=True))
    return (*found, *_md5(headers))


def _uploaded_parts(headers: Mapping[str, str]) -> int:
    """Return the number of parts in which an object was uploaded, from its ETag; 0: unknown."""
    match = _ETAG_OF_PARTS.fullmatch(bare_etag(headers.get("etag", "")))
    count = 0 if match is None else int(match[1])
    return count if count <= MOST_PARTS else 0


def _md5(headers: Mapping[str, str]) -> tuple[Checksum, ...]:
    """Return the ETag, if it is the MD5 of the object, or of the MD5s of its parts.

    It is neither if the object is encrypted with keys of KMS or of the customer.
    """
    match = _ETAG_OF_MD5.fullmatch(headers.get("etag", ""))
    kept = headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    if match is None or not kept or _CUSTOMER_KEY in headers:
        return ()
    composite = int(match[2] or 0)
    if match[2] and not 1 <= composite <= MOST_PARTS:
        return ()
    return (Checksum("md5", bytes.fromhex(match[1]), composite, etag=True),)


def _parts_count(text: str) -> int:
    count = decimal(text)
    if not 1 <= count <= MOST_PARTS:
        raise StoreError(f"expected 1 to {MOST_PARTS} parts, got {count}")
    return count


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
