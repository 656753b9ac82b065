"""Test imports at first use, and what interrupts, forks and errors in them leave behind."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import pytest
from support import ARMED, passes, run_python

from numcrc import process

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
needs_signals = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

BARE: dict[str, Any] = {"flags": ("-S",), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
"""How to run a process that has not imported threading."""
UNUSED = "wave"
"""A module that nothing here imports."""


# Interrupts

STORM = (
    ARMED
    + """
import _imp, sys, time, zlib, numcrc

def first_calls():
    crc = numcrc.algorithms["CRC-32/ISO-HDLC"]
    assert numcrc.crc32(b"abc") == crc(b"abc") == zlib.crc32(b"abc")
    assert crc.bits(b"abc", 24) == crc.zeros(zlib.crc32(b"abc"), 0) == zlib.crc32(b"abc")
    assert int(crc.join([crc(b"a"), crc(b"bc")], [1, 2])) == zlib.crc32(b"abc")
    assert crc.rows(b"abc", threads=2) == zlib.crc32(b"abc")
    assert crc.segments(b"abc", [0, 3]).tolist() == crc.batch([b"abc"]).tolist()
    assert crc.new(b"abc").value == zlib.crc32(b"abc")
    assert numcrc.store.Limits(threads=1).threads == 1

def check():
    "Assert that other threads can import."
    import threading

    assert not _imp.lock_held()
    before = set(sys.modules)
    thread = threading.Thread(target=__import__, args=(UNUSED,), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "an import in another thread hangs"
    assert sys.modules.keys() - before
"""
)


@needs_signals
@pytest.mark.parametrize("bare", [False, True])
def test_an_interrupt_that_follows_the_import_lock(bare):
    """Importlib takes the lock one instruction before the ``try`` that releases it."""
    passes(
        f"UNUSED = {UNUSED!r}"
        + STORM
        + """
take, interrupted = _imp.acquire_lock, 0

def acquire_lock():
    take()
    signal.raise_signal(signal.SIGALRM)

_imp.acquire_lock = acquire_lock
while True:
    try:
        armed = True
        first_calls()
        break
    except KeyboardInterrupt:
        interrupted += 1
        assert interrupted < 1000
armed, _imp.acquire_lock = False, take
assert interrupted > 3, interrupted
check()
print("done")
""",
        **(BARE if bare else {}),
    )


@needs_signals
def test_storms_of_interrupts_from_a_cold_start():
    """Afterwards all first calls are right, and no module is half imported."""
    for seed in range(6):
        passes(
            f"UNUSED, SEED = {UNUSED!r}, {seed}"
            + STORM
            + """
generator = random.Random(SEED)
interrupted, deadline = 0, time.monotonic() + 100
while time.monotonic() < deadline:
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, generator.uniform(1e-5, 2e-2))
        first_calls()
        break
    except KeyboardInterrupt:
        interrupted += 1
armed = False
signal.setitimer(signal.ITIMER_REAL, 0)
assert interrupted, "no interrupt"
first_calls()
check()
print("done")
"""
        )


@needs_signals
def test_a_handler_that_computes_while_a_thread_starts():
    passes(
        """
        import faulthandler, signal, zlib, numcrc
        from numcrc import process

        def compute(number, frame):
            assert numcrc.crc32c(b"123456789") == 0xE3069283

        def stack_size(*arguments):
            process.stack_size = real
            signal.raise_signal(signal.SIGALRM)
            return real(*arguments)

        faulthandler.dump_traceback_later(60, exit=True)
        signal.signal(signal.SIGALRM, compute)
        real, process.stack_size = process.stack_size, stack_size
        process.in_thread("key", lambda: None)
        assert numcrc.crc32(b"abc") == zlib.crc32(b"abc")
        assert process.stack_size is real and real() == 0 and not process._jobs
        print("done")
        """
    )


# Threads


def test_the_main_thread_remains_the_main_one():
    """Until Python 3.13, threading takes the thread that imports it first for the main one."""
    code = """
import sys
assert "threading" not in sys.modules
import numcrc
numcrc.algorithms
numcrc.crc32(b"")
import threading
assert threading.current_thread() is threading.main_thread()
print("done")
"""
    passes(code, **BARE)


@pytest.mark.parametrize("start", ["process.in_thread(0, dict)", "threads._pool.submit(dict)"])
def test_threads_start_after_threading_is_imported(start):
    passes(
        f"""
        import sys
        from numcrc import process, threads
        assert "threading" not in sys.modules
        start_new_thread = process.start_new_thread

        def start(function, arguments):
            import threading
            assert threading.current_thread() is threading.main_thread()
            return start_new_thread(function, arguments)

        process.start_new_thread = threads.start_new_thread = start
        {start}
        print("done")
        """,
        **BARE,
    )


@needs_signals
def test_a_signal_in_the_middle_of_an_import_waits_for_its_end():
    """If the process has no other thread; the deadline of `passes` is one."""
    code = """
