"""Test that a kernel proves itself when it is loaded, and that a wrong one is refused."""

from __future__ import annotations

import ctypes
import warnings

import numpy as np
import pytest
from support import KERNELS, run_python

import numcrc
from numcrc.compiled import Compiled
from numcrc.crc import reference
from numcrc.crc.catalogue import find
from numcrc.jit import cache, compiler, engine, linker, proof, target
from numcrc.jit.plan import JOIN, TABLE, WIDE, ZEROS, ZEROS_MANY, Plan

DATA = bytes(range(256)) * 40
FORMS = ("call", "records", "raw")
ABOVE_TABLE = len(target.host().tiers) > 1
WINDOWS = "fold512-w16.w64.w128.w192.w256.256-reflected-x86_64"


@pytest.fixture
def fresh(monkeypatch):
    """Forget the kernels that are loaded, in this process and in the cache."""
    monkeypatch.setattr(engine, "_addresses", {})
    monkeypatch.setattr(engine, "_proved", set())
    monkeypatch.setattr(engine, "refused", [])
    monkeypatch.setattr(cache, "open_file", lambda *_: None)
    monkeypatch.setattr(cache, "store", lambda *_: False)
    engine.raw.cache_clear()
    yield
    engine.raw.cache_clear()


def break_kernels(monkeypatch, is_broken, at=slice(None)):
    """Flip bits of the constants of the plans that *is_broken* says."""
    right = Plan.constants

    def constants(plan, model):
        found = bytearray(right(plan, model))
        if is_broken(plan):
            found[at] = bytes(byte ^ 1 for byte in found[at])
        return bytes(found)

    monkeypatch.setattr(Plan, "constants", constants)


@pytest.mark.parametrize("name", [*KERNELS, "CRC-64/GO-ISO", "CRC-82/DARC"])
def test_kernels_are_proved(name, machine):
    compiled = Compiled(find(name).model)
    host = machine.target
    plan = engine.choice.plan(compiled.model, host, machine.tier)
    for form in FORMS if plan != WIDE else ("call",):
        formed = plan._replace(form=form)
        if form == "raw":
            data = linker.kept(engine._self_data(compiled.model, formed, None))
            made = engine.function_address(formed), id(data) + engine.abi.BYTES_DATA
        else:
            data = engine._self_data(compiled.model, formed, compiled.general)
            made = linker.builtin(engine.function_address(formed), "f", "", data)
        assert engine._is_right(formed, compiled.model, made)


@pytest.mark.parametrize("plan", [ZEROS, ZEROS_MANY, JOIN], ids=lambda plan: plan.name)
@pytest.mark.parametrize("name", KERNELS)
def test_zeros_are_proved(plan, name, monkeypatch):
    model = find(name).model
    assert engine.builtin(model, plan, None, "zeros")
    monkeypatch.setattr(engine, "_proved", set())
    monkeypatch.setattr(engine, "refused", [])
    break_kernels(monkeypatch, plan.__eq__, slice(80, 81))  # of x^(8*2^8) mod P
    with pytest.raises(numcrc.KernelError, match=f"^kernel {plan.name} computes wrong CRCs"):
        engine.builtin(model, plan, None, "zeros")


@pytest.mark.parametrize("name", KERNELS)
def test_the_lengths_and_fours_of_windows_suit_any_kernel(name, monkeypatch):
    """Where no CPU with AVX-512 runs the windows, the table kernel stands for them."""
    compiled, plan = Compiled(find(name).model, TABLE), Plan.parse(WINDOWS)
    message = reference.sample(plan.lengths[-1])
    assert engine._is_right(plan, compiled.model, compiled.crc)
    in_pieces = proof._record(compiled.model, compiled.records, message)
    assert reference.is_computed(compiled.model, message, plan.lengths, in_pieces)
    assert proof._fours_are_right(plan, compiled.model, compiled.records, message)
    records = proof._records

    def wrong_unless_alone(*arguments, continued=False, **keywords):
        found = records(*arguments, continued=continued, **keywords)
        return found if continued else [*found[:3], found[3] ^ 1, *found[4:]]

    monkeypatch.setattr(proof, "_records", wrong_unless_alone)
    assert not proof._fours_are_right(plan, compiled.model, compiled.records, message)


@pytest.mark.parametrize("name", [*KERNELS, "CRC-82/DARC"])
def test_a_division_gives_the_register(name):
    model = find(name).model
    for length in (0, 1, 9, 40):
        data, register = DATA[:length], model.mask // 3
        expected = reference.feed(model, register, reference.message_bits(data, model.refin))
        assert reference.divide(model, register, data) == expected


