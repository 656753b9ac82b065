"""Send signed requests to a bucket of S3, configured as for AWS's tools.

botocore finds credentials, region, endpoint and the bucket's URL; requests are signed and sent
here. Environment variables take precedence in botocore, too: if they give all of these, botocore is
not imported, which saves 0.2 s.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from numcrc.store.keys import quoted
from numcrc.store.source import StoreError
from numcrc.store.sources.sigv4 import Signer
from numcrc.store.sources.wire import TIMEOUT, Answer, Pool

_KEY = "KEY"


class _Place(NamedTuple):
    region: str
    pool: Pool
    path: str
    """The part of the path before a key, which ends with ``/``."""
    signer: Signer | None
    fixed: bool = False
    """Whether the user gave the endpoint, so that the bucket's region does not change it."""


@dataclass
class _Keys:
    access_key: str
    secret_key: str
    token: str | None


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

    def __init__(self, bucket: str, timeout: float = TIMEOUT) -> None:
        self._bucket = bucket
        self._timeout = timeout
        self._lock = threading.Lock()
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
        self._place = self._located(region or "us-east-1")

    def ask(
        self,
        method: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to a request for an object, or for the bucket."""
        place = self._place
        answer = self._send(place, method, key, query or {}, headers or {})
        region = answer.headers.get("x-amz-bucket-region", place.region)
        if answer.status in (301, 307, 400) and region != place.region and not place.fixed:
            with answer:
                answer.text()
            with self._lock:
                if self._place.region != region:
                    self._place, old = self._located(region), self._place
                    old.pool.close()
            answer = self._send(self._place, method, key, query or {}, headers or {})
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._place.pool.close()

    def _send(
        self,
        place: _Place,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> Answer:
        path = place.path + quoted(key)
        parameters = "&".join(f"{k}={quote(v, '~')}" for k, v in sorted(query.items()))
        if place.signer is not None:
            try:
                headers = place.signer.sign(method, place.pool.host, path, parameters, headers)
            except self._errors as error:
                raise StoreError(f"s3://{self._bucket}: {error}") from error
        return place.pool.ask(method, f"{path}?{parameters}" if parameters else path, headers)

    def _located(self, region: str) -> _Place:
        """Return the place of the bucket, from the URL that botocore presigns."""
        try:
            client = self._client(region, None)
            endpoint = client.meta.endpoint_url
            host = urlsplit(endpoint).netloc
            aws = "amazonaws" in endpoint and host.endswith((".com", ".com.cn"))
            client = self._client(region, "virtual" if aws else "path")
            url = urlsplit(
                client.generate_presigned_url(
                    "get_object", Params={"Bucket": self._bucket, "Key": _KEY}
                )
            )
            authorities = self._session.get_config_variable("ca_bundle")
        except (self._errors, ValueError) as error:
            raise StoreError(f"s3://{self._bucket}: {error}") from error
        pool = Pool(f"{url.scheme}://{url.netloc}", self._timeout, authorities)
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
    keys = _Keys(key, secret, env.get("AWS_SESSION_TOKEN") or None)
    url = urlsplit(endpoint)
    if not (url.scheme and url.netloc) or "amazonaws" in url.netloc:
        return None
    try:
        pool = Pool(f"{url.scheme}://{url.netloc}", timeout, env.get("AWS_CA_BUNDLE"))
    except (OSError, ValueError) as error:
        raise StoreError(f"s3://{bucket}: {error}") from error
    path = f"{url.path.rstrip('/')}/{quote(bucket)}/"
    return _Place(region, pool, path, Signer(lambda: keys, region), fixed=True)


def _profile_matters() -> bool:
    config = os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")
    ignored = os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    return ignored or "AWS_PROFILE" in os.environ or os.path.exists(os.path.expanduser(config))


def _unsigned() -> bool:
    """Return whether the user asks for anonymous requests, with a variable as in GDAL."""
    return os.environ.get("AWS_NO_SIGN_REQUEST", "").lower() in ("1", "yes", "true", "on")
