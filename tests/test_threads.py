"""Test calls from several threads, after forks, when interrupted, and at exit."""

from __future__ import annotations

import os
import random
import signal
import sys
import textwrap
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from support import passes, run_python

import numcrc
import numcrc.records.run
from numcrc import threads as pool

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
DATA = np.frombuffer(random.Random(8).randbytes(20_000), np.uint8).reshape(20, 1000)
ROWS = [zlib.crc32(row) for row in DATA]
COLUMNS = [zlib.crc32(column.tobytes()) for column in DATA.T]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
needs_signals = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.fixture
def small_chunks(monkeypatch):
    """Share, cut and copy small records like large ones."""
    monkeypatch.setattr(numcrc.records.run, "CHUNK", 3000)
    monkeypatch.setattr(numcrc.records.run, "SPLIT", 4000)
    monkeypatch.setattr("numcrc.records.slices.SCRATCH", 3000)


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Let threads take turns as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def calls(turn: int) -> None:
    """Make the call number *turn* of a cycle and check its result."""
    kind = turn % 5
    if kind < 2:
        assert CRC.rows(DATA, threads=2).tolist() == ROWS
    elif kind == 2:
        assert CRC.batch(list(DATA), threads=2).tolist() == ROWS
    elif kind == 3:
        assert CRC.rows(DATA, None, threads=2) == zlib.crc32(DATA)
    elif turn % 25 == 4:
        assert CRC.rows(DATA.T, threads=2).tolist() == COLUMNS
    else:
        assert CRC.blocks(DATA, 1000, threads=3).tolist() == ROWS


@pytest.mark.usefixtures("small_chunks")
def test_eight_threads_of_a_thousand_calls():
    with ThreadPoolExecutor(8) as callers:
        for done in [callers.submit(lambda: list(map(calls, range(1000)))) for _ in range(8)]:
            done.result()


@pytest.mark.usefixtures("small_chunks", "eager_switches")
def test_eager_switches():
    with ThreadPoolExecutor(4) as callers:
        list(callers.map(calls, range(300)))


def test_other_pools_of_any_depth():
    def nested(depth: int) -> list[int]:
        if depth:
            with ThreadPoolExecutor(2) as inner:
                return list(inner.map(nested, [depth - 1] * 2))[1]
        return CRC.rows(DATA, threads=4).tolist()

    with ThreadPoolExecutor(2) as outer:
        assert list(outer.map(nested, range(4))) == [ROWS] * 4


def test_from_inside_its_own_pool():
    assert CRC.rows(DATA, threads=2).tolist() == ROWS
    found: list[list[int]] = []
    done = threading.Event()

    def work() -> None:
        found.append(CRC.rows(DATA, threads=300).tolist())
        done.set()

    assert pool._pool.submit(work)
    assert done.wait(60)
    assert found == [ROWS]


# share


class Work:
    """Chunks of *seconds* each, with the interface of the records builtin."""

    def __init__(self, chunks: int, seconds: float = 0.0) -> None:
        self.left = iter(range(chunks))
        self.stopped = False
        self.inside = 0
        self.entered = 0
        self.done: list[int] = []
        self.seconds = seconds
        self.lock = threading.Lock()

    def __call__(self, limit: int) -> int:
        """Do at most *limit* chunks."""
        with self.lock:
            self.inside += 1
            self.entered += 1
        try:
            for count in range(limit):
                with self.lock:
                    chunk = None if self.stopped else next(self.left, None)
                if chunk is None:
                    return count
                self.chunk(chunk)
                self.done.append(chunk)
            return limit
        finally:
            with self.lock:
                self.inside -= 1

    def chunk(self, chunk: int) -> None:
        """Do one chunk."""
        time.sleep(self.seconds)

    def stop(self) -> None:
        """Leave no chunk for any thread."""
        self.stopped = True


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("chunks", [0, 1, 15, 16, 17, 100])
def test_share_does_every_chunk_once(threads, chunks):
    work = Work(chunks)
    pool.share(work, work.stop, threads)
    assert sorted(work.done) == list(range(chunks))
    assert work.inside == 0


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_error_in_any_thread_is_raised(threads):
    """Afterwards no thread is working."""

    class Broken(Work):
        def chunk(self, chunk: int) -> None:
            time.sleep(0.002)
            if chunk >= 5:
                raise ZeroDivisionError

    work = Broken(100)
    with pytest.raises(ZeroDivisionError):
        pool.share(work, work.stop, threads)
    assert work.inside == 0
    entered = work.entered
    time.sleep(0.02)
    assert work.entered == entered


def test_error_in_a_helper_is_raised():
    caller = threading.current_thread()
    raised = threading.Event()

    class Broken(Work):
        def chunk(self, chunk: int) -> None:
            if threading.current_thread() is caller:
                assert raised.wait(60)
            else:
                raised.set()
                raise ZeroDivisionError

    work = Broken(20)
    with pytest.raises(ZeroDivisionError):
        pool.share(work, work.stop, 3)
    assert work.inside == 0


