"""``numcrc check``: its results, options and exit statuses."""

from __future__ import annotations

import hashlib
import os
import random
import tracemalloc
import zlib
from unittest.mock import Mock

import pytest
from cli_support import MARKS, POSIX, feed, write

import numcrc
from numcrc import files
from numcrc.checksums import find
from numcrc.cli import check

pytestmark = MARKS


def test_check(run):
    write("good")
    write("bad", b"other")
    write("list", b"e3069283  good\ne3069283  bad\ne3069283  none\nCRC32 (good) = cbf43926\n")
    status, out, err = run("check", "list")
    assert status == 1
    assert out == "good: OK\nbad: FAILED\nnone: MISSING\ngood: OK\n"
    assert err == (
        "numcrc: WARNING: 1 listed file is missing\nnumcrc: WARNING: 1 file does NOT match\n"
    )
    assert run("check", "--quiet", "list")[1] == "bad: FAILED\nnone: MISSING\n"
    assert run("check", "--status", "list") == (1, "", "")


def test_check_of_a_list_on_standard_input(run, monkeypatch):
    write("good")
    feed(monkeypatch, b"e3069283  good\n")
    assert run("check") == (0, "good: OK\n", "")


def test_check_of_standard_input(run, monkeypatch):
    write("list", b"e3069283  -\n")
    feed(monkeypatch, b"123456789")
    assert run("check", "list") == (0, "-: OK\n", "")


def test_check_reads_windows_lists(run):
    write("a b")
    write("list", b"\xef\xbb\xbf; comment\r\n\r\na b CBF43926\r\n")
    assert run("check", "list") == (0, "a b: OK\n", "")


def test_check_with_an_algorithm(run):
    write("a")
    write("list", b"ae8b14860a799888  a\n")
    assert run("check", "-a", "crc64nvme", "list") == (0, "a: OK\n", "")
    assert run("check", "list")[0] == 2
    write("list", f"{hashlib.sha3_256(b'123456789').hexdigest()}  a\n")
    assert run("check", "-a", "SHA3-256", "list") == (0, "a: OK\n", "")


def test_lines_about_one_file_are_one_result(run):
    write("a")
    lines = run("sum", "-a", "crc32", "-a", "crc32c", "a")[1]
    write("list", lines.encode())
    assert run("check", "list") == (0, "a: OK\n", "")
    write("list", lines.replace("cbf4", "cbf5").encode() + b"e3069283  a\n")
    assert run("check", "list")[:2] == (1, "a: FAILED\n")


def test_malformed_line(run):
    """As for sha256sum, a warning, which only --strict makes an error."""
    write("a")
    write("list", b"; comment\nnonsense\ne3069283  a\n")
    status, out, err = run("check", "list")
    assert (status, out) == (0, "a: OK\n")
    assert err == (
        "numcrc: list: line 2: not a line of checksums\nnumcrc: WARNING: 1 line is malformed\n"
    )
    assert run("check", "--status", "list") == (0, "", "")
    assert run("check", "--status", "--strict", "list") == (2, "", "")
    write("list", b"; comment\ne3069283  a\n")
    assert run("check", "--strict", "list") == (0, "a: OK\n", "")


@pytest.mark.parametrize("data", [b"", b"; only a comment\n"])
def test_list_without_lines(run, data):
    write("list", data)
    assert run("check", "list") == (2, "", "numcrc: list: no line of checksums found\n")


def test_a_malformed_line_is_counted_once(run, monkeypatch):
    feed(monkeypatch, b"bad\n")
    assert run("check") == (
        2,
        "",
        "numcrc: -: line 1: not a line of checksums\nnumcrc: -: no line of checksums found\n"
        "numcrc: WARNING: 1 line is malformed\n",
    )


def test_check_of_what_cannot_be_read(run):
    os.mkdir("d")
    write("a")
    write("list", b"e3069283  d\ne3069283  a\n")
    status, out, err = run("check", "list")
    assert (status, out) == (3, "a: OK\n")
    first, second = err.splitlines()
    assert first.startswith("d: ERROR (")
    assert second == "numcrc: WARNING: 1 file could not be read"
    assert run("check", "--status", "list") == (3, "", "")
    assert run("check", "no list")[0] == 3


