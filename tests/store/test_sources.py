"""Test the registry of sources: schemes, and sources opened by URL."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from numcrc import store
from numcrc.store.objects import Entry
from numcrc.store.sources import SCHEMES, open_source, opened
from numcrc.store.sources.local import LocalSource
from store.source_support import keys_of


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_schemes_are_complete(scheme):
    module, _, name = scheme.home.partition(":")
    kind = getattr(import_module(f"numcrc.store.sources.{module}"), name)
    for method in ("entries", "stat", "read", "fetch", "close"):
        assert callable(getattr(kind, method))
    assert isinstance(kind.listable, bool)
    assert kind.local is (scheme.name == "file")
    assert kind.inventory_prefix == ""
    assert scheme.form.startswith(f"{scheme.name}://")
    assert scheme.summary


def test_only_known_schemes(tmp_path: Path) -> None:
    known = "file://, s3://, gs://, az://, http://, https://"
    with pytest.raises(ValueError, match=f"unknown scheme 'ftp': .* one of {known}"):
        open_source("ftp://server/folder")
    assert store.open_source is open_source
    assert isinstance(open_source(str(tmp_path)), LocalSource)


@pytest.mark.parametrize(
    "url", ["s3://user:secret@bucket", "gs://", "http://user:secret@host/?q", "file://host/a", ""]
)
def test_invalid_urls_are_shown_without_secrets(url: str, use: Callable[..., None]) -> None:
    use({})
    with pytest.raises(ValueError, match="invalid") as caught:
        open_source(url)
    assert "secret" not in str(caught.value)


def test_opened_closes_what_it_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(LocalSource, "close", lambda self: closed.append(self))
    (tmp_path / "a").write_bytes(b"x")
    with opened(tmp_path) as source:
        assert keys_of(source) == ["a"]
    assert closed == [source]
    with opened(source) as same:
        assert same is source
    assert closed == [source]


def test_outside_of_local_folders_only(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    with opened(tmp_path / "folder", allow_outside=True) as source:
        assert source.stat("../a").size == 1
        with pytest.raises(ValueError, match="must be given as a path"):
            opened(source, allow_outside=True)
    with opened((tmp_path / "folder").as_uri(), allow_outside=True) as source:
        assert source.stat(os.fspath(tmp_path / "a")) == Entry(
            os.fspath(tmp_path / "a"), 1, (), source.stat("../a").version, False, True
        )
    with pytest.raises(ValueError, match="is not a local folder"):
        opened("s3://bucket", allow_outside=True)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [("s3://bucket", ""), ("s3://bucket/a/b", "a/b/"), ("s3://bucket/a/", "a/"), ("gs://a/b", "")],
)
def test_keys_of_an_inventory_have_a_prefix(
    url: str, prefix: str, use: Callable[..., None]
) -> None:
    use({"AWS_NO_SIGN_REQUEST": "YES", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"})
    with opened(url) as source:
        assert source.inventory_prefix == prefix
