"""Test that ``numcrc selftest`` reports wrong kernels and deaths, and nothing otherwise."""

from __future__ import annotations

import os
import platform
import random
import re
import signal
import sys

import pytest

import numcrc
from numcrc.cli import selftest
from numcrc.crc import reference
from numcrc.jit import engine, target
from numcrc.jit.plan import TABLE

TIERS = [tier.name for tier in target.machine().tiers]


def results(text: str) -> dict[str, str]:
    """Return the result of each tier in a report."""
    rows = text.partition("self-test, seed ")[2].splitlines()[2 : 2 + len(TIERS)]
    return {row.split()[0]: row.split(None, 4)[-1] for row in rows}


def test_all_tiers_pass(run, monkeypatch):
    monkeypatch.setattr(selftest, "SECONDS", 1.0)
    status, out, err = run("selftest", "--seed", "7")
    assert (status, err) == (0, "")
    assert out.startswith(str(numcrc.info()))
    *_, rows = out.partition("self-test, seed 7:\n")
    assert rows.endswith(f"{selftest._COVERED}\n")
    assert [row.split()[0] for row in rows.splitlines()[: len(TIERS) + 1]] == ["tier", *TIERS]
    for row in rows.splitlines()[1 : len(TIERS) + 1]:
        assert re.fullmatch(r"  \S+ +[1-9]\d*/\d+ +[1-9]\d*/113 +[1-9]\d*  ok", row)


def test_what_there_is_no_time_for_is_said(run, monkeypatch):
    found = [
        selftest.Result("table", "2/2", "113/113", 400),
        selftest.Result("crc32", "1/3", "1/113", 2, untested=("table", "wide")),
    ]
    monkeypatch.setattr(selftest, "_results", lambda kernels, seed, seconds: found)
    passed, text = selftest.report(7, 1.0)
    assert passed
    assert text.endswith(
        f"""\
self-test, seed 7:
  tier   kernels  algorithms  cases  result
  table      2/2     113/113    400  ok
  crc32      1/3       1/113      2  ok
no time for crc32: table, wide
{selftest._COVERED}"""
    )


def test_a_tier_without_time_is_tested_in_part():
    names = {engine.plan_of(crc.model).name for crc in numcrc.algorithms.values()}
    begun = []
    found = selftest.examine(7, 0.0, begun.append)
    assert found.wrong == ""
    assert begun == [engine.plan_of(numcrc.algorithms["CRC-32/ISCSI"].model).name]
    assert found.kernels == f"1/{len(names)}"
    assert {*begun, *found.untested} == names


def test_all_kernels_of_a_tier_are_tested():
    found = selftest.examine(7, 300.0)
    assert (found.wrong, found.untested, found.algorithms) == ("", (), "113/113")
    assert len(set(found.kernels.split("/"))) == 1
    assert found.cases > 2 * 113


def test_time_that_a_tier_leaves_is_for_others(monkeypatch):
    shares = {}
    monkeypatch.setattr(selftest, "thread_count", lambda: 1)
    monkeypatch.setattr(
        selftest, "_in_a_process", lambda tier, seed, seconds: shares.setdefault(tier, seconds)
    )
    assert selftest._results({"a": 1, "b": 2, "c": 3}, 7, 60.0) == [shares[t] for t in "abc"]
    assert list(shares) == ["c", "b", "a"]
    assert [round(seconds) for seconds in shares.values()] == [30, 40, 60]


@pytest.mark.parametrize(
    "name", ["CRC-3/GSM", "CRC-5/USB", "CRC-8/SMBUS", "CRC-12/UMTS", "CRC-16/ARC"]
)
def test_messages_are_compared_with_the_definition(name):
    for crc in (numcrc.algorithms[name], numcrc.algorithms["CRC-82/DARC"]):
        expected = selftest.by_definition(crc.model)
        for length in (0, 1, 9, 40):
            data = random.Random(length).randbytes(length)
            for value in (0, crc.model.mask // 3):
                assert expected(data, value) == reference.crc(crc.model, data, value)


def test_a_seed_is_printed(run, monkeypatch):
    monkeypatch.setattr(selftest, "report", lambda seed, seconds: (False, f"seed {seed}"))
    status, out, _ = run("selftest")
    assert status == 1
    assert re.fullmatch(r"seed \d+\n", out)


@pytest.mark.parametrize(
    ("is_wrong", "expected"),
    [
        (lambda data, value: value is None, r"check 0xe3069282"),
        (lambda data, value: len(data) > 9, r"\d+ bytes, value 0x[0-9a-f]+: 0x\w+, expected 0x\w+"),
    ],
)
def test_a_wrong_kernel_is_reported(is_wrong, expected, monkeypatch):
    right = numcrc.algorithms["CRC-32/ISCSI"]

    class Broken:
        name, model, width, check = right.name, right.model, right.width, right.check

        def __call__(self, data, value=None):
            return right(data, value) ^ is_wrong(data, value)

    monkeypatch.setattr(selftest, "_FIRST", (right.name,))
    monkeypatch.setattr(numcrc, "algorithms", {right.name: Broken()})
    found = selftest.examine(1, 0.1)
    assert re.fullmatch(f"CRC-32/ISCSI: {expected}", found.wrong)
    assert found.algorithms == "0/1"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os; os.kill(os.getpid(), 4)", "ended by SIGILL"),
        ("import os; os.abort()", "ended by SIGABRT"),
        ("raise SystemExit('it failed')", "status 1: it failed"),
        ("", "status 0: no output"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_a_death_is_a_row(code, expected, monkeypatch, tmp_path):
    assert signal.SIGILL == 4
    broken = tmp_path / "python"
    broken.write_text(f"#!{sys.executable}\n{code}\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    passed, text = selftest.report(1, 0.1)
    assert not passed
    assert results(text) == dict.fromkeys(TIERS, expected)


def test_a_refused_kernel_is_reported(monkeypatch):
    monkeypatch.setattr(engine, "refused", [TABLE])
    assert selftest.examine(1, 0.1).wrong == "CRC-32/ISCSI: table is refused"


_TRAPPING = """
import os, runpy
from llvmlite import binding as llvm
from numcrc.jit import cache, compiler

def trap(plan, symbol, cpu):
    return llvm.parse_assembly(
        "declare void @llvm.trap()\\n"
        f"define ptr @{symbol}(ptr %a, ptr %b, i64 %c, ptr %d) {{\\n"
        "call void @llvm.trap()\\n unreachable }"
    )

if os.environ["NUMCRC_TIER"] != "table":
    cache.open_file, cache.store = lambda *_: None, lambda *_: False
    compiler.emit_module = trap
runpy.run_module("numcrc.cli.selftest", run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif(platform.machine() != "x86_64" or os.name == "nt", reason="needs x86-64")
def test_a_kernel_with_an_illegal_instruction_is_a_row(monkeypatch, tmp_path):
    wrapper = tmp_path / "python"
    code = f"import sys; sys.argv = sys.argv[2:]\n{_TRAPPING}"
    wrapper.write_text(f"#!{sys.executable}\n{code}\n")
    wrapper.chmod(0o700)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(numcrc.__file__)))
    monkeypatch.setattr(sys, "executable", str(wrapper))
    passed, text = selftest.report(1, 0.1)
    found = results(text)
    assert found.pop("table") == "ok"
    for tier, result in found.items():
        assert re.fullmatch(r"ended by SIGILL in crc32c-\S+", result), tier
    assert passed == (TIERS == ["table"])
