"""One cache folder a run, so that each kernel is compiled once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

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


@pytest.fixture(params=target.host().tiers, ids=lambda tier: tier.name)
def tier(request: pytest.FixtureRequest) -> Iterator[target.Tier]:
    """Every tier that this machine runs."""
    return request.param
