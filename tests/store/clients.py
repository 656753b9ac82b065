"""Make clients that set up tests: boto3 that adds no checksums, and plain HTTP."""

from __future__ import annotations

import http.client
import urllib.parse
from collections.abc import Mapping
from typing import Any

import pytest


def s3_client(environment: dict[str, str]) -> Any:
    """Return boto3's client for an S3 server; it adds and checks checksums only on request."""
    import boto3  # takes as long as collecting a tenth of the tests
    from botocore.config import Config

    config = Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1},
    )
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
        config=config,
    )


def error_of(call: Any, **arguments: Any) -> str:
    """Return the code of the error that a call of boto3 raises."""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def fetch(
    endpoint: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers in lower case and body."""
    where = urllib.parse.urlsplit(endpoint).netloc
    connection = http.client.HTTPConnection(where, timeout=10)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()
    finally:
        connection.close()