def test_interrupted_while_helpers_are_submitted(monkeypatch):
    """A helper that was submitted before must not use freed memory."""
    submitted = []

    class SecondTimeInterrupted(pool._Pool):
        def submit(self, work: Any) -> bool:
            if submitted:
                raise KeyboardInterrupt
            submitted.append(work)
            return super().submit(work)

    monkeypatch.setattr(pool, "_pool", SecondTimeInterrupted())
    work = Work(50, seconds=0.005)
    with pytest.raises(KeyboardInterrupt):
        pool.share(work, work.stop, 4)
    entered = work.entered
    assert work.inside == 0
    time.sleep(0.05)
    assert work.entered == entered


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_handler_that_computes_while_a_thread_starts():
    passes(
        """
        import faulthandler, signal, zlib, numpy as np, numcrc
        from numcrc import threads

        crc = numcrc.algorithms["crc32"]
        a = np.arange(1 << 20, dtype=np.uint8).reshape(16, -1)
        expected = [zlib.crc32(row) for row in a]

        def compute(number, frame):
            assert crc.rows(a, threads=2).tolist() == expected

        def start_new_thread(*arguments):
            threads.start_new_thread = real
            real(*arguments)
            signal.raise_signal(signal.SIGALRM)

        faulthandler.dump_traceback_later(60, exit=True)
        signal.signal(signal.SIGALRM, compute)
        real, threads.start_new_thread = threads.start_new_thread, start_new_thread
        assert crc.rows(a, threads=2).tolist() == expected
        assert threads.start_new_thread is real
        print("done")
        """
    )


def test_no_thread_can_be_started(monkeypatch):
    """A helper that was queued without a thread for it must not start later."""
    gate = threading.Event()
    monkeypatch.setattr(pool, "_pool", pool._Pool())
    assert pool._pool.submit(lambda: gate.wait(60) and None)  # one worker, which is busy

    def no_thread(function: Any, args: Any) -> None:
        raise RuntimeError("can't start new thread")

    work = Work(3)
    with monkeypatch.context() as patches:
        patches.setattr(pool, "start_new_thread", no_thread)
        pool.share(work, work.stop, 3)
    assert sorted(work.done) == [0, 1, 2]
    entered = work.entered
    gate.set()
    idle = threading.Event()
    assert pool._pool.submit(idle.set)
    assert idle.wait(60)
    assert work.entered == entered


@needs_signals
@pytest.mark.parametrize("kind", [KeyboardInterrupt, TimeoutError, SystemExit])
def test_signal_handlers_raise_while_helpers_are_awaited(kind):
    """A handler may raise any error, as in the time limits of test runners."""
    caller = threading.current_thread()
    helping, left, handled = threading.Event(), threading.Event(), threading.Event()

    class Slow(Work):
        def chunk(self, chunk: int) -> None:
            if threading.current_thread() is caller:
                assert helping.wait(60)  # the helper has the other chunk
                left.set()
                return
            helping.set()
            assert left.wait(60)
            time.sleep(0.05)  # the caller now waits for this thread
            os.kill(os.getpid(), signal.SIGALRM)
            assert handled.wait(60)
            time.sleep(0.05)  # a caller that did not wait would return now

    def handler(number: int, frame: Any) -> None:
        handled.set()
        raise kind

    before = signal.signal(signal.SIGALRM, handler)
    work = Slow(2)
    try:
        with pytest.raises(kind):
            pool.share(work, work.stop, 2)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert work.inside == 0
    assert len(work.done) == 2


# The number of threads


def test_environment_caps_the_default(monkeypatch):
    monkeypatch.delenv("NUMCRC_NUM_THREADS", raising=False)
    available = pool.thread_count()
    if hasattr(os, "sched_getaffinity"):
        assert available == len(os.sched_getaffinity(0))
    for setting, count in (("1", 1), ("100000", available), ("", available)):
        monkeypatch.setenv("NUMCRC_NUM_THREADS", setting)
        assert pool.thread_count() == count
        assert pool.thread_count(7) == 7
        assert CRC.rows(DATA).tolist() == ROWS


@pytest.mark.parametrize("setting", ["0", "-1", "two", "1.5"])
def test_bad_setting(setting, monkeypatch):
    monkeypatch.setattr(numcrc.records.run, "THREAD_WORTH", 100)  # else it is not read
    monkeypatch.setenv("NUMCRC_NUM_THREADS", setting)
    out = np.zeros(20, "u4")
    for call in (lambda: CRC.rows(DATA, out=out), lambda: CRC.batch(list(DATA), out=out)):
        with pytest.raises(ValueError, match=f"NUMCRC_NUM_THREADS .* not '{setting}'"):
            call()
    assert not out.any()
    assert CRC.rows(DATA, threads=2).tolist() == ROWS


