"""``numcrc explore``: describe, hd, identify, reverse and forge."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_support import COMMAND, MARKS, POSIX, feed, run_in_terminal, write

import numcrc
from numcrc import explore
from numcrc.cli.explore import ACTIONS, describe, forge, hd, identify, reverse

pytestmark = MARKS

KEYS = ["algorithm", "width", "poly", "init", "refin", "refout", "xorout", "check", "residue"]
# An algorithm that is not in the catalogue.
OWN = numcrc.Algorithm(width=16, poly=0x5935, init=0x1234, refin=True, refout=True)
TEXTS = ["a message", "another one", "the third", "and the last one", "a fifth"]
SAMPLES = [f"{text}:{OWN(text.encode()).to_bytes(2, 'little').hex()}" for text in TEXTS]


def test_help(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for action in ACTIONS:
        status, out, err = run("explore", action, "--help")
        assert (status, err) == (0, "")
        assert out.startswith(f"usage: numcrc explore {action}")
        assert f"\nexamples:\n  numcrc explore {action}" in out
        assert action in run("explore", "--help")[1]
        assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("module", [describe, hd, identify, reverse, forge])
def test_the_examples_of_the_help_run(run, module):
    """All but those whose files are not here."""
    message = numcrc.crc32(b"firmware").to_bytes(4, "big").hex()
    write("samples.txt", "\n".join(f"{s.encode().hex()}:{c}" for s, c in _split(SAMPLES)))
    frames = [text.encode() + OWN(text.encode()).to_bytes(2, "little") for text in TEXTS]
    write("frames.txt", "\n".join(frame.hex(" ") for frame in frames))
    write("letter.txt", b"a letter")
    write("disk.img", bytes(1000))
    write("firmware.bin", b"firmware")
    examples = module.EPILOG.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    for line in examples:
        line = line.replace("d1e2f3a4", message)
        command = " ".join(COMMAND)
        done = subprocess.run(
            ["bash", "-c", f'numcrc() {{ {command} "$@"; }}; set -o pipefail; {line}'],
            stdout=-1,
            stderr=-1,
            check=False,
        )
        assert done.returncode == (1 if "identify -i" in line else 0), (line, done.stderr)
        assert done.stdout


def _split(samples):
    return [sample.rsplit(":", 1) for sample in samples]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("frobnicate",),
        ("describe",),
        ("describe", "crc-31"),
        ("describe", "1021"),
        ("describe", "0x1021"),
        ("describe", "0x11021", "--width", "16"),
        ("describe", "crc32", "--width", "16"),
        ("describe", "0x1", "--width", "129"),
        ("describe", "0x810", "--notation", "koopman", "--width", "16"),
        ("describe", "0x" + "f" * 500, "--notation", "koopman"),
        ("describe", "0x7", "--width", "8", "--init", "zz"),
        ("hd", "crc32", "--bits", "0"),
        ("hd", "crc32", "--bits", "1", "--bytes", "1"),
        ("hd", "crc32", "--max-hd", "2"),
        ("hd", "crc-82/darc"),
        ("hd", "0x1020", "--width", "16"),
        ("identify", "31"),
        ("identify", "3:12"),
        ("identify", "zz:12"),
        ("identify", "31:"),
        ("identify", "31:1"),
        ("identify", "31:32:33"),
        ("identify", "31:12", "32:1234"),
        ("identify", "31:12", "32:0x12"),
        ("identify", "31:" + "00" * 17),
        ("identify", "--frames", "--text", "a"),
        ("identify", "--files", "--text", "a:12"),
        ("identify", "--max-start", "1", "31:12"),
        ("identify", "-i", "a", "31:12"),
        ("identify", "--frames", "xyz"),
        ("identify", "--files", ":12"),
        ("reverse", "--widths", "65", "31:12"),
        ("reverse", "--widths", "8..", "31:12"),
        ("reverse", "--ignore", "2", "31:12"),
        ("forge", "crc32", "a"),
        ("forge", "crc32", "--target", "1ffffffff", "a"),
        ("forge", "crc32", "--target", "xyz", "a"),
        ("forge", "crc32", "--target", "0", "a", "--at", "6"),
        ("forge", "crc32", "--target", "0", "a", "--at", "-10"),
        ("forge", "crc32", "--target", "0", "a", "--at", "9" * 30),
        ("forge", "crc32", "--target", "0", "a", "--json", "-o", "-"),
        ("forge", "0x1020", "--width", "16", "--target", "1", "a"),
    ],
)
def test_wrong_usage(run, arguments):
    write("a")
    status, out, err = run("explore", *arguments)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("numcrc")
    assert len(err.splitlines()[-1]) < 400
    assert "Traceback" not in err


# describe


def test_describe(run):
    assert run("explore", "describe", "crc32c", "arc") == (
        0,
        f"{explore.describe('CRC-32/ISCSI')}\n\n{explore.describe('CRC-16/ARC')}\n",
        "",
    )


def test_describe_json(run):
    status, out, err = run("explore", "describe", "--json", "crc-32", "crc-16/arc")
    assert (status, err) == (0, "")
    crc32, arc = json.loads(out)
    assert list(crc32)[: len(KEYS)] == list(arc)[: len(KEYS)] == KEYS
    assert crc32["algorithm"] == "CRC-32/ISO-HDLC"
    assert crc32["reversed"] == "0xedb88320"
    assert crc32["koopman"] == "0x82608edb"
    assert crc32["order"] == 2**32 - 1
    assert crc32["primitive"] is True
    assert arc["factors"][0] == {"terms": "x + 1", "value": "0x3", "multiplicity": 1}
    assert arc["detects_odd_errors"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        ("0x1021", "--width", "16"),
        ("0x8408", "--width", "16", "--notation", "reversed"),
        ("0x8810", "--notation", "koopman"),
        ("0x8810", "--notation", "koopman", "--width", "16"),
    ],
)
def test_notations(run, arguments):
    (found,) = json.loads(run("explore", "describe", "--json", *arguments)[1])
    assert (found["width"], found["poly"], found["check"]) == (16, "0x1021", "0x31c3")
    options = ["--init", "ffff", "--refin", "--refout", "--xorout", "0xffff"]
    (found,) = json.loads(run("explore", "describe", "--json", *arguments, *options)[1])
    assert found["check"] == f"{numcrc.algorithms['CRC-16/IBM-SDLC'].check:#06x}"


def test_an_even_polynomial(run):
    (found,) = json.loads(run("explore", "describe", "0x1020", "--width", "16", "--json")[1])
    assert found["koopman"] is found["reciprocal"] is found["order"] is None
    assert run("explore", "describe", "0x1020", "--width", "16")[0] == 0


# hd


def test_hd(run):
    status, out, err = run("explore", "hd", "crc-16/arc", "0x07", "--width", "8")
    assert (status, err) == (0, "")
    _, *rows = out.splitlines()
    assert [row.split() for row in rows] == [
        ["HD", "CRC-16/ARC", "CRC-8/0x07"],
        ["3", "32751", "119"],
        ["4", "32751", "119"],
    ]


def test_hd_json(run):
    status, out, err = run("explore", "hd", "crc-16/arc", "crc-8/smbus", "--json", "--max-hd", "3")
    assert (status, err) == (0, "")
    arc, smbus = json.loads(out)
    assert arc["limits"] == [{"hd": 3, "bits": 32751, "exact": True}]
    assert smbus["limits"] == [{"hd": 3, "bits": 119, "exact": True}]


def test_hd_of_a_length(run):
    status, out, err = run("explore", "hd", "crc-16/arc", "--bytes", "5000")
    assert (status, err) == (0, "")
    assert out == "CRC-16/ARC: HD 2; these flipped bits are not detected: 0 32767\n"
    (found,) = json.loads(run("explore", "hd", "crc-16/arc", "--bits", "40000", "--json")[1])
    assert (found["hd"], found["exact"], found["example"]) == (2, True, [0, 32767])


def test_hd_beyond_its_budget(run):
    arguments = ("explore", "hd", "crc-64/xz", "--budget", "1000")
    status, out, err = run(*arguments, "--max-hd", "6")
    assert (status, err) == (0, "")
    assert ">=" in out
    status, out, err = run(*arguments, "--bits", "100000")
    assert (status, err) == (0, "")
    assert "HD >= " in out
    (found,) = json.loads(run(*arguments, "--bits", "100000", "--json")[1])
    assert (found["exact"], found["example"]) == (False, None)


@POSIX
def test_an_interrupt_ends_a_search():
    numcrc.explore.hd_limits("CRC-8/SMBUS")  # so that the cache has the kernels
    command = [*COMMAND, "explore", "hd", "0x42f0e1eba9ea3693", "--width", "64"]
    command += ["--budget", str(10**15)]
    with subprocess.Popen(command, stdout=-1, stderr=-1) as process:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")


@POSIX
def test_progress_on_a_terminal():
    shown = run_in_terminal(
        *("explore", "hd", "0x42f0e1eba9ea3693", "--width", "64"),
        *("--budget", "3000000000", "--max-hd", "5"),
    )
    assert b"of the budget" in shown


# identify and reverse


def test_identify(run):
    status, out, err = run("explore", "identify", "--text", "123456789:cbf43926")
    assert (status, err) == (0, "")
    assert out.splitlines()[1].split()[:2] == ["CRC-32/ISO-HDLC", "32"]
    assert "evidence" in out


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(
    "message", ["313233343536373839", "31 32-33,34_35 0x36 0x37\t38 39 ", "0x313233343536373839"]
)
def test_ways_to_write_bytes(run, message, order):
    """The byte order of the CRC is found, too."""
    checksum = numcrc.algorithms["modbus"].check.to_bytes(2, order).hex(" ").upper()
    (found,) = json.loads(run("explore", "identify", f"{message}:{checksum}", "--json")[1])
    assert (found["algorithm"], found["byteorder"]) == ("CRC-16/MODBUS", order)


def test_crcs_as_numbers(run):
    status, out, _ = run("explore", "identify", "--text", "123456789:0x4b37", "--json")
    names = [found["algorithm"] for found in json.loads(out)]
    assert (status, names) == (0, ["CRC-16/MODBUS"])


def test_identify_frames(run):
    frame = "7e 01 03 00 00 00 0a c5 cd 7e"
    status, out, err = run("explore", "identify", "--frames", frame, "--json")
    best = json.loads(out)[0]
    assert status == 0
    assert list(best) == [*KEYS, "byteorder", "start", "tail", "evidence_bits", "lengths"]
    assert (best["algorithm"], best["byteorder"]) == ("CRC-16/MODBUS", "little")
    assert (best["start"], best["tail"]) == (1, 1)
    assert "weak evidence" in err
    colons = frame.replace(" ", ":")
    assert run("explore", "identify", "--frames", colons, "--json")[1] == out
    assert run("explore", "identify", "--frames", "--max-tail", "0", frame, "--json")[1] != out


def test_samples_from_a_file_and_from_standard_input(run, monkeypatch):
    lines = "# a capture\r\n\n" + "\r\n".join(SAMPLES) + "\n"
    write("samples", lines)
    status, expected, err = run("explore", "reverse", "--text", *SAMPLES)
    assert (status, err) == (0, "")
    assert run("explore", "reverse", "--text", "-i", "samples") == (0, expected, "")
    feed(monkeypatch, b"\xef\xbb\xbf" + lines.encode())
    assert run("explore", "reverse", "--text") == (0, expected, "")
    feed(monkeypatch, lines.encode())
    assert run("explore", "reverse", "--text", "-i", "-") == (0, expected, "")
    write("samples", b"31:12\n31:1\n")
    why = "samples, line 2: the CRC '1' has an odd number of digits"
    assert run("explore", "reverse", "-i", "samples") == (2, "", f"numcrc: {why}\n")
    write("samples", b"\n# nothing\n")
    assert run("explore", "reverse", "-i", "samples")[0] == 2


def test_messages_in_files(run):
    write("a:b", b"123456789")
    status, out, _ = run("explore", "identify", "--files", "a:b:cbf43926", "--json")
    assert (status, json.loads(out)[0]["algorithm"]) == (0, "CRC-32/ISO-HDLC")
    write("frame", b"123456789\xcb\xf4\x39\x26")
    out = run("explore", "identify", "--frames", "--files", "frame", "--json")[1]
    assert json.loads(out)[0]["algorithm"] == "CRC-32/ISO-HDLC"
    assert run("explore", "identify", "--files", "none:12") == (
        3,
        "",
        "numcrc: none: No such file or directory\n",
    )
    assert run("explore", "identify", "--files", ".:12")[0] == 3
    assert run("explore", "identify", "-i", "none")[0] == 3


@POSIX
def test_endless_inputs(run):
    assert run("explore", "identify", "--files", "/dev/zero:12") == (
        3,
        "",
        "numcrc: /dev/zero: not a regular file\n",
    )
    status, _, err = run("explore", "identify", "-i", "/dev/zero")
    assert (status, err) == (2, "numcrc: /dev/zero: more than 64 MiB of samples\n")


def test_reverse(run):
    status, out, err = run("explore", "reverse", "--text", *SAMPLES, "--json")
    assert (status, err) == (0, "")
    best = json.loads(out)[0]
    assert best["algorithm"] is None
    assert {key: best[key] for key in KEYS[1:5]} == {
        "width": 16,
        "poly": "0x5935",
        "init": "0x1234",
        "refin": True,
    }
    assert (best["byteorder"], best["lengths"]) == ("little", [])
    assert best["evidence_bits"] > 20
    table = run("explore", "reverse", "--text", *SAMPLES)[1]
    assert table.splitlines()[1].split()[:3] == ["-", "16", "0x5935"]


def test_reverse_with_a_damaged_sample(run):
    damaged = [*SAMPLES, "one more:0000"]
    status, out, err = run("explore", "reverse", "--text", *damaged)
    assert (status, out) == (1, "")
    assert err == "numcrc: nothing matches; a damaged sample is left out by --ignore 1\n"
    status, out, _ = run("explore", "reverse", "--text", *damaged, "--ignore", "1", "--json")
    assert (status, json.loads(out)[0]["poly"]) == (0, "0x5935")


def test_messages_of_one_length_do_not_determine_init(run):
    same = [f"{i:02x}{7 * i:02x}:{OWN(bytes([i, 7 * i])):04x}" for i in range(1, 6)]
    status, out, err = run("explore", "reverse", *same)
    assert (status, "*" in out) == (0, True)
    assert "right for messages of 2 bytes; init and xorout are not determined" in err
    found = json.loads(run("explore", "reverse", *same, "--json")[1])
    assert found[0]["lengths"] == [2]


def test_options_of_reverse(run):
    arguments = ("explore", "reverse", "--text", *SAMPLES)
    assert run(*arguments, "--widths", "9..15")[0] == 1
    assert run(*arguments, "--widths", "8,16")[:1] == (0,)
    assert run(*arguments, "--crossed")[0] == 0


def test_options_of_reverse_with_frames(run):
    """RevEng's example: its README finds the same."""
    frames = ["c98964f6b9", "a5fa49f2fd", "13370aee7df0"]
    arguments = ("explore", "reverse", "--frames", *frames, "--json", "--max-start", "0")
    found = json.loads(run(*arguments, "--max-tail", "0", "--widths", "32")[1])
    assert [(each["poly"], each["init"]) for each in found] == [("0x04c11db7", "0x12345678")]
    frames = [text.encode() + OWN(text.encode()).to_bytes(2, "little") for text in TEXTS]
    damaged = [frame.hex() for frame in [*frames, b"another, damaged"]]
    arguments = ("explore", "reverse", "--frames", *damaged, "--json")
    assert run(*arguments, "--widths", "16") == (
        1,
        "[]\n",
        "numcrc: nothing matches; a damaged sample is left out by --ignore 1\n",
    )
    found = json.loads(run(*arguments, "--widths", "16", "--ignore", "1")[1])
    assert (found[0]["poly"], found[0]["start"], found[0]["tail"]) == ("0x5935", 0, 0)


