"""Test that calls leave no lock and no reference, and release the GIL for large buffers."""

from __future__ import annotations

import copy
import gc
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

import numcrc
from numcrc.jit.builtins.abi import GIL_FREE

DATA = random.Random(2).randbytes(GIL_FREE + 1000)
OBJECTS = np.zeros(3, [("a", "f8"), ("b", "O")])
WRONG_CALLS = [
    lambda call, data: call(data, 1.0),
    lambda call, data: call(data, "1"),
    lambda call, data: call(data, 0, 0),
    lambda call, data: call(data, wrong=0),
]


def test_buffers_are_unlocked(callee):
    for size in (100, GIL_FREE + 100):  # while the GIL is held, and released
        data = bytearray(DATA[:size])
        callee.call(data)
        data.append(1)  # BufferError if still locked
        callee.call(memoryview(data)[::2])
        data.append(2)
        callee.call(data, np.uint8(1))
        data.append(3)
        assert callee.call(data) == callee.expected(DATA[:size] + b"\1\2\3")
        for wrong in WRONG_CALLS:
            with pytest.raises(TypeError):
                wrong(callee.call, data)
            data.append(4)
        for value in (-1, 2**200):  # algorithms refuse these, and drop-ins mask them
            with suppress(ValueError):
                callee.call(data, value)
            data.append(5)


def test_buffers_of_objects_are_unlocked(callee):
    view = memoryview(OBJECTS)
    for _ in range(3):
        with pytest.raises(TypeError):
            callee.call(view)
    view.release()  # BufferError if still locked


def blocks_left_by(run: Callable[[], None]) -> int:
    """Return the number of blocks of memory that a thousand runs leave allocated."""
    for _ in range(10):
        run()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        run()
    gc.collect()
    return sys.getallocatedblocks() - before


def test_calls_leave_no_references(callee):
    data, value = bytearray(DATA[:100]), (1 << callee.algorithm.width) - 1
    name, small = "".join(["val", "ue"]), np.uint8(3)
    held = [data, DATA, value, name, small, callee.call]
    gc.collect()
    before = [sys.getrefcount(item) for item in held]

    def run():
        callee.call(data)
        callee.call(data, value)
        callee.call(DATA, value=value)
        callee.call(DATA, **{name: value})
        callee.call(data, small)

    left = blocks_left_by(run)
    assert [sys.getrefcount(item) for item in held] == before
    assert left < 500


def test_wrong_calls_leave_no_references(callee):
    data, objects = bytearray(DATA[:100]), OBJECTS
    held = [data, objects, callee.call]
    gc.collect()
    before = [sys.getrefcount(item) for item in held]

    def run():
        for wrong in WRONG_CALLS:
            try:
                wrong(callee.call, data)
            except (TypeError, ValueError):
                continue
            raise AssertionError("a wrong call raised no error")
        try:
            callee.call(objects)
        except TypeError:
            return
        raise AssertionError("a buffer of objects raised no error")

    left = blocks_left_by(run)
    assert [sys.getrefcount(item) for item in held] == before
    assert left < 500


# Threads


def another_thread_ran_during(call: Callable[[], int], seconds: float) -> bool:
    """Return whether *call* releases the GIL, so that another thread runs.

    The switch interval keeps threads from requesting the GIL.
    """
    call()  # compiles, and reads files
    interval = sys.getswitchinterval()
    go, ran = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: (go.wait(), ran.set()))
    sys.setswitchinterval(1000)
    try:
        other.start()  # returns when the other thread releases the GIL in `go.wait`
        go.set()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            call()
            if ran.is_set():
                return True
        return False
    finally:
        sys.setswitchinterval(interval)
        other.join()


def test_large_buffers_release_the_gil(callee):
    large = bytes(8 << 20)
    assert another_thread_ran_during(lambda: callee.call(large), 60)
    small = bytes(GIL_FREE - 1)  # shows that the test can fail
    assert not another_thread_ran_during(lambda: callee.call(small), 0.1)


def test_threads_calling_at_once(callee):
    messages = [DATA[start : start + GIL_FREE + start] for start in range(0, 800, 100)]
    expected = [callee.call(message) for message in messages]
    assert len(set(expected)) > 1
    assert expected[0] == callee.expected(messages[0])

    def work(_: int) -> list[int]:
        return [callee.call(bytearray(message)) for message in messages]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(32))) == [expected] * 32


def test_first_call_of_an_algorithm_in_several_threads():
    model = numcrc.algorithms["CRC-40/GSM"]
    for _ in range(20):
        crc = copy.copy(model)
        start = threading.Barrier(4)

        def work(_: int, crc: numcrc.Algorithm = crc, start: threading.Barrier = start) -> int:
            start.wait()
            return crc(b"123456789")

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(work, range(4))) == {model.check}
