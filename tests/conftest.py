"""One cache folder a run, so that each kernel is compiled once."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from support import DROP_IN, Callee, Machine

import numcrc
from numcrc.jit import target


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
    """Return this machine on each of its tiers, then as if without GFNI and crc32.

    So every kernel that can run here is tested, not only those of the best plan.
    """
    host = target.host()
    plainer = host._replace(usable=host.usable - {"gfni", target.CRC32_FEATURE.get(host.arch)})
    found = [Machine(tier.name, host, tier) for tier in host.tiers]
    found += [Machine(f"{tier.name}-plain", plainer, tier) for tier in plainer.tiers]
    return [machine for machine in found if machine.name != "table-plain"]


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