def test_mismatch_goes_before_unreadable_before_malformed(run):
    os.mkdir("d")
    write("a")
    write("none", b"nonsense\n")
    write("list", b"e3069284  a\ne3069283  d\nnonsense\n")
    assert run("check", "none", "list")[0] == 1
    write("list", b"e3069283  a\ne3069283  d\nnonsense\n")
    assert run("check", "none", "list")[0] == 3
    write("list", b"e3069283  a\n")
    assert run("check", "none", "list")[0] == 2


def test_every_checksum_of_a_file_is_checked_in_one_read(run, monkeypatch):
    """Hashes and CRCs, of files that fit in one read and of others."""
    for size in (9, files.WHOLE + 1, 2 * files.PIECE + 1):
        data = random.Random(size).randbytes(size)
        write("a", data)
        values = {
            "SHA256 (a) = {}": hashlib.sha256(data).hexdigest(),
            "CRC32 (a) = {}": f"{zlib.crc32(data):08x}",
            "BLAKE2b-256 (a) = {}": hashlib.blake2b(data, digest_size=32).hexdigest(),
            "{}  a": hashlib.md5(data).hexdigest(),
            "XXH3 (a) = {}": find("xxh3").of(data).hex(),
        }
        write("list", "\n".join(form.format(value) for form, value in values.items()))
        with monkeypatch.context() as patch:
            counted = Mock(side_effect=os.open)
            patch.setattr(os, "open", counted)
            assert run("check", "list") == (0, "a: OK\n", "")
        assert counted.call_count == 1
        for wrong in values:
            changed = values | {wrong: "0" * len(values[wrong])}
            write("list", "\n".join(form.format(value) for form, value in changed.items()))
            assert run("check", "list")[:2] == (1, "a: FAILED\n")


def test_a_checksum_that_cannot_be_computed_is_never_ok(run):
    write("a")
    write("list", f"BLAKE3 (a) = {64 * '0'}\nBLAKE3 (none) = {64 * '0'}\n")
    assert run("check", "list") == (
        1,
        "none: MISSING\n",
        "a: UNSUPPORTED (unknown checksum algorithm 'blake3')\n"
        "numcrc: WARNING: 1 listed file is missing\n"
        "numcrc: WARNING: 1 file has no checksum that can be computed\n",
    )
    write("B3SUMS", f"{64 * '0'}  a\n")
    assert run("check", "--status", "B3SUMS") == (3, "", "")
    write("list", f"BLAKE3 (a) = {64 * '0'}\nCRC32C (a) = e3069283\n")
    assert run("check", "list") == (0, "a: OK\n", "")
    write("list", f"BLAKE3 (a) = {64 * '0'}\nCRC32C (a) = e3069284\n")
    assert run("check", "list")[:2] == (1, "a: FAILED\n")


def test_ignore_missing(run):
    write("a")
    write("list", b"e3069283  a\ne3069283  b\n")
    assert run("check", "--ignore-missing", "list") == (0, "a: OK\n", "")
    os.remove("a")
    for status in ((), ("--quiet",)):
        assert run("check", "--ignore-missing", *status, "list") == (
            1,
            "",
            "numcrc: list: no file was verified\n",
        )
    assert run("check", "--ignore-missing", "--status", "list") == (1, "", "")
    write("a", b"damaged")
    assert run("check", "--ignore-missing", "list")[:2] == (1, "a: FAILED\n")


def test_directory(run, monkeypatch):
    write("d/sub/a")
    write("list", b"e3069283  sub/a\ne3069283  -\n")
    feed(monkeypatch, b"123456789")
    assert run("check", "-C", "d", "list") == (0, "sub/a: OK\n-: OK\n", "")
    write("list", f"e3069283  {os.path.abspath('d/sub/a')}\n")
    assert run("check", "--directory", "d", "--quiet", "list") == (0, "", "")
    assert run("check", "list", "-C", "none") == (3, "", "numcrc: none: not a folder\n")


