"""Lists of checksums by many programs: ``numcrc check`` and ``numcrc verify`` read them alike."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import time
import tracemalloc
from pathlib import Path
from unittest.mock import patch

import pytest

from numcrc.checkfiles import reader
from numcrc.checkfiles.lines import Basis, Expected, Line
from numcrc.checkfiles.reader import LONGEST_LINE, ListError
from numcrc.checksums import find
from numcrc.cli import main
from numcrc.store import verify
from numcrc.store.manifests import ManifestError, read_manifest
from numcrc.store.source import RetryError
from numcrc.store.sources import open_source
from numcrc.store.sources.local import LocalSource

DATA = b"123456789"
CRC32, CRC32C = "cbf43926", "e3069283"
SHA256 = hashlib.sha256(DATA).hexdigest()
SHA3 = hashlib.sha3_256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def run(tmp_path, monkeypatch, capfdbinary):
    """Run a command line beside the folder d with the files f and Sub/f, which are the same."""
    monkeypatch.chdir(tmp_path)
    Path("d/Sub").mkdir(parents=True)
    Path("d/f").write_bytes(DATA)
    Path("d/Sub/f").write_bytes(DATA)

    def run(*arguments):
        status = main(arguments)
        out, err = capfdbinary.readouterr()
        return status, os.fsdecode(out), os.fsdecode(err)

    return run


def checked(run, name, data, *options):
    """Return the statuses of check and of a one-way verify with a list, and all that they print."""
    Path(name).write_bytes(data if isinstance(data, bytes) else data.encode())
    check = run("check", "-C", "d", *options, name)
    verify = run("verify", "d", "--one-way", "--manifest", name, *options)
    return check[0], verify[0], check[1] + check[2], verify[1] + verify[2]


# Formats


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.sfv", f"{CRC32}  f\n"),
        ("g.SFV", f"f {CRC32}\n"),
        ("g.crc32", f"{CRC32}  f\n"),
        ("CRC32SUMS", f"{CRC32} *f\n"),
        ("CRC32SUMS", f"{CRC32} f\n"),
        ("g.crc32c", f"{CRC32C}  f\n"),
        ("g.txt", f"{CRC32C}  f\n"),
        ("g.txt", f"f {CRC32}\n"),
        ("MD5SUMS", f"{MD5} f\n"),
        ("g.txt", f"{MD5} f\n"),
        ("SHA256SUMS", f"{SHA256}  f\n"),
        ("SHA3-256SUMS", f"{SHA3}  f\n"),
        ("g.txt", f"SHA2-256(f)= {SHA256}\nMD5 (f) = {MD5}\nSHA3-256(f)= {SHA3}\n"),
        ("g.txt", '{"path": "f", "crc": {"crc32": "cbf43926", "sha256": "' + SHA256 + '"}}\n'),
    ],
)
def test_every_format_in_check_and_in_verify(run, name, text):
    assert checked(run, name, text)[:2] == (0, 0)
    Path("d/f").write_bytes(b"damaged")
    status, verified, _, shown = checked(run, name, text)
    assert status == 1
    guessed = "unsupported-algorithm" in shown
    assert verified == (3 if guessed else 1)
    assert guessed == (name == "g.txt" and text.startswith(MD5))


@pytest.mark.parametrize(
    "command",
    [
        *("md5sum", "sha1sum", "sha512sum --tag", "b2sum --tag", "b2sum -l 256 --tag"),
        *("openssl dgst -sha256", "openssl dgst -sha3-512", "openssl dgst -sha256 -r"),
        *("openssl dgst -blake2b512", "cksum -a sha224", "cksum -a sha384 --untagged"),
    ],
)
def test_lists_by_other_programs(run, command):
    program, *options = command.split()
    if not shutil.which(program):
        pytest.skip(f"needs {program}")
    made = subprocess.run([program, *options, "f"], cwd="d", stdout=-1, stderr=-1, check=False)
    if made.returncode:
        pytest.skip(f"this {program} is too old")
    if "blake2b512" in command:  # OpenSSL's name for BLAKE2b
        assert made.stdout.startswith(b"BLAKE2B-512(f)=")
    assert checked(run, "list", made.stdout)[:2] == (0, 0)


def test_utf16_by_its_byte_order_mark(run):
    """As ``>`` of Windows PowerShell writes it."""
    text = f"; ✓\r\n{CRC32C}  f\r\nCRC32 (Sub/f) = {CRC32}\r\n"
    for encoding in ("utf-16-le", "utf-16-be", "utf-8"):
        assert checked(run, "list", ("\ufeff" + text).encode(encoding))[:2] == (0, 0)
    table = f"key,size,crc32c\r\nf,9,{CRC32C}\r\n"
    for text in (table, f'{{"key": "f", "size": 9, "crc32c": "{CRC32C}"}}\r\n'):
        Path("list").write_bytes(("\ufeff" + text).encode("utf-16-le"))
        assert run("verify", "d/f", "-q", "--manifest", "list") == (0, "", "")
    assert run("verify", "d/f", "-q", "--manifest", "list") == (0, "", "")
    cut = text.encode("utf-16")[:-1]
    check, verify, *shown = checked(run, "list", cut)
    assert (check, verify) == (2, 2)
    assert all("UTF-16" in text for text in shown)


def test_sfv_without_leading_zeros(run):
    """As cksfv 1.1 writes it: ``lead0.bin 81566``."""
    numbers = (b"lead0 %d" % k for k in range(10_000))
    data = next(data for data in numbers if find("crc32").of(data) < b"\0\x10")
    short = find("crc32").of(data).hex().lstrip("0")
    Path("d/lead0.bin").write_bytes(data)
    for name, text in (("x.sfv", f"lead0.bin {short}\n"), ("x", f"; cksfv\nlead0.bin {short}\n")):
        assert checked(run, name, text)[:2] == (0, 0)
        assert checked(run, name, text.replace(short, "1" + short))[:2] == (1, 1)
    assert checked(run, "x", f"lead0.bin {short}\n")[:2] == (2, 2)


def test_csv_of_powershell(run):
    """As ``Get-FileHash -Algorithm MD5 | Export-Csv`` writes it; old versions with a type."""
    Path('d/a "b", c').write_bytes(DATA)
    lines = f'"MD5","{MD5.upper()}","f"\r\n"SHA256","{SHA256.upper()}","Sub\\f"\r\n'
    lines += f'"MD5","{MD5.upper()}","a ""b"", c"\r\n'
    titles = '"Algorithm","Hash","Path"\r\n'
    for start in ("", "\ufeff", "#TYPE Microsoft.PowerShell.Commands.FileHashInfo\r\n"):
        for name in ("hashes.csv", "hashes"):
            check, verify, checks, verifies = checked(run, name, start + titles + lines)
            assert (check, verify) == (0, 0)
            assert "WARNING" not in checks + verifies
    wrong = lines.replace(MD5.upper(), 32 * "0")
    assert checked(run, "hashes.csv", titles + wrong)[:2] == (1, 1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize(
    "titles",
    [("Path", "Hash", "Algorithm"), ("Algorithm", "Hash", "Path"), ("Host", "Hash", "Path")],
)
def test_csv_of_powershell_by_its_titles(run, titles, quote, delimiter):
    """As with -UseQuotes, -Delimiter and Select-Object; other columns are skipped."""
    Path("d/a  b").write_bytes(DATA)

    def row(path, value=SHA256):
        fields = {"Path": path, "Hash": value, "Algorithm": "SHA256", "Host": "h"}
        return delimiter.join(f"{quote}{fields[title]}{quote}" for title in titles) + "\r\n"

    start = delimiter.join(f"{quote}{title}{quote}" for title in titles) + "\r\n"
    for name in ("hashes.csv", "hashes"):
        text = start + row("f") + row("Sub\\f") + row("a  b")
        check, verify, checks, _ = checked(run, name, text)
        assert (check, verify) == (0, 0)
        assert checks.count(": OK") == 3
        # A value whose algorithm is only assumed is not a mismatch for verify.
        statuses = 1, 1 if "Algorithm" in titles else 3
        assert checked(run, name, text.replace(SHA256, 64 * "0", 1))[:2] == statuses
        assert checked(run, name, start + row("g"))[0] == 1
    for wrong in (row("", SHA256), row("f", ""), delimiter + row("f")):
        check, verify, checks, _ = checked(run, "hashes", start + row("f") + wrong)
        assert (verify, checks.count(": OK")) == (0, 1)  # with a warning
        assert "line 3: " in checks
        assert checked(run, "hashes", start + wrong)[0] == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3015617425 6 f\n", "CRCs by POSIX cksum are not supported"),
        ("12345678 6 f\n3015617425 6 Sub/f\n", "CRCs by POSIX cksum are not supported"),
        ("f,9,CBF43926,\n", "CSV by cfv is not supported"),
        (f"{SHA256}  f\0{SHA256}  Sub/f\0" * 1000, "a newline, not a null character"),
    ],
)
def test_lists_that_are_not_read_are_refused_in_one_sentence(run, text, problem):
    name = "list.csv" if "," in text else "list"
    for shown in checked(run, name, text)[2:]:
        (line,) = shown.splitlines()
        assert line.startswith(f"numcrc: {name}: line ")
        assert line.endswith(problem)


def test_json_with_a_name_twice_is_not_read(run):
    good, twice = f'"md5": "{MD5}"', f'"md5": "{32 * "0"}", "md5": "{MD5}"'
    for name in ("list", "list.jsonl"):
        first = f'{{"path": "f", "crc": {{{good}}}}}\n'
        check, verify, *_ = checked(run, name, first)
        assert check == verify == 0
        check, verify, *messages = checked(run, name, first.replace(good, twice))
        assert check
        assert verify
        assert any("duplicate name 'md5'" in message for message in messages)


@pytest.mark.skipif(not shutil.which("cksum"), reason="needs coreutils")
def test_a_list_by_cksum(run):
    made = subprocess.run(["cksum", "f", "Sub/f"], cwd="d", stdout=-1, check=True)
    assert checked(run, "list", made.stdout)[:2] == (2, 2)


def test_names_that_begin_like_a_line_of_cksum(run):
    Path("d/0123456789 01 track").write_bytes(DATA)
    assert checked(run, "list", f"0123456789 01 track {CRC32}\n")[:2] == (0, 0)
    value, data = next(
        (value, data)
        for data in (b"%d" % k for k in range(10_000))
        if (value := find("CRC-40/GSM").of(data).hex()).isdecimal()
    )
    Path("d/01 track").write_bytes(data)
    assert checked(run, "list", f"{value} 01 track\n", "-a", "CRC-40/GSM")[:2] == (0, 0)


def test_carriage_returns_at_the_ends_of_lines(run):
    """Two, where a text was converted twice."""
    for end in ("\r\n", "\r\r\n", "\r"):
        for line in (f"{SHA256}  f", f"SHA256 (f) = {SHA256}", f"f {CRC32}"):
            assert checked(run, "list", line + end)[:2] == (0, 0)


@pytest.mark.parametrize(
    "line",
    [
        "{x}  f",
        "MD5 (f) = {x}",
        "NEW (f) = 0{x}",
        "e3069283  f\0{x}",
        "ERROR  {x}",
        "deadbeefdeadbeef0{x}  f",
        '{{"path": "f", "crc": {{"crc32": "{x}"}}}}',
        '{{"path": "f", "crc": {{"new": ["{x}"]}}}}',
        '{{"path": "f", "crc": {{"\\ud800{x}": "00"}}}}',
    ],
)
def test_messages_repeat_little_of_a_list(run, line):
    for shown in checked(run, "list", "# list\n" + line.format(x=30_000 * "b"))[2:]:
        assert len(shown) < 500


# The algorithm of a line


def test_a_tag_goes_before_the_option_and_that_before_the_name_of_the_list(run):
    texts = {
        CRC32: f"{CRC32}  f\n",
        CRC32C: f"{CRC32C}  f\n",
        "tag": f"CRC32 (f) = {CRC32}\n",
    }
    for name, option, good in (
        ("x", None, {CRC32C, "tag"}),
        ("x.crc32", None, {CRC32, "tag"}),
        ("x.sfv", None, {CRC32, "tag"}),
        ("x.sfv", "crc32c", {CRC32C, "tag"}),
        ("x", "crc32", {CRC32, "tag"}),
    ):
        options = ["-a", option] if option else []
        for key, text in texts.items():
            statuses = checked(run, name, text, *options)[:2]
            assert statuses == ((0, 0) if key in good else (1, 1))


def test_a_mismatch_of_a_guessed_algorithm_is_no_difference(run):
    """64 digits may be SHA3-256, so that SHA-256 is only tried."""
    for name, value in (("sha3-256", SHA3), ("blake2s", hashlib.blake2s(DATA).hexdigest())):
        check, verify, checks, verifies = checked(run, "x", f"{value}  f\n")
        assert (check, verify) == (1, 3)
        assert f"numcrc: x: the lines match as {name}: pass -a {name}\n" in checks
        detail = "not its sha256; pass -a if the list has another algorithm"
        assert verifies.startswith(f"f: unsupported-algorithm ({detail})\n")
        assert checked(run, "x", f"{value}  f\n", "-a", name)[:2] == (0, 0)
    for text in (f"{64 * '0'}  f\n", f"{64 * '0'}  f\n{32 * '0'}  Sub/f\n"):
        check, verify, checks, verifies = checked(run, "x", text)
        assert (check, verify) == (1, 3)
        assert checks.count("no line matches as sha256; pass -a if the list has another") == 1
        assert "differ" not in verifies
    check, verify, checks, verifies = checked(run, "x", f"{SHA256}  f\n{64 * '0'}  Sub/f\n")
    assert (check, verify) == (1, 3)
    assert "pass -a" not in checks  # since a line matches, the list has SHA-256


def test_a_guess_that_does_not_match_beside_a_checksum_that_does(run):
    text = f"CRC32 (f) = {CRC32}\n{SHA3}  f\n"
    status, out, err = checked(run, "x", text)[1:]
    assert status == 0
    assert "differ" not in out + err
    named = f"{SHA256}  f\nSHA256 (f) = {SHA256}\n"
    for text in (named, "".join(reversed(named.splitlines(keepends=True)))):
        Path("x").write_text(text)
        (entry,) = read_manifest("x")
        assert [checksum.guessed for checksum in entry.checksums] == [False]


def test_a_hint_where_all_lines_match_as_crc32(run):
    for name, value, hint in (
        ("x", CRC32, "numcrc: x: the lines match as crc32: pass -a crc32\n"),
        ("x", "cbf43927", ""),
        ("x.crc32c", CRC32, ""),
    ):
        Path(name).write_text(f"{value}  f\n{value}  Sub/f\n{value}  none\n")
        status, out, err = run("check", "-C", "d", name)
        assert (status, out) == (1, "f: FAILED\nSub/f: FAILED\nnone: MISSING\n")
        assert err.startswith(hint)
        assert ("pass -a" in err) == bool(hint)
    Path("x").write_text(f"{CRC32}  f\n{CRC32C}  Sub/f\n")
    assert "pass -a" not in run("check", "-C", "d", "x")[2]
    Path("x").write_text(f"f {CRC32C}\n")
    assert "the lines match as crc32c: pass -a crc32c" in run("check", "-C", "d", "x")[2]


# Paths


@pytest.mark.skipif(os.name == "nt", reason="backslashes separate folders there")
def test_backslashes_separate_folders_if_only_that_file_is_there(run):
    Path("d/a\\b").write_bytes(DATA)
    for line in (f"Sub\\f {CRC32}", f"{CRC32} *.\\Sub\\f", f"CRC32 (Sub\\f) = {CRC32}"):
        check, verify, checks, _ = checked(run, "x.sfv", f"{line}\r\n")
        assert (check, verify) == (0, 0)
        assert checks.endswith("Sub\\\\f: OK\n")
    for text in (f"a\\b {CRC32}\n", f"\\{CRC32}  a\\\\b\n"):
        assert checked(run, "x.sfv", text)[:2] == (0, 0)
    assert checked(run, "x.sfv", f"\\{CRC32}  Sub\\\\f\n")[:2] == (1, 1)
    assert checked(run, "x.sfv", f"Sub\\g {CRC32}\n")[:2] == (1, 1)
    status, _, err = run("verify", "d", "--manifest", "x.sfv")
    assert (status, "Traceback" in err) == (1, False)
    for outside in ("..\\x.sfv", "Sub\\..\\..\\x.sfv"):
        Path("y.sfv").write_text(f"{outside} {CRC32}\nSub\\f {CRC32}\n")
        assert run("verify", "d", "--manifest", "y.sfv")[0] != 0


# Lines that are not lines of checksums


SIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

{SHA256}  f
- -----------
{SHA256}  Sub/f
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCgAdFiEEF3tLXk8=
=abcd
-----END PGP SIGNATURE-----
"""


