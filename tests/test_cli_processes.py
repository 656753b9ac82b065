"""The ``numcrc`` command in a process of its own: streams, signals, children, terminals."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from cli_support import COMMAND, MARKS, POSIX, run_in_terminal, write

import numcrc
from numcrc.cli import workers

pytestmark = MARKS

CRC32C = numcrc.algorithms["CRC-32/ISCSI"]
KILLS = 50 if os.environ.get("NUMCRC_ACCEPTANCE") == "full" else 10


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
    problem = b"numcrc: standard output: No space left on device\n"
    for command in ("sum a", "list", "manifest -q a"):
        with open("/dev/full", "wb") as full:
            arguments = [*COMMAND, *command.split()]
            done = subprocess.run(arguments, stdout=full, stderr=-1, check=False)
        assert (done.returncode, done.stderr) == (3, problem)


@POSIX
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("command", "size"), [("list", 4096), ("info --json", 0)])
def test_a_text_that_does_not_fit(command, size, unbuffered):
    """The last write takes a part."""
    limit = f"ulimit -f {size // 1024}; " if size else ""
    target = "list" if size else "/dev/full"
    line = f"{limit}{shlex.join(COMMAND)} {command} > {target}"
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", line], stderr=-1, check=False, env=environment)
    message = "File too large" if size else "No space left on device"
    assert done.returncode == 3
    assert done.stderr.decode() == f"numcrc: standard output: {message}\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_nothing_is_written_to_a_full_disk():
    write("a")
    write("list", b"cbf43926  a\n")
    for unbuffered in ("", "1"):
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        with open("/dev/full", "wb") as full:
            arguments = [*COMMAND, "check", "--status", "-a", "crc32", "list"]
            done = subprocess.run(arguments, stdout=full, stderr=-1, check=False, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")


@POSIX
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_takes_a_part_of_the_output(unbuffered):
    """A file that may have 1024 bytes is like it: the last write takes a part."""
    names = [f"{name:a<120}" for name in range(8)]
    for name in names:
        write(name)
    line = f"ulimit -f 1; {shlex.join(COMMAND)} sum {' '.join(names)} > list"
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", line], stderr=-1, check=False, env=environment)
    assert (done.returncode, os.path.getsize("list")) == (3, 1024)
    assert done.stderr == b"numcrc: standard output: File too large\n"


@POSIX
@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("sum <&-", 3, "numcrc: -: Bad file descriptor\n"),
        ("check <&-", 3, "numcrc: -: Bad file descriptor\nnumcrc: WARNING: 1 file"),
        ("sum a >&-", 3, "numcrc: standard output: Bad file descriptor\n"),
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
@pytest.mark.parametrize("command", ["sum -j 1", "sum -j 2", "check", "verify ."])
def test_an_interrupt_that_interrupts_no_call(command):
    """It comes to another thread, which is as if it came just before the call that waits."""
    os.mkfifo("pipe")
    Path("program.py").write_text(
        textwrap.dedent(
            """
            import os, signal, sys, threading, time
            from numcrc import cli

            def interrupt():
                time.sleep(2)
                signal.pthread_kill(threading.get_ident(), signal.SIGINT)

            writer = os.open("pipe", os.O_RDWR)
            threading.Thread(target=interrupt).start()
            cli.entry()
            """
        )
    )
    source = ["--manifest", "pipe"] if command.startswith("verify") else ["pipe"]
    arguments = [sys.executable, "program.py", *command.split(), *source]
    with subprocess.Popen(arguments, stdout=-1, stderr=-1, preexec_fn=default_sigint) as process:
        try:
            assert process.wait(60) == 130
        finally:
            process.kill()


@POSIX
@pytest.mark.parametrize("command", ["sum -j 1", "sum -j 2", "check"])
def test_interrupt_while_a_pipe_has_no_writer(command):
    os.mkfifo("pipe")
    # A writer lets all readers through that wait for one at that moment.
    arguments = [*COMMAND, *command.split(), *["pipe"] * 8]
    with subprocess.Popen(arguments, stdout=-1, stderr=-1, preexec_fn=default_sigint) as process:
        pipe_to(process).close()
        time.sleep(0.5)  # until the pipe is opened again
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert b"Traceback" not in process.stderr.read()


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
            while b"1.0 MiB" not in shown:
                shown += os.read(here, 1000)
        assert process.stdout.read() == f"{CRC32C(bytes(1 << 20)):08x}  pipe\n".encode()
    os.close(here)


@POSIX
def test_paths_do_not_control_a_terminal():
    write("d/\x1b[2J")
    write("list", b"e3069283  d/\x1b[2J\n")
    manifests = [
        ["manifest", "-q", "d", "-a", "crc32", "--format", f] for f in ("gnu", "sfv", "csv")
    ]
    for command in (["sum", "d/\x1b[2J"], ["check", "list"], *manifests):
        shown = run_in_terminal(*command)
        assert b"\\x1b[2J" in shown
        assert b"\x1b" not in shown


def members(group):
    """Return the processes in a process group that still run."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            state, _, member_of = file.read().rpartition(b") ")[2].split()[:3]
            if int(member_of) == group and state not in b"ZX":
                found.append(int(name))
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("command", ["sum", "check"])
def test_no_process_outlives_the_command(command, number):
    """At a random moment, or while its children wait for a pipe or standard input."""
    generator = random.Random(number)
    for name in ("a", "b", "c"):
        os.mkfifo(name)
    write("file")
    write("list", "e3069283  -\ne3069283  file\n" * 3)
    arguments = ["sum", "-j", "3", *"abcabc"] if command == "sum" else ["check", "-j", "3", "list"]
    for attempt in range(KILLS):
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=-1, stderr=-1, start_new_session=True
        )
        if attempt % 2:
            while len(members(process.pid)) < 4:
                time.sleep(0.01)
        else:
            time.sleep(generator.random() / 2)
        process.send_signal(number)
        status = process.wait(60)
        deadline = time.monotonic() + 2
        while (left := members(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left
        with process.stdin, process.stderr as errors:
            assert errors.read() == b""
        # A shell reports 128 + number. A handler in Python would run late if the signal came right
        # before the parent waits for a result.
        assert status == -number
