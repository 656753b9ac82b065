"""The ``numcrc`` command, from its arguments to its exit status."""

from __future__ import annotations

import io
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress

import pytest

import numcrc
from numcrc import files
from numcrc.cli import COMMANDS, main, workers

# Forking while another test's pool has threads is safe here: a child uses none of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

CRC32C = numcrc.algorithms["CRC-32/ISCSI"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
COMMAND = [sys.executable, "-m", "numcrc"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder, where a new process finds the same package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(numcrc.__file__)))


@pytest.fixture
def run(capfdbinary):
    """Run a command line and return its status, standard output and standard error."""

    def run(*arguments):
        status = main(arguments)
        out, err = capfdbinary.readouterr()
        return status, os.fsdecode(out), os.fsdecode(err)

    return run


def write(path, data=b"123456789"):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def feed(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def pipe_to(process):
    """Open the named pipe "pipe" for writing as soon as *process* reads it."""
    descriptor = None
    while descriptor is None:
        assert process.poll() is None
        time.sleep(0.01)
        with suppress(OSError):
            descriptor = os.open("pipe", os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return open(descriptor, "wb")


def default_sigint():
    """Undo that SIGINT is ignored where the tests run in the background; for preexec_fn."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
@pytest.mark.parametrize("form", ["gnu", "bsd", "sfv", "json"])
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


# check


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


def test_lines_about_one_file_are_one_result(run):
    write("a")
    lines = run("sum", "-a", "crc32", "-a", "crc32c", "a")[1]
    write("list", lines.encode())
    assert run("check", "list") == (0, "a: OK\n", "")
    write("list", lines.replace("cbf4", "cbf5").encode() + b"e3069283  a\n")
    assert run("check", "list")[:2] == (1, "a: FAILED\n")


def test_malformed_line(run):
    write("a")
    write("list", b"; comment\nnonsense\ne3069283  a\n")
    status, out, err = run("check", "list")
    assert (status, out) == (2, "a: OK\n")
    assert err == (
        "numcrc: list: line 2: not a line of CRCs\nnumcrc: WARNING: 1 line is malformed\n"
    )
    assert run("check", "--status", "list") == (2, "", "")


@pytest.mark.parametrize("data", [b"", b"; only a comment\n"])
def test_list_without_lines(run, data):
    write("list", data)
    status, out, err = run("check", "list")
    assert (status, out) == (2, "")
    assert err.startswith("numcrc: list: no line of CRCs found\n")


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
    write("list", b"e3069284  a\ne3069283  d\nnonsense\n")
    assert run("check", "list")[0] == 1
    write("list", b"e3069283  a\ne3069283  d\nnonsense\n")
    assert run("check", "list")[0] == 3


# list, info and the rest


def test_list(run):
    status, out, err = run("list")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 1 + len(numcrc.algorithms)
    assert out.split()[:3] == ["name", "width", "poly"]
    (_, row) = run("list", "castagnoli")[1].splitlines()
    assert row.split()[:3] == ["CRC-32/ISCSI", "32", "0x1edc6f41"]
    assert len(run("list", "crc-16/*")[1].splitlines()) > 25
    assert run("list", "md5")[0] == 1


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
        ("check", "-a", "md5", "list"),
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


def test_unknown_algorithm_has_a_hint(run):
    assert "CRC-32/ISCSI" in run("sum", "-a", "crc-32-castangoli", "a")[2]


def test_an_internal_error_is_not_a_mismatch(run, monkeypatch):
    monkeypatch.setattr(files.Reader, "path", None)
    write("a")
    status, out, err = run("sum", "a")
    assert (status, out) == (70, "")
    assert err.startswith("Traceback")


# processes


def test_module():
    write("a")
    done = subprocess.run([*COMMAND, "sum", "a"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"e3069283  a\n", b"")


@POSIX
def test_output_closed_early():
    for number in range(3000):
        write(f"d/{'x' * 100}{number}", b"")
    for jobs in ("1", "2"):
        with subprocess.Popen(
            [*COMMAND, "sum", "-j", jobs, "-r", "d"], stdout=-1, stderr=-1
        ) as process:
            assert process.stdout.readline().startswith(b"00000000  d/")
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk():
    write("a")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, "sum", "a"], stdout=full, stderr=-1, check=False)
    assert (done.returncode, done.stderr) == (3, b"numcrc: No space left on device\n")


@POSIX
@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("sum <&-", 3, "numcrc: -: Bad file descriptor\n"),
        ("check <&-", 3, "numcrc: -: Bad file descriptor\nnumcrc: WARNING: 1 file"),
        ("sum a >&-", 3, "numcrc: Bad file descriptor\n"),
        ("sum none 2>&-", 3, ""),
    ],
)
def test_closed_standard_streams(command, status, message):
    write("a")
    line = f"{shlex.join(COMMAND)} {command}"
    done = subprocess.run(line, shell=True, stdout=-1, stderr=-1, check=False)
    assert (done.returncode, done.stdout) == (status, b"")
    assert done.stderr.decode().startswith(message)


@POSIX
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupt(jobs):
    write("a")
    os.mkfifo("pipe")
    command = [*COMMAND, "sum", "-j", jobs, "a", "pipe", "a", "pipe"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, preexec_fn=default_sigint) as process:
        with pipe_to(process):
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        assert process.stderr.read() == b""


@POSIX
def test_interrupt_right_after_a_fork_leaves_no_child(monkeypatch):
    children = []
    real = os.fork

    def fork():
        pid = real()
        if pid:
            children.append(pid)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return pid

    monkeypatch.setattr(os, "fork", fork)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), workers.in_order(lambda _: list, [1, 2, 3], 2):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    (child,) = children
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


@POSIX
def test_progress_bar_only_on_a_terminal(monkeypatch):
    import pty

    write("a")
    os.mkfifo("pipe")
    here, there = pty.openpty()
    with subprocess.Popen([*COMMAND, "sum", "pipe"], stdout=-1, stderr=there) as process:
        os.close(there)
        with pipe_to(process) as pipe:
            pipe.write(bytes(1 << 20))
            pipe.flush()
            shown = b""
            while b"1.0/?" not in shown:
                shown += os.read(here, 1000)
        assert process.stdout.read() == f"{CRC32C(bytes(1 << 20)):08x}  pipe\n".encode()
    os.close(here)