def test_a_clear_signed_list(run):
    check, verify, checks, verifies = checked(run, "SHA256SUMS", SIGNED.replace("- ---", "- #"))
    assert (check, verify, checks) == (0, 0, "f: OK\nSub/f: OK\n")
    assert "WARNING" not in verifies
    assert checked(run, "SHA256SUMS.asc", SIGNED)[:2] == (0, 0)
    for end in ("=abcd\n", "Sub/f\n", "SIGNED MESSAGE-----\n"):
        cut = SIGNED[: SIGNED.index(end) + len(end)]
        check, verify, *shown = checked(run, "SHA256SUMS", cut)
        assert (check, verify) == (2, 2)
        assert all("the signed text ends early" in text for text in shown)


@pytest.mark.skipif(not shutil.which("gpg"), reason="needs gpg")
def test_a_list_that_gpg_signed(run, tmp_path):
    text = f"{SHA256}  f\n{SHA256}  Sub/f\n"
    home = ["gpg", "--homedir", "gpg", "--batch", "--quiet", "--passphrase", ""]
    Path("gpg").mkdir(mode=0o700)
    made = subprocess.run(
        [*home, "--quick-generate-key", "a@b.c", "ed25519"], stderr=-1, check=False
    )
    signed = subprocess.run(
        [*home, "--clearsign"], input=text.encode(), stdout=-1, stderr=-1, check=False
    )
    subprocess.run(["gpgconf", "--homedir", "gpg", "--kill", "all"], check=False)
    if made.returncode or signed.returncode:
        pytest.skip("gpg cannot make a key here")
    check, verify, checks, _ = checked(run, "SHA256SUMS", signed.stdout)
    assert (check, verify, checks) == (0, 0, "f: OK\nSub/f: OK\n")


