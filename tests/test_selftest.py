"""Test that ``numcrc selftest`` reports wrong kernels and deaths, and nothing otherwise."""

from __future__ import annotations

import os
import re
import signal
import sys

import pytest

import numcrc
from numcrc.cli import selftest
from numcrc.jit import target

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
