"""Test CRCs inside users' own Numba code: the same values and errors as in Python."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from support import run_python

import numcrc

DATA = np.frombuffer(random.Random(7).randbytes(4096), np.uint8)
ARC = numcrc.algorithms["CRC-16/ARC"]
NVME = numcrc.algorithms["CRC-64/NVME"]
BZIP2 = numcrc.algorithms["CRC-32/BZIP2"]
OPENPGP = numcrc.algorithms["CRC-24/OPENPGP"]
WIDE = numcrc.algorithms["CRC-82/DARC"]
ZIP = numcrc.algorithms["CRC-32/ISO-HDLC"]
ISCSI = numcrc.algorithms["CRC-32/ISCSI"]


@numba.njit
def drop_ins(data):
    """Call the drop-in functions."""
    return numcrc.crc32(data), numcrc.crc32c(data), numcrc.crc64nvme(data)


@numba.njit
def with_values(data, value):
    """Call algorithms with a value, by position and by keyword."""
    return ARC(data, value), BZIP2(data, value=value), NVME(data, value), OPENPGP(data, None)


@numba.njit
def segments(data, offsets):
    """Call segments with offsets alone."""
    return ARC.segments(data, offsets), NVME.segments(data, offsets)


@numba.njit
def segments_of_lengths(data, offsets, lengths, value):
    """Call segments with all its parameters."""
    return ISCSI.segments(data, offsets, lengths, value)


@numba.njit(parallel=True)
def in_parallel(rows):
    """Call a drop-in function in each turn of a parallel loop."""
    found = np.empty(len(rows), np.uint32)
    for i in numba.prange(len(rows)):
        found[i] = numcrc.crc32c(rows[i])
    return found


@numba.njit(parallel=True)
def segments_in_parallel(rows, offsets):
    """Call segments in each turn of a parallel loop."""
    found = np.empty((len(rows), len(offsets) - 1), np.uint16)
    for i in numba.prange(len(rows)):
        found[i] = ARC.segments(rows[i], offsets)
    return found


ARRAYS = {
    "C": DATA[:600].reshape(20, 30),
    "F": np.asfortranarray(DATA[:600].reshape(20, 30)),
    "strided": DATA[:600].reshape(20, 30)[::2, ::-3],
    "step": DATA[:600][::7],
    "broadcast": np.broadcast_to(DATA[:30], (4, 30)),
    "empty": DATA[:0],
    "empty and strided": DATA[:600].reshape(20, 30)[:, :0:2],
    "doubles": DATA[:800].view("f8"),
    "complex": DATA[:800].view("c16").reshape(5, 10).T,
    "bool": DATA[:99] > 100,
    "times": DATA[:800].view("M8[ns]"),
    "times, strided": DATA[:800].view("m8[s]")[::-2],
    "structures": DATA[:90].view([("a", "u1"), ("b", "f8")]),
    "text": np.array(["a", "żółw"]),
    "bytes": np.array([b"a", b"bcd"]),
    "0-d": np.array(5, "u4"),
    "bytes object": DATA[:77].tobytes(),
    "empty bytes": b"",
    "bytearray": bytearray(DATA[:77].tobytes()),
    "memoryview": memoryview(DATA[:77].tobytes()),
    "large": np.tile(DATA, 20),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_drop_ins_on_every_kind_of_data(name):
    data = ARRAYS[name]
    plain = data if isinstance(data, bytes) else data.tobytes() if name != "bytearray" else data
    assert drop_ins(data) == (
        numcrc.crc32(plain),
        numcrc.crc32c(plain),
        numcrc.crc64nvme(plain),
    )


@pytest.mark.parametrize("value", [0, 0xFFFF, np.uint64(5)], ids=repr)
def test_values(value):
    for data in (DATA, DATA[::-3], b"123456789", b""):
        expected = ARC(data, value), BZIP2(data, value), NVME(data, value), OPENPGP(data)
        assert with_values(data, value) == expected


def test_result_types():
    drop_ins(b"")
    (signature,) = [s for s in drop_ins.nopython_signatures if "bytes" in str(s)]
    assert [str(one) for one in signature.return_type] == ["int64", "int64", "uint64"]
    assert [type(one) for one in drop_ins(b"abc")] == [int, int, int]

    @numba.njit
    def xor_of_all(rows):
        total = 0
        for row in rows:
            total ^= ISCSI(row)
        return total

    rows = DATA.reshape(16, 256)
    assert xor_of_all(rows) == np.bitwise_xor.reduce(ISCSI.rows(rows))


def test_continuing():
    @numba.njit
    def chained(parts):
        value = NVME(parts[0])
        for part in parts[1:]:
            value = NVME(part, value)
        return value

    assert chained(DATA.reshape(8, 512)) == NVME(DATA)


@pytest.mark.parametrize("value", [-1, 2**16, 2**63 - 1, np.uint64(2**64 - 1)])
def test_value_outside_the_register(value):
    with pytest.raises(ValueError, match=r"value must be 0 <= value < 2\*\*"):
        with_values(DATA, value)


@numba.njit
def drop_ins_with_values(data, value):
    """Call the drop-in functions with a value."""
    return (
        numcrc.crc32(data, value),
        numcrc.crc32c(data, value=value),
        numcrc.crc64nvme(data, value),
    )


@pytest.mark.parametrize(
    "value", [-1, 5, 2**32 + 5, -(2**63), np.int8(-1), np.uint64(2**64 - 1)], ids=repr
)
def test_drop_ins_take_a_value_modulo_the_register(value):
    number = int(value)
    expected = (
        ZIP(DATA, number % 2**32),
        ISCSI(DATA, number % 2**32),
        NVME(DATA, number % 2**64),
    )
    assert drop_ins_with_values(DATA, value) == expected


@pytest.mark.parametrize("function", [ARC.function, ARC], ids=["function", "algorithm"])
def test_algorithms_and_their_functions_refuse_such_values(function):
    @numba.njit
    def call(data, value):
        return function(data, value)

    with pytest.raises(ValueError, match=r"value must be 0 <= value < 2\*\*"):
        call(DATA, -1)


@pytest.mark.parametrize("dtype", ["u1", "u8"])
def test_segments(dtype):
    ends = np.array([0, 0, 5, 100, 101, 255], dtype)
    for data in (DATA, DATA[::-1], DATA.tobytes(), np.asfortranarray(DATA.reshape(64, 64))):
        plain = np.ascontiguousarray(np.frombuffer(data) if isinstance(data, bytes) else data)
        for found, crc in zip(segments(data, ends), (ARC, NVME), strict=True):
            assert found.tolist() == crc.segments(plain, ends).tolist()
            assert found.dtype == crc.segments(plain, ends).dtype
    starts, sizes = np.array([100, 3, 3], dtype), np.array([0, 9, 200], dtype)
    expected = ISCSI.segments(DATA, starts, sizes, 7).tolist()
    assert segments_of_lengths(DATA, starts, sizes, 7).tolist() == expected
    expected = ISCSI.segments(DATA, starts, sizes).tolist()
    assert segments_of_lengths(DATA, starts, sizes, None).tolist() == expected


@pytest.mark.parametrize(
    ("offsets", "lengths"),
    [
        ([0, 4097], None),
        ([-1, 5], None),
        ([4, 3], None),
        ([0, 2**63 - 1, -(2**63)], None),
        ([], None),
        ([4096], [1]),
        ([-1], [1]),
        ([0], [-1]),
        ([10], [-5]),
        ([2**63 - 1], [2**63 - 1]),
        ([-(2**63)], [2**63 - 1]),
    ],
)
def test_segments_outside_the_buffer(offsets, lengths):
    starts = np.array(offsets, np.int64)
    if lengths is None:
        with pytest.raises(ValueError, match=r"outside the buffer|n \+ 1"):
            segments(DATA, starts)
    else:
        sizes = np.array(lengths, np.int64)
        with pytest.raises(ValueError, match="outside the buffer"):
            segments_of_lengths(DATA, starts, sizes, 0)


def test_segments_need_a_length_each():
    """Nothing beyond the lengths is read."""
    for starts, sizes in (([0, 1], [1]), ([1], [1, 1]), ([0, 1], [])):
        lengths = np.array([*sizes, 1, 1])[: len(sizes)]
        with pytest.raises(ValueError, match="lengths"):
            segments_of_lengths(DATA, np.array(starts), lengths, 0)


@pytest.mark.parametrize("wrong", [3, 1.5, np.ones(2)], ids=["integer", "float", "floats"])
def test_segments_take_arrays_of_integers_only(wrong):
    starts = np.array([0, 1])
    for name, arguments in (("offsets", (wrong, starts)), ("lengths", (starts, wrong))):
        with pytest.raises(numba.TypingError, match=f"{name} must be an array of integers, not "):
            segments_of_lengths(DATA, *arguments, 0)


def test_unsigned_offsets_outside_the_buffer():
    for ends in ([0, 2**64 - 1], [2**63, 2**63], [2**64 - 4, 0]):
        with pytest.raises(ValueError, match="outside the buffer"):
            segments(DATA, np.array(ends, np.uint64))


def test_segments_value_outside_the_register():
    with pytest.raises(ValueError, match=r"value must be 0 <= value < 2\*\*32"):
        segments_of_lengths(DATA, np.array([0]), np.array([1]), 2**32)


CHANGED_BY_THREAD = """
import threading, time
import numba, numpy as np, numcrc

