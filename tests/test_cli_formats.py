"""Lines of checksums: written, read back, and as other programs write them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

import numcrc
from numcrc.checkfiles.formats import line_writer
from numcrc.checkfiles.lines import BY_DIGITS, Basis, Parser
from numcrc.checksums import find, known

CRC32, CRC32C, CRC64NVME = find("crc32"), find("crc32c"), find("crc64nvme")
MD5, SHA256 = "d41d8cd98f00b204e9800998ecf8427e", 32 * "e3"
NAMES = [
    "plain",
    "with space",
    " leading",
    "trailing ",
    "-dash",
    "*star",
    "#hash",
    ";semicolon",
    "{brace}",
    "back\\slash",
    "\\n",
    "new\nline",
    "carriage\rreturn",
    "tab\t",
    "unit\x1fseparator\x85\u2028",
    "ünïcode ✓",
    "not utf-8 \udcff\udcfe",
    "a) = b",
    "CRC32C (x) = e3069283",
    "e3069283  x",
    "e3069283 *x",
    "x 12345678",
    "x" * 255,
]


def parsed(text, chosen=None, **options):
    """Return the path, the algorithms and the values in a line; None if it has none."""
    line = Parser(chosen, **options)(text)
    if line is None:
        return None
    return (
        line.path,
        tuple(each.algorithm for each in line.checksums),
        [each.value for each in line.checksums],
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("base64", [False, True])
@pytest.mark.parametrize("form", ["gnu", "bsd", "json", "sfv"])
def test_round_trip(name, base64, form):
    crcs = [CRC32] if form == "sfv" else [CRC32C]
    try:
        text = line_writer(form, crcs, base64)(name, 9, [0x00ABCDEF])
    except ValueError:
        assert form == "sfv"
        assert name[-1] in " \t" or "\n" in name
        return
    assert text.endswith("\n")
    assert text.count("\n") == 1
    path, algorithms, values = parsed(os.fsdecode(os.fsencode(text))[:-1])
    assert os.path.normpath(path) == name
    assert algorithms == tuple(crcs)
    assert values == [0x00ABCDEF]


def test_every_algorithm_round_trips():
    for name, crc in numcrc.algorithms.items():
        algorithm, values = find(name), [crc.check]
        expected = ("name", (algorithm,), values)
        for base64 in (False, True):
            for form in ("bsd", "json"):
                text = line_writer(form, [algorithm], base64)("name", 9, values)
                assert parsed(text[:-1]) == expected
            text = line_writer("gnu", [algorithm], base64)("name", 9, values)
            assert parsed(text[:-1], algorithm) == expected


def test_lines():
    pair, values = [CRC32, CRC32C], [0xCBF43926, 0xE3069283]
    assert line_writer("gnu", [CRC32C], False)("a\nb", 9, values[1:]) == "\\e3069283  a\\nb\n"
    assert line_writer("gnu", [CRC32C], True)("a", 9, values[1:]) == "4waSgw==  a\n"
    assert line_writer("bsd", pair, False)("a", 9, values) == (
        "CRC32 (a) = cbf43926\nCRC32C (a) = e3069283\n"
    )
    assert line_writer("sfv", [CRC32], False)(";a", 9, values[:1]) == "./;a cbf43926\n"
    row = json.loads(line_writer("json", pair, False)("a\udcff", 9, values))
    assert row == {
        "path": "a\N{REPLACEMENT CHARACTER}",
        "path_base64": "Yf8=",
        "size": 9,
        "crc": {"CRC-32/ISO-HDLC": "cbf43926", "CRC-32/ISCSI": "e3069283"},
    }


@pytest.mark.parametrize(
    ("text", "path", "name", "value"),
    [
        # coreutils' style
        ("e3069283  data.bin", "data.bin", "CRC-32/ISCSI", 0xE3069283),
        ("e3069283 *data.bin", "data.bin", "CRC-32/ISCSI", 0xE3069283),
        ("\\e3069283  a\\nb\\\\c\\rd", "a\nb\\c\rd", "CRC-32/ISCSI", 0xE3069283),
        ("\\CRC32C (a\\nb) = e3069283", "a\nb", "CRC-32/ISCSI", 0xE3069283),
        # rhash --bsd and --simple
        ("CRC32 (data.bin) = cbf43926", "data.bin", "CRC-32/ISO-HDLC", 0xCBF43926),
        ("CRC32C (dir/my data.bin) = e3069283", "dir/my data.bin", "CRC-32/ISCSI", 0xE3069283),
        ("E3069283  data.bin", "data.bin", "CRC-32/ISCSI", 0xE3069283),
        # cksfv, rhash --sfv, Windows programs
        ("data.bin CBF43926", "data.bin", "CRC-32/ISO-HDLC", 0xCBF43926),
        ("data.bin cbf43926", "data.bin", "CRC-32/ISO-HDLC", 0xCBF43926),
        ("my data.bin      CBF43926", "my data.bin", "CRC-32/ISO-HDLC", 0xCBF43926),
        ("01 - (a) track.mp3\tCBF43926", "01 - (a) track.mp3", "CRC-32/ISO-HDLC", 0xCBF43926),
        ("12345678  abc def CBF43926", "abc def CBF43926", "CRC-32/ISCSI", 0x12345678),
        # openssl dgst, with -r; md5 -r of BSD and macOS, one space
        ("CRC32(a b)= cbf43926", "a b", "CRC-32/ISO-HDLC", 0xCBF43926),
        (f"MD5(a)= {MD5}", "a", "md5", int(MD5, 16)),
        (f"SHA2-256(a)= {SHA256}", "a", "sha256", int(SHA256, 16)),
        (f"{SHA256} *a", "a", "sha256", int(SHA256, 16)),
        (f"{MD5} a", "a", "md5", int(MD5, 16)),
        (f"{MD5}\ta b", "a b", "md5", int(MD5, 16)),
        (f"\\{MD5} a\\nb", "a\nb", "md5", int(MD5, 16)),
        ("e3069283 data.bin", "data.bin", "CRC-32/ISCSI", 0xE3069283),
        # white space before a line, as sha256sum takes it
        ("  e3069283  a", "a", "CRC-32/ISCSI", 0xE3069283),
        ("\tCRC32 (a) = cbf43926", "a", "CRC-32/ISO-HDLC", 0xCBF43926),
        # any spelling of a name; base64
        ("crc-64/nvme (x) = ae8b14860a799888", "x", "CRC-64/NVME", 0xAE8B14860A799888),
        ("CRC64NVME (x) = rosUhgp5mIg=", "x", "CRC-64/NVME", 0xAE8B14860A799888),
    ],
)
def test_lines_of_others(text, path, name, value):
    assert parsed(text) == (path, (find(name),), [value])


@pytest.mark.parametrize(
    "text", ["", "   ", "; Generated by cksfv", ";", "# comment", "#", "# on 20300131"]
)
def test_comments(text):
    assert parsed(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "not a line"),
        ("two words", "not a line"),
        ("e306928  seven", "not a value of CRC-32/ISCSI"),
        ("e306928g  letter", "not a value of CRC-32/ISCSI"),
        ("ae8b14860a799888  a", "cannot tell the algorithm of 'ae8b14860a799888'; pass -a"),
        ("ae8b14860a79==  long", "not a value of CRC-32/ISCSI"),
        ("+3069283  sign", "not a value"),
        ("4waSgx==  not canonical", "not a value"),
        ("MD5 (x) = d41d8cd9", "'d41d8cd9' is not a value of md5"),
        ("XYZ (x) = 0g", "'0g' is not a value in hexadecimal"),
        ("lead0.bin 81566", "not a line"),
        ("                 ERROR  a b", "rclone found no checksum of 'a b'"),
        ("UNSUPPORTED  cbf43926", "rclone found no checksum of 'cbf43926'"),
        ("CRC32 (x) = cbf4392", "not a value of CRC-32/ISO-HDLC"),
        ("CRC-3/GSM (x) = f", "not a value of CRC-3/GSM"),
        ("\\e3069283  a\\tb", "unknown escape"),
        ("\\e3069283  a\\", "unknown escape"),
        ("e3069283  a\0b", "null character"),
        ("{}", "expected JSON"),
        ('{"path": "x"}', "expected JSON"),
        ('{"path": "x", "crc": {}}', "expected JSON"),
        ('{"path": 1, "crc": {"crc32": "cbf43926"}}', "expected JSON"),
        ('{"path": "x", "crc": {"md5": "00"}}', "not a value of md5"),
        ('{"path": "x", "crc": {"new": "0"}}', "'0' is not a value in hexadecimal"),
        ('{"path": "x", "crc": {"crc32": 5}}', "not a value"),
        ('{"path": "\\ud800", "crc": {"crc32": "cbf43926"}}', "expected JSON"),
        ("{" * 100_000 + "}", "invalid JSON"),
        ('{"path":' + "[" * 100_000 + "}", "invalid JSON"),
    ],
)
def test_malformed(text, problem):
    with pytest.raises(ValueError, match=problem):
        parsed(text)


def test_chosen_algorithm():
    expected = ("x", (CRC64NVME,), [0xAE8B14860A799888])
    assert parsed("ae8b14860a799888  x", CRC64NVME) == expected
    assert parsed("ae8b14860a799888 x", CRC64NVME) == expected
    assert parsed("x AE8B14860A799888", CRC64NVME) == expected
    assert parsed("CRC32 (x) = cbf43926", CRC64NVME) == ("x", (CRC32,), [0xCBF43926])


def test_a_shorter_value_of_blake2_has_its_length():
    """As ``b2sum --check`` takes it, in a list that is called B2SUMS."""
    blake2b = find("blake2b")
    assert parsed(f"{SHA256}  x", blake2b)[1] == (find("blake2b-256"),)
    assert parsed(f"{SHA256}{SHA256}  x", blake2b)[1] == (blake2b,)
    with pytest.raises(ValueError, match="not a value of blake2b"):
        parsed("e3069  x", blake2b)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("lead0.bin 81566", "lead0.bin", 0x81566),
        ("a b  0", "a b", 0),
        ("deadbeef 81566", "deadbeef", 0x81566),
        ("ERROR  CBF43926", "ERROR", 0xCBF43926),
        ("#hash CBF43926", "#hash", 0xCBF43926),
        ("cbf43926  f", "f", 0xCBF43926),
    ],
)
def test_values_in_sfv_may_lack_leading_zeros(text, path, value):
    assert parsed(text, CRC32, sfv=True) == (path, (CRC32,), [value])


def test_it_is_known_how_an_algorithm_is_known():
    for text, chosen, basis in (
        ("CRC32 (x) = cbf43926", None, Basis.NAMED),
        ("cbf43926  x", CRC32, Basis.NAMED),
        ("x cbf43926", CRC32, Basis.NAMED),
        ("cbf43926  x", None, Basis.CONVENTION),
        ("x cbf43926", None, Basis.CONVENTION),
        (f"{MD5}  x", None, Basis.DIGITS),
        (f"{SHA256}  x", find("sha3-256"), Basis.NAMED),
    ):
        assert Parser(chosen)(text).checksums[0].basis is basis


def test_the_usual_algorithm_of_a_number_of_digits():
    for digits, names in BY_DIGITS.items():
        ((algorithm, _, basis),) = Parser()(f"{digits * '0'}  x").checksums
        assert algorithm.name == names[0]
        assert basis is (Basis.CONVENTION if digits == 8 else Basis.DIGITS)
        assert {known(name).width for name in names if known(name)} == {4 * digits}


def test_backslashes_may_separate_folders_unless_they_are_escaped():
    parse = Parser()
    assert parse("Sub\\f CBF43926").windows_path == "Sub/f"
    assert parse("e3069283 *.\\Sub\\f").windows_path == "./Sub/f"
    assert parse("CRC32 (Sub\\f) = cbf43926").windows_path == "Sub/f"
    for text in (
        "e3069283  Sub/f",
        "\\e3069283  Sub\\\\f",
        '{"path": "a\\\\b", "crc": {"arc": "0000"}}',
    ):
        assert not parse(text).windows_path


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs coreutils")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "carriage\rreturn"])
def test_escapes_are_coreutils_escapes(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    value = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for options, form in ((["--"], "gnu"), (["--tag", "--"], "bsd")):
        command = ["sha256sum", *options, name]
        theirs = os.fsdecode(subprocess.run(command, cwd=tmp_path, stdout=-1, check=True).stdout)
        expected = theirs.replace(value, "00000000", 1).replace("SHA256", "CRC32C", 1)
        assert line_writer(form, [CRC32C], False)(name, 0, [0]) == expected
