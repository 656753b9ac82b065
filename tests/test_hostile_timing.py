"""Test interrupts and forks at any moment, and locks in any order.

Each test runs code in a new process, which prints the tracebacks of its threads and exits if it
does not finish in time.
"""

from __future__ import annotations

import os
import tempfile
import textwrap
from collections.abc import Iterator

import pytest
from support import ARMED, passes

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
needs_signals = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.fixture
def cold() -> Iterator[str]:
    """Yield an empty cache folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@needs_signals
def test_a_storm_of_interrupts_breaks_no_later_call():
    passes(
        ARMED
        + textwrap.dedent("""
        import zlib, numpy as np, numcrc
        from numcrc.records import run

        run.CHUNK = 3000
        data = np.frombuffer(random.Random(4).randbytes(20_000), np.uint8).reshape(20, 1000)
        expected = [zlib.crc32(row) for row in data]
        crc, generator = numcrc.algorithms["crc32"], random.Random(5)
        interrupted = calls = 0
        while interrupted < 10_000:
            calls += 1
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, generator.uniform(1e-6, 3e-4))
                crc.rows(data, threads=4)
                armed = False
            except KeyboardInterrupt:
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert crc.rows(data, threads=4).tolist() == expected
        print("done")
        """)
    )


def test_numbas_lock_comes_first(cold):
    """One thread compiles a kernel while another compiles an @njit function that uses one."""
    passes(
        """
        import sys, threading, time, numba, numpy as np, numcrc

        def call(delay, name):
            time.sleep(delay)
            crc = numcrc.algorithms[name]
            assert crc(b"123456789") == crc.check

        def compile_caller(delay, name):
            time.sleep(delay)
            crc = numcrc.algorithms[name]
            function = numba.njit(lambda data: crc(data))
            assert function(np.frombuffer(b"123456789", np.uint8)) == crc.check

        rounds = [
            (0.0, "CRC-32/BZIP2", 0.05, "CRC-16/ARC"),
            (0.0, "CRC-64/ECMA-182", 0.3, "CRC-64/NVME"),
            (0.3, "CRC-32/ISCSI", 0.0, "CRC-32/ISCSI"),
        ]
        for first, one, second, other in rounds:
            threads = [
                threading.Thread(target=call, args=(first, one)),
                threading.Thread(target=compile_caller, args=(second, other)),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        print("done")
        """,
        NUMCRC_CACHE_DIR=cold,
    )


FORKS = """
import os, random, signal, sys, threading, time, zlib, numpy as np, numcrc

data = np.frombuffer(random.Random(4).randbytes(20_000), np.uint8).reshape(20, 1000)
expected = [zlib.crc32(row) for row in data]

def child_passes(check, seconds=100):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(seconds)  # kills it
            check()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0, "a forked child failed or hung"
"""


@needs_fork
def test_a_fork_waits_for_a_compile(cold):
    """A kernel compiled in the child needs every lock that the compiling thread may hold."""
    passes(
        FORKS
        + textwrap.dedent(
            """
            names = ["CRC-32/BZIP2", "CRC-16/ARC", "CRC-32/ISCSI", "CRC-82/DARC"]

            def compile_all():
                for name in names:
                    numcrc.algorithms[name](b"")

            def check():
                for name in ("CRC-64/ECMA-182", "CRC-32/ISCSI"):
                    crc = numcrc.algorithms[name]
                    assert crc(b"123456789") == crc.check

            thread = threading.Thread(target=compile_all)
            thread.start()
            forks = 0
            while thread.is_alive():
                time.sleep(0.1)
                child_passes(check)
                forks += 1
            thread.join()
            assert forks > 1
            print("done")
            """
        ),
        NUMCRC_CACHE_DIR=cold,
    )


@needs_fork
def test_a_fork_waits_for_imports():
    """At any point of them: also while a module is searched for or has just been loaded."""
    passes(
        FORKS
        + textwrap.dedent(
            """
            names = ["numcrc.records.slices", "numcrc.records.batches", "numcrc.records.algebra"]
            stop = False

            def import_all():
                for name in names:
                    sys.modules.pop(name, None)
                    __import__(name)

            def imports():
                while not stop:
                    import_all()
                    time.sleep(0.001)

            import_all()
            thread = threading.Thread(target=imports)
            thread.start()
            try:
                for _ in range(300):
                    child_passes(import_all, seconds=20)
            finally:
                stop = True
            thread.join()
            print("done")
            """
        )
    )


@needs_fork
def test_forks_during_first_calls_and_pools():
    """A thousand forks, each at another moment of its parent's first calls on threads."""
    passes(
        FORKS
        + textwrap.dedent(
            """
            crc, generator = numcrc.algorithms["crc32"], random.Random(6)
            crc(b"")
            stop = False

            def calls():
                while not stop:
                    assert crc.rows(data, threads=3).tolist() == expected
                    assert crc.batch(list(data), threads=2).tolist() == expected

            def check():
                assert crc.rows(data, threads=3).tolist() == expected

            threads = [threading.Thread(target=calls) for _ in range(2)]
            for thread in threads:
                thread.start()
            for _ in range(1000):
                child_passes(check)
            stop = True
            for thread in threads:
                thread.join()
            print("done")
            """
        )
    )


@needs_fork
def test_a_fork_during_the_very_first_threaded_call():
    code = FORKS + textwrap.dedent(
        """
        import numcrc.records.slices
        crc = numcrc.algorithms["crc32"]
        crc(b"")
        thread = threading.Thread(target=lambda: crc.rows(data, threads=3))
        thread.start()
        time.sleep(DELAY)
        child_passes(lambda: crc.rows(data, threads=3))
        thread.join()
        print("done")
        """
    )
    for delay in (0, 1e-4, 5e-4, 1e-3, 3e-3, 1e-2):
        passes(code.replace("DELAY", str(delay)))


def test_kernels_in_a_thread_with_a_small_stack(cold):
    """The thread compiles kernels; then, in another process, it loads them from the cache."""
    code = """
        import threading, numpy as np, numcrc

        found = []

        def work():
            for name in ("CRC-32/BZIP2", "CRC-32/ISCSI", "CRC-82/DARC"):
                crc = numcrc.algorithms[name]
                found.append(crc(b"123456789") == crc.check)
            found.append(int(crc.join([crc(b"12345"), crc(b"6789")], [5, 4])) == crc.check)

        threading.stack_size(64 << 10)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found == [True] * 4, found
        print("done")
        """
    passes(code, NUMCRC_CACHE_DIR=cold)
    passes(code, NUMCRC_CACHE_DIR=cold)


# Interrupts


@needs_signals
def test_an_interrupt_during_a_compile_is_not_lost(cold):
    for delay in (0.2, 0.6, 1.0, 1.6, 2.2):
        with tempfile.TemporaryDirectory() as folder:
            code = """
            import os, signal, sys, threading, time, numcrc

            signal.signal(signal.SIGINT, signal.default_int_handler)
            crc = numcrc.algorithms["CRC-32/BZIP2"]
            timer = threading.Timer(DELAY, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            start = time.monotonic()
            try:
                while time.monotonic() < start + 60:
                    crc(b"")
                raise SystemExit("the interrupt was not handled")
            except KeyboardInterrupt:
                pass
            assert time.monotonic() - start < DELAY + 5
            assert crc(b"123456789") == crc.check
            print("done")
            """
            passes(code.replace("DELAY", str(delay)), NUMCRC_CACHE_DIR=folder)


@needs_signals
@pytest.mark.parametrize(
    "call",
    [
        "crc(data)",
        "crc.rows(data, threads=1)",
        "crc.segments(data, [0, len(data)], threads=1)",
        "crc.prefixes(data, [len(data)])",
        "crc.batch([data], threads=1)",
        "crc.batch([data[::2]], threads=1)",
        "wide(data)",
        "wide.rows(data, threads=1)",
        "crc.new(data)",
        "crc.bits(data, 8 * len(data))",
    ],
)
def test_a_long_call_hears_an_interrupt(call):
    """The data are 64 GiB, which take longer than the test."""
    passes(
        f"""
        import os, signal, threading, time, numpy as np, numcrc
        from numpy.lib.stride_tricks import as_strided

        signal.signal(signal.SIGINT, signal.default_int_handler)
        import mmap
        area = mmap.mmap(-1, 1 << 36, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
        data = np.frombuffer(area, np.uint8)
        crc, wide = numcrc.algorithms["CRC-32/BZIP2"], numcrc.algorithms["CRC-82/DARC"]
        crc(b""), wide(b""), crc.rows(data[:10]), crc.batch([b"", data[:10:2]])
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.monotonic()
        try:
            {call}
            raise SystemExit("it ended by itself")
        except KeyboardInterrupt:
            assert time.monotonic() - start < 3, time.monotonic() - start
        print("done")
        """,
        NUMCRC_TIER="table",
    )
