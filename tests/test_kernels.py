"""Test every kernel against the definition of a CRC, with the same tests for each tier.

Lengths are on both sides of every limit of every plan: blocks of 16 to 640 bytes, chains below 64
bytes, the streams of the crc32 instruction. Messages start or end at a page that must not be read.
"""

from __future__ import annotations

import ctypes
import mmap
import random
import sys

import numpy as np
import pytest
from conftest import machines
from support import KERNELS, crc_on, prefix_crcs

import numcrc
from numcrc.crc import catalogue, reference
from numcrc.crc.model import Model
from numcrc.jit import choice
from numcrc.jit.builtins.abi import GIL_FREE

LONGEST = 1350
CUTS = [
    around
    for cut in (2048, 2560, 4096, 4096 + 512, 5120, 8192, GIL_FREE)
    for around in (cut - 17, cut - 1, cut, cut + 1, cut + 15)
]
DATA = random.Random(1).randbytes(1 << 17)


@pytest.fixture
def rng(request):
    """Return a random generator for this test."""
    return random.Random(request.node.nodeid)


def random_model(rng: random.Random, width: int) -> Model:
    poly, init, xorout = (rng.getrandbits(width) for _ in range(3))
    return Model(width, poly, init, rng.random() < 0.5, rng.random() < 0.5, xorout)


def algorithm(model: Model) -> numcrc.Algorithm:
    return numcrc.Algorithm(**model._asdict())


@pytest.fixture(scope="module")
def references():
    """Return the reference CRC of every prefix of DATA, for each of KERNELS."""
    return {name: prefix_crcs(catalogue.find(name).model, DATA[: CUTS[-1]]) for name in KERNELS}


def test_every_check_value(machine):
    for name in numcrc.algorithms:
        crc = crc_on(numcrc.algorithms[name], machine)
        assert crc(b"123456789") == crc.check, name


@pytest.mark.parametrize("name", KERNELS)
def test_every_length(name, machine, references):
    crc = crc_on(numcrc.algorithms[name], machine)
    view = memoryview(DATA)
    for length in [*range(LONGEST + 1), *CUTS]:
        assert crc(view[:length]) == references[name][length], length


def test_every_mixture(machine):
    """Every mixture that is the plan of an algorithm in the catalogue, at its limits."""
    tested = set()
    for crc in numcrc.algorithms.values():
        plan = choice.plan(crc.model, machine.target, machine.tier)
        if not plan.units or plan in tested:
            continue
        tested.add(plan)
        least, on = plan.least(plan.blocks[-1]), crc_on(crc, machine)
        expected = prefix_crcs(crc.model, DATA[: max(9100, 2 * least + 200)])
        for cut in (least, 2 * least + 100, 4096, 9000):
            for length in range(cut - 3, cut + 3):
                assert on(memoryview(DATA)[:length]) == expected[length], (crc.name, length)


@pytest.mark.parametrize("name", ["CRC-32/ISCSI", "CRC-32/ISO-HDLC"])
def test_every_stretch_of_the_instruction(name, machine, rng):
    model = catalogue.find(name).model
    sizes = [streams.size for streams in choice.plan(model, machine.target, machine.tier).streams]
    if not sizes:
        pytest.skip("folds or uses tables")
    crc, value = crc_on(numcrc.algorithms[name], machine), rng.getrandbits(32)
    expected = prefix_crcs(model, DATA[: 2 * max(sizes) + 17], value)
    for size in (*sizes, sum(sizes), *(2 * size for size in sizes)):
        for length in range(size - 17, size + 17):
            assert crc(memoryview(DATA)[:length], value) == expected[length], length


@pytest.mark.parametrize("name", ["CRC-32/ISCSI", "CRC-64/NVME", "CRC-32/BZIP2"])
def test_every_alignment(name, machine, references):
    crc = crc_on(numcrc.algorithms[name], machine)
    lengths = [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 79, 80, 127, 129, 255, 256, 257]
    lengths += [383, 511, 512, 513, 1000, 1024, 2047, 4095, 4096, 4097]
    area = bytearray(64 + max(lengths) + 64)
    base = ctypes.addressof(ctypes.c_char.from_buffer(area)) % 64
    for alignment in range(64):
        start = (alignment - base) % 64
        area[start : start + max(lengths)] = DATA[: max(lengths)]
        view = memoryview(area)
        for length in lengths:
            expected = references[name][length]
            assert crc(view[start : start + length]) == expected, (alignment, length)