@pytest.mark.parametrize("size", [16, 32, 64])
def test_no_register_of_the_message_is_like_another_one(size):
    message = reference.sample(8192)
    assert len(message) >= 8192
    registers = [message[at : at + size] for at in range(0, 8128, size)]
    assert len(set(registers)) == len(registers)


def test_a_builtin_is_proved_without_another_module():
    code = "import sys, numcrc; numcrc.crc32c(b''); assert 'numcrc.jit.proof' not in sys.modules"
    assert run_python(code).stderr == ""


def test_all_paths_are_taken():
    lengths = Plan.parse("crc32c-s4x1.128,v128s3x3.1536-clmul128-x86_64").lengths
    assert {4 * 128 + 13, 3 * 1536 + 128 * 1536 // 24 + 13} <= set(lengths)
    lengths = Plan.parse(WINDOWS).lengths
    assert {16, 64, 128, 192, 256, 13, 61, 125, 189, 253, 2 * 256 + 13} <= set(lengths)


@pytest.mark.skipif(not ABOVE_TABLE, reason="has no lower tier")
@pytest.mark.parametrize("name", ["CRC-32/ISCSI", "CRC-64/NVME", "CRC-32/BZIP2"])
def test_a_kernel_with_wrong_constants_is_refused(name, fresh, monkeypatch):
    compiled = Compiled(find(name).model)
    best = compiled.plan
    if best == TABLE:
        pytest.skip("has no lower tier")
    break_kernels(monkeypatch, best.__eq__)
    expected = reference.crc(compiled.model, DATA)
    with pytest.warns(RuntimeWarning) as warned:
        assert compiled.crc(DATA) == expected
    lower = engine.plan_of(compiled.model)
    assert [str(each.message) for each in warned] == [
        f"kernel {best.name} computes wrong CRCs on this machine: {lower.name} is used instead;"
        " please report what 'numcrc selftest' prints"
    ]
    assert engine.refused == [best] != [lower]
    with warnings.catch_warnings():  # once
        warnings.simplefilter("error")
        assert Compiled(compiled.model).crc(DATA) == expected


@pytest.mark.skipif(not ABOVE_TABLE, reason="has no lower tier")
def test_every_form_falls_to_a_lower_tier(fresh, monkeypatch):
    crc = Compiled(find("CRC-64/NVME").model)
    break_kernels(monkeypatch, lambda plan: plan.family == "fold")
    with pytest.warns(RuntimeWarning, match="wrong CRCs"):
        address, block = engine.raw(crc.model, crc.plan)
    words = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64
    function = ctypes.CFUNCTYPE(ctypes.c_uint64, *words)(address)
    at = id(DATA) + engine.abi.BYTES_DATA
    assert function(block, at, 100, 0) == reference.crc(crc.model, DATA[:100])
    algorithm = numcrc.Algorithm.from_compiled(crc, "broken", 0)
    with pytest.warns(RuntimeWarning, match="wrong CRCs"):
        found = algorithm.rows(np.frombuffer(DATA, np.uint8).reshape(-1, 80))
    rows = [reference.crc(crc.model, DATA[at : at + 80]) for at in range(0, len(DATA), 80)]
    assert found.tolist() == rows


@pytest.mark.skipif(not ABOVE_TABLE, reason="has no lower tier")
def test_the_code_of_another_kernel_is_refused(fresh, monkeypatch):
    """As if the cache gave a kernel that is not for its key."""
    crc = Compiled(find("CRC-64/NVME").model)
    best = crc.plan
    compile_object = compiler.compile_object

    def other(plan, host, symbol):
        return compile_object(plan._replace(order="normal") if plan == best else plan, host, symbol)

    monkeypatch.setattr(compiler, "compile_object", other)
    with pytest.warns(RuntimeWarning, match=f"^kernel {best.name} computes wrong CRCs"):
        assert crc.crc(DATA) == reference.crc(crc.model, DATA)


@pytest.mark.parametrize("name", ["CRC-16/ARC", "CRC-82/DARC"])
def test_no_value_is_returned_if_all_kernels_are_wrong(name, fresh, monkeypatch):
    crc = numcrc.Algorithm(**find(name).model._asdict())
    break_kernels(monkeypatch, lambda plan: True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            with pytest.raises(numcrc.KernelError, match="no other kernel is left"):
                crc(DATA)
