"""One cache folder a run, so that each kernel is compiled once."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from support import DROP_IN, KERNELS, Callee, Machine

import numcrc
from numcrc.crc import catalogue
from numcrc.jit import choice, target
from numcrc.jit.plan import Plan


def pytest_configure(config: pytest.Config) -> None:
    """Set the cache folder before anything compiles; workers of a run share their parent's."""
    if "NUMCRC_TEST_CACHE" not in os.environ:
        os.environ["NUMCRC_TEST_CACHE"] = tempfile.mkdtemp(prefix="numcrc-test-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop("NUMCRC_TEST_CACHE")))
    os.environ["NUMCRC_CACHE_DIR"] = os.environ["NUMCRC_TEST_CACHE"]


def pytest_report_header() -> str:
    """Say which CPU and tiers the tests ran on."""
    host = target.host()
    tiers = " ".join(tier.name for tier in host.tiers)
    return f"numcrc: CPU {host.cpu}, tier {target.best().name}, tiers tested: {tiers}"


def machines() -> list[Machine]:
    """Return this machine on each of its tiers, then as if it were others that it can stand for.

    So every kernel that can run here is tested, not only those of the best plan: what a Zen 5
    and what an Intel CPU would choose, and what one without GFNI and crc32 instructions would.
    """
    host = target.host()
    plainer = host.usable - {"gfni", target.CRC32_FEATURE.get(host.arch)}
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
    """Every set of kernels that this machine runs."""
    return request.param


@pytest.fixture(params=[*DROP_IN, "CRC-24/OPENPGP", "CRC-12/UMTS", "CRC-82/DARC"])
def callee(request: pytest.FixtureRequest) -> Callee:
    """Every drop-in function; an algorithm of each kind: refin != refout, a wide one too."""
    name = request.param
    if name in DROP_IN:
        return Callee(getattr(numcrc, name), numcrc.algorithms[DROP_IN[name]])
    return Callee(numcrc.algorithms[name], numcrc.algorithms[name])