def test_no_match(run):
    status, out, err = run("explore", "identify", "31:0102030405060708090a")
    assert (status, out) == (1, "")
    assert err.startswith("numcrc: nothing matches; numcrc explore reverse ")
    assert run("explore", "identify", "31:0102030405060708090a", "--json")[:2] == (1, "[]\n")


def test_limit(run):
    frames = ["c98964f6b9", "a5fa49f2fd", "13370aee7df0"]
    status, out, err = run("explore", "reverse", "--frames", *frames, "--limit", "3")
    assert (status, len(out.splitlines())) == (0, 4)
    assert "more (--limit 0 prints all)" in err
    assert len(run("explore", "reverse", "--frames", *frames, "--limit", "0")[1].splitlines()) > 4


@pytest.mark.parametrize("seed", range(8))
def test_hostile_samples_give_one_line(run, monkeypatch, seed):
    generator = random.Random(seed)
    alphabet = "0123456789abcdefABCDEFxX:,_- \t\x00\x1b\xff\u202ezé\n"
    for _ in range(30):
        lines = "".join(generator.choices(alphabet, k=generator.randrange(60)))
        feed(monkeypatch, lines.encode("utf-8", "surrogateescape"))
        options = generator.sample(["--frames", "--json", "--limit=2"], generator.randrange(4))
        action = generator.choice(["identify", "reverse"])
        status, out, err = run("explore", action, "-i", "-", *options)
        assert status in (0, 1, 2), err
        assert "Traceback" not in err
        assert "\x1b" not in err
        if status == 2:
            assert (out, err.count("\n")) == ("", 1)