@pytest.fixture(scope="module")
def guarded():
    """Return the address and size of memory between two pages that must not be read."""
    if not sys.platform.startswith(("linux", "darwin")):
        pytest.skip("needs mprotect")
    page, size = mmap.PAGESIZE, 2 * mmap.PAGESIZE
    area = mmap.mmap(-1, size + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None, use_errno=True)
    for guard in (start, start + page + size):
        assert libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0) == 0
    yield start + page, size
    for guard in (start, start + page + size):
        libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 3)


@pytest.mark.parametrize("name", KERNELS[:6])
def test_nothing_is_read_outside_the_message(name, machine, guarded, references):
    crc = crc_on(numcrc.algorithms[name], machine)
    address, size = guarded
    for length in [*range(600), 1000, 1023, 1024, 4095, 4096, 4097, 5121, size]:
        for start in (address, address + size - length):
            message = (ctypes.c_char * length).from_address(start)
            ctypes.memmove(start, DATA, length)
            assert crc(message) == references[name][length], length


@pytest.mark.parametrize("name", KERNELS[:6])
def test_records_of_every_length(name, machine, guarded, references):
    """Several records at once, of equal or different lengths, at both ends of readable memory."""
    crc = crc_on(numcrc.algorithms[name], machine)
    address, size = guarded
    ctypes.memmove(address, DATA, size)
    area = (ctypes.c_char * size).from_address(address)
    alike = np.repeat(np.arange(300), 5)
    unlike = np.concatenate([np.random.default_rng(1).permutation(300) for _ in range(3)])
    short = np.random.default_rng(2).integers(1, 65, 300)
    for lengths in (alike, unlike, short):
        found = crc.segments(area, np.zeros(len(lengths), int), lengths)
        assert found.tolist() == [references[name][length] for length in lengths.tolist()]
        at_end = crc.segments(area, size - lengths, lengths).tolist()
        assert at_end == [crc(DATA[size - length : size]) for length in lengths.tolist()]


def test_models_of_every_width(machine, rng):
    lengths = (0, 1, 3, 8, 15, 16, 63, 64, 100, 255, 256, 700)
    for width in range(1, 65):
        model = random_model(rng, width)
        crc = crc_on(algorithm(model), machine)
        value = rng.getrandbits(width)
        expected = prefix_crcs(model, DATA[: lengths[-1]], value)
        for length in lengths:
            assert crc(DATA[:length], value) == expected[length], (model, length)
        fresh = prefix_crcs(model, DATA[: lengths[-1]])
        found = crc.segments(DATA, [0] * len(lengths), lengths).tolist()
        assert found == [fresh[length] for length in lengths], model


def test_wide_models(rng):
    for width in range(65, 129):
        model = random_model(rng, width)
        crc = algorithm(model)
        value = rng.getrandbits(width)
        expected = prefix_crcs(model, DATA[:100], value)
        for length in (0, 1, 8, 15, 16, 17, 100):
            assert crc(DATA[:length], value) == expected[length], (model, length)


@pytest.mark.parametrize("name", KERNELS)
def test_split_and_combined(name, machine, references, rng):
    crc = crc_on(numcrc.algorithms[name], machine)
    length = 5200
    for _ in range(60):
        cut = rng.randrange(length + 1)
        first, second = DATA[:cut], DATA[cut:length]
        assert crc(second, crc(first)) == references[name][length]
        assert crc.combine(crc(first), crc(second), len(second)) == references[name][length]


def test_random_values_and_lengths(machine, rng):
    for _ in range(150):
        model = random_model(rng, rng.choice([8, 16, 24, 32, 32, 40, 64, 64]))
        crc = crc_on(algorithm(model), machine)
        value = rng.getrandbits(model.width)
        start, length = rng.randrange(64), rng.randrange(400)
        data = DATA[start : start + length]
        assert crc(data, value) == reference.crc(model, data, value), model


def test_machines_use_different_kernels():
    used = {
        machine.name: choice.plan(catalogue.find("CRC-32C").model, machine.target, machine.tier)
        for machine in machines()
    }
    assert len(set(used.values())) == len(used)
