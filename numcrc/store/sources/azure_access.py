"""Send authorized requests to an account of Azure Storage, configured as for Azure's tools."""

from __future__ import annotations

import base64
import hmac
import os
import threading
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, urlsplit

from numcrc.store.source import StoreError
from numcrc.store.sources.transport import Answer, Body, Pool

_API = "2021-12-02"
_SCOPE = "https://storage.azure.com/.default"
# A token is renewed so many seconds before it expires.
_EARLY = 300
_SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type"),
    *("date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)


class Access:
    """An account, with its credentials and connections.

    Raises
    ------
    StoreError
        No account is configured, or its key is invalid.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        settings = _settings()
        self._account = settings.get("AccountName", "")
        endpoint = settings.get("BlobEndpoint", "").rstrip("/")
        if not endpoint and self._account:
            suffix = settings.get("EndpointSuffix") or "core.windows.net"
            endpoint = f"https://{self._account}.blob.{suffix}"
        if not endpoint:
            raise StoreError(
                f"{url}: no Azure account configured: set AZURE_STORAGE_ACCOUNT or "
                "AZURE_STORAGE_CONNECTION_STRING"
            )
        self.pool = Pool(endpoint, timeout)
        self._base = urlsplit(endpoint).path
        self._shared = settings.get("SharedAccessSignature", "").removeprefix("?")
        try:
            self._key = base64.b64decode(settings.get("AccountKey", ""), validate=True)
        except ValueError:
            raise StoreError(f"{url}: the key of the Azure account is not base64") from None
        self._identity: Any = None if self._shared or self._key else _identity()
        self._token: tuple[str, float] = "", 0.0
        self._renewing = threading.Lock()

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        into: Body = None,
    ) -> Answer:
        """Return the answer to a request; *path* is relative to the account, and quoted."""
        path = f"{self._base}/{path}"
        sent = {**headers, "x-ms-version": _API, "x-ms-date": formatdate(usegmt=True)}
        if self._key:
            sent["authorization"] = self._signature(method, path, query, sent)
        elif self._identity is not None:
            sent["authorization"] = f"Bearer {self._bearer_token()}"
        pairs = [f"{name}={quote(value, '~')}" for name, value in query.items()]
        text = "&".join(pairs + [self._shared] * bool(self._shared))
        return self.pool.ask(method, f"{path}?{text}" if text else path, sent, into)

    @property
    def anonymous(self) -> bool:
        """Whether requests carry no credentials."""
        return not (self._key or self._shared) and self._identity is None

    def _signature(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        """Return the authorization of a request by Shared Key."""
        lines = [method, *(headers.get(name, "") for name in _SIGNED)]
        lines += [f"{name}:{headers[name]}" for name in sorted(headers) if name[:5] == "x-ms-"]
        lines += [f"/{self._account}{path}"]
        lines += [f"{name}:{query[name]}" for name in sorted(query)]
        digest = hmac.digest(self._key, "\n".join(lines).encode("utf-8", "replace"), "sha256")
        return f"SharedKey {self._account}:{base64.b64encode(digest).decode()}"

    def _bearer_token(self) -> str:
        with self._renewing:
            token, expires = self._token
            if time.time() > expires - _EARLY:
                from azure.core.exceptions import AzureError

                try:
                    found = self._identity.get_token(_SCOPE)
                except AzureError as error:
                    raise StoreError(
                        f"{self._url}: no Azure credentials found: set AZURE_STORAGE_KEY or "
                        "AZURE_STORAGE_SAS_TOKEN, or run 'az login' "
                        f"({' '.join(str(error).split())})"
                    ) from error
                self._token = token, _ = found.token, found.expires_on
        return token


def _settings() -> dict[str, str]:
    """Return the settings of the connection string, completed by single variables."""
    settings = {}
    for pair in os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";"):
        name, _, value = pair.partition("=")
        settings[name.strip()] = value.strip()
    for name, variables in {
        "AccountName": ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"),
        "AccountKey": ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
        "SharedAccessSignature": ("AZURE_STORAGE_SAS_TOKEN",),
        "BlobEndpoint": ("AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_SERVICE_ENDPOINT"),
    }.items():
        for variable in variables:
            if name not in settings and os.environ.get(variable):
                settings[name] = os.environ[variable]
    return settings


def _identity() -> Any:
    """Return azure-identity's default credential; None if it is not installed."""
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError:
        return None
    return DefaultAzureCredential()