crc = numcrc.algorithms["CRC-16/ARC"]

@numba.njit(nogil=True)
def segments(data, offsets):
    return crc.segments(data, offsets)

@numba.njit(nogil=True)
def change(offsets, right, ended, copy):
    turn = 0
    while not ended[0]:
        offsets[-2] = right[-2] if turn % 8 else 1 << 44
        copy[:] = right  # takes some time
        turn += 1

data, right, ended = np.zeros(20_000, "u1"), np.arange(20_001), np.zeros(1)
expected, offsets = segments(data, right).tolist(), right.copy()
change(offsets, right, np.ones(1), right.copy())  # compiles
thread = threading.Thread(target=change, args=(offsets, right, ended, right.copy()))
thread.start()
end = time.monotonic() + 2
while time.monotonic() < end:
    try:
        segments(data, offsets)
    except ValueError:
        pass
ended[0] = 1
thread.join()
assert segments(data, right).tolist() == expected
"""


def test_offsets_changed_by_another_thread():
    """In a process of its own, which would read at wrong addresses."""
    process = run_python(CHANGED_BY_THREAD)
    assert process.returncode == 0, process.stderr


def test_in_parallel_loops():
    rows = np.tile(DATA, 50).reshape(400, 512)
    for view in (rows, rows[::-1], rows[:, ::3], np.asfortranarray(rows)):
        assert in_parallel(view).tolist() == ISCSI.rows(view).tolist()
        ends = np.array([0, 3, 3, 100])
        expected = [ARC.segments(row.copy(), ends).tolist() for row in view]
        assert segments_in_parallel(view, ends).tolist() == expected


@pytest.mark.parametrize("argument", ["abc", 5, 1.5, (1, 2), None], ids=repr)
def test_data_that_is_not_a_buffer(argument):
    with pytest.raises(numba.TypingError):
        drop_ins(argument)


@pytest.mark.parametrize("value", [1.5, "1", b"1"], ids=repr)
def test_values_that_are_not_integers(value):
    with pytest.raises(numba.TypingError):
        with_values(DATA, value)


def test_offsets_that_are_not_integers():
    with pytest.raises(numba.TypingError):
        segments(DATA, np.array([0.0, 1.5]))
    with pytest.raises(numba.TypingError):
        segments_of_lengths(DATA, np.array([0]), np.array([1.5]), 0)


def test_wide_algorithms():
    @numba.njit
    def wide(data):
        return WIDE(data)

    with pytest.raises(numba.TypingError, match="widths up to 64 bits"):
        wide(DATA)


def test_custom_algorithms():
    own = numcrc.Algorithm(13, 0x1CF5, init=5, refin=True, refout=False, xorout=9)

    @numba.njit
    def call(data, value):
        return own(data), own(data, value)

    assert call(DATA, 77) == (own(DATA), own(DATA, 77))


def test_algorithms_before_and_after_their_first_call():
    fresh = numcrc.Algorithm(17, 0x1CF5)
    called = numcrc.Algorithm(18, 0x1CF5)
    expected = called(DATA)

    @numba.njit
    def call(data):
        return fresh(data), called(data)

    assert call(DATA) == (fresh(DATA), expected)


CACHED = """
import numba
import numpy as np
import numcrc

