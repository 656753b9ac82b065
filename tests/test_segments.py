"""Test the CRCs of records of one buffer: segments, blocks and prefixes."""

from __future__ import annotations

import random
import sys
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few
from support import run_python

import numcrc
from numcrc.records import run

CRC = numcrc.algorithms["CRC-32/ISO-HDLC"]
WIDE = numcrc.algorithms["CRC-82/DARC"]
DATA = random.Random(6).randbytes(5000)
INTEGERS = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]


# segments


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_segments_with_every_integer_dtype(dtype, crc):
    ends = np.array([0, 0, 5, 5, 70, 71, 127], dtype)
    expected = [crc(DATA[a:b]) for a, b in zip(ends.tolist(), ends.tolist()[1:], strict=False)]
    assert crc.segments(DATA, ends).tolist() == expected
    starts, sizes = np.array([100, 3, 3, 50, 127], dtype), np.array([27, 9, 0, 100, 1], dtype)
    expected = [crc(DATA[a : a + n]) for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]
    assert crc.segments(DATA, starts, sizes).tolist() == expected
    assert crc.segments(DATA, starts[::-1], sizes[::-1]).tolist() == expected[::-1]
    assert crc.segments(DATA, np.repeat(starts, 2)[::2], sizes).tolist() == expected


@few
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0), st.integers(0))), st.data())
def test_segments_overlap_in_any_order(data, pairs, draws):
    pairs = [(start % (len(data) + 1), size) for start, size in pairs]
    pairs = [(start, size % (len(data) - start + 1)) for start, size in pairs]
    starts, sizes = [start for start, _ in pairs], [size for _, size in pairs]
    values = [draws.draw(st.integers(0, 2**32 - 1)) for _ in pairs]
    expected = [
        zlib.crc32(data[start : start + size], value)
        for (start, size), value in zip(pairs, values, strict=True)
    ]
    threads = draws.draw(st.sampled_from([None, 1, 2]))
    found = CRC.segments(data, starts, sizes, values, threads=threads)
    assert found.tolist() == expected
    assert found.dtype == np.uint32
    ends = sorted(starts)
    expected = [zlib.crc32(data[a:b]) for a, b in pairwise(ends)]
    if ends:
        assert CRC.segments(data, ends, threads=threads).tolist() == expected


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_segments_broadcast(crc):
    starts = np.array([[0], [1000], [2000]])
    sizes = np.array([3, 0, 700, 16])
    expected = [[crc(DATA[a : a + n]) for n in sizes.tolist()] for a in starts[:, 0].tolist()]
    assert crc.segments(DATA, starts, sizes).tolist() == expected
    assert crc.segments(DATA, starts.T, sizes[:, None]).tolist() == np.transpose(expected).tolist()
    assert crc.segments(DATA, [5, 9, 0], 4).tolist() == [crc(DATA[i : i + 4]) for i in (5, 9, 0)]
    assert crc.segments(DATA, 5, [4, 9]).tolist() == [crc(DATA[5:9]), crc(DATA[5:14])]
    assert crc.segments(DATA, 5, 4) == crc(DATA[5:9])
    value = np.array([[1], [2], [3]])
    expected = [
        [crc(DATA[a : a + n], v) for n in sizes.tolist()]
        for a, v in zip(starts[:, 0].tolist(), (1, 2, 3), strict=True)
    ]
    assert crc.segments(DATA, starts, sizes, value).tolist() == expected


def test_no_segments():
    for found in (CRC.segments(DATA, [3]), CRC.segments(DATA, [], []), CRC.segments(b"", [0])):
        assert (found.shape, found.dtype) == ((0,), np.uint32)
    assert CRC.segments(DATA, np.zeros((2, 0), int), 5).shape == (2, 0)
    assert CRC.segments(b"", [0, 0, 0]).tolist() == [0, 0]


def test_segments_are_in_bytes_for_any_dtype():
    numbers = np.frombuffer(DATA[:800], ">f8").reshape(10, 10)
    assert CRC.segments(numbers, [0, 3, 800]).tolist() == [
        zlib.crc32(DATA[:3]),
        zlib.crc32(DATA[3:800]),
    ]


