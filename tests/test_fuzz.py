"""Fuzz for a few seconds, and repeat what fuzzing has found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.child import call, smallest
from fuzz.cli import NO_ATHERIS, has_atheris, needs_atheris, run
from fuzz.kinds import ByteTarget, CallTarget
from fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
SECONDS = int(os.environ.get("NUMCRC_FUZZ_SECONDS", "0"))
SEED = int(os.environ.get("NUMCRC_FUZZ_SEED", "0")) or None
BYTE_TARGETS = [name for name, target in TARGETS.items() if isinstance(target, ByteTarget)]

FOUND = [
    ("manifest", b"\0\0(\xb5/\xfd"),  # zstd that is cut raised OSError
]
"""Inputs that have shown defects, by target."""


@pytest.mark.skipif(not SECONDS, reason="set NUMCRC_FUZZ_SECONDS to fuzz each so long")
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name):
    if needs_atheris(name) and not has_atheris():
        pytest.skip(NO_ATHERIS)
    assert not run(name, SECONDS, SEED), "see the seed and the input above"


@pytest.mark.parametrize("name", BYTE_TARGETS)
def test_seeds(name):
    for data in TARGETS[name].seeds():
        TARGETS[name].run(data)


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found(name, data):
    TARGETS[name].run(data)


def test_an_input_is_shrunk_as_long_as_the_same_line_raises_the_same_error():
    def parse(data: bytes) -> None:
        if b"." in data:
            raise ValueError
        if b"ab" in data:
            raise ValueError
        assert b"c" not in data

    assert smallest(parse, b"xxabxxcxx") == b"ab"
    assert smallest(parse, b"xabx.cxxx") == b"."
    assert smallest(parse, b"xxxxxxcx") == b"c"
    assert smallest(parse, b"xxx") == b"xxx"


def test_a_call_is_known_by_seed_and_number(tmp_path, monkeypatch):
    def source(numbers):
        return f"assert {numbers.randrange(10)}, 'zero'\n"

    monkeypatch.setitem(TARGETS, "planted", CallTarget("planted", "", source, {}))
    with pytest.raises(AssertionError, match="zero") as caught:
        call("planted", tmp_path, 60, 1)
    assert (tmp_path / "source.py").read_text() == "assert 0, 'zero'\n"
    where = caught.traceback[-1].frame.code.path
    case = int(str(where).rpartition("--case ")[2].rstrip(">"))
    with pytest.raises(AssertionError, match="zero"):
        call("planted", tmp_path, 60, 1, case)


def test_the_command_line_lists_targets_and_repeats_a_call():
    def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.fuzz", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    listed = fuzz()
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(TARGETS)
    assert fuzz("races", "--seed", "1", "--case", "2").returncode == 0
    wrong = fuzz("nothing")
    assert wrong.returncode == 2
    assert "unknown target 'nothing': expected lines, jsonl" in wrong.stderr
