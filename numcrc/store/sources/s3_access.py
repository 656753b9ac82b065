"""Send signed requests to a bucket of S3, configured as for AWS's tools.

botocore finds credentials, region, endpoint and the bucket's URL; requests are signed and sent
here. Environment variables take precedence in botocore, too: if they give all of these, botocore is
not imported, which saves 0.2 s.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from numcrc._light import NamedTuple
from numcrc.store.keys import quoted
from numcrc.store.source import StoreError
from numcrc.store.sources.sigv4 import Keys, Signer
from numcrc.store.sources.transport import Answer, Body, Pool

_KEY = "KEY"
_ACCESS_POINT = re.compile(
    r"(arn:aws[^:/]*:s3:([a-z0-9-]*):[0-9]*:accesspoint[:/][^:/]+)(?:/(.*))?", re.DOTALL
)
_STYLES = ("virtual", "path")


def bucket_and_prefix(rest: str) -> tuple[str, str]:
    """Return bucket and prefix of an ``s3://`` URL without its scheme.

    Raises
    ------
    ValueError
        The bucket is of a kind that is not supported.

    Examples
    --------
    >>> bucket_and_prefix("bucket/a/b")
    ('bucket', 'a/b')
    >>> bucket_and_prefix("arn:aws:s3:us-west-2:123456789012:accesspoint/name/a/b")
    ('arn:aws:s3:us-west-2:123456789012:accesspoint/name', 'a/b')
    """
    if match := _ACCESS_POINT.fullmatch(rest):
        if not match[2]:
            raise ValueError(f"s3://{rest}: Multi-Region Access Points are not supported")
        return match[1], match[3] or ""
    bucket, _, prefix = rest.partition("/")
    if bucket.endswith(("--x-s3", "--xa-s3")):
        raise ValueError(f"s3://{rest}: directory buckets (S3 Express One Zone) are not supported")
    if bucket.startswith("arn:"):
        raise ValueError(f"s3://{rest}: of ARNs, only those of S3 access points are supported")
    return bucket, prefix


class _Place(NamedTuple):
    region: str
    pool: Pool
    path: str
    """The part of the path before a key, which ends with ``/``."""
    signer: Signer | None
    fixed: bool = False
    """Whether the user gave the endpoint, so that the bucket's region does not change it."""


class Access:
    """A bucket, with its credentials and connections.

    Raises
    ------
    StoreError
        The configuration is invalid.
    ImportError
        botocore is needed and not installed.
    """

    anonymous: bool
    """Whether requests are not signed."""
    _errors: Any = ()
    """botocore's exceptions; none if it is not imported."""

    def __init__(self, bucket: str, timeout: float) -> None:
        self._bucket = bucket
        self._timeout = timeout
        self._lock = threading.Lock()
        self._former: list[Pool] = []
        self._headers = _payer()
        self._key_headers = _customer_key()
        if (place := _place_from_environment(bucket, timeout)) is not None:
            self.anonymous, self._place = False, place
            return
        try:
            import botocore.session
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise ImportError("s3:// needs boto3: pip install 'numcrc[s3]'") from error
        self._session: Any = botocore.session.get_session()
        self._errors = BotoCoreError
        try:
            found = None if _unsigned() else self._session.get_credentials()
            # The AWS command line prefers AWS_REGION, botocore does not read it.
            region = os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        except BotoCoreError as error:
            raise StoreError(f"s3://{bucket}: {error}") from error
        self._credentials: Any = found
        self.anonymous = found is None
        if arn := _ACCESS_POINT.fullmatch(bucket):
            region = arn[2]
        self._place = self._located(region or "us-east-1")

    def ask(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        into: Body = None,
    ) -> Answer:
        """Return the answer to a request for an object or, without *key*, for the bucket."""
        headers = {**headers, **self._headers, **(self._key_headers if key else {})}
        place = self._place
        answer = self._send(place, method, key, query, headers, into)
        region = answer.headers.get("x-amz-bucket-region", place.region)
        if answer.status in (301, 307, 400) and region != place.region and not place.fixed:
            with answer:
                answer.text()
            with self._lock:
                if self._place.region != region:
                    self._place, old = self._located(region), self._place
                    old.pool.close()
                    # Other threads may still wait there.
                    self._former = [pool for pool in (*self._former, old.pool) if pool.busy]
            answer = self._send(self._place, method, key, query, headers, into)
        return answer

    def pools(self) -> Iterable[Pool]:
        """Return the pools of connections: the bucket's, and those of regions asked before."""
        return (self._place.pool, *self._former)

    def _send(
        self,
        place: _Place,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        into: Body,
    ) -> Answer:
        path = place.path + quoted(key)
        parameters = "&".join(f"{k}={quote(v, '~')}" for k, v in sorted(query.items()))
        if place.signer is not None:
            try:
                headers = place.signer.sign(method, place.pool.host, path, parameters, headers)
            except self._errors as error:
                raise StoreError(f"s3://{self._bucket}: {error}") from error
        target = f"{path}?{parameters}" if parameters else path
        return place.pool.ask(method, target, headers, into)

    def _located(self, region: str) -> _Place:
        """Return the place of the bucket, from the URL that botocore presigns."""
        try:
            client = self._client(region, None)
            endpoint = client.meta.endpoint_url
            host = urlsplit(endpoint).netloc
            aws = "amazonaws" in endpoint and host.endswith((".com", ".com.cn"))
            config = self._session.get_scoped_config().get("s3")
            style = config.get("addressing_style") if isinstance(config, dict) else None
            if style not in _STYLES:
                style = "virtual" if aws else "path"
            client = self._client(region, style)
            url = urlsplit(
                client.generate_presigned_url(
                    "get_object", Params={"Bucket": self._bucket, "Key": _KEY}
                )
            )
            authorities = self._session.get_config_variable("ca_bundle")
            pool = Pool(f"{url.scheme}://{url.netloc}", self._timeout, authorities)
        except (self._errors, ValueError) as error:
            raise StoreError(f"s3://{self._bucket}: {error}") from error
        signer = None
        if self._credentials is not None:
            signer = Signer(self._credentials.get_frozen_credentials, region)
        return _Place(region, pool, url.path.removesuffix(_KEY), signer)

    def _client(self, region: str, style: str | None) -> Any:
        from botocore import UNSIGNED
        from botocore.config import Config

        s3 = {"addressing_style": style} if style else None
        config = Config(signature_version=UNSIGNED, s3=s3)
        return self._session.create_client("s3", region_name=region, config=config)


