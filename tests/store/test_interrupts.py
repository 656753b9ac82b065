"""Interrupts at any moment: they end a run within two seconds, and leave nothing behind."""

from __future__ import annotations

import _thread
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import run_python

import numcrc
from numcrc import store
from numcrc.cli.store_commands import Interruption
from numcrc.store import merge, pipeline
from numcrc.store.objects import Entry, Result, State
from store.fakes import FakeSource, checksum, kept

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX")

PROMPT = 2.0
"""Seconds in which an interrupt must end a run."""
STORMY = 3000 if os.environ.get("NUMCRC_ACCEPTANCE") == "full" else 1000
"""Interrupts of each storm."""
LONG = 60.0
"""Seconds that a store does not answer."""


# A storm

STORM = """
import faulthandler, os, random, signal, sys, time
from pathlib import Path
from numcrc import store
from numcrc.store import retries
from store.fakes import busy, kept

faulthandler.dump_traceback_later(250, exit=True)
generator = random.Random(7)
retries.FIRST = 1e-4
armed, interrupted, slowest, problems = False, 0, 0.0, []
sys.unraisablehook = lambda args: problems.append(repr(args.exc_value))

def handler(number, frame):
    if armed:
        raise KeyboardInterrupt

def attempt(function, longest):
    global armed, interrupted, slowest
    try:
        try:
            began, armed = time.monotonic(), True
            signal.setitimer(signal.ITIMER_REAL, generator.uniform(1e-5, longest))
            function()
        finally:
            armed = False
    except KeyboardInterrupt:
        interrupted += 1
        slowest = max(slowest, time.monotonic() - began)

def settled(count, most):
    deadline = time.monotonic() + 10
    while count() > most and time.monotonic() < deadline:
        time.sleep(0.01)
    return count()

def threads():
    return len(sys._current_frames())

def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0

def storm(function, count):
    function()
    began = time.monotonic()
    function()
    usual = time.monotonic() - began
    before = threads(), descriptors()
    for _ in range(count):
        attempt(function, 0.7 * usual)
    signal.setitimer(signal.ITIMER_REAL, 0)
    function()
    after = settled(threads, before[0]), descriptors()
    assert after[0] <= before[0], (before, after)
    assert after[1] <= before[1], (before, after)
    assert interrupted > count // 10, interrupted
    assert slowest < 2, slowest
    assert not problems, problems[:5]
    print("right")

signal.signal(signal.SIGALRM, handler)
"""
OF_A_STORE = """
source = kept(**{f"{number:02}": bytes(number) for number in range(30)})
source.url = URL

def sometimes_busy(key):
    if generator.random() < 0.3:
        raise busy()

source.before = sometimes_busy

def call():
    progress = store.Progress()
    assert store.verify(source, limits=store.Limits(3, attempts=99), progress=progress).ok

storm(call, COUNT)
"""
OF_A_FOLDER = """
Path("tree").mkdir()
for number in range(40):
    Path("tree", f"{number:02}").write_bytes(bytes(number))

def call():
    assert store.manifest("tree", "made.jsonl").ok
    assert Path("made.jsonl").read_bytes() == whole

store.manifest("tree", "made.jsonl")
whole = Path("made.jsonl").read_bytes()
storm(call, COUNT)
assert Path("made.jsonl").read_bytes() == whole
"""
WITH_A_STATE = """
Path("tree").mkdir()
for number in range(40):
    Path("tree", f"{number:02}").write_bytes(bytes(number))
store.manifest("tree", "made.jsonl")
names = map("state{}".format, range(10**9))
first = list(store.verify("tree", manifest="made.jsonl"))

def call():
    state = name = next(names)
    if generator.random() < 0.5:
        state = f"state{int(name[5:]) // 10 * 10}"  # of an earlier run
    assert list(store.verify("tree", manifest="made.jsonl", state=state)) == first

storm(call, COUNT)
"""
STORMS = {
    "reads in threads": OF_A_STORE.replace("URL", '"fake://bucket"'),
    "reads inline": OF_A_STORE.replace("URL", '"folder"'),
    "manifest": OF_A_FOLDER,
    "state": WITH_A_STATE,
}


@pytest.mark.parametrize("code", STORMS.values(), ids=STORMS.keys())
def test_thousands_of_interrupts(code: str, tmp_path: Path) -> None:
    """No call hangs, each ends within two seconds, and no thread is left."""
    tests = Path(__file__).parents[1]
    process = run_python(
        STORM + code.replace("COUNT", str(STORMY)),
        cwd=str(tmp_path),
        PYTHONPATH=f"{tests}{os.pathsep}{tests.parent}",
    )
    assert (process.returncode, process.stdout) == (0, "right\n"), process.stderr


# Heard


