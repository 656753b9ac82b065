"""Test the documentation: its code blocks run, and the links between its pages lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from inspect import ismodule
from pathlib import Path

import pages
import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
SITE = "https://numcrc.readthedocs.io/en/stable"
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not here")

GENERATED = {"_build", "notebooks"}
PAGES = [
    path
    for path in [README, *sorted(DOCS.rglob("*.md"))]
    if path.exists() and not GENERATED & set(path.relative_to(ROOT).parts)
]
# A page that imports one of these is skipped where it is not installed; never in CI, but torch,
# which is large.
OPTIONAL = {"boto3", "dask", "distributed", "matplotlib", "numcodecs", "pandas", "polars"}
OPTIONAL |= {"pyarrow", "torch", "xarray", "zarr"}
needs_bash = pytest.mark.skipif(os.name == "nt", reason="pages run commands by bash")


def name(path: Path) -> str:
    """Return the path below the repository, with which a test is named."""
    return path.relative_to(ROOT).as_posix()


@needs_bash
@pytest.mark.parametrize("path", PAGES, ids=name)
def test_the_code_blocks_of_pages_run(path, tmp_path):
    found = list(pages.blocks(path.read_text("utf-8")))
    missing = {each for each in pages.imported(found) & OPTIONAL if find_spec(each) is None}
    if missing and (missing == {"torch"} or "NUMCRC_REQUIRE_SERVERS" not in os.environ):
        pytest.skip(f"the page needs {', '.join(sorted(missing))}")
    if not found:
        return
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, pages.__file__, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_blocks_of_a_page():
    text = "a\n```python\nx = 1\n```\n<!--\n```console\n$ ls\n```\n-->\n"
    text += "````{note}\n```sh\nls\n```\n````\n- one\n\n  ```yaml\n  a: 1\n  ```\n"
    assert list(pages.blocks(text)) == [
        ("python", "x = 1\n", 3),
        ("console", "$ ls\n", 7),
        ("sh", "ls\n", 12),
        ("yaml", "a: 1\n", 18),
    ]


@needs_bash
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```python\nassert False\n```\n", "AssertionError"),
        ("```console\n$ echo a b c\na ... d\n```\n", "echo a b c: status 0"),
        ("```console\n$ no-such-command\n```\n", "no-such-command: status 127"),
        ("```console\n$ exit 2\n```\n", "exit 2: status 2"),
        ("```console\na\n```\n", "not a command: a"),
        ("```yaml\n[\n```\n", "while parsing"),
        ("```sh\nif\n```\n", "syntax error"),
    ],
)
def test_blocks_that_fail(text, error, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    command = [sys.executable, pages.__file__, str(page)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert error in done.stderr
    assert str(page) in done.stderr


@needs_bash
def test_blocks_share_a_namespace_and_a_folder(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport pickle\n\n\nclass A:\n    pass\n```\n"
        "```python\nassert isinstance(pickle.loads(pickle.dumps(A())), A)\n"
        "open('a', 'w').write('1')\n```\n"
        "```console\n$ cat a\n1\n$ exit 3\n"
        "$ printf '%s ' 1 \\\n    2\n1 ...\n$ cat b\ncat: ...\n```\n"
    )
    subprocess.run([sys.executable, pages.__file__, str(page)], check=True)


HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]*))?\)")


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page: those of its headings, as GitHub makes them, and labels."""
    text = "".join(re.split(r"^```.*?^```$", path.read_text("utf-8"), flags=re.MULTILINE | re.S))
    found = set(re.findall(r"^\((\S+)\)=$", text, re.MULTILINE))
    for heading in HEADING.findall(text):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\]\(.*?\)", "", heading).lower())
        found.add(plain.replace(" ", "-"))
    return found


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_the_links_of_pages_lead_to_pages(path):
    text = "".join(re.split(r"^```.*?^```$", path.read_text("utf-8"), flags=re.MULTILINE | re.S))
    for target, anchor in LINK.findall(text):
        page = (path.parent / target).resolve() if target else path
        assert page.exists() or GENERATED & set(page.relative_to(ROOT).parts), target
        if anchor and page.suffix == ".md":
            assert anchor in anchors(page), f"{target}#{anchor}"


MODULES = [
    "numcrc",
    "numcrc.dask",
    "numcrc.explore",
    "numcrc.store",
    "numcrc.xarray",
    "numcrc.zarr",
]
MODULES += ["numcrc.explore.plot", "numcrc.store.formats"]


@pytest.mark.parametrize("module", MODULES)
def test_the_reference_has_every_public_name(module):
    text = "".join(path.read_text("utf-8") for path in DOCS.glob("reference/*.md"))
    shown = set()
    for part in text.split(".. currentmodule:: ")[1:]:
        current, _, rest = part.partition("\n")
        names = re.findall(r"^(?:   |.. py:data:: )([\w.]+)$", rest, re.MULTILINE)
        shown |= {f"{current}.{name}" for name in names}
    found = import_module(module)
    public = [name for name in found.__all__ if not ismodule(getattr(found, name))]
    assert {f"{module}.{name}" for name in public} - shown == set()


@pytest.mark.skipif(not README.exists(), reason="README is not here")
def test_the_links_of_readme_lead_to_pages():
    text = README.read_text("utf-8")
    found = re.findall(rf"\({re.escape(SITE)}/([^)]*)\.html\)", text)
    assert len(found) == text.count(SITE) > 5
    assert [each for each in found if not (DOCS / f"{each}.md").exists()] == []


@pytest.mark.skipif(not README.exists(), reason="README is not here")
def test_readme_and_the_start_page_have_the_same_two_commands():
    commands = [
        [block.text for block in pages.blocks(path.read_text("utf-8")) if block.language == "sh"]
        for path in (README, DOCS / "index.md")
    ]
    assert commands[0] == commands[1]
    assert len(commands[0]) == 2