def _place_from_environment(bucket: str, timeout: float) -> _Place | None:
    """Return the place if variables give the endpoint, the keys and the region, or None."""
    env = os.environ
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL")
    key, secret = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    # A profile may set endpoints, addressing styles and certificates.
    if not (endpoint and key and secret and region) or _unsigned() or _profile_matters():
        return None
    keys = Keys(key, secret, env.get("AWS_SESSION_TOKEN"))
    url = urlsplit(endpoint)
    if not (url.scheme and url.netloc) or "amazonaws" in url.netloc or bucket.startswith("arn:"):
        return None
    try:
        pool = Pool(endpoint, timeout, env.get("AWS_CA_BUNDLE"))
    except ValueError as error:
        raise StoreError(f"s3://{bucket}: {error}") from error
    path = f"{url.path.rstrip('/')}/{quote(bucket)}/"
    return _Place(region, pool, path, Signer(lambda: keys, region), fixed=True)


def _profile_matters() -> bool:
    config = os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")
    ignored = os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    found = config != os.devnull and os.path.exists(os.path.expanduser(config))
    return ignored or "AWS_PROFILE" in os.environ or found


def _unsigned() -> bool:
    """Return whether the user asks for anonymous requests, with a variable as in GDAL."""
    return os.environ.get("AWS_NO_SIGN_REQUEST", "").lower() in ("1", "yes", "true", "on")


def _payer() -> dict[str, str]:
    """Return the header with which the user pays for requests, with a variable as in GDAL."""
    payer = os.environ.get("AWS_REQUEST_PAYER", "").lower()
    if payer not in ("", "requester"):
        raise StoreError(f"invalid AWS_REQUEST_PAYER: expected requester, got {payer!r}")
    return {"x-amz-request-payer": payer} if payer else {}


def _customer_key() -> dict[str, str]:
    """Return the headers for objects that are encrypted with a key that S3 does not keep."""
    text, path = map(os.environ.get, ("AWS_SSE_CUSTOMER_KEY_BASE64", "AWS_SSE_CUSTOMER_KEY_FILE"))
    if text:
        where = "AWS_SSE_CUSTOMER_KEY_BASE64"
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            raise StoreError(f"invalid key in {where}: not base64") from None
    elif path:
        where = path
        try:
            with open(path, "rb") as file:
                key = file.read(33)
        except OSError as error:
            raise StoreError(f"cannot read AWS_SSE_CUSTOMER_KEY_FILE: {error}") from error
    else:
        return {}
    if len(key) != 32:
        raise StoreError(f"invalid key in {where}: expected 32 bytes")
    name = "x-amz-server-side-encryption-customer-"
    digest = hashlib.md5(key, usedforsecurity=False).digest()
    return {
        f"{name}algorithm": "AES256",
        f"{name}key": base64.b64encode(key).decode(),
        f"{name}key-md5": base64.b64encode(digest).decode(),
    }