crc = numcrc.algorithms["CRC-16/ARC"]

@numba.njit(cache=True)
def function(a):
    return crc(a), numcrc.crc32c(a)
"""


def test_a_function_that_calls_an_algorithm_is_not_cached(tmp_path: Path):
    """The address of the kernel is valid in one process only."""
    (tmp_path / "users_own.py").write_text(CACHED)
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    from users_own import function, np\n"
        "    print(function(np.arange(9, dtype='u1')))\n"
        "print([w.category.__name__ for w in caught if 'cannot cache' in str(w.message).lower()])\n"
    )
    data = np.arange(9, dtype="u1")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    for _ in range(2):
        process = run_python(code, cwd=str(tmp_path), PYTHONPATH=path)
        assert process.returncode == 0, process.stderr
        result, warnings = process.stdout.splitlines()
        assert result == str((ARC(data), numcrc.crc32c(data)))
        assert warnings == "['NumbaWarning']"
    assert not list(tmp_path.rglob("*.nbc"))


def test_importing_numba_compiles_nothing_of_numcrc():
    code = (
        "import sys, numba\n"
        "assert numba.njit(lambda x: x + 1)(1) == 2\n"
        "print(sorted(m for m in sys.modules if m.startswith('numcrc')))\n"
    )
    process = run_python(code)
    assert process.returncode == 0, process.stderr
    loaded: Any = process.stdout
    assert "numcrc.jit.compiler" not in loaded
    assert "numcrc.jit.kernels" not in loaded


def test_the_function_of_an_algorithm():
    arc = ARC.function

    @numba.njit
    def compiled(data):
        return arc(data)

    assert compiled(DATA) == ARC(DATA)


# combine and zeros

ALGEBRA = [
    "CRC-3/GSM",
    "CRC-12/UMTS",
    "CRC-16/ARC",
    "CRC-24/OPENPGP",
    "CRC-32/ISCSI",
    "CRC-32/BZIP2",
    "CRC-64/NVME",
    "CRC-64/ECMA-182",
]
COUNTS = np.array([0, 1, 2, 1000, 2**31 - 1, 2**40 + 3, 2**62, 2**63 - 1])


@pytest.mark.parametrize("name", ALGEBRA)
def test_combine_and_zeros_of_scalars(name):
    crc = numcrc.algorithms[name]

    @numba.njit
    def call(first, second, counts):
        found = np.empty((3, len(counts)), np.uint64)
        for i, n in enumerate(counts):
            found[0, i] = crc.combine(first, second, n)
            found[1, i] = crc.zeros(first, n=n)
            found[2, i] = crc.zeros(value=first, n=-n - 1)
        return found

    top = np.uint64(crc.model.mask)
    for first, second in ((np.uint64(crc(b"1234")), np.uint64(crc(b"56789"))), (top, top)):
        found = call(first, second, COUNTS)
        assert found[0].tolist() == crc.combine(first, second, COUNTS).tolist()
        assert found[1].tolist() == crc.zeros(first, COUNTS).tolist()
        assert found[2].tolist() == [crc.zeros(int(first), -int(n) - 1) for n in COUNTS]


@numba.njit
def combined(first, second, length):
    """Call combine."""
    return ARC.combine(first, second, length)


@numba.njit
def with_zeros(value, n):
    """Call zeros."""
    return ARC.zeros(value, n)


def test_scalars_of_every_type():
    first, second = ARC(b"1234"), ARC(b"56789")
    for number in (int, np.uint8, np.uint64):
        assert combined(first, second, number(5)) == ARC.check
        assert with_zeros(first, number(5)) == ARC(b"1234" + bytes(5))
    assert combined(np.uint64(first), second, 5) == ARC.check
    assert with_zeros(first, np.uint64(2**64 - 1)) == ARC.zeros(first, 2**64 - 1)
    assert type(with_zeros(first, 1)) is type(combined(first, second, 1)) is int


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 2, -1), "len2 must not be negative"),
        ((-1, 0, 1), r"crc1 must be 0 <= crc1 < 2\*\*16"),
        ((-1, -1, -1), "crc1 must be"),
        ((0, -1, -1), "crc2 must be"),
        ((0, 2**16, 1), r"crc2 must be 0 <= crc2 < 2\*\*16"),
    ],
)
def test_wrong_scalars(arguments, message):
    with pytest.raises(ValueError, match=message):
        combined(*arguments)
    if message.startswith("crc1"):
        with pytest.raises(ValueError, match=r"value must be 0 <= value < 2\*\*"):
            with_zeros(*arguments[:2])


@pytest.mark.parametrize("refout", [False, True])
def test_zeros_of_an_even_polynomial(refout):
    crc = numcrc.Algorithm(16, 0x8004, init=0x1234, refin=refout, refout=refout)

    @numba.njit
    def zeros(value, n):
        return crc.zeros(value, n)

    value = crc(b"abc")
    for n in (0, 1, 2, 300):
        assert zeros(value, n) == crc(b"abc" + bytes(n))
    with pytest.raises(ValueError, match="polynomial has no constant term"):
        zeros(value, -1)


def test_parts_are_combined_in_compiled_code():
    @numba.njit
    def whole(parts):
        crc = ISCSI(parts[0])
        for part in parts[1:]:
            crc = ISCSI.combine(crc, ISCSI(part), part.nbytes)
        return crc

    assert whole(DATA.reshape(8, 512)) == ISCSI(DATA)


@pytest.mark.parametrize("wrong", [np.array([1, 2]), 1.0, None], ids=["array", "float", "None"])
def test_combine_and_zeros_take_integers_only(wrong):
    for call in (
        lambda: combined(wrong, 1, 1),
        lambda: combined(1, wrong, 1),
        lambda: combined(1, 1, wrong),
        lambda: with_zeros(wrong, 1),
        lambda: with_zeros(1, wrong),
    ):
        with pytest.raises(numba.TypingError, match="must be an integer, not "):
            call()


@pytest.mark.parametrize(
    "name",
    ["rows", "batch", "join", "blocks", "prefixes", "bits", "verify", "new", "file", "width"],
)
def test_what_compiled_code_lacks(name):
    """The error says so in a sentence."""
    scope: dict[str, Any] = {"crc": ARC}
    exec(f"def call(data):\n    return crc.{name}(data)", scope)
    message = (
        f"{name} of an algorithm is not available in compiled code; call the algorithm, or use"
        " its segments, combine or zeros"
    )
    with pytest.raises(numba.TypingError, match=message):
        numba.njit(scope["call"])(DATA)


def test_unknown_attributes():
    @numba.njit
    def call(data):
        return ARC.colour

    with pytest.raises(numba.TypingError, match="Unknown attribute 'colour'"):
        call(DATA)
