"""Test that the comparison of tiers finds no difference, and finds one that is there."""

from __future__ import annotations

import differential

from numcrc.jit import target

TIERS = [tier.name for tier in target.machine().tiers]


def test_forced_tiers_agree(monkeypatch, capfd):
    assert differential.compare(1, 7)
    *rows, total = capfd.readouterr().out.splitlines()[1:]
    cases = len(differential.KERNELS) * differential.RECORDS
    assert rows == [f"{tier}: {cases} cases, none differs" for tier in TIERS]
    assert total == f"{len(TIERS) * cases} cases"


def test_a_difference_is_found(monkeypatch, capfd):
    """The output of a child that prints its tier stands for a wrong CRC."""
    monkeypatch.setattr(differential, "KERNELS", ["CRC-32/ISCSI"])
    code = "import os; print(os.environ['NUMCRC_TIER'])"
    run = differential.subprocess.run
    monkeypatch.setattr(
        differential.subprocess,
        "run",
        lambda command, **keywords: run([command[0], "-c", code], **keywords),
    )
    assert differential.compare(1, 7) == (len(TIERS) == 1)
    assert capfd.readouterr().out.count("CRC-32/ISCSI in round 0") == len(TIERS) - 1
