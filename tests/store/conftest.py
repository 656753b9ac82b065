"""The servers of a run, each started when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from numcrc import store as numcrc_store
from store.fakes import NASTY
from store.faulty import FaultyServer
from store.servers import GcsEmulator, LocalStack, NotInstalledError, RcloneS3, Server

S = TypeVar("S", bound=Server)


def started(server: S, *, possible: bool = True) -> Iterator[S]:
    """Yield the running server; skip where it is not installed, or fail where it has to be.

    It need not be where that is not *possible*.
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
    """S3 with checksums."""
    yield from started(LocalStack())


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    """S3 without checksums, whose buckets are the sub-folders of ``folder``."""
    yield from started(RcloneS3(tmp_path_factory.mktemp("buckets")))


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsEmulator]:
    """Google Cloud Storage with one empty ``bucket``."""
    yield from started(GcsEmulator())


@pytest.fixture
def faulty() -> Iterator[FaultyServer]:
    """S3 in this process, empty, whose faults a test injects."""
    with FaultyServer() as server:
        yield server


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with nasty names beside the current one, and a manifest of it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    for name in [*NASTY, *(f"sub/{name}" for name in NASTY)]:
        (folder / name).write_bytes(name.encode("utf-8", "surrogateescape"))
    assert numcrc_store.manifest(folder, "sums.jsonl", algorithm=["crc64nvme", "sha256"]).ok
    return folder