def test_what_is_a_line_is_checked_and_the_rest_warned_of(run):
    text = f"The sums of release 5:\n\n{SHA256}  f\n{' ' * 59}ERROR  Sub/f\n"
    check, verify, checks, verifies = checked(run, "SHA256SUMS", text)
    assert (check, verify) == (0, 0)
    first, second = "line 1: not a line of checksums", "line 4: rclone found no checksum of 'Sub/f'"
    assert checks == (
        f"f: OK\nnumcrc: SHA256SUMS: {first}\nnumcrc: SHA256SUMS: {second}\n"
        "numcrc: WARNING: 2 lines are malformed\n"
    )
    assert verifies.startswith(
        f"numcrc: WARNING: SHA256SUMS: {first}\nnumcrc: WARNING: SHA256SUMS: {second}\n"
    )
    assert verifies.endswith(": 1 match\n")
    assert run("check", "--strict", "-C", "d", "SHA256SUMS")[0] == 2
    # What the warnings are about is missed in a comparison of both sides.
    assert run("verify", "d", "--manifest", "SHA256SUMS")[:2] == (1, "Sub/f: extra\n")
    Path("d/f").write_bytes(b"damaged")
    assert checked(run, "SHA256SUMS", text)[:2] == (1, 1)


def test_a_list_without_a_line_of_checksums_is_an_error(run):
    for text in ("only prose\n", "; a comment\n", "\n"):
        check, verify, *shown = checked(run, "SHA256SUMS", text)
        assert (check, verify) == (2, 2)
        assert all("SHA256SUMS: no line of checksums found" in text for text in shown)