class Blocking(FakeSource):
    """A source in which one method waits, as long as the store does not answer."""

    def __init__(self, method: str, key: str = "b") -> None:
        bodies = {"a": b"a", "b": bytes(300_000), "c": b"c"}
        super().__init__(bodies)
        self.stored = {name: (checksum("crc32c", body),) for name, body in bodies.items()}
        self.answer = threading.Event()
        self.asked = threading.Event()
        self._method, self._key = method, key

    def _wait(self, method: str, key: str) -> None:
        if (method, key) == (self._method, self._key):
            self.asked.set()
            self.answer.wait(LONG)

    def entries(self) -> Iterator[Entry]:
        """Yield the objects; perhaps wait before one."""
        for entry in super().entries():
            self._wait("entries", entry.key)
            yield entry

    def stat(self, key: str) -> Entry:
        """Return an entry; perhaps wait."""
        self._wait("stat", key)
        return super().stat(key)

    def read(self, entry: Entry, start: int, into: memoryview) -> memoryview:
        """Return some bytes; perhaps wait."""
        self._wait("read", entry.key)
        return super().read(entry, start, into)


@contextmanager
def prompt(started: threading.Event) -> Iterator[None]:
    """Assert that the block ends soon after *started* is set."""
    yield
    ended = time.monotonic()
    assert started.is_set()
    assert ended - SENT[-1] < PROMPT


SENT: list[float] = []
"""When stops were sent."""


def send(started: threading.Event, stop: Callable[[], object]) -> None:
    """Call *stop* in a thread, a moment after *started* is set."""

    def run() -> None:
        assert started.wait(LONG)
        time.sleep(0.05)
        SENT.append(time.monotonic())
        stop()

    threading.Thread(target=run, daemon=True).start()


@contextmanager
def interrupted() -> Iterator[Callable[[], object]]:
    """Yield a function that interrupts this thread, and expect that it does."""

    def handler(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield lambda: os.kill(os.getpid(), signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)


BLOCKED = [("entries", "b"), ("stat", "b"), ("read", "a"), ("read", "b")]


@pytest.mark.parametrize("url", ["fake://bucket", "folder"])
@pytest.mark.parametrize(("method", "key"), BLOCKED)
def test_a_store_that_does_not_answer(method: str, key: str, url: str) -> None:
    source, stop = Blocking(method, key), threading.Event()
    source.url = url
    limits = store.Limits(threads=2, max_in_flight=1 << 17)
    for progress in (None, store.Progress()):
        source.asked.clear()
        send(source.asked, stop.set)
        with prompt(source.asked):
            report = store.verify(source, limits=limits, stop=stop, progress=progress)
        assert report.stopped
        assert {result.state for result in report} <= {State.MATCH}
        stop.clear()
        source.asked.clear()
        with prompt(source.asked), interrupted() as interrupt:
            send(source.asked, interrupt)
            store.manifest(source, os.devnull, format="jsonl", limits=limits, progress=progress)
    source.answer.set()


def test_a_source_that_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer, stop = threading.Event(), threading.Event(), threading.Event()

    def opened(*arguments: Any, **named: Any) -> None:
        asked.set()
        answer.wait(LONG)

    monkeypatch.setattr("numcrc.store._verify.opened", opened)
    monkeypatch.setattr("numcrc.store._manifest.opened", opened)
    for function in (store.verify, store.manifest):
        asked.clear()
        stop.clear()
        send(asked, stop.set)
        with prompt(asked):
            found = function("s3://bucket", stop=stop)
        assert found.stopped
        assert not found.objects
    answer.set()


def test_a_manifest_that_does_not_come(tmp_path: Path) -> None:
    pipe, stop, asked = tmp_path / "pipe", threading.Event(), threading.Event()
    os.mkfifo(pipe)
    asked.set()
    send(asked, stop.set)
    with prompt(asked):  # which has no writer
        assert store.verify(kept(a=b"a"), manifest=pipe, stop=stop).stopped
    stop.clear()
    send(asked, stop.set)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b'{"key": "a"}\n')
    with prompt(asked):  # it stays open
        assert store.verify(kept(a=b"a"), manifest=pipe, stop=stop).stopped
    os.close(writer)


def test_a_manifest_that_is_sorted_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, stop = threading.Event(), threading.Event()
    monkeypatch.setattr(merge, "RUN", 1000)

    def endless(*arguments: Any, **named: Any) -> Iterator[Entry]:
        number = 10**9
        while True:
            number -= 1
            if number % 5000 == 0:
                asked.set()
            yield Entry(str(number))

    monkeypatch.setattr("numcrc.store._verify.read_manifest", endless)
    send(asked, stop.set)
    with prompt(asked):
        assert store.verify(kept(a=b"a"), manifest="sums", stop=stop).stopped
    asked.clear()
    with prompt(asked), interrupted() as interrupt:
        send(asked, interrupt)
        store.verify(kept(a=b"a"), manifest="sums")


