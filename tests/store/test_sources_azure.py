"""Test Azure Blob Storage as a source, against Azurite."""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from numcrc.store.objects import Checksum, Entry
from numcrc.store.source import ChangedError, MissingError, StoreError
from numcrc.store.sources import open_source
from numcrc.store.sources.azure_access import Access
from store.conftest import started
from store.servers import NotInstalledError, Server
from store.source_support import in_order, space
from store.stub_objects import digest

KEY = base64.b64encode(bytes(64)).decode()
_INSTALLED = str(Path(__file__).parents[2] / ".azurite/node_modules/.bin/azurite-blob")


class Azurite(Server):
    """Blobs in memory, with MD5."""

    ready_statuses = range(200, 500)

    @property
    def env(self) -> dict[str, str]:
        """The environment variables with which a client finds this server."""
        where = f"BlobEndpoint={self.endpoint}/account"
        return {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=account;AccountKey={KEY};{where}"}

    def command(self) -> list[str]:
        """Return the command line, or raise NotInstalledError."""
        name = os.environ.get("NUMCRC_AZURITE") or _INSTALLED
        found = shutil.which(name)
        if found is None:
            raise NotInstalledError(f"{name} is not installed: run .ci/servers, with npm")
        options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        return [found, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), *options]

    def variables(self) -> dict[str, str]:
        """Return the environment of the process."""
        return {"AZURITE_ACCOUNTS": f"account:{KEY}", "HOME": str(self.scratch)}


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    """Run Azurite with one account and no container."""
    yield from started(Azurite(), possible=shutil.which("npm") is not None)


def put(access: Access, path: str, query: dict[str, str], body: bytes | None) -> None:
    headers = {"x-ms-version": "2021-12-02", "x-ms-date": formatdate(usegmt=True)}
    if body is not None:
        headers |= {"x-ms-blob-type": "BlockBlob", "content-length": str(len(body))}
    path = f"{access._base}/{path}"
    headers["authorization"] = access._signature("PUT", path, query, headers)
    connection = http.client.HTTPConnection(access.pool.host)
    connection.request("PUT", f"{path}?{urllib.parse.urlencode(query)}", body, headers)
    assert connection.getresponse().status == 201
    connection.close()


def test_no_account(use: Callable[..., None]) -> None:
    use({})
    with pytest.raises(StoreError, match="no Azure account configured: set AZURE_STORAGE_ACCOUNT"):
        open_source("az://container")
    use({"AZURE_STORAGE_ACCOUNT": "account", "AZURE_STORAGE_KEY": "%%%"})
    with pytest.raises(StoreError, match="is not base64"):
        open_source("az://container")


def test_azure(azurite: Azurite, use: Callable[..., None]) -> None:
    use(azurite.env)
    access = Access("az://container", 10)
    put(access, "container", {"restype": "container"}, None)
    names = ["b", "a/b", "a-b", "sp ace+", "per%25", "ü~", "new\nline", "a//b", "a/../x"]
    for name in names:
        path = urllib.parse.quote(f"container/dir/{name}", "/~")
        put(access, path, {}, name.encode())
    access.pool.close()

    source = open_source("az://container/dir")
    entries = list(source.entries())
    assert [entry.key for entry in entries] == in_order(names)
    for entry in entries:
        body = entry.key.encode()
        assert entry.checksums == (Checksum("md5", digest("md5", body)),)
        fetched, found = source.fetch(entry, space())
        assert (fetched, bytes(found)) == (entry, body)
        assert source.stat(entry.key) == entry
        assert bytes(source.read(entry, 1, space(2))) == body[1:3]
    assert not source.read(source.stat("b"), 1, space(9))
    with pytest.raises(ChangedError):
        source.read(Entry("b", version='"0x1"'), 0, space(9))
    for call in (lambda: source.stat("none"), lambda: source.fetch(Entry("none"), space())):
        with pytest.raises(MissingError):
            call()
    source.close()
    source = open_source("az://nowhere/")
    with pytest.raises(StoreError, match="ContainerNotFound") as caught:
        source.stat("key")
    assert not isinstance(caught.value, MissingError)
    source.close()
