"""The ``numcrc`` command: ``sum``, ``list``, ``info``, options and errors."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import zlib
from pathlib import Path

import pytest
from cli_support import COMMAND, MARKS, POSIX, feed, run_in_terminal, write

import numcrc
from numcrc import files
from numcrc.checkfiles.formats import FORMATS
from numcrc.cli import COMMANDS

pytestmark = MARKS


# sum


def test_sum(run):
    write("a")
    write("b", b"")
    assert run("sum", "b", "a") == (0, "00000000  b\ne3069283  a\n", "")


def test_sum_of_several_algorithms_names_them(run):
    write("a")
    assert run("sum", "-a", "crc32", "a", "-a", "crc-16-arc") == (
        0,
        "CRC32 (a) = cbf43926\nCRC-16/ARC (a) = bb3d\n",
        "",
    )
    assert run("sum", "-a", "crc64nvme", "a") == (0, "CRC64NVME (a) = ae8b14860a799888\n", "")
    assert run("sum", "-a", "crc64nvme", "--format", "gnu", "--base64", "a") == (
        0,
        "rosUhgp5mIg=  a\n",
        "",
    )


def test_sum_json(run):
    write("a")
    status, out, err = run("sum", "--format=json", "a")
    assert (status, err) == (0, "")
    assert json.loads(out) == {"path": "a", "size": 9, "crc": {"CRC-32/ISCSI": "e3069283"}}


def test_sfv_is_crc32(run):
    write("a")
    assert run("sum", "--format", "sfv", "a") == (0, "a cbf43926\n", "")


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_sum_of_standard_input(run, monkeypatch, arguments):
    feed(monkeypatch, b"123456789")
    assert run("sum", *arguments) == (0, "e3069283  -\n", "")


def test_recursive_is_sorted_by_path(run):
    for path in ("d/b/x", "d/a", "d/b.c", "d/b/a/z", "e"):
        write(path)
    status, out, err = run("sum", "-r", "d", "e")
    assert (status, err) == (0, "")
    assert [line.split("  ")[1] for line in out.splitlines()] == [
        *("d/a", "d/b.c", "d/b/a/z", "d/b/x", "e")
    ]
    assert run("sum", "-r")[1].splitlines()[0].endswith("  ./d/a")


@POSIX
def test_recursive_and_links(run):
    write("d/file")
    os.symlink("file", "d/link")
    os.symlink("../d", "d/loop")
    os.symlink("nowhere", "d/broken")
    os.mkfifo("d/pipe")
    status, out, err = run("sum", "-r", "d")
    assert (status, out) == (3, "e3069283  d/file\ne3069283  d/link\n")
    assert err == "numcrc: d/broken: No such file or directory\n"


def test_errors_do_not_stop_the_rest(run):
    write("a")
    write("b")
    os.mkdir("d")
    status, out, err = run("sum", "a", "none", "d", "b")
    assert (status, out) == (3, "e3069283  a\ne3069283  b\n")
    assert err.splitlines()[0] == "numcrc: none: No such file or directory"
    assert err.splitlines()[1].startswith("numcrc: d: ")


def test_unreadable_file_and_folder(run, monkeypatch):
    write("d/a")
    write("d/b")
    write("d/e/c")
    real_open, real_scandir = os.open, os.scandir

    def refusing(real, name):
        def opened(path, *rest):
            if str(path).rstrip("/").endswith(name):
                raise PermissionError(13, "Permission denied", path)
            return real(path, *rest)

        return opened

    monkeypatch.setattr(os, "open", refusing(real_open, "/a"))
    monkeypatch.setattr(os, "scandir", refusing(real_scandir, "/e"))
    status, out, err = run("sum", "-r", "d")
    assert (status, out) == (3, "e3069283  d/b\n")
    assert sorted(err.splitlines()) == [
        "numcrc: d/a: Permission denied",
        "numcrc: d/e/: Permission denied",
    ]


def test_file_that_changes(run, monkeypatch):
    write("a", bytes(files.WHOLE + 1))
    write("b")
    real = os.lseek

    def changing(*arguments):
        with open("a", "ab") as file:
            file.write(b"more")
        return real(*arguments)

    monkeypatch.setattr(os, "lseek", changing)
    status, out, err = run("sum", "a", "b")
    assert (status, out) == (3, "e3069283  b\n")
    assert err == "numcrc: a: the file changed while it was being read\n"


SPECIAL_NAMES = ["a b", " a", "-a", "a\\b", "a\nb", "a\rb", "a\udcffb", "ü", "#a", ";a", "a) = b"]


@POSIX
@pytest.mark.parametrize("form", FORMATS)
def test_special_names(run, form):
    for name in SPECIAL_NAMES:
        write(name, os.fsencode(name))
    status, out, err = run("sum", "--format", form, "--", *SPECIAL_NAMES)
    if form == "sfv":
        assert (status, err) == (3, "numcrc: 'a\\nb': an SFV list cannot hold this name\n")
    else:
        assert (status, err) == (0, "")
    write("list", os.fsencode(out))
    status, out, err = run("check", "list")
    assert (status, err) == (0, "")
    assert out.count(": OK\n") == len(SPECIAL_NAMES) - (form == "sfv")
    write("-a", b"tampered")
    assert run("check", "--quiet", "list")[:2] == (1, "-a: FAILED\n")


@POSIX
@pytest.mark.parametrize("jobs", ["1", "2", "7"])
def test_jobs_change_nothing_but_the_time(run, jobs):
    expected = []
    generator = random.Random(1)
    for number in range(100):
        data = generator.randbytes(number * 50)
        write(f"d/{number:03}", data)
        expected.append(f"{zlib.crc32(data):08x}  d/{number:03}\n")
    arguments = ["sum", "-a", "crc32", "--format", "gnu", "-j", jobs]
    assert run(*arguments, "-r", "d") == (0, "".join(expected), "")
    os.remove("d/050")
    names = [f"d/{number:03}" for number in range(100)]
    status, out, err = run(*arguments, *names)
    assert status == 3
    assert out == "".join(expected[:50] + expected[51:])
    assert err == "numcrc: d/050: No such file or directory\n"
    write("list", "".join(expected).encode())
    write("d/070", b"tampered")
    status, out, err = run("check", "-a", "crc32", "-j", jobs, "list", "--quiet")
    assert (status, out) == (1, "d/050: MISSING\nd/070: FAILED\n")


@POSIX
def test_worker_that_dies(run, monkeypatch):
    write("a")
    write("b")
    parent = os.getpid()
    real = files.Reader.path

    def path(self, path):
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, path)

    monkeypatch.setattr(files.Reader, "path", path)
    status, _, err = run("sum", "-j", "2", "a", "b")
    assert (status, err) == (3, "numcrc: a worker process ended before its work was done\n")


# list, info and the rest


@POSIX
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_output_is_not_summed(jobs):
    """``numcrc sum -r > sums.txt``, by device and inode; ``numcrc sum *`` too, with a note."""
    os.makedirs("d/e")
    for name in ("d/a", "d/b", "d/e/c"):
        write(name)
    os.symlink("sums.txt", "d/link")
    os.symlink("../sums.txt", "d/e/link")
    command = [*COMMAND, "sum", "-j", jobs]
    expected = {"./a", "./b", "./e/c"}

    def run(*arguments, mode="wb"):
        with open("d/sums.txt", mode) as out, open("d/errors.txt", "wb") as err:
            status = subprocess.run(
                [*command, *arguments], cwd="d", stdout=out, stderr=err, check=False
            ).returncode
        text = Path("d/sums.txt").read_text()
        return status, [line.split("  ")[1] for line in text.splitlines()]

    status, listed = run("-r")
    assert (status, set(listed)) == (0, expected)
    checked = subprocess.run([*COMMAND, "check", "sums.txt"], cwd="d", stdout=-1, check=False)
    assert checked.returncode == 0
    status, listed = run("-r", mode="ab")
    assert (status, set(listed), len(listed)) == (0, expected, 6)
    status, listed = run("a", "sums.txt", "b", "link")
    assert (status, listed) == (0, ["a", "b"])
    note = "skipped, since the output is written to it"
    assert Path("d/errors.txt").read_text() == (f"numcrc: sums.txt: {note}\nnumcrc: link: {note}\n")
    os.link("d/sums.txt", "d/hard")
    assert set(run("-r")[1]) == expected


@POSIX
def test_more_jobs_than_descriptors(folder):
    """Fewer processes do the work."""
    import resource

    for number in range(40):
        write(f"d/{number:02}")

    def limited(count):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

    numcrc.crc32c(b"")  # so that the cache has the kernel
    expected = "".join(f"e3069283  d/{number:02}\n" for number in range(40))
    for count in (32, 20, 14):
        command = [*COMMAND, "sum", "-j", "300", "-r", "d"]
        done = subprocess.run(command, preexec_fn=limited(count), stdout=-1, stderr=-1, check=False)
        assert (done.returncode, done.stdout.decode(), done.stderr) == (0, expected, b"")


def test_list(run):
    status, out, err = run("list")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 1 + len(numcrc.algorithms)
    assert out.split()[:3] == ["name", "width", "poly"]
    (_, row) = run("list", "castagnoli")[1].splitlines()
    assert row.split()[:3] == ["CRC-32/ISCSI", "32", "0x1edc6f41"]
    assert len(run("list", "crc-16/*")[1].splitlines()) > 25
    for number in ("0x8bb7", "0xEDD1", "0xd0db"):  # poly, its bits reversed, check
        assert run("list", number)[1].splitlines()[1].startswith("CRC-16/T10-DIF ")
    assert run("list", "md5")[0] == 1


@POSIX
@pytest.mark.parametrize("columns", [40, 80, 300])
def test_list_fits_a_terminal(columns):
    shown = run_in_terminal("list", columns=columns).decode()
    lines = shown.split("\r\n")
    assert max(map(len, lines)) <= columns
    for name, crc in numcrc.algorithms.items():
        assert any(line.split(" ")[0] == name for line in lines)
        assert f"0x{crc.poly:0{-(-crc.width // 4)}x}" in shown
    assert "CRC-32/CASTAGNOLI" in shown


def test_list_json(run):
    rows = json.loads(run("list", "--json")[1])
    assert [row["name"] for row in rows] == list(numcrc.algorithms)
    assert all(int(row["check"], 16) == numcrc.algorithms[row["name"]].check for row in rows)


def test_info(run):
    assert run("info")[:2] == (0, f"{numcrc.info()}\n")
    assert json.loads(run("info", "--json")[1]) == json.loads(json.dumps(numcrc.info().as_dict()))


def test_help_and_version(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert run("--version") == (0, f"numcrc {numcrc.__version__}\n", "")
    assert all(command in run("--help")[1] for command in COMMANDS)
    for command in COMMANDS:
        status, out, err = run(command, "--help")
        assert (status, err) == (0, "")
        assert out.startswith(f"usage: numcrc {command}")
        assert f"\nexamples:\n  numcrc {command}" in out
        assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("frobnicate",),
        ("sum", "--frobnicate"),
        ("sum", "-a", "crc-32-castangoli", "a"),
        ("sum", "-j", "0", "a"),
        ("sum", "-j", "two", "a"),
        ("sum", "--format", "gnu", "-a", "crc32", "-a", "crc32c", "a"),
        ("check", "-a", "md6", "list"),
        ("sum", "-a", "md5", "list"),
        ("list", "a", "b"),
    ],
)
def test_wrong_usage(run, arguments):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert "numcrc" in err.splitlines()[-1]


def test_wrong_environment(run, monkeypatch):
    monkeypatch.setenv("NUMCRC_NUM_THREADS", "many")
    status, out, err = run("sum", "a")
    assert (status, out) == (2, "")
    assert "NUMCRC_NUM_THREADS must be a positive integer, not 'many'" in err


@pytest.mark.parametrize(
    "command", ["sum a", "check list", "info", "manifest a", "verify . --manifest list"]
)
def test_a_wrong_tier_is_wrong_usage(command):
    write("a")
    write("list", b"e3069283  a\n")
    environment = os.environ | {"NUMCRC_TIER": "avx9"}
    done = subprocess.run(
        [*COMMAND, *command.split()], env=environment, stdout=-1, stderr=-1, check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("numcrc: NUMCRC_TIER: ")
    assert "'avx9'" in line


def test_an_invalid_setting_of_numbas_is_wrong_usage():
    environment = os.environ | {"NUMBA_CPU_FEATURES": "avx9"}
    done = subprocess.run([*COMMAND, "info"], env=environment, stdout=-1, stderr=-1, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"numcrc: invalid NUMBA_CPU_FEATURES: 'avx9' does not begin")
    assert done.stderr.count(b"\n") == 1


def test_unknown_algorithm_has_a_hint(run):
    for command in ("sum", "check"):
        assert "CRC-32/ISCSI" in run(command, "-a", "crc-32-castangoli", "a")[2]


def test_an_internal_error_is_not_a_mismatch(run, monkeypatch):
    monkeypatch.setattr(files.Reader, "path", None)
    write("a")
    status, out, err = run("sum", "a")
    assert (status, out) == (70, "")
    assert err.startswith("Traceback")