OUTSIDE = [
    ([0, 5001], None),
    ([-1, 5], None),
    ([4, 3], None),
    ([0, 5, 4, 6], None),
    ([0, 2**63 - 1, -(2**63)], None),
    ([0, 2**63 - 1], None),
    ([0, 2**63 - 1, -(2**63), 0], None),
    ([1, -(2**63)], None),
    ([5000], [1]),
    ([5001], [0]),
    ([-1], [1]),
    ([-(2**63)], [2**63 - 1]),
    ([2**63 - 1], [2**63 - 1]),
    ([2**63 - 1], [1]),
    ([0], [2**63 - 1]),
    ([0], [-1]),
    ([10], [-5]),
    ([0], [-(2**63)]),
    ([[0, 1], [2, 3]], [[1, 1], [1, 4998]]),
]


@pytest.mark.parametrize(("offsets", "lengths"), OUTSIDE)
def test_nothing_is_read_outside_the_buffer(offsets, lengths):
    """In a process of its own, which a failure might crash."""
    code = (
        "import numcrc\n"
        "try:\n"
        f"    numcrc.algorithms['crc32'].segments(bytes(5000), {offsets}, {lengths})\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    process = run_python(code)
    assert process.returncode == 0, process.stderr
    assert "outside the buffer" in process.stdout or "negative length" in process.stdout


@pytest.mark.parametrize("offsets", [[0, 2**63], [0, 2**64], [0, 2**200], [-(2**70), 0]])
def test_offsets_beyond_int64(offsets):
    with pytest.raises(ValueError, match="offsets"):
        CRC.segments(DATA, offsets)
    with pytest.raises(ValueError, match="offsets"):
        CRC.prefixes(DATA, offsets)


# Memory that changes during a call

CHANGED = """
import numpy as np, numcrc
crc = numcrc.algorithms["CRC-32/ISO-HDLC"]
data = b"abcdefgh"
offsets, lengths = np.array([0, 4, 8]), np.array([1, 1, 0])

class Number:
    def __index__(self):
        offsets.fill(1 << 44)
        lengths.fill(1 << 44)
        return 1

right = [crc(b"a"), crc(b"e"), crc(b"")]
try:
    assert ({call}).tolist() == right
except ValueError as error:
    assert "outside the buffer" in str(error) or "offsets must be" in str(error), error
"""


@pytest.mark.parametrize(
    "call",
    [
        "crc.segments(data, offsets, lengths, [Number()] * 3)",
        "crc.segments(data, offsets, None, [Number()] * 2)",
        "crc.segments(data, offsets, lengths, threads=Number())",
        "crc.segments(data, offsets, [Number(), 1, 0])",
        "crc.prefixes(data, offsets, Number())",
    ],
)
def test_offsets_changed_by_a_conversion(call):
    """In a process of its own, which would read at wrong addresses.

    The call has the right result, or refuses what it finds.
    """
    process = run_python(CHANGED.replace("{call}", call))
    assert process.returncode == 0, process.stderr


CHANGED_BY_THREAD = """
import sys, threading, time
import numpy as np, numcrc
crc = numcrc.algorithms["CRC-32/ISO-HDLC"]
data = bytes(range(64)) * 4
sys.setswitchinterval(1e-6)
offsets, lengths = np.arange(0, 65, 4), np.full(17, 3)
values = np.full(17, 5, np.uint64)
good = [offsets.copy(), lengths.copy(), values.copy()]
calls = [
    lambda: crc.segments(data, offsets),
    lambda: crc.segments(data, offsets, lengths),
    lambda: crc.prefixes(data, offsets),
    lambda: crc.segments(data, good[0], good[1], values),
    lambda: crc.join(good[2], lengths),
    lambda: crc.combine(good[2], 7, lengths),
]
expected = [call().tolist() for call in calls]
ended = False

def change():
    while not ended:
        for array, right, wrong in zip((offsets, lengths, values), good, (1 << 44, -1, 1 << 40)):
            array.fill(wrong)
            array[:] = right

thread = threading.Thread(target=change)
thread.start()
refused, end = 0, time.monotonic() + 2
try:
    while time.monotonic() < end:
        for call, right in zip(calls, expected):
            try:
                found = call().tolist()
            except ValueError:
                refused += 1
            else:
                assert found == right, (found, right)
finally:
    ended = True
print(refused)
"""


def test_arrays_changed_by_another_thread():
    """A call has the right result, or refuses what it finds."""
    process = run_python(CHANGED_BY_THREAD)
    assert process.returncode == 0, process.stderr
    assert int(process.stdout) > 0


# blocks


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
@pytest.mark.parametrize("size", [1, 7, 512, 4999, 5000, 5001, 2**40, np.uint8(200)])
def test_blocks(crc, size):
    for data in (DATA, DATA[:1], b"", memoryview(DATA)[3:]):
        expected = [crc(data[i : i + int(size)]) for i in range(0, len(data), int(size))]
        assert crc.blocks(data, size).tolist() == expected
        assert crc.blocks(data, size, value=9, threads=2).tolist() == [
            crc(data[i : i + int(size)], 9) for i in range(0, len(data), int(size))
        ]


@pytest.mark.parametrize("size", [2**62, 2**63 - 1, 2**63, 2**64, 2**200])
def test_blocks_of_any_size(size):
    """In a process of its own, which a failure might crash."""
    code = f"import numcrc; print(numcrc.algorithms['crc32'].blocks(b'abc', {size}).tolist())"
    process = run_python(code)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == f"[{zlib.crc32(b'abc')}]"


# prefixes


@pytest.mark.parametrize("crc", [CRC, WIDE], ids=["32", "82"])
def test_prefixes(crc):
    ends = [5000, 0, 3, 3, 700, 1, 4999, 16]
    assert crc.prefixes(DATA, ends).tolist() == [crc(DATA[:end]) for end in ends]
    assert crc.prefixes(DATA, ends, value=5).tolist() == [crc(DATA[:end], 5) for end in ends]
    square = np.array(ends, ">u2").reshape(2, 4).T
    found = crc.prefixes(DATA, square)
    assert found.tolist() == [[crc(DATA[:end]) for end in row] for row in square.tolist()]
    out = np.zeros((4, 4), found.dtype)[:, ::2]
    assert crc.prefixes(DATA, square, out=out) is out
    assert out.tolist() == found.tolist()
    assert crc.prefixes(DATA, 700) == crc(DATA[:700])
    assert crc.prefixes(DATA, []).shape == (0,)
    assert crc.prefixes(b"", [0, 0], 7).tolist() == [crc(b"", 7)] * 2


@few
@given(st.binary(max_size=500), st.lists(st.integers(0)))
def test_prefixes_at_random(data, ends):
    ends = [end % (len(data) + 1) for end in ends]
    assert CRC.prefixes(data, ends).tolist() == [zlib.crc32(data[:end]) for end in ends]


# Signals

LONG_CALL = """
import mmap, os, signal, threading, time
import numpy as np, numcrc

signal.signal(signal.SIGINT, signal.default_int_handler)
flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # without a reserve: one page of zeros
size = 1 << 34
data = np.frombuffer(mmap.mmap(-1, size, flags=flags), np.uint8)
crc = numcrc.algorithms["CRC-32/BZIP2"]
crc.segments(b"abc", [0, 1, 3])
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    {call}
except KeyboardInterrupt:
    pass
assert time.monotonic() - start < 3, time.monotonic() - start
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory without a reserve")
@pytest.mark.parametrize(
    "call",
    [
        "crc.segments(data, [0, 5, size], threads=1)",
        "crc.segments(data, [0, 5, size], threads=2)",
        "crc.prefixes(data, [9, size])",
        "crc.blocks(data, size // 2, threads=1)",
    ],
)
def test_long_calls_hear_an_interrupt(call):
    """On the slowest kernel, where each call takes ten seconds and more."""
    process = run_python(LONG_CALL.replace("{call}", call), NUMCRC_TIER="table")
    assert process.returncode == 0, process.stderr


def test_chunks_have_few_bytes():
    """However unequal the records are."""
    unequal = np.full(30_000, 9)
    unequal[25_000:25_040] = run.LONGEST
    for lengths in (unequal, np.full(100, run.LONGEST), np.arange(10_000), np.zeros(9, np.int64)):
        for threads in (1, 2):
            bounds, most = run._bounds(run.Records(len(lengths), lengths), threads)
            assert (bounds[0], bounds[-1]) == (0, len(lengths))
            chunks = [int(lengths[a:b].sum()) for a, b in pairwise(bounds.tolist())]
            assert max(chunks) <= most <= 2 * run.LONGEST
            assert sum(chunks) == lengths.sum()


# out


@pytest.mark.parametrize("method", ["segments", "blocks", "prefixes"])
def test_out_is_part_of_the_buffer(method):
    data = np.arange(64, dtype="u4")
    argument = 4 if method == "blocks" else np.arange(0, 64 * 4 + (method == "segments"), 4)
    expected = getattr(CRC, method)(data.copy(), argument)
    out = data[: len(expected)]
    getattr(CRC, method)(data, argument, out=out)
    assert out.tolist() == expected.tolist()
