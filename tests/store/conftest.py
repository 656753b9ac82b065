"""Define fixtures: servers, each started when the first test needs it, and data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from numcrc import store as numcrc_store
from numcrc.store import retries
from numcrc.store.keys import key_bytes
from numcrc.store.sources.s3 import S3Source
from numcrc.store.sources.transport import Pool
from store.fakes import LARGE, NASTY, SMALL
from store.faulty import FaultyServer
from store.servers import GcsEmulator, LocalStack, NotInstalledError, RcloneS3, Server

S = TypeVar("S", bound=Server)


def started(server: S, *, possible: bool = True) -> Iterator[S]:
    """Yield the running server; if it is not installed, skip the test.

    With NUMCRC_REQUIRE_SERVERS=1 the test fails instead, unless *possible* is false.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(server)
        except NotInstalledError as error:
            if possible and os.environ.get("NUMCRC_REQUIRE_SERVERS") == "1":
                pytest.fail(f"{error} (NUMCRC_REQUIRE_SERVERS=1)", pytrace=False)
            pytest.skip(str(error))
        yield server


@pytest.fixture(scope="session")
def localstack() -> Iterator[LocalStack]:
    """Run S3 with checksums."""
    yield from started(LocalStack())


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    """Run S3 without checksums, whose buckets are the folders in ``folder``."""
    yield from started(RcloneS3(tmp_path_factory.mktemp("buckets")))


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsEmulator]:
    """Run Google Cloud Storage with one empty ``bucket``."""
    yield from started(GcsEmulator())


@pytest.fixture
def faulty() -> Iterator[FaultyServer]:
    """Run an empty S3 in this process, with faults that tests inject."""
    with FaultyServer() as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr(retries, "FIRST", 0)


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def data(request: pytest.FixtureRequest) -> bytes:
    """Return a small object, or one of several ranges."""
    body: bytes = request.param
    return body


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of files with nasty names, and a manifest of it beside it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    for name in [*NASTY, *(f"sub/{name}" for name in NASTY)]:
        (folder / name).write_bytes(key_bytes(name))
    assert numcrc_store.manifest(folder, "sums.jsonl", algorithm=["crc64nvme", "sha256"]).ok
    return folder


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], None]]:
    """Set environment variables, without others that sources read; close all connections."""
    pools: list[Pool] = []
    made = Pool.__init__

    def remembered(self: Pool, *arguments: Any, **named: Any) -> None:
        pools.append(self)
        made(self, *arguments, **named)

    def set_all(variables: dict[str, str]) -> None:
        prefixes = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_")
        for name in list(os.environ):
            ours = name.startswith(prefixes) or name.lower().endswith("_proxy")
            if ours or name.endswith(("_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    monkeypatch.setattr(Pool, "__init__", remembered)
    yield set_all
    for pool in pools:
        pool.close()


@pytest.fixture
def stub(faulty: FaultyServer, use: Callable[[dict[str, str]], None]) -> FaultyServer:
    """Return `faulty`, with environment variables that lead to it."""
    use(faulty.env)
    return faulty


@pytest.fixture
def bucket(stub: FaultyServer) -> Iterator[S3Source]:
    """Open a bucket of `stub` as a source."""
    source = S3Source("s3://any")
    yield source
    source.close()