import signal, sys
import numcrc

class Finder:
    @staticmethod
    def find_spec(name, *_):
        if name == "numcrc.algorithm":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder)
assert "threading" not in sys.modules
try:
    numcrc.crc32c(b"")
except KeyboardInterrupt:
    assert "Algorithm" in vars(sys.modules["numcrc.registry"])
    print("done")
"""
    found = run_python(code, **BARE)
    assert (found.returncode, found.stdout) == (0, "done\n"), found.stderr


def test_only_the_main_thread_lets_another_one_import(monkeypatch: pytest.MonkeyPatch):
    importers: list[int] = []

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: Any) -> None:
            importers.append(threading.get_ident())

    monkeypatch.setattr(sys, "meta_path", [Finder])
    for _ in range(2):  # a failed import is tried again
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            process.imported("no_such_module")
    assert len(importers) == 2
    assert threading.get_ident() not in importers
    importers.clear()

    def work() -> None:
        with pytest.raises(ModuleNotFoundError):
            process.imported("no_such_module")
        importers.append(threading.get_ident())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(set(importers)) == 1


def test_a_first_call_within_the_configuration_of_logging():
    """It holds the lock of logging, which the import of Numba takes."""
    passes(
        """
        import faulthandler, logging.config, sys, numcrc
        from numcrc.process import in_thread

        class Filter(logging.Filter):
            def __init__(self):
                super().__init__()
                in_thread("key", lambda: logging.getLogger("another"))

        faulthandler.dump_traceback_later(60, exit=True)
        logging.config.dictConfig({"version": 1, "filters": {"a": {"()": Filter}}})
        print("done")
        """
    )


def test_without_another_thread(monkeypatch: pytest.MonkeyPatch):
    def no_thread(function: Any, args: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(process, "start_new_thread", no_thread)
    called: list[int] = []
    process.in_thread("key", lambda: called.append(threading.get_ident()))
    assert called == [threading.get_ident()]
    assert not process._jobs


def test_a_call_in_the_middle_of_an_import():
    """The thread that imports holds the lock that another one would wait for."""
    passes(
        """
        import sys, zlib, numcrc

        class Finder:
            def find_spec(name, *_):
                if name == "numcrc.records.slices" and Finder in sys.meta_path:
                    sys.meta_path.remove(Finder)
                    assert numcrc.algorithms["crc32"].rows(b"abc") == zlib.crc32(b"abc")

        sys.meta_path.insert(0, Finder)
        import numcrc.records.slices
        assert Finder not in sys.meta_path
        print("done")
        """
    )


SLOW = """
import os, signal, sys, threading, time, zlib, numcrc

searched = threading.Event()

class Finder:
    def find_spec(name, *_):
        if name == "numcrc.registry":
            searched.set()
            time.sleep(1)

def interrupt(number, frame):
    raise KeyboardInterrupt

def interrupter():
    searched.wait()
    os.kill(os.getpid(), signal.SIGALRM)

sys.meta_path.insert(0, Finder)
signal.signal(signal.SIGALRM, interrupt)
threading.Thread(target=interrupter).start()
began = time.monotonic()
try:
    numcrc.crc32(b"abc")
except KeyboardInterrupt:
    assert time.monotonic() - began < 0.7
else:
    raise SystemExit("the interrupt was not heard")
"""


@needs_signals
def test_an_interrupt_ends_the_wait_and_not_the_import():
    passes(
        SLOW
        + """
assert "numcrc.registry" not in sys.modules
assert numcrc.crc32(b"abc") == zlib.crc32(b"abc")
assert 0.7 < time.monotonic() - began < 30
print("done")
"""
    )


@needs_fork
def test_a_fork_after_an_interrupt():
    """The child does not have the thread that imports."""
    passes(
        SLOW
        + """
child = os.fork()
if not child:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(30)  # kills it
    os._exit(0 if numcrc.crc32(b"abc") == zlib.crc32(b"abc") else 1)
assert os.waitpid(child, 0)[1] == 0
print("done")
"""
    )


@needs_signals
def test_an_exit_after_an_interrupt():
    """The thread that imports ends first."""
    passes(SLOW + 'print("done")')


def test_a_first_call_while_the_interpreter_ends():
    """It may fail, and does not hang."""
    passes(
        """
        import numcrc

        class Late:
            def __del__(self, crc32=lambda: numcrc.crc32(b"")):
                try:
                    crc32()
                except Exception:
                    pass

        late = Late()
        print("done")
        """
    )
