"""S3's endpoints and the settings of requests: styles, access points, payers, keys of owners."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from numcrc.store.objects import Entry
from numcrc.store.source import StoreError
from numcrc.store.sources import open_source
from store import stub_s3
from store.faulty import FaultyServer
from store.source_support import BODY, keys_of, space

AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def place(url: str) -> tuple[str, str]:
    """Return the host and the path of the requests of a source."""
    source: Any = open_source(url)
    found = source._access._place
    source.close()
    return found.pool.host, found.path


@pytest.fixture
def config(use: Any, tmp_path: Path) -> Any:
    """Return a function that writes a configuration and sets variables."""
    pytest.importorskip("botocore")

    def write(text: str, **variables: str) -> None:
        (tmp_path / "config").write_text(text)
        (tmp_path / "none").write_text("")
        files = {
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        }
        use(AWS | files | variables)

    return write


@pytest.mark.parametrize(
    ("style", "endpoint", "expected"),
    [
        ("", "", ("bucket.s3.eu-west-1.amazonaws.com", "/")),
        ("auto", "", ("bucket.s3.eu-west-1.amazonaws.com", "/")),
        ("virtual", "", ("bucket.s3.eu-west-1.amazonaws.com", "/")),
        ("path", "", ("s3.eu-west-1.amazonaws.com", "/bucket/")),
        ("", "http://host:9000", ("host:9000", "/bucket/")),
        ("auto", "http://host:9000", ("host:9000", "/bucket/")),
        ("path", "http://host:9000", ("host:9000", "/bucket/")),
        ("virtual", "http://host:9000", ("bucket.host:9000", "/")),
    ],
)
def test_the_addressing_style_is_that_of_the_configuration(
    config: Any, style: str, endpoint: str, expected: tuple[str, str]
) -> None:
    text = f"[default]\ns3 =\n  addressing_style = {style}\n" if style else "[default]\n"
    config(text, **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {}))
    assert place("s3://bucket/a") == expected


def test_variables_alone_do_not_import_botocore() -> None:
    code = (
        "import sys; from numcrc.store import open_source\n"
        "open_source('s3://bucket'); print('botocore' in sys.modules)"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= stub_s3.env("http://127.0.0.1:1")
    assert env["AWS_CONFIG_FILE"] == os.devnull
    shown = subprocess.run([sys.executable, "-c", code], env=env, stdout=-1, text=True, check=True)
    assert shown.stdout.strip() == "False"


@pytest.mark.parametrize("slash", ["/", ":"])
def test_the_arn_of_an_access_point_is_a_bucket(config: Any, slash: str) -> None:
    config("")
    url = f"s3://arn:aws:s3:us-west-2:123456789012:accesspoint{slash}name/a/b/"
    source: Any = open_source(url)
    found = source._access._place
    assert found.pool.host == "name-123456789012.s3-accesspoint.us-west-2.amazonaws.com"
    assert (found.path, found.region, source._prefix) == ("/", "us-west-2", "a/b/")
    signed = found.signer.sign("GET", found.pool.host, "/a", "", {})
    assert "/us-west-2/s3/aws4_request" in signed["authorization"]
    source.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://arn:aws:s3::123456789012:accesspoint/a.mrap/x", "Multi-Region Access Points"),
        ("s3://bucket--usw2-az1--x-s3/a", "directory buckets"),
        ("s3://point--usw2-az1--xa-s3", "directory buckets"),
        ("s3://arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/a", "ARNs"),
        ("s3://arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/a/b", "ARNs"),
        ("s3://arn:aws:s3:us-west-2:123456789012:bucket/a", "ARNs"),
    ],
)
def test_other_kinds_of_buckets_are_refused_by_name(use: Any, url: str, reason: str) -> None:
    use(AWS)
    with pytest.raises(ValueError, match=f"{reason}.* (is|are) .*supported"):
        open_source(url)


def test_the_requester_pays(use: Any) -> None:
    with FaultyServer(stub_s3) as server:
        server.put("key", BODY)
        use(server.env | {"AWS_REQUEST_PAYER": "requester"})
        source = open_source("s3://any")
        assert keys_of(source) == ["key"]
        source.stat("key")
        source.fetch(Entry("key"), space())
        source.read(Entry("key"), 1, space(2))
        assert len(server.requests) == 4
        for request in server.requests:
            assert request.headers["x-amz-request-payer"] == "requester"
            assert "x-amz-request-payer" in request.headers["authorization"]
        use(server.env | {"AWS_REQUEST_PAYER": "me"})
        with pytest.raises(StoreError, match="AWS_REQUEST_PAYER"):
            open_source("s3://any")
        source.close()


@pytest.mark.parametrize("how", ["variable", "file"])
def test_objects_may_be_encrypted_with_a_key_of_their_owner(
    use: Any, tmp_path: Path, how: str
) -> None:
    key = bytes(range(32))
    (tmp_path / "key").write_bytes(key)
    text = base64.b64encode(key).decode()
    where = {"AWS_SSE_CUSTOMER_KEY_BASE64": text}
    if how == "file":
        where = {"AWS_SSE_CUSTOMER_KEY_FILE": str(tmp_path / "key")}
    with FaultyServer(stub_s3) as server:
        server.put("key", BODY)
        use(server.env | where)
        source = open_source("s3://any")
        assert keys_of(source) == ["key"]
        source.stat("key")
        source.fetch(Entry("key"), space())
        source.read(Entry("key"), 1, space(2))
        listing, *others = server.requests
        name = "x-amz-server-side-encryption-customer-"
        assert f"{name}key" not in listing.headers
        for request in others:
            assert request.headers[f"{name}algorithm"] == "AES256"
            assert request.headers[f"{name}key"] == text
            assert request.headers[f"{name}key-md5"] == "tP/LI3N87DFaSk0aoqYgzg=="
            assert f"{name}key" in request.headers["authorization"]
        source.close()


@pytest.mark.parametrize("text", ["c2VjcmV0", "not base64!", ""])
def test_invalid_keys_are_errors_that_hide_them(use: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_bytes(b"c2VjcmV0")
    where = {
        "AWS_SSE_CUSTOMER_KEY_BASE64": text,
        "AWS_SSE_CUSTOMER_KEY_FILE": str(tmp_path / "key"),
    }
    use(AWS | where)
    with pytest.raises(StoreError, match="key") as caught:
        open_source("s3://bucket")
    assert "c2VjcmV0" not in str(caught.value)
    use(AWS | {"AWS_SSE_CUSTOMER_KEY_FILE": str(tmp_path / "none")})
    with pytest.raises(StoreError, match="none"):
        open_source("s3://bucket")
