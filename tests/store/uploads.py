"""Upload objects, whole or in parts, with a checksum of each part and of the object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from store.stub_objects import base64_digest

MIB = 1 << 20
SMALLEST_PART = 5 * MIB  # of all parts but the last one


def put(client: Any, bucket: str, key: str, body: bytes, algorithm: str) -> None:
    """Store *body* with its checksum, sent as a header."""
    name = f"Checksum{algorithm.upper()}"
    client.put_object(Bucket=bucket, Key=key, Body=body, **{name: base64_digest(algorithm, body)})


def put_parts(
    client: Any, bucket: str, key: str, parts: Sequence[bytes], algorithm: str, kind: str
) -> None:
    """Store *parts* as one object whose checksum is COMPOSITE or FULL_OBJECT.

    The store refuses what does not match: each part, and the whole of a FULL_OBJECT.
    """
    name = f"Checksum{algorithm.upper()}"
    where = {"Bucket": bucket, "Key": key}
    upload = client.create_multipart_upload(
        ChecksumAlgorithm=algorithm.upper(), ChecksumType=kind, **where
    )
    where["UploadId"] = upload["UploadId"]
    done = []
    for number, body in enumerate(parts, 1):
        checksum = {name: base64_digest(algorithm, body)}
        sent = client.upload_part(PartNumber=number, Body=body, **checksum, **where)
        done.append({"PartNumber": number, "ETag": sent["ETag"], **checksum})
    whole = {name: base64_digest(algorithm, b"".join(parts))} if kind == "FULL_OBJECT" else {}
    client.complete_multipart_upload(
        MultipartUpload={"Parts": done}, ChecksumType=kind, **whole, **where
    )