def test_few_of_many_malformed_lines_are_shown(run):
    text = "malformed\n" * 1000 + f"{SHA256}  f\n"
    check, verify, checks, verifies = checked(run, "SHA256SUMS", text)
    assert (check, verify) == (0, 0)
    for text in (checks, verifies):
        assert text.count("not a line of checksums") == 10
    assert "WARNING: 1000 lines are malformed" in checks
    assert "WARNING: 990 more lines are malformed" in verifies


def test_a_malformed_line_is_an_error_of_read_manifest_unless_it_is_reported():
    text = b"; a\nprose\n" + f"{CRC32C}  f\n".encode()
    with pytest.raises(ManifestError, match="manifest: line 2: not a line of checksums"):
        list(read_manifest(io.BytesIO(text)))
    found: list[ManifestError] = []
    (entry,) = read_manifest(io.BytesIO(text), on_malformed=found.append)
    assert entry.key == "f"
    assert [error.line for error in found] == [2]


# Hostile lists


def test_a_line_without_an_end_is_one_error_in_little_memory(tmp_path):
    path = tmp_path / "list"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
    for start in (b"", b"\xff\xfe"):
        with open(path, "r+b") as file:
            file.write(start)
        tracemalloc.start()
        try:
            with open(path, "rb") as file, pytest.raises(ListError, match="line 1: longer than"):
                list(reader.read(reader.lines(file), "list"))
            assert tracemalloc.get_traced_memory()[1] < 4 * LONGEST_LINE
        finally:
            tracemalloc.stop()


