"""The command line: run targets, each in a process of its own, and show what they find."""

from __future__ import annotations

import argparse
import base64
import importlib.util
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from fuzz.child import INPUT, SOURCE
from fuzz.kinds import ByteTarget
from fuzz.targets import TARGETS

TESTS = Path(__file__).resolve().parents[1]
SECONDS_BESIDE = 300
"""How much longer a process may live: it compiles kernels, and the machine may be busy."""
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""A folder in which writing to disk takes no time."""
LONGEST_LITERAL = 1000
KNOWN: tuple[str, ...] = ()
"""Regular expressions of the output about defects that are known and not yet mended."""
NO_ATHERIS = "atheris is not installed: it has wheels for CPython 3.11 to 3.14 on x86-64 Linux"


def main() -> int:
    """Return 0 if nothing is found, 1 if something is, 2 for wrong usage."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description="Fuzz numcrc.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="targets, or all; default: list")
    parser.add_argument("--seconds", type=int, default=60, help="for each target; default: 60")
    parser.add_argument("--seed", type=int, help="a positive integer; default: a random one")
    parser.add_argument("--case", type=int, help="the number of the only call to make")
    options = parser.parse_args()
    if not options.names:
        for name, target in TARGETS.items():
            print(f"{name:12} {target.summary}")
        return 0
    names = list(TARGETS) if options.names == ["all"] else options.names
    for name in names:
        if name not in TARGETS:
            parser.error(f"unknown target {name!r}: expected {', '.join(TARGETS)}")
        if needs_atheris(name) and not has_atheris():
            parser.error(f"{name}: {NO_ATHERIS}")
    found = [run(name, options.seconds, options.seed, options.case) for name in names]
    return int(any(found))


def needs_atheris(name: str) -> bool:
    """Return whether a target needs atheris."""
    return isinstance(TARGETS[name], ByteTarget)


def has_atheris() -> bool:
    """Return whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def run(name: str, seconds: int, seed: int | None = None, case: int | None = None) -> bool:
    """Run a target, print what it finds, and return whether it finds something.

    After a defect that is `KNOWN`, the target runs on with the next seed.
    """
    seed = seed or 1 + secrets.randbelow(2**31 - 1)
    end = time.monotonic() + seconds
    while True:
        print(f"{name}: --seconds {seconds} --seed {seed}", flush=True)
        with tempfile.TemporaryDirectory(prefix="numcrc-fuzz-", dir=MEMORY) as folder:
            if needs_atheris(name):
                found, count = _parse(name, Path(folder), seconds, seed)
            else:
                found, count = _call(name, Path(folder), seconds, seed, case)
        if not _is_known(found):
            print(found or f"{name}: nothing found in {count} runs", flush=True)
            return bool(found)
        seconds = round(end - time.monotonic())
        if seconds < 1:
            return False
        seed += 1


def _is_known(found: str) -> bool:
    patterns = [pattern for pattern in KNOWN if re.search(pattern, found)]
    for pattern in patterns:
        print(f"a known defect: {pattern}", flush=True)
    return bool(patterns)


def _parse(name: str, folder: Path, seconds: int, seed: int) -> tuple[str, int]:
    """Return the error of a `ByteTarget` and its input, or "", and the number of runs."""
    child = _child("parse", name, folder, seconds, seed)
    path, text = folder / INPUT, child.stdout
    if not path.exists():
        return text if child.returncode else "", _count(text)
    raised = "Uncaught Python exception" in text or "deadly signal" in text
    if raised and not any(re.search(pattern, text) for pattern in KNOWN):
        text = _child("shrink", name, folder).stdout or text
    found = f"{text}\nTARGETS[{name!r}].run(\n    {_literal(path.read_bytes())}\n)"
    return found, _count(text)


def _count(text: str) -> int:
    """Return the number of runs, which both kinds of targets print at their end."""
    done = re.search(r"^Done (\d+) ", text, re.MULTILINE)
    return int(done[1]) if done else 0


def _literal(data: bytes) -> str:
    """Return *data* as an expression."""
    if len(data) < LONGEST_LITERAL:
        return repr(data)
    text = base64.b85encode(zlib.compress(data, 9)).decode()
    return f"zlib.decompress(base64.b85decode({text!r}))"


def _call(name: str, folder: Path, seconds: int, seed: int, case: int | None) -> tuple[str, int]:
    """Return the error of a `CallTarget` and its source code, or "", and the number of calls."""
    numbers = [seconds, seed] if case is None else [seconds, seed, case]
    child = _child("call", name, folder, *numbers)
    path = folder / SOURCE
    if not child.returncode:
        return "", _count(child.stdout)
    return f"{child.stdout}\n{path.read_text() if path.exists() else ''}", 0


def _child(action: str, name: str, folder: Path, *numbers: int) -> subprocess.CompletedProcess[str]:
    """Run `fuzz.child` until it ends, or as long as it may live."""
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "fuzz.child", action, name, str(folder), *map(str, numbers)]
    limit = sum(numbers[:1]) + SECONDS_BESIDE
    try:
        return subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        text = (error.stdout or b"").decode(errors="replace")
        return subprocess.CompletedProcess(command, 1, f"{text}\nkilled after {limit} s")
