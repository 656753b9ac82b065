"""Checksum algorithms by name: spellings, values, check files, and ``numcrc verify`` with them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import run_python

import numcrc
from numcrc import checksums
from numcrc.checksums import UnsupportedError, canonical, find, known, of_list_name, reason
from numcrc.cli import main
from numcrc.store.manifests.tables import TABLES

DATA = b"123456789"
SHA2 = [f"sha{bits}" for bits in (224, 256, 384, 512)]
SHA3 = [f"sha3-{bits}" for bits in (224, 256, 384, 512)]
HASHES = ["md5", "sha1", *SHA2, *SHA3, "blake2b", "blake2s"]
XXHASHES = {
    "xxhash32": "937bad67",
    "xxhash64": "8cb841db40e6ae83",
    "xxhash3": "72dcb18b67a17dff",
    "xxhash128": "33119477ede5dcd5e9716427681d5860",
}


def digest(name: str) -> str:
    """Return the hash of DATA by hashlib."""
    return hashlib.new(name.replace("-", "_"), DATA).hexdigest()


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("crc32", "CRC32 CRC-32 CRC-32/ISO-HDLC crc_32_iso_hdlc pkzip"),
        ("crc32c", "CRC32C CRC-32C CRC-32/ISCSI crc32_iscsi crc-32/castagnoli"),
        ("crc64nvme", "CRC64NVME CRC-64/NVME"),
        ("CRC-16/ARC", "CRC-16/ARC crc16_arc arc"),
        ("md5", "md5 MD5 MD-5"),
        ("sha1", "sha1 SHA-1 SHA_1"),
        ("sha256", "sha256 SHA256 SHA-256 sha2-256 SHA2-256 sha2_256"),
        ("sha512", "sha512 SHA-512 sha2-512"),
        ("sha3-256", "sha3-256 SHA3-256 sha3_256 SHA-3-256 sha3256"),
        ("blake2b", "blake2b BLAKE2b BLAKE2B-512 blake2 BLAKE2"),
        ("blake2b-256", "BLAKE2b-256 blake2b_256 blake2b256"),
        ("blake2s", "blake2s BLAKE2s BLAKE2s-256"),
        ("xxhash64", "xxhash64 XXH64 xxh64"),
        ("xxhash3", "XXH3 XXHASH3 xxh3"),
        ("xxhash128", "XXH128 xxhash128"),
    ],
)
def test_every_spelling_is_one_algorithm(name, spellings):
    found = known(name)
    assert found.name == name
    for spelling in spellings.split():
        assert known(spelling) is found
        assert canonical(spelling) == name
        assert reason(spelling) == ""
        assert find(spelling) is found
    assert known(found.tag) is found
    assert known(found.official_name) is found


@pytest.mark.parametrize(
    "name",
    [
        *("", "-", "sum-17", "md6", "sha", "sha2", "sha3", "sha-512/256", "sha512-256", "blake3"),
        *("blake2b-0", "blake2b-7", "blake2b-520", "blake2s-512", "blake2b-٨", "blake2b-0256"),
    ],
)
def test_unknown_names(name):
    assert known(name) is None
    assert canonical(name) == name
    assert reason(name) == f"unknown checksum algorithm {name!r}"
    with pytest.raises(UnsupportedError, match="unknown checksum algorithm"):
        find(name)


def test_a_missing_package_is_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "xxhash", None)
    find.cache_clear()
    reason.cache_clear()
    assert known("xxh64").width == 64
    assert reason("xxh64") == "xxh64 needs: pip install 'numcrc[store]'"
    monkeypatch.undo()
    assert find("xxh64").size == 8
    reason.cache_clear()


def test_values_of_hashes():
    for name, value in ({name: digest(name) for name in HASHES} | XXHASHES).items():
        found = find(name)
        assert found.of(DATA).hex() == value
        assert found.width == 8 * found.size == 4 * len(value)
    short = find("blake2b-256")
    assert short.of(DATA) == hashlib.blake2b(DATA, digest_size=32).digest()
    assert (short.name, short.tag, short.width) == ("blake2b-256", "BLAKE2b-256", 256)


def test_values_of_crcs():
    for name, crc in numcrc.algorithms.items():
        found = find(name)
        assert found.crc is crc
        assert found.official_name == name
        assert int.from_bytes(found.of(DATA), "big") == crc.check
        assert found.encode(crc.check) == found.of(DATA)
        made = found.new()
        made.update(DATA)
        assert made.digest() == found.of(DATA)


def test_an_unknown_algorithm_cannot_be_computed():
    found = checksums.unknown("BLAKE3", 256)
    assert (found.name, found.tag, found.size) == ("blake3", "BLAKE3", 32)
    with pytest.raises(UnsupportedError, match="unknown checksum algorithm 'BLAKE3'"):
        found.of(DATA)


@pytest.mark.parametrize(
    ("name", "file_names"),
    [
        ("md5", "MD5SUMS md5sum.txt x.md5 image.iso.md5.txt md5sums.gz a-md5sums.zst"),
        ("sha1", "SHA1SUMS x.sha1 SHA-1SUMS"),
        ("sha256", "SHA256SUMS sha256sums.asc x.sha256 x.sha2-256 numcrc_1.0_SHA256SUMS"),
        ("sha3-256", "SHA3-256SUMS x.sha3-256 sha3_256sums.sha3-256"),
        ("sha3-512", "SHA3-512SUMS"),
        ("blake2b", "B2SUMS x.b2 x.b2sum x.blake2b BLAKE2SUMS BLAKE2b-512SUMS x.blake2"),
        ("blake2s", "x.blake2s BLAKE2sSUMS"),
        ("blake2b-256", "BLAKE2b-256SUMS x.blake2b256"),
        ("xxhash64", "XXH64SUMS x.xxh64 x.xxhash64"),
        ("xxhash32", "x.xxh32"),
        ("crc32", "CRC32SUMS x.crc32 x.sfv X.SFV x.sfv.gz"),
        ("crc32c", "CRC32CSUMS x.crc32c"),
        ("crc64nvme", "x.crc64nvme"),
        ("blake3", "B3SUMS x.b3 x.blake3"),
        ("md4", "x.md4 MD4SUMS"),
        ("sm3", "SM3SUMS"),
        ("ripemd160", "x.rmd160 RIPEMD160SUMS"),
        ("sha512-256", "SHA512-256SUMS x.sha512-256"),
        (None, "sums.txt SUMS xsfv checksums.txt web2 report-b2.txt lab3.txt xmd5 mysha256 x.sha"),
    ],
)
def test_names_of_check_files(name, file_names):
    for file_name in file_names.split():
        found = of_list_name(file_name)
        assert (found and found.name) == name


def test_a_crc_needs_no_hashes(tmp_path):
    """``numcrc sum`` looks its algorithms up here; Python's start is most of its time."""
    code = (
        "import sys, numcrc.checksums as c; c.find('crc32c'); c.known('CRC-16/ARC')\n"
        "print(*{'hashlib', 'numpy', 'numba', 'llvmlite', 'numcrc.store', 'numcrc.checkfiles'}"
        " & sys.modules.keys())"
    )
    done = run_python(code, cwd=str(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, "")


# The command line, with every algorithm by every way to say which it is


@pytest.fixture
def run(tmp_path, monkeypatch, capfdbinary):
    """Run a command line beside the folder d with one file, f."""
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    Path("d/f").write_bytes(DATA)

    def run(*arguments):
        status = main(arguments)
        out, err = capfdbinary.readouterr()
        return status, os.fsdecode(out), os.fsdecode(err)

    return run


@pytest.mark.parametrize("name", HASHES)
def test_verify_by_option_by_list_name_and_by_tag(run, name):
    upper = name.upper()
    Path("list").write_text(f"{digest(name)}  f\n")
    assert run("verify", "d", "-q", "--manifest", "list", "-a", name) == (0, "", "")
    for file_name in (f"{upper}SUMS", f"f.{name}"):
        shutil.copy("list", file_name)
        assert run("verify", "d", "-q", "--manifest", file_name) == (0, "", "")
    Path("tagged").write_text(f"{upper} (f) = {digest(name)}\n")
    assert run("verify", "d", "-q", "--manifest", "tagged") == (0, "", "")
    Path("d/f").write_bytes(b"damaged")
    for file_name in ("tagged", f"{upper}SUMS"):
        status, out, _ = run("verify", "d", "-q", "--manifest", file_name)
        assert (status, out.startswith(f"f: differ ({name} ")) == (1, True)


@pytest.mark.skipif(not shutil.which("b2sum"), reason="needs coreutils")
@pytest.mark.parametrize(
    ("options", "file_name"),
    [
        ([], "B2SUMS"),
        ([], "list.b2"),
        (["--tag"], "list"),
        (["--tag", "-l", "256"], "list"),
        (["-l", "256"], "list.blake2b-256"),
    ],
)
def test_b2sum(run, options, file_name):
    with open(file_name, "wb") as file:
        subprocess.run(["b2sum", *options, "f"], cwd="d", stdout=file, check=True)
    assert run("verify", "d", "-q", "--manifest", file_name) == (0, "", "")


@pytest.mark.parametrize("name", [*HASHES, *XXHASHES, "sha2-256", "blake2b-256", "CRC-16/ARC"])
@pytest.mark.parametrize("suffix", [table.name for table in TABLES])
def test_what_manifest_writes_verify_takes(run, name, suffix):
    assert run("manifest", "d", "-q", "-a", name, "-o", f"m.{suffix}") == (0, "", "")
    assert run("verify", "d", "-q", "--manifest", f"m.{suffix}") == (0, "", "")
    Path("d/f").write_bytes(b"damaged!!")
    assert run("verify", "d", "-q", "--manifest", f"m.{suffix}")[0] == 1


@pytest.mark.parametrize("name", ["B3SUMS", "x.blake3", "SM3SUMS", "x.md4", "x.sha512-256"])
def test_a_digest_that_cannot_be_computed_is_unsupported(run, name):
    width = of_list_name(name).width
    Path(name).write_text(f"{'0' * (width // 4)}  f\n")
    status, out, _ = run("verify", "d", "-q", "--manifest", name)
    assert status == 3
    assert out.startswith("f: unsupported-algorithm (unknown checksum algorithm ")