@POSIX
def test_jobs_change_nothing_for_hashes(run):
    lines = []
    for number in range(300):
        data = b"%d" % number
        write(f"d/{number}", data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {number}\n")
    write("SHA256SUMS", "".join(lines))
    write("d/7", b"damaged")
    for jobs in ("1", "3"):
        status, out, _ = run("check", "-j", jobs, "-C", "d", "--quiet", "SHA256SUMS")
        assert (status, out) == (1, "7: FAILED\n")


def test_many_sets_of_algorithms_take_little_memory(run):
    """A reader of large files has a buffer, and each set of algorithms a reader."""
    data = bytes(files.WHOLE + 1)
    write("a", data)
    write("b", data)
    lines = []
    for name in numcrc.algorithms:
        value = numcrc.algorithms[name](data)
        lines.append(f"{name} ({'ab'[len(lines) % 2]}) = {value:0{-(-find(name).width // 4)}x}\n")
    write("list", "".join(lines))
    tracemalloc.start()
    try:
        assert run("check", "-j", "1", "--quiet", "list") == (0, "", "")
        assert tracemalloc.get_traced_memory()[1] < (check._MOST_READERS + 8) * files.PIECE
    finally:
        tracemalloc.stop()


def test_a_list_that_contradicts_itself(run):
    """It is not said that no line matches, since one does."""
    write("a")
    good, bad = hashlib.sha256(b"123456789").hexdigest(), 64 * "0"
    problem = "numcrc: a: the list has different values of {} for this file\n"
    failed = "numcrc: WARNING: 1 file does NOT match\n"
    for text, name in (
        (f"{good}  a\n{bad}  a\n", "sha256"),
        (f"{bad}  a\n{good}  a\n", "sha256"),
        ("a cbf43926\na cbf43927\n", "crc32"),
        ("e3069283  a\ne3069284  a\n", "crc32c"),
    ):
        write("list", text)
        assert run("check", "list") == (1, "a: FAILED\n", problem.format(name) + failed)
        assert run("check", "--status", "list") == (1, "", "")
    write("b")
    write("list", f"{good}  a\n{good}  b\n{bad}  a\n")
    out = "a: OK\nb: OK\na: FAILED\n"
    assert run("check", "list") == (1, out, problem.format("sha256") + failed)
    write("list", f"{good}  a\nCRC32 (a) = cbf43927\n")
    assert run("check", "list") == (1, "a: FAILED\n", failed)


@POSIX
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_listed_file_that_could_be_waited_for_is_an_error(run, jobs):
    os.mkfifo("pipe")
    write("a")
    os.symlink("/dev/zero", "zero")
    write("list", f"e3069283  pipe\ne3069283  a\ne3069283  zero\nBLAKE3 (pipe) = {64 * '0'}\n")
    status, out, err = run("check", "-j", jobs, "list")
    assert (status, out) == (3, "a: OK\n")
    names = ("pipe", "zero", "pipe")
    assert err.splitlines()[:3] == [f"{name}: ERROR (not a regular file)" for name in names]


def test_a_path_that_is_too_long_is_shown_in_part(run):
    long = 20_000 * "a"
    write("list", f"e3069283  {long}\n")
    for command in (("sum", long), ("check", long), ("check", "list"), ("check", "-C", long)):
        status, out, err = run(*command)
        assert (status, out) == (3, "")
        assert f"a...{512 * 'a'}: " in err
        assert len(err) < 1200


def test_an_empty_path_is_shown(run):
    assert run("sum", "") == (3, "", "numcrc: '': No such file or directory\n")
    assert run("sum", "-r", "")[2] == "numcrc: '': No such file or directory\n"
    assert run("check", "")[2].startswith("numcrc: '': No such file or directory\n")
    assert run("check", "-C", "", "list") == (3, "", "numcrc: '': not a folder\n")
