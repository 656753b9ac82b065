"""Test that ``numcrc selftest`` reports wrong kernels and deaths, and nothing otherwise."""

from __future__ import annotations

import os
import platform
import re
import signal
import sys

import pytest

import numcrc
from numcrc.cli import selftest
from numcrc.jit import engine, target
from numcrc.jit.plan import TABLE

TIERS = [tier.name for tier in target.machine().tiers]


def test_all_tiers_pass(run, monkeypatch):
    monkeypatch.setattr(selftest, "SECONDS", 1.0)
    status, out, err = run("selftest", "--seed", "7")
    assert (status, err) == (0, "")
    assert out.startswith(str(numcrc.info()))
    *_, rows = out.partition("self-test, seed 7:\n")
    assert [row.split()[0] for row in rows.splitlines()] == ["tier", *TIERS]
    for row in rows.splitlines()[1:]:
        assert re.fullmatch(r"  \S+ +[1-9]\d* +[1-9]\d*  ok", row)


def test_a_seed_is_printed(run, monkeypatch):
    monkeypatch.setattr(selftest, "report", lambda seed, seconds: (False, f"seed {seed}"))
    status, out, _ = run("selftest")
    assert status == 1
    assert re.fullmatch(r"seed \d+\n", out)


def test_a_wrong_kernel_is_reported(monkeypatch):
    wrong = numcrc.Algorithm(width=32, poly=0x1EDC6F41, refin=True, refout=True)
    monkeypatch.setattr(selftest, "_FIRST", ("CRC-32/ISCSI",))
    right = numcrc.algorithms["CRC-32/ISCSI"]
    broken = type("Broken", (), {"check": right.check, "__call__": lambda self, data: wrong(data)})
    monkeypatch.setattr(numcrc, "algorithms", {"CRC-32/ISCSI": broken()})
    result = selftest.examine(1, 0.1)
    assert result.wrong == f"CRC-32/ISCSI: check {wrong(b'123456789'):#x}"


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
    assert [row.split(None, 3)[-1] for row in text.splitlines()[-len(TIERS) :]] == [
        expected for _ in TIERS
    ]


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
    cache.load, cache.store = lambda key: None, lambda key, body: None
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
    results = {row.split()[0]: row.split(None, 3)[-1] for row in text.splitlines()[-len(TIERS) :]}
    assert results == dict.fromkeys(TIERS, "ended by SIGILL") | {"table": "ok"}
    assert passed == (TIERS == ["table"])
