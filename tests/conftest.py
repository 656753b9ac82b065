"""Set up a test run: one kernel cache for all processes, signals, and shared fixtures."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import DROP_IN, KERNELS, Callee, Machine

import numcrc
from numcrc.cli import main
from numcrc.crc import catalogue
from numcrc.jit import choice, target
from numcrc.jit.plan import Plan
from numcrc.jit.tiers import CRC32_FEATURE

# Before anything below asks for the CPU, and looks into the cache for it.
TEMPORARY = "NUMCRC_TEST_CACHE" not in os.environ
if TEMPORARY:
    os.environ["NUMCRC_TEST_CACHE"] = tempfile.mkdtemp(prefix="numcrc-test-")
os.environ["NUMCRC_CACHE_DIR"] = os.environ["NUMCRC_TEST_CACHE"]


def pytest_configure(config: pytest.Config) -> None:
    """Remove a temporary cache folder at the end, and let children receive SIGINT.

    The doctests of codecs need zarr, which Python 3.10 lacks, and those of plots matplotlib.
    """
    if find_spec("zarr") is None:
        config.option.ignore = [*(config.option.ignore or ()), "numcrc/zarr"]
    if find_spec("matplotlib") is None:
        config.option.ignore = [*(config.option.ignore or ()), "numcrc/explore/plot.py"]
    if TEMPORARY:
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop("NUMCRC_TEST_CACHE")))
    # If SIGINT is ignored (nohup, or & in a script), pytest goes on ignoring it, by a handler:
    # children inherit an ignored signal, but get the default in place of a handler.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: None)


def pytest_report_header() -> str:
    """Return a line with the CPU and the tiers that are tested."""
    host = target.host()
    tiers = " ".join(tier.name for tier in host.tiers)
    return f"numcrc: CPU {host.cpu}, tier {target.best().name}, tiers tested: {tiers}"


def machines() -> list[Machine]:
    """Return this machine on each of its tiers, then other CPUs whose kernels run here.

    These are a Zen 5, an Intel CPU, and one without GFNI and crc32 instructions, so that not
    only the kernels of the best plan for this machine are tested.
    """
    host = target.host()
    plainer = host.usable - {"gfni", CRC32_FEATURE.get(host.arch)}
    variants = {
        "": host,
        "-zen5": host._replace(cpu="znver5"),
        "-intel": host._replace(cpu="icelake-server"),
        "-plain": host._replace(cpu="generic", usable=plainer),
    }
    found: dict[tuple[Plan, ...], Machine] = {}
    for suffix, variant in variants.items():
        for tier in variant.tiers:
            used = tuple(choice.plan(catalogue.find(n).model, variant, tier) for n in KERNELS)
            found.setdefault(used, Machine(tier.name + suffix, variant, tier))
    return list(found.values())


@pytest.fixture(params=machines(), ids=lambda machine: machine.name)
def machine(request: pytest.FixtureRequest) -> Machine:
    """Return each set of kernels that this machine runs."""
    return request.param


@pytest.fixture(params=[*DROP_IN, "CRC-24/OPENPGP", "CRC-12/UMTS", "CRC-82/DARC"])
def callee(request: pytest.FixtureRequest) -> Callee:
    """Return each drop-in function, and an algorithm of each kind."""
    name = request.param
    if name in DROP_IN:
        return Callee(getattr(numcrc, name), numcrc.algorithms[DROP_IN[name]])
    return Callee(numcrc.algorithms[name], numcrc.algorithms[name])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, where a new process finds the same package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(numcrc.__file__)))
    return tmp_path


@pytest.fixture
def run(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command line; return its status, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        out, err = capfdbinary.readouterr()
        return status, os.fsdecode(out), os.fsdecode(err)

    return run
