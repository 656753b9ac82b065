"""Test calls: every way to pass a value, wrong calls, and the functions as objects."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import algorithms, few
from support import DROP_IN

import numcrc
from numcrc.crc import reference


@pytest.fixture(params=DROP_IN)
def drop_in(request: pytest.FixtureRequest) -> Callable[..., int]:
    """Return each drop-in function."""
    return getattr(numcrc, request.param)


# The value


def test_value_by_position_and_keyword(callee):
    for data in (b"", b"a", bytes(range(256))):
        for value in (0, 1, 0x5A5 & callee.algorithm.model.mask, callee.algorithm.model.mask):
            expected = callee.expected(data, value)
            assert callee.call(data, value) == expected
            assert callee.call(data, value=value) == expected


def test_value_none_and_default_are_the_crc_of_no_bytes(callee):
    expected = callee.expected(b"abc")
    assert callee.call(b"abc") == expected
    assert callee.call(b"abc", None) == expected
    assert callee.call(b"abc", value=None) == expected
    assert callee.call(b"abc", callee.call(b"")) == expected


@pytest.mark.parametrize(
    "value", [np.uint8(200), np.int64(77), np.uint64(4095), np.array(9), True, False]
)
def test_value_of_other_integer_types(callee, value):
    expected = callee.expected(b"abc", int(value))
    assert callee.call(b"abc", value) == callee.call(b"abc", value=value) == expected
    assert type(callee.call(b"abc", value)) is int


def test_value_with_index(callee):
    class Integer:
        def __index__(self):
            return 5

    assert callee.call(b"abc", Integer()) == callee.expected(b"abc", 5)


def test_keyword_that_is_not_interned(callee):
    name = "".join(["val", "ue"])
    assert name is not sys.intern(name)
    assert callee.call(b"abc", **{name: 5}) == callee.expected(b"abc", 5)


@pytest.mark.parametrize("value", [-1, -(2**63), -(2**200), 2**128, 2**200])
def test_algorithms_refuse_a_value_outside_the_register(callee, value):
    crc = callee.algorithm
    for call in (crc, crc.function):
        for keywords in (False, True):
            with pytest.raises(ValueError, match="value must be") as caught:
                call(b"abc", value=value) if keywords else call(b"abc", value)
            assert str(caught.value) == (
                f"value must be 0 <= value < 2**{crc.width}, not {value:#x}"
            )
        assert call(b"abc") == callee.expected(b"abc")


def test_algorithms_refuse_a_value_one_bit_too_wide(callee):
    crc, top = callee.algorithm, 1 << callee.algorithm.width
    assert crc(b"abc", top - 1) == callee.expected(b"abc", top - 1)
    for value in (top, top | 1, 2 * top - 1, max(top, 2**64)):
        with pytest.raises(ValueError, match="value must be"):
            crc(b"abc", value)


# zlib warns since Python 3.15.
@pytest.mark.filterwarnings("ignore:integer value out of range:DeprecationWarning")
@pytest.mark.parametrize("value", [-1, -5, 2**32, 2**32 + 5, 2**64 - 1, 2**64 + 7, 2**100 + 3])
def test_drop_ins_take_a_value_modulo_the_register_as_zlib_does(value):
    strided = np.frombuffer(b"abcdef", "u1")[::2]
    for data in (b"abc", bytearray(b"abc"), strided, b""):
        plain = bytes(data)
        expected = zlib.crc32(plain, value & 0xFFFFFFFF)
        assert numcrc.crc32(data, value) == numcrc.crc32(data, value=value) == expected
        if abs(value) < 2**63:
            assert zlib.crc32(plain, value) == expected
        for name in ("crc32c", "crc64nvme"):
            crc = numcrc.algorithms[name]
            expected = crc(plain, value & crc.model.mask)
            assert getattr(numcrc, name)(data, value) == expected
    assert numcrc.crc32(b"abc", np.int64(-1)) == zlib.crc32(b"abc", 0xFFFFFFFF)
    for wrong in (1.5, "1", b"1"):
        with pytest.raises(TypeError, match=r"^value must be an integer, not "):
            numcrc.crc32(b"abc", wrong)


def test_the_idiom_of_a_raw_crc_by_zlib():
    raw = [(crc32(b"123456789", -1) ^ -1) & 0xFFFFFFFF for crc32 in (numcrc.crc32, zlib.crc32)]
    assert raw[0] == raw[1]


@pytest.mark.parametrize("value", ["1", b"1", 1.0, np.float64(1), [1], (), object(), int])
def test_value_must_be_an_integer(callee, value):
    message = f"^value must be an integer, not {type(value).__name__}$"
    for call in (lambda: callee.call(b"abc", value), lambda: callee.call(b"abc", value=value)):
        with pytest.raises(TypeError, match=message):
            call()


def test_error_in_index_is_raised(callee):
    class Broken:
        def __index__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        callee.call(b"abc", Broken())


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((), {}),
        ((), {"value": 1}),
        ((b"", 0, 0), {}),
        ((b"", 0), {"value": 0}),
        ((b"",), {"valu": 0}),
        ((b"",), {"value": 0, "other": 0}),
        ((b"", 0), {"other": 0}),
    ],
)
def test_wrong_arguments(callee, arguments, keywords):
    with pytest.raises(TypeError, match="argument") as caught:
        callee.call(*arguments, **keywords)
    public = ("Algorithm.__call__()", "crc32()", "crc32c()", "crc64nvme()")
    assert str(caught.value).startswith(public)


def test_errors_about_arguments_name_public_functions():
    for crc in (numcrc.Algorithm(16, 0x8005), numcrc.Algorithm(80, 0x8005)):
        for _ in range(2):  # the first call compiles
            with pytest.raises(TypeError, match=r"^Algorithm\.__call__\(\) missing 1 required"):
                crc()
            with pytest.raises(TypeError, match=r"^Algorithm\.__call__\(\) takes from 2 to 3"):
                crc.function(b"", 0, 0)
        for name in ("bits", "combine", "zeros", "rows", "batch", "segments", "blocks", "join"):
            with pytest.raises(TypeError, match=rf"^Algorithm\.{name}\(\) missing"):
                getattr(crc, name)()


def test_data_by_keyword(drop_in):
    with pytest.raises(TypeError, match="positional-only"):
        drop_in(data=b"abc")
    crc = numcrc.algorithms["crc32"]
    assert crc(data=b"abc", value=3) == crc(b"abc", 3)


# Data that is not a buffer


@pytest.mark.parametrize(
    "data",
    [None, 5, 1.5, [1, 2], (b"a",), {}, object(), bytes, iter(b"abc")],
    ids=lambda data: type(data).__name__,
)
def test_data_that_is_not_a_buffer(callee, data):
    message = f"data must be bytes-like or an array, not {type(data).__name__}"
    if isinstance(data, (list, tuple)):
        message += ": pass np.asarray() of it"
    for value in (None, 1, np.uint8(1)):
        with pytest.raises(TypeError) as caught:
            callee.call(data, value)
        assert str(caught.value) == message


def test_text(callee):
    for text in ("", "abc"):
        with pytest.raises(TypeError, match=r"not str: encode it first$"):
            callee.call(text)


# Continuing


@few
@given(algorithms(), st.binary(max_size=300), st.data())
def test_random_algorithms_at_once_and_in_parts(crc, data, draws):
    whole = crc(data)
    assert whole == reference.crc(crc.model, data)
    cut = draws.draw(st.integers(0, len(data)))
    assert crc(data[cut:], crc(data[:cut])) == whole


@given(st.binary(max_size=2000), st.binary(max_size=2000), st.integers(0, 2**32 - 1))
def test_drop_in_for_zlib(a, b, value):
    assert numcrc.crc32(a, value) == zlib.crc32(a, value)
    assert numcrc.crc32(b, numcrc.crc32(a)) == zlib.crc32(a + b)


# The drop-in functions as objects


def test_signature_and_documentation(drop_in):
    name = next(name for name in DROP_IN if getattr(numcrc, name) is drop_in)
    assert drop_in.__name__ == name
    assert drop_in.__module__ == "numcrc"
    assert inspect.isbuiltin(drop_in)
    assert str(inspect.signature(drop_in)) == "(data, /, value=0)"
    assert inspect.signature(numcrc.algorithms["CRC-16/ARC"]).parameters["value"].default is None
    assert DROP_IN[name] in inspect.getdoc(drop_in).splitlines()[0]
    assert "Examples" in drop_in.__doc__


def test_the_function_of_an_algorithm():
    crc = numcrc.algorithms["CRC-16/MODBUS"]
    assert type(crc) is numcrc.Algorithm
    assert crc(b"123456789") == crc.function(b"123456789") == crc.check
    assert type(crc) is numcrc.Algorithm
    assert inspect.isbuiltin(crc.function)
    assert crc.function is crc.function
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        restored = pickle.loads(pickle.dumps(crc.function, protocol))
        assert inspect.isbuiltin(restored)
        assert restored(b"123456789") == crc.check


def test_pickle_and_copy_give_the_same_function(drop_in):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(drop_in, protocol)) is drop_in
    assert copy.copy(drop_in) is copy.deepcopy(drop_in) is drop_in


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python classes have no __buffer__")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError, SystemExit, OSError, LookupError])
def test_errors_inside_a_buffer_method_are_raised_at_once(callee, kind):
    calls = 0

    class Failing:
        def __buffer__(self, flags):
            nonlocal calls
            calls += 1
            raise kind("why")

    def batch(data):
        return callee.algorithm.batch([b"", data])

    for call in (callee.call, batch):
        calls = 0
        with pytest.raises(kind, match="why"):
            call(Failing())
        assert calls == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python classes have no __buffer__")
def test_nested_buffer_methods_are_called_once_a_level(drop_in):
    calls = 0

    class Nested:
        def __init__(self, depth):
            self.depth = depth

        def __buffer__(self, flags):
            nonlocal calls
            calls += 1
            if self.depth:
                drop_in(Nested(self.depth - 1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drop_in(Nested(10))
    assert calls == 11
