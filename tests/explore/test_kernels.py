"""Test how the compiled searches are run."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from numcrc.crc import gf2
from numcrc.explore.kernels import call, in_threads, syndromes
from numcrc.jit import interpreted, plan
from numcrc.jit.linker import NoMachineCodeError


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_chunks_before_the_last_are_done(threads):
    done = []

    def work(chunk: int) -> bool:
        done.append(chunk)
        return chunk == 60

    in_threads(work, 100, threads)
    assert set(done) >= set(range(61))
    assert len(set(done)) == len(done)
    done.clear()
    in_threads(work, 50, threads)
    assert sorted(done) == list(range(50))


def test_an_error_ends_the_work_of_other_threads():
    """Also of one that is inside a chunk when the error is raised."""
    inside, failed = threading.Event(), threading.Event()
    done = []

    def work(chunk: int) -> bool:
        if threading.current_thread() is threading.main_thread():
            inside.wait(10)
            raise KeyboardInterrupt
        inside.set()
        failed.wait(0.2)
        done.append(chunk)
        return False

    with pytest.raises(KeyboardInterrupt):
        in_threads(work, 1000, 2)
    assert len(done) <= 1


@pytest.mark.parametrize(("poly", "width"), [(1, 1), (0x07, 8), (0x04C11DB7, 32), (0x1B, 64)])
def test_syndromes(poly, width):
    expected = [gf2.power_of_x(i, 1 << width | poly) for i in range(200)]
    whole = syndromes(poly, width, 200)
    assert whole.tolist() == expected
    assert syndromes(poly, width, 200, whole[:70]).tolist() == expected
    assert syndromes(poly, width, 50, whole).tolist() == expected[:50]


@pytest.mark.parametrize("bits", [0, 1, 5])
def test_the_transform_is_its_own_inverse(bits):
    given = np.arange(1 << bits, dtype=np.int32) ** 2
    signs = np.array(
        [[(-1) ** (i & j).bit_count() for j in range(1 << bits)] for i in range(1 << bits)]
    )
    transformed = given.copy()
    call(plan.TRANSFORM, transformed, bits, 0, bits)
    assert transformed.tolist() == (signs @ given).tolist()
    call(plan.TRANSFORM, transformed, bits, 0, bits)
    assert transformed.tolist() == (given << bits).tolist()


def test_python_does_not_search():
    with pytest.raises(NoMachineCodeError, match="cannot compute span: no machine code"):
        interpreted.tool(plan.SPAN)
