"""Test ``numcrc verify`` and ``numcrc manifest``, from arguments to exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import numcrc
from numcrc.cli import main
from numcrc.cli.arguments import ArgumentTypeError, sample, shard, size
from numcrc.cli.store_commands import print_line
from numcrc.store import read_results, verify
from numcrc.store.manifests import formats
from store.fakes import NASTY


class Outcome(NamedTuple):
    """The outcome of a command line."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of its standard output."""
        return self.out.splitlines()


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Outcome]:
    """Return a function that runs a command line."""

    def run(*arguments: object) -> Outcome:
        status = main(list(map(str, arguments)))
        out, err = capfdbinary.readouterr()
        return Outcome(status, os.fsdecode(out), os.fsdecode(err))

    return run


def test_commands(tree: Path, run: Callable[..., Outcome]) -> None:
    made = run("manifest", tree, "-a", "crc32c", "-a", "md5", "-o", "sums.csv")
    assert (made.status, made.out) == (0, "")
    assert made.err.startswith(f"numcrc: {2 * len(NASTY)} objects, ")
    good = run("verify", tree, "--manifest", "sums.csv")
    assert (good.status, good.out) == (0, "")
    assert good.err.endswith(f": {2 * len(NASTY)} match\n")
    quiet = run("verify", tree, "--manifest", "sums.csv", "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    (tree / "a\nb").write_bytes(b"b\na")
    (tree / "-").unlink()
    bad = run("verify", tree, "--manifest", "sums.csv", "--report", "r.jsonl", "--max-errors", 9)
    assert bad.status == 1
    actual, expected = (f"{numcrc.crc32c(x):08x}" for x in (b"b\na", b"a\nb"))
    assert bad.lines == [
        "-: missing",
        rf"\a\nb: differ (crc32c {actual}, expected {expected})",
    ]
    combined = run("verify", tree, "--manifest", "sums.csv", "--combined", "--exclude", "sub/")
    assert {r"- -", r"* \a\nb", "= é", r"= \\\\"[:-1]} <= {*combined.lines}
    assert len(combined.lines) == len(NASTY)
    listed = run("manifest", tree, "--include", "/é", "-q")
    assert [json.loads(line)["key"] for line in listed.lines[1:-1]] == ["é"]


@pytest.mark.parametrize(
    ("status", "message", "arguments"),
    [
        (2, "one SOURCE", []),
        (2, "one SOURCE", ["a", "b"]),
        (2, "SOURCE must not be empty", [""]),
        (2, "SOURCE must not be empty", ["--", ""]),
        *(
            (2, f"argument {option}: must not be empty", ["tree", option, ""])
            for option in ("--manifest", "--against", "--report", "--state")
        ),
        (2, "must be a size", ["tree", "--bwlimit", 400 * "9"]),
        (2, "not allowed with", ["tree", "--manifest", "x", "--against", "y"]),
        (2, "invalid shard 3/2", ["tree", "--shard", "3/2"]),
        (2, "must be K/N", ["tree", "--shard", "3"]),
        (2, "must be a size", ["tree", "--bwlimit", "fast"]),
        (2, "unknown scheme 'ftp'", ["ftp://host", "-q"]),
        (2, "bad.csv: line 3", ["tree", "--manifest", "bad.csv"]),
        (3, "No such file", ["tree", "--manifest", "none.csv"]),
        (3, "none", ["none"]),
        (3, "", ["tree"]),
    ],
)
def test_errors_are_reported(
    tree: Path,
    run: Callable[..., Outcome],
    status: int,
    message: str,
    arguments: list[str],
) -> None:
    Path("bad.csv").write_text("key,size\na,1\nb,many\n")
    found = run("verify", *arguments)
    assert found.status == status
    assert message in found.err
    assert "Traceback" not in found.err


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
@pytest.mark.parametrize(
    "name", ["file.jsonl", "file.csv", "file.csv.gz", "file.parquet", "MD5SUMS"]
)
def test_a_full_disk_is_an_error_that_names_the_file(
    tree: Path, run: Callable[..., Outcome], name: str
) -> None:
    import resource

    for number in range(300):
        (tree / str(number)).write_bytes(os.urandom(9))
    commands: list[list[object]] = [["manifest", tree, "-a", "md5", "-o", name]]
    if name != "MD5SUMS":
        assert run("manifest", tree, "-o", "sums.jsonl", "-q").status == 0
        verify = ["verify", tree, "--manifest", "sums.jsonl"]
        commands += [[*verify, "--report", name], [*verify, "--state", "state"]]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for command in commands:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        try:
            found = run(*command)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        file = "state" if "state" in command else f"{Path(name).resolve()}.numcrc-part"
        assert (found.status, found.err) == (3, f"numcrc: {file}: File too large\n")


def test_an_empty_output_is_wrong_usage(tree: Path, run: Callable[..., Outcome]) -> None:
    for option in ("-o", "--output"):
        found = run("manifest", tree, option, "")
        assert found.status == 2
        assert found.err.endswith("argument -o/--output: must not be empty\n")
    assert run("manifest", "").err.endswith("SOURCE must not be empty\n")


def test_a_mistyped_pattern_is_not_a_success(tree: Path, run: Callable[..., Outcome]) -> None:
    before = Path("sums.jsonl").read_bytes()
    for command in (["verify", "--manifest", "sums.jsonl"], ["manifest", "-o", "sums.jsonl"]):
        found = run(*command, tree, "--include", "*.jpgg", "-q")
        assert found.status == 3
        assert found.err == (
            "numcrc: no object is selected: check SOURCE and the patterns, or use --allow-empty\n"
        )
        assert Path("sums.jsonl").read_bytes() == before
        found = run(*command, tree, "--include", "*.jpgg", "-q", "--allow-empty")
        assert (found.status, found.err) == (0, "")


def test_a_manifest_has_any_format(tree: Path, run: Callable[..., Outcome]) -> None:
    value = f"{numcrc.crc32c('é'.encode()):08x}"
    only = ["manifest", tree, "-a", "crc32c", "--include", "/é", "-q", "-o"]
    for file, name, text in (
        ("list", "gnu", f"{value}  é\n"),
        ("list", "bsd", f"CRC32C (é) = {value}\n"),
        ("list", "sfv", f"é {value}\n"),
        ("list.txt", "csv", None),
        ("list.csv", "jsonl", None),
    ):
        made = run(*only, file, "--format", name)
        assert (made.status, made.err) == (0, "")
        assert text in (None, Path(file).read_text())
        good = run("verify", tree, "--manifest", file, "-a", "crc32c", "--include", "/é", "-q")
        assert (good.status, good.out) == (0, "")
    for wrong, problem in (
        (["list", "--format", "xml"], "invalid choice: 'xml'"),
        (["list.xml"], "cannot tell the format of list.xml"),
    ):
        made = run(*only, *wrong)
        assert made.status == 2
        assert problem in made.err


@pytest.mark.parametrize(
    ("file", "algorithm"),
    [("MD5SUMS", "md5"), ("SHA256SUMS", "sha256"), ("a.crc32", "crc32"), ("a.sfv", "crc32")],
)
def test_the_name_of_a_list_says_its_format_and_algorithm(
    tree: Path, run: Callable[..., Outcome], file: str, algorithm: str
) -> None:
    only = ["--include", "/é", "-q"]
    assert run("manifest", tree, "-a", algorithm, *only, "-o", file).status == 0
    assert run("verify", tree, "--manifest", file, *only).status == 0
    before = Path(file).read_bytes()
    wrong = run("manifest", tree, "-a", "sha1", *only, "-o", file)
    assert wrong.status == 2
    assert f"{file} is a list of {algorithm}, not of sha1" in wrong.err
    assert Path(file).read_bytes() == before


def test_the_help_of_manifest_names_every_format(run: Callable[..., Outcome]) -> None:
    text = run("manifest", "--help").out
    for each in formats(writable=True):
        assert f"\n  {each.name} " in text
        assert all(suffix in text for suffix in each.suffixes)


def test_one_object_is_not_objects(tree: Path, run: Callable[..., Outcome]) -> None:
    made = run("manifest", tree, "--include", "/é", "-o", "one.csv")
    assert made.err.startswith("numcrc: 1 object, 2 B in ")
    good = run("verify", tree, "--manifest", "one.csv", "--include", "/é")
    assert good.err.startswith("numcrc: 1 object, 2 B compared in ")


FEW_FILES = """
import resource, sys
from numcrc.cli import main

resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
@pytest.mark.parametrize("command", ["manifest", "verify"])
def test_many_jobs_where_few_files_may_be_open(tree: Path, command: str) -> None:
    arguments = [command, "tree", "-j", "300"]
    arguments += ["-o", "new.csv"] if command == "manifest" else ["--manifest", "sums.jsonl"]
    done = subprocess.run(
        [sys.executable, "-c", FEW_FILES, *arguments], capture_output=True, text=True
    )
    assert done.stderr.startswith(f"numcrc: {2 * len(NASTY)} objects, ")
    assert done.returncode == 0


def test_sizes_and_shares() -> None:
    sizes = {"64M": 64 << 20, "1.5GiB": 3 << 29, "10": 10, "7B": 7, "2kb": 2000, "1T": 1 << 40}
    assert {text: size(text) for text in sizes} == sizes
    for wrong in ("", "M", "0", "-1", "1X", "1iB", "1e3", "nan"):
        with pytest.raises(ArgumentTypeError):
            size(wrong)
    assert (sample("1%"), sample("0.25"), shard("2/8")) == (0.01, 0.25, (2, 8))


def test_keys_do_not_control_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_line("\x1b[2J: differ")
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_failure_names_its_key_once(tmp_path: Path, run: Callable[..., Outcome]) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    keys = ("folder", "pipe", "a: b")
    (tmp_path / "list").write_text("".join(f"00000000  {key}\n" for key in keys))
    found = run("verify", tmp_path, "--one-way", "--manifest", tmp_path / "list")
    assert sorted(found.lines) == [
        "a: b: missing (No such file or directory)",
        "folder: missing (it is a folder)",
        "pipe: error (not a regular file)",
    ]


def test_a_report_on_standard_output(tree: Path, run: Callable[..., Outcome]) -> None:
    """JSON Lines of all results, in place of lines about those that are not matches."""
    assert run("manifest", tree, "-o", "m.csv", "-q").status == 0
    (tree / "-").unlink()
    for options in ([], ["--combined"]):
        found = run("verify", tree, "--manifest", "m.csv", "--report", "-", *options)
        assert found.status == 1
        mark, *rows, end = map(json.loads, found.lines)
        assert mark == {"numcrc": "numcrc report 2"}
        assert len(rows) == 2 * len(NASTY)
        assert end == {"numcrc": "end", "rows": len(rows)}
        assert [row["key"] for row in rows if row["state"] != "match"] == ["-"]
        assert "1 missing" in found.err


def test_a_report_on_standard_output_is_kept(
    tree: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    report = verify(tree, report="-")
    Path("out").write_bytes(capfdbinary.readouterr().out)
    assert list(read_results("out")) == list(report)
    assert report.objects == len(list(report)) == 2 * len(NASTY)


@pytest.mark.parametrize(("form", "marked"), [("gnu", False), ("csv", True), ("other", False)])
def test_a_manifest_that_may_have_been_cut_is_said_to_be(form, marked, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in "ab":
        folder.joinpath(name).write_bytes(b"123456789")
    if form == "other":
        Path("list").write_text("key,crc32c\na,e3069283\nb,e3069283\n")
    else:
        assert run("manifest", folder, "-o", "list", "--format", form, "-a", "crc32c").status == 0
    found = run("verify", folder, "--manifest", "list", "--one-way")
    said = "numcrc: list has no end mark: cannot tell whether it is whole\n" in found.err
    assert (found.status, said) == (0, not marked)
    # Otherwise an object that the list lacks is extra.
    assert "end mark" not in run("verify", folder, "--manifest", "list").err
