"""Test that README's tables of speed are those of a record."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "asv_bench" / "records" / "znver5.md"


@pytest.mark.skipif(not RECORD.exists(), reason="the benchmarks are not here")
def test_the_tables_of_speed_are_a_records():
    tables = runpy.run_path(str(ROOT / "asv_bench" / "readme.py"))["tables"]
    assert tables(RECORD.read_text("utf-8")) in (ROOT / "README.md").read_text("utf-8")
