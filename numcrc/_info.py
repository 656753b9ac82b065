"""Report which kernels numcrc chooses on this machine, and why."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Any

import llvmlite
from llvmlite import binding as llvm

from numcrc._version import __version__
from numcrc.crc import catalogue
from numcrc.jit import cache, engine, target
from numcrc.jit.target import Target
from numcrc.jit.tiers import Tier

_SHOWN = {
    "CRC-32C": "CRC-32/ISCSI",
    "CRC-32": "CRC-32/ISO-HDLC",
    "reflected, up to 64 bits": "CRC-64/NVME",
    "normal, up to 64 bits": "CRC-32/BZIP2",
    "65 to 128 bits": "CRC-82/DARC",
}
"""The families of CRCs, each with one of its algorithms, whose kernel is shown."""


class Info(dict[str, Any]):
    """A report: a dict that prints as text."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as nested dicts of strings and lists."""
        return dict(self)

    def __repr__(self) -> str:
        lines = []
        for key, value in self.items():
            if isinstance(value, dict):
                lines.append(f"{key}:")
                lines += [f"  {name}: {text}" for name, text in value.items()]
            else:
                lines.append(f"{key}: {' '.join(value) if isinstance(value, list) else value}")
        return "\n".join(lines)


def info() -> Info:
    """Return a report on the CPU, its features, the chosen kernels, the cache and versions.

    Returns
    -------
    Info
        Prints as text; ``as_dict()`` returns its fields.

    Raises
    ------
    TierError
        ``NUMCRC_TIER`` is not a tier that this CPU runs.

    Examples
    --------
    >>> import numcrc
    >>> "tier" in numcrc.info().as_dict()
    True
    """
    host, tier, settings = target.host(), target.best(), target.numba_settings()
    kernels = {
        family: engine.plan_of(catalogue.find(name).model).name for family, name in _SHOWN.items()
    }
    return Info(
        {
            "cpu": target.machine().cpu,
            "triple": host.triple,
            "tier": tier.name,
            "why": _why(host, tier, settings),
            "tiers this CPU runs": [t.name for t in target.machine().tiers],
            "features": sorted(host.usable),
            "numba settings": ", ".join(f"{k}={v}" for k, v in settings.items()) or "none",
            "kernels": kernels,
            "cache": cache.status(),
            "versions": {
                "numcrc": __version__,
                "python": sys.version.split()[0],
                "numba": version("numba"),
                "llvmlite": llvmlite.__version__,
                "llvm": ".".join(map(str, llvm.llvm_version_info)),
                "numpy": version("numpy"),
            },
        }
    )


def _why(host: Target, tier: Tier, settings: dict[str, str]) -> str:
    if forced := os.environ.get("NUMCRC_TIER"):
        return f"NUMCRC_TIER={forced}: code is made for {host.cpu}"
    above = host.all_tiers[host.all_tiers.index(tier) + 1 :]
    if not above:
        return "the best tier for this architecture"
    missing = " ".join(sorted(above[0].needs - host.usable))
    reason = "Numba's settings or the CPU" if settings else "the CPU"
    return f"the next tier, {above[0].name}, needs {missing}, which {reason} lacks"