@pytest.mark.parametrize("algorithm", ["crc64nvme", "sha256"])
def test_a_huge_file(tmp_path: Path, algorithm: str) -> None:
    tree, asked = tmp_path / "tree", threading.Event()
    tree.mkdir()
    with (tree / "huge").open("wb") as file:
        file.truncate(1 << 40)
    made, progress = tmp_path / "made.jsonl", store.Progress()
    made.write_text("old\n")

    def until_read() -> None:
        while not progress.bytes:
            time.sleep(0.01)
        asked.set()

    threading.Thread(target=until_read, daemon=True).start()
    with prompt(asked), interrupted() as interrupt:
        send(asked, interrupt)
        store.manifest(tree, made, algorithm=algorithm, progress=progress)
    assert made.read_text() == "old\n"
    assert sorted(os.listdir(tmp_path)) == ["made.jsonl", "tree"]


# The command line


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[socket.socket]:
    """Return the socket of an S3 server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LONG)
        monkeypatch.chdir(tmp_path)
        for name, value in {
            "AWS_ENDPOINT_URL": address(server),
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION": "us-east-1",
            "PYTHONPATH": str(Path(numcrc.__file__).parents[1]),
        }.items():
            monkeypatch.setenv(name, value)
        Path("tree").mkdir()
        for number in range(600):
            Path("tree", f"{'x' * 200}{number}").touch()
        yield server


def address(server: socket.socket) -> str:
    """Return the URL of a server."""
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def started(*arguments: str, shell: str = "exec") -> subprocess.Popen[str]:
    """Start a command line."""
    command = shlex.join([sys.executable, "-m", "numcrc", *arguments])
    return subprocess.Popen(
        ["sh", "-c", f"{shell} {command}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], number: int) -> str:
    """Send a signal; return what the process says, in time and with the status of the signal."""
    sent = time.monotonic()
    process.send_signal(number)
    process.wait(LONG)
    assert time.monotonic() - sent < PROMPT
    _, err = process.communicate()
    assert process.returncode == 128 + number, err
    return err


def test_the_thread_that_waits_for_room_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "IDLE", 3600)
    monkeypatch.setattr(pipeline, "LOOK_AHEAD", 5)
    source = kept(**{f"{number:03}": b"x" for number in range(100)})
    before, stop = _thread._count(), threading.Event()
    limits = store.Limits(threads=2)

    def on_result(_: Result) -> None:
        time.sleep(0.5)  # the thread waits by now
        stop.set()

    report = store.verify(source, limits=limits, stop=stop, on_result=on_result)
    assert report.stopped == "stopped early"
    deadline = time.monotonic() + 20
    while _thread._count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _thread._count() <= before


def test_a_run_that_does_not_end_in_time_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    interruption = Interruption("advice")

    def interrupt_twice() -> None:
        with interruption.handled():
            for _ in range(2):
                signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        interrupt_twice()
    assert ended.value.code == 128 + signal.SIGTERM
    err = "numcrc: stopped early, without a summary\nnumcrc: interrupted; advice\n"
    assert capsys.readouterr().err == err


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@SIGNALS
@pytest.mark.parametrize("command", ["verify", "manifest", "manifest file"])
def test_a_server_that_does_not_answer(silent: socket.socket, command: str, number: int) -> None:
    Path("made.jsonl").write_text("old\n")
    arguments = {
        "verify": ["verify", "s3://bucket", "--state", "state"],
        "manifest": ["manifest", "s3://bucket", "-o", "made.jsonl"],
        "manifest file": ["verify", "tree", "--manifest", f"{address(silent)}/sums.jsonl"],
    }
    process = started(*arguments[command])
    connection, _ = silent.accept()
    with connection:
        assert "numcrc: interrupted; " in ended(process, number)
    assert Path("made.jsonl").read_text() == "old\n"


@SIGNALS
def test_standard_output_that_takes_nothing(silent: socket.socket, number: int) -> None:
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    store.manifest("tree", "sums.jsonl")
    process = started("verify", "tree", "--manifest", "sums.jsonl", "--combined")
    assert process.stdout is not None
    waiting, before = bytearray(4), -1
    while before < (count := int.from_bytes(waiting, sys.byteorder)) or not count:
        before = count
        time.sleep(0.5)
        fcntl.ioctl(process.stdout, termios.FIONREAD, waiting)
    assert "numcrc: interrupted; " in ended(process, number)


def test_a_signal_that_is_ignored_stays_so(silent: socket.socket) -> None:
    process = started("verify", "s3://bucket", shell="trap '' INT; exec")
    connection, _ = silent.accept()
    with connection:
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(PROMPT)
        ended(process, signal.SIGTERM)
