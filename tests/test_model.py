"""Test that an Algorithm accepts valid parameters only, and never changes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from strategies import algorithms, few
from support import run_python

import numcrc
from numcrc.crc import reference
from numcrc.jit import linker

GOOD = {
    "width": 16,
    "poly": 0x8005,
    "init": 0x1234,
    "refin": True,
    "refout": False,
    "xorout": 0x00FF,
    "name": "mine",
}


def test_fields():
    crc = numcrc.Algorithm(**GOOD)
    assert {field: getattr(crc, field) for field in GOOD} == GOOD
    assert crc.check == reference.crc(crc.model, b"123456789") == crc(b"123456789")
    assert crc.residue == reference.residue(crc.model)
    assert crc.aliases == ()


def test_defaults():
    crc = numcrc.Algorithm(width=8, poly=7)
    assert (crc.init, crc.refin, crc.refout, crc.xorout, crc.name) == (0, False, False, 0, "CRC-8")
    assert crc.check == 0xF4


@pytest.mark.parametrize("width", [1, 64, 65, 128])
def test_widths_at_the_limits(width):
    ones = (1 << width) - 1
    assert numcrc.Algorithm(width, ones, ones, xorout=ones).poly == ones


@pytest.mark.parametrize("field", ["width", "poly", "init", "xorout"])
@pytest.mark.parametrize("value", ["8", 8.0, None, b"8", [8], int])
def test_parameters_must_be_integers(field, value):
    with pytest.raises(TypeError) as caught:
        numcrc.Algorithm(**GOOD | {field: value})
    assert str(caught.value) == f"{field} must be an integer, not {type(value).__name__}"


@pytest.mark.parametrize("width", [0, -1, 129, 2**70])
def test_width_out_of_range(width):
    with pytest.raises(ValueError, match=rf"^width must be 1\.\.128, not {width}$"):
        numcrc.Algorithm(width=width, poly=1)


@pytest.mark.parametrize("field", ["poly", "init", "xorout"])
@pytest.mark.parametrize("value", [-1, 1 << 17, 1 << 200])
def test_parameters_must_fit_the_width(field, value):
    with pytest.raises(ValueError, match="must be") as caught:
        numcrc.Algorithm(**GOOD | {field: value})
    assert str(caught.value) == f"{field} must be 0 <= {field} < 2**16, not {value:#x}"
    if field != "poly":
        with pytest.raises(ValueError, match=f"{field} must be 0 <="):
            numcrc.Algorithm(**GOOD | {field: 1 << 16})


def test_a_polynomial_with_its_leading_term_gets_a_hint():
    message = r"the leading term x\^32: pass 0x4c11db7, not 0x104c11db7$"
    with pytest.raises(ValueError, match=message):
        numcrc.Algorithm(32, 0x104C11DB7, 0xFFFFFFFF, True, True, 0xFFFFFFFF)
    assert numcrc.Algorithm(32, 0x4C11DB7, 0xFFFFFFFF, True, True, 0xFFFFFFFF).check == 0xCBF43926


def test_check_is_verified():
    right = numcrc.Algorithm(**GOOD).check
    assert numcrc.Algorithm(**GOOD, check=right).check == right
    for wrong in (right ^ 1, -1, 1 << 16):
        with pytest.raises(ValueError, match="does not match") as caught:
            numcrc.Algorithm(**GOOD, check=wrong)
        assert f"{right:#x}" in str(caught.value)
    with pytest.raises(TypeError):
        numcrc.Algorithm(**GOOD, check=str(right))


@pytest.mark.parametrize("name", [5, b"mine", ["mine"]])
def test_name_must_be_a_string(name):
    with pytest.raises(TypeError, match=f"^name must be a string, not {type(name).__name__}$"):
        numcrc.Algorithm(**GOOD | {"name": name})


def test_width_and_polynomial_are_required():
    for given_ in ({"width": 8}, {"poly": 7}, {"width": 8, "poly": 7, "polynomial": 7}):
        with pytest.raises(TypeError):
            numcrc.Algorithm(**given_)


def test_numpy_integers_become_integers():
    crc = numcrc.Algorithm(np.int8(16), np.uint16(0x8005), np.uint64(1), xorout=np.int32(2))
    assert crc == numcrc.Algorithm(16, 0x8005, 1, xorout=2)
    for field in ("width", "poly", "init", "xorout"):
        assert type(getattr(crc, field)) is int


@pytest.mark.parametrize("field", ["refin", "refout"])
def test_reflections_must_be_bools(field):
    """The truth of other values misleads: that of "False" is true."""
    for value in ("False", "", 0, 1, None, 1.0, np.int8(1), np.array(True), np.array([True])):
        with pytest.raises(TypeError) as caught:
            numcrc.Algorithm(16, 0x8005, **{field: value})
        assert str(caught.value) == f"{field} must be a bool, not {type(value).__name__}"
    for value in (True, False):
        crc = numcrc.Algorithm(16, 0x8005, **{field: np.bool_(value)})
        assert getattr(crc, field) is value


def test_numbers_may_be_bools_and_become_integers():
    crc = numcrc.Algorithm(True, True, init=True, xorout=False)
    assert crc == numcrc.Algorithm(1, 1, 1)
    assert [type(getattr(crc, field)) for field in ("width", "poly", "init", "xorout")] == [int] * 4
    assert "width=1, poly=0x1" in repr(crc)


@pytest.mark.parametrize("field", [*GOOD, "check", "residue", "aliases", "anything"])
def test_immutable(field):
    crc = numcrc.Algorithm(**GOOD)
    before = repr(crc)
    with pytest.raises(AttributeError, match=f"cannot set '{field}'"):
        setattr(crc, field, 1)
    with pytest.raises(AttributeError, match=f"cannot delete '{field}'"):
        delattr(crc, field)
    assert repr(crc) == before


def test_equality_is_that_of_all_parameters_and_the_name():
    crc = numcrc.Algorithm(**GOOD)
    same = numcrc.Algorithm(**GOOD, check=crc.check)
    assert crc == same
    assert hash(crc) == hash(same)
    for field, value in GOOD.items():
        if field == "width":
            other = 17
        elif field == "name":
            other = "yours"
        else:
            other = not value if isinstance(value, bool) else value ^ 1
        assert numcrc.Algorithm(**GOOD | {field: other}) != crc, field
    assert crc != crc.model
    assert crc != "mine"


def test_key_of_a_dict_before_and_after_use():
    crc = numcrc.Algorithm(**GOOD)
    table = {crc: 1}
    crc(b"abc")
    assert table[crc] == table[numcrc.Algorithm(**GOOD)] == 1


def copies(crc: numcrc.Algorithm) -> list[numcrc.Algorithm]:
    pickles = [pickle.dumps(crc, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    evaluated = eval(repr(crc), {"Algorithm": numcrc.Algorithm})
    return [copy.copy(crc), copy.deepcopy(crc), evaluated, *map(pickle.loads, pickles)]


@few
@given(algorithms())
def test_copies_of_custom_algorithms(crc):
    crc(b"abc")  # makes the builtin, which a copy must not share
    for made in copies(crc):
        assert made == crc
        assert hash(made) == hash(crc)
        assert (made.check, made.residue, made(b"abc")) == (crc.check, crc.residue, crc(b"abc"))


@pytest.mark.parametrize("name", ["CRC-32/ISCSI", "CRC-82/DARC", "CRC-3/GSM"])
def test_copies_of_catalogue_algorithms(name):
    crc = numcrc.algorithms[name]
    for made in copies(crc):
        assert made == crc
        assert repr(made) == repr(crc)
    assert copy.copy(crc).aliases == pickle.loads(pickle.dumps(crc)).aliases == crc.aliases


def test_unpickling_gives_the_algorithm_of_the_catalogue():
    crc = numcrc.algorithms["CRC-16/ARC"]
    assert pickle.loads(pickle.dumps(crc)) is copy.copy(crc) is copy.deepcopy(crc) is crc
    other = numcrc.Algorithm(width=16, poly=0x1021, name=crc.name)
    restored = pickle.loads(pickle.dumps(other))
    assert restored == other
    assert restored.model == other.model
    code = f"import pickle, numcrc; crc = pickle.loads({pickle.dumps(crc)!r})"
    code += "; assert crc is numcrc.algorithms['crc-16/arc']"
    assert run_python(code).returncode == 0, "also if it was not looked up before"


def test_copies_share_their_method_definition(monkeypatch):
    crc = numcrc.Algorithm(**GOOD)
    crc(b"abc")
    kept = []
    monkeypatch.setattr(linker, "kept", kept.append)
    for _ in range(100):
        made = pickle.loads(pickle.dumps(crc))
        assert made is not crc
        assert made(b"abc") == crc(b"abc")
    assert not kept


def test_repr():
    assert repr(numcrc.Algorithm(12, 0x80F, refout=True, name="it's")) == (
        "Algorithm(width=12, poly=0x80f, init=0x000, refin=False, refout=True, xorout=0x000,"
        ' check=0xdaf, name="it\'s")'
    )