def test_a_long_line_ends_a_list(run):
    check, verify, *shown = checked(run, "x", f"{CRC32C}  f\n{'x' * (9 << 20)}\n")
    assert (check, verify) == (2, 2)
    assert all("x: line 2: longer than 8 MiB" in text for text in shown)


def test_lines_about_one_file_are_linear(run):
    """A file is read once for all consecutive lines about it."""

    def seconds(count: int, text: str) -> float:
        Path("x").write_text(text * count)
        start = time.process_time()
        assert run("check", "-C", "d", "x")[:2] == (0, "f: OK\n")
        return time.process_time() - start

    text = f"{CRC32C}  f\nCRC32 (f) = {CRC32}\n"
    assert min(seconds(20_000, text) for _ in range(3)) < 20 * seconds(2000, text)
    Path("x").write_text("".join(f"{k:08x}  f\n" for k in range(20_000)))
    assert run("check", "-C", "d", "x")[:2] == (1, "f: FAILED\n")


def test_merged_lines():
    crc, other = find("crc32c"), find("crc32")
    named, assumed = Expected(crc, 1), Expected(crc, 1, Basis.CONVENTION)
    two, three = Expected(crc, 2), Expected(crc, 3)
    lines = [
        *(Line("a", (assumed,)), Line("a", (named,)), Line("a", (two,)), Line("a", (three,))),
        *(Line("b", (assumed,), "B"), Line("a", (Expected(other, 1),)), Line("a", (two,))),
    ]
    assert list(reader.merged(lines)) == [
        Line("a", (named, two)),
        Line("b", (assumed,), "B"),
        Line("a", (Expected(other, 1), two)),
    ]