# forge


def forged(algorithm, name="out"):
    return algorithm(Path(name).read_bytes())


@pytest.mark.parametrize("name", ["CRC-32/ISO-HDLC", "CRC-5/USB", "CRC-64/NVME", "CRC-82/DARC"])
def test_forge_by_bytes_at_the_end(run, name):
    crc = numcrc.algorithms[name]
    size = -(-crc.width // 8)
    target = random.Random(name).getrandbits(crc.width)
    write("a")
    status, out, err = run("explore", "forge", name, "--target", f"{target:x}", "a", "-o", "out")
    assert (status, err) == (0, "")
    data = Path("out").read_bytes()
    assert out == f"out: {data[9:].hex()} appended at 9, for {name} {_hex(target, crc)}\n"
    assert data[:9] == b"123456789"
    assert len(data) == 9 + size
    assert crc(data) == target
    assert os.listdir(".").count("a") == 1


def _hex(value, crc):
    return f"0x{value:0{-(-crc.width // 4)}x}"


@pytest.mark.parametrize(("at", "start"), [("0", 0), ("0x3", 3), ("-4", 5), ("5", 5)])
def test_forge_bytes_inside(run, at, start):
    write("a")
    arguments = ("forge", "crc32c", "--target", "0xdeadbeef", "a", "--at", at, "-o", "out")
    status, out, err = run("explore", *arguments, "--json")
    assert (status, err) == (0, "")
    data = Path("out").read_bytes()
    assert numcrc.crc32c(data) == 0xDEADBEEF
    assert data[:start] + data[start + 4 :] == b"123456789"[:start] + b"123456789"[start + 4 :]
    assert json.loads(out) == {
        "algorithm": "CRC-32/ISCSI",
        "target": "0xdeadbeef",
        "file": "a",
        "output": "out",
        "length": 9,
        "offset": start,
        "size": 4,
        "before": b"123456789"[start : start + 4].hex(),
        "after": data[start : start + 4].hex(),
    }


@pytest.mark.parametrize("at", [(1 << 20) - 2, 1 << 20, (2 << 20) - 3, -7])
def test_forge_across_pieces(run, at):
    write("a", random.Random(1).randbytes((2 << 20) + 5))
    status, _, _ = run("explore", "forge", "crc32", "--target", "1", f"--at={at}", "a", "-o", "out")
    assert (status, forged(numcrc.crc32)) == (0, 1)
    status, _, _ = run("explore", "forge", "crc32", "--target", "2", "a", "-o", "more")
    assert (status, forged(numcrc.crc32, "more")) == (0, 2)


def test_forge_without_output_writes_nothing(run):
    write("a")
    status, out, err = run("explore", "forge", "crc32", "--target", "1", "a")
    assert (status, err, os.listdir(".")) == (0, "", ["a"])
    assert " to be appended at 9, " in out
    after = bytes.fromhex(out.split()[1])
    assert numcrc.crc32(b"123456789" + after) == 1


def test_forge_own_polynomials(run):
    write("a")
    parameters = ("--width", "16", "--init", "1234", "--refin", "--refout")
    arguments = ("0x5935", *parameters, "--target", "abcd", "a", "-o", "out")
    assert run("explore", "forge", *arguments)[0] == 0
    assert forged(OWN) == 0xABCD


def test_forge_standard_input_to_standard_output(run, monkeypatch):
    feed(monkeypatch, b"hello")
    status, out, err = run("explore", "forge", "crc32", "--target", "41414141", "-", "-o", "-")
    assert (status, err) == (0, "")
    assert out.startswith("hello")
    assert numcrc.crc32(os.fsencode(out)) == 0x41414141


def test_forge_an_empty_file(run):
    write("a", b"")
    assert run("explore", "forge", "crc32", "--target", "7", "a", "-o", "out")[0] == 0
    assert forged(numcrc.crc32) == 7
    assert run("explore", "forge", "crc32", "--target", "7", "a", "--at", "0")[0] == 2


def test_forge_replaces_only_if_asked(run):
    write("a")
    write("out", b"precious")
    arguments = ("explore", "forge", "crc32", "--target", "1", "a", "-o", "out")
    assert run(*arguments) == (2, "", "numcrc: out exists; --force replaces it\n")
    assert Path("out").read_bytes() == b"precious"
    assert run(*arguments, "--force")[0] == 0
    assert forged(numcrc.crc32) == 1
    assert run(*arguments[:-1], "a", "--force")[0] == 0
    assert forged(numcrc.crc32, "a") == 1
    assert sorted(os.listdir(".")) == ["a", "out"]


def test_forge_does_not_compress(run):
    write("a.gz")
    assert run("explore", "forge", "crc32", "--target", "1", "a.gz", "-o", "b.gz")[0] == 0
    assert forged(numcrc.crc32, "b.gz") == 1


def test_forge_leaves_a_good_file_if_it_fails(run, monkeypatch):
    write("a")
    write("out", b"precious")
    real = forge._crc
    calls = []

    def changing(*arguments):
        calls.append(1)
        if len(calls) == 1:
            value = real(*arguments)
            write("a", b"987654321")
            return value
        return real(*arguments)

    monkeypatch.setattr(forge, "_crc", changing)
    status, out, err = run("explore", "forge", "crc32", "--target=1", "a", "-o", "out", "--force")
    assert (status, out) == (3, "")
    assert err == "numcrc: a: the file changed while it was being read\n"
    assert Path("out").read_bytes() == b"precious"
    assert sorted(os.listdir(".")) == ["a", "out"]


def test_forge_does_not_replace_a_file_that_came_later(run, monkeypatch):
    write("a")
    real = forge._write

    def writing(*arguments):
        write("out", b"precious")
        real(*arguments)

    monkeypatch.setattr(forge, "_write", writing)
    assert run("explore", "forge", "crc32", "--target", "1", "a", "-o", "out")[0] == 2
    assert Path("out").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("file", "output", "why"),
    [
        ("none", "out", "none: No such file or directory"),
        ("a", ".", ".: not a regular file"),
        ("a", "none/out", "none/out.numcrc-part: No such file or directory"),
    ],
)
def test_forge_of_what_cannot_be_read_or_written(run, folder, file, output, why):
    write("a")
    arguments = ("--target", "1", file, "-o", output)
    status, out, err = run("explore", "forge", "crc32", *arguments)
    assert (status, out) == (3, "")
    assert err.replace(f"{os.path.realpath(folder)}/", "") == f"numcrc: {why}\n"
    assert os.listdir(".") == ["a"]


@POSIX
def test_forge_of_devices(run):
    assert run("explore", "forge", "crc32", "--target", "1", "/dev/zero")[0] == 3
    write("a")
    status, _, err = run("explore", "forge", "crc32", "--target=1", "a", "-o", "/dev/null")
    assert (status, err) == (3, "numcrc: /dev/null: not a regular file\n")