# Processes

PREAMBLE = """
import os, signal, sys, threading, time
import numpy as np
import numcrc, numcrc.records.run

numcrc.records.run.CHUNK = 3000
crc = numcrc.algorithms["crc32"]
data = np.arange(20_000, dtype="u4").reshape(40, 500)
right = [numcrc.crc32(row) for row in data]

def check():
    assert crc.rows(data, threads=2).tolist() == right
    assert crc.batch(list(data), threads=2).tolist() == right
    assert crc.rows(np.asfortranarray(data), threads=2).tolist() == right

"""


def runs(code: str, expected: str = "right\n", returncode: int = 0) -> None:
    """Assert that *code*, after the preamble, prints *expected* in a process of its own."""
    process = run_python(PREAMBLE + textwrap.dedent(code))
    assert process.returncode == returncode, process.stderr
    assert process.stdout == expected
    if not returncode:
        assert process.stderr == ""


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.usefixtures("small_chunks")
def test_fork_in_the_middle():
    end = threading.Event()
    assert CRC.rows(DATA, threads=2).tolist() == ROWS  # imports and compiles

    def call() -> None:
        while not end.is_set():
            assert CRC.rows(DATA, threads=2).tolist() == ROWS

    with ThreadPoolExecutor(2) as callers:
        running = [callers.submit(call) for _ in range(2)]
        try:
            for _ in range(20):
                child = os.fork()
                if not child:
                    good = CRC.rows(DATA, threads=2).tolist() == ROWS
                    os._exit(0 if good else 1)
                deadline = time.monotonic() + 60
                while not (ended := os.waitpid(child, os.WNOHANG))[0]:
                    if time.monotonic() > deadline:
                        os.kill(child, signal.SIGKILL)
                    time.sleep(0.001)
                assert ended[1] == 0
        finally:
            end.set()
        for future in running:
            future.result()


@needs_fork
def test_forked_child_finalizes_normally():
    runs("""
        import warnings
        warnings.simplefilter("ignore")
        check()
        child = os.fork()
        check()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            print("right")
    """)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_pools(method, tmp_path):
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    (tmp_path / "users_work.py").write_text(
        PREAMBLE + "def work(i):\n    check()\n    return crc.rows(data, threads=2).tolist()\n"
    )
    code = f"""
import sys, warnings
sys.path.insert(0, {str(tmp_path)!r})
warnings.simplefilter("ignore")
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from users_work import check, right, work

if __name__ == "__main__":
    check()
    with ProcessPoolExecutor(2, multiprocessing.get_context({method!r})) as pool:
        assert list(pool.map(work, range(8))) == [right] * 8
    print("right")
"""
    process = run_python(code, PYTHONPATH=str(tmp_path))
    assert (process.returncode, process.stdout) == (0, "right\n"), process.stderr


# Each takes a minute or more.
LONG = {
    "rows": "crc.rows(np.broadcast_to(large, (1 << 20, large.size)), threads={threads})",
    "strided rows": "crc.rows(np.broadcast_to(large[::2], (1 << 20, 1 << 19)), threads={threads})",
    "batch": "crc.batch([large.tobytes()] * (1 << 20), threads={threads})",
}


@needs_signals
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", LONG)
def test_interrupt(call, threads):
    """The call is interrupted, the next one is right, and the exit status is that of SIGINT."""
    runs(
        f"""
        from numcrc.records import run, slices
        check()
        run.CHUNK = 1 << 20
        large = np.zeros(1 << 20, "u1")
        started, share = threading.Event(), run.share
        def beginning(*arguments):
            started.set()
            share(*arguments)
        def interrupt():
            started.wait()
            time.sleep(0.15)
            os.kill(os.getpid(), signal.SIGINT)
        for last in (False, True):
            run.share = slices.share = beginning
            started.clear()
            interrupter = threading.Thread(target=interrupt)
            interrupter.start()
            try:
                {LONG[call].format(threads=threads)}
                print("not interrupted")
            except KeyboardInterrupt:
                run.share = slices.share = share
                check()
                interrupter.join()
                print("right", flush=True)
                if last:
                    raise
        """,
        "right\nright\n",
        -signal.SIGINT,
    )


def test_at_exit():
    runs("""
        import atexit
        def last():
            check()
            print("right")
        atexit.register(last)
        check()
    """)


def test_at_exit_for_the_first_time():
    runs("""
        import atexit
        def last():
            check()
            print("right")
        atexit.register(last)
    """)


def test_daemon_thread_at_shutdown():
    runs("""
        def forever():
            while True:
                check()
        for _ in range(3):
            threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.1)
        print("right")
    """)


def test_thread_that_outlives_the_main_one():
    runs("""
        def late():
            threading.main_thread().join()
            for _ in range(20):
                check()
            print("right")
        threading.Thread(target=late).start()
    """)
