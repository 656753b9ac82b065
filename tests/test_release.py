"""Test that the documents of a release have its version, and name what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import numcrc

ROOT = Path(__file__).parent.parent
HOME, SITE = "https://github.com/numcrc/numcrc", "https://numcrc.readthedocs.io"

pytestmark = pytest.mark.skipif(
    not (ROOT / "CITATION.cff").exists(), reason="numcrc is installed without its documents"
)


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_version_is_everywhere():
    citation = dict(re.findall(r"^([a-z-]+): (\S+)$", text("CITATION.cff"), re.MULTILINE))
    assert citation["version"] == numcrc.__version__
    heading = re.search(r"^## \[(\S+)\] - (\S+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert heading is not None
    assert heading.groups() == (citation["version"], citation["date-released"])
    assert f"{numcrc.__version__.split('rc')[0].rsplit('.', 1)[0]} " in text("SECURITY.md")


def test_the_addresses_are_those_of_the_project():
    project = text("pyproject.toml")
    assert f'Homepage = "{HOME}"' in project
    assert f'Documentation = "{SITE}"' in project
    for name in ("CITATION.cff", "CONTRIBUTING.md", "SECURITY.md"):
        for address in re.findall(r"https?://[^\s>)]+", text(name)):
            assert address in (HOME, SITE)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_what_documents_name_exists(name):
    """Files in links and between backticks."""
    document = text(name)
    links = re.findall(r"\]\(([^):]+)\)", document)
    paths = re.findall(r"`((?:numcrc|tests|docs|asv_bench|\.ci|\.github)/[^`*]+)`", document)
    if not (ROOT / ".ci").exists():  # in a source distribution
        paths = [path for path in paths if not path.startswith(".")]
    installed = Path(numcrc.__file__).parent.parent
    for path in {*links, *paths}:
        assert ((installed if path.startswith("numcrc/") else ROOT) / path).exists(), path
