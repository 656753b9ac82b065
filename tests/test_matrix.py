"""Test that a row that cannot be run is shown, and is a failure where the matrix is required."""

from __future__ import annotations

import subprocess

import pytest
from matrix import rows


def unavailable(cpu: str, folder: object) -> None:
    raise subprocess.CalledProcessError(100, ["apt-get", "download", "qemu-user-static"])


@pytest.mark.parametrize("required", [False, True])
def test_a_row_without_its_emulator_is_skipped(required, monkeypatch, capsys):
    monkeypatch.setattr(rows, "command", unavailable)
    monkeypatch.setattr(rows.sys, "argv", ["matrix", "Westmere", "Nehalem + Haswell: at once"])
    monkeypatch.setattr(rows.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(rows.sys, "platform", "linux")
    monkeypatch.delenv("NUMCRC_REQUIRE_MATRIX", raising=False)
    if required:
        monkeypatch.setenv("NUMCRC_REQUIRE_MATRIX", "1")
    assert rows.main() == required
    out = capsys.readouterr().out
    assert out.count("skipped: Command '['apt-get', 'download', 'qemu-user-static']'") == 2


@pytest.mark.parametrize("required", [False, True])
def test_other_machines_skip_the_matrix(required, monkeypatch, capsys):
    monkeypatch.setattr(rows.platform, "machine", lambda: "arm64")
    monkeypatch.delenv("NUMCRC_REQUIRE_MATRIX", raising=False)
    if required:
        monkeypatch.setenv("NUMCRC_REQUIRE_MATRIX", "1")
    assert rows.main() == required
    assert capsys.readouterr().out == "skipped: the matrix needs Linux on x86-64\n"


def test_a_failed_row_fails_the_matrix(monkeypatch, capsys):
    monkeypatch.setattr(rows, "fetch", lambda name: "")
    monkeypatch.setattr(rows, "row", lambda name: rows.Row(name, result="SIGILL"))
    monkeypatch.setattr(rows.sys, "argv", ["matrix", "Penryn"])
    monkeypatch.setattr(rows.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(rows.sys, "platform", "linux")
    assert rows.main() == 1
    assert "SIGILL" in capsys.readouterr().out