def test_many_unknown_algorithms_are_malformed_lines(run):
    text = "".join(f"new-{k} (f) = 00\n" for k in range(1000)) + f"CRC32 (f) = {CRC32}\n"
    check, verify, checks, _ = checked(run, "x", text)
    assert (check, verify) == (0, 0)
    assert "more than 100 unknown algorithms in one list" in checks


def test_compressed_lists_are_for_verify(run):
    Path("SHA256SUMS.gz").write_bytes(gzip.compress(SIGNED.encode()))
    assert run("verify", "d", "--manifest", "SHA256SUMS.gz")[0] == 0
    problem = "numcrc: SHA256SUMS.gz: compressed; decompress it first\n"
    assert run("check", "SHA256SUMS.gz") == (2, "", problem)


def test_a_busy_store_is_asked_again_which_separator_paths_have(run):
    """Otherwise the file of the first line would seem to be missing."""
    source, real = open_source("d"), LocalSource.stat
    failures = iter([True, True])

    def stat(self, key):
        if next(failures, False):
            raise RetryError("busy")
        return real(self, key)

    with patch.object(LocalSource, "stat", stat):
        Path("x.sfv").write_text(f"Sub\\f {CRC32}\n")
        report = verify(source, manifest="x.sfv", one_way=True)
    assert [(result.key, result.state.value) for result in report] == [("Sub/f", "match")]


def test_different_values_for_a_file_are_named_wherever_the_lines_are(run):
    right, wrong = f"{CRC32C}  f\n", "00000000  f\n"
    between = f"{CRC32C}  Sub/f\n"
    problem = "numcrc: f: the list has different values of crc32c for this file\n"
    for text in (
        right + wrong + between,
        right + between + wrong,
        wrong + between + right + between + wrong,
        right + wrong + between + wrong,
    ):
        Path("list").write_text(text)
        status, _, errors = run("check", "-C", "d", "list")
        assert status == 1
        assert errors.count(problem) == 1
        assert run("check", "-C", "d", "--status", "list") == (1, "", "")
    Path("list").write_text(wrong + between + wrong)
    assert "different values" not in run("check", "-C", "d", "list")[2]
    lines = [f"0000000{value}  f{k}\n" for value in range(2) for k in range(50)]
    Path("list").write_text("".join(lines))
    for k in range(50):
        Path(f"d/f{k}").write_bytes(DATA)
    assert run("check", "-C", "d", "list")[2].count("different values") == reader.MOST_SHOWN
