"""Report which kernels numcrc chooses on this machine, and why."""

from __future__ import annotations

import os
import sys
from typing import Any

_SHOWN = {
    "CRC-32C": "CRC-32/ISCSI",
    "CRC-32": "CRC-32/ISO-HDLC",
    "reflected, up to 64 bits": "CRC-64/NVME",
    "normal, up to 64 bits": "CRC-32/BZIP2",
    "65 to 128 bits": "CRC-82/DARC",
}


class Info:
    """A report, which prints as text."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def as_dict(self) -> dict[str, Any]:
        """Return the report as nested dicts of strings and lists."""
        return self._fields

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __repr__(self) -> str:
        lines = []
        for key, value in self._fields.items():
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
    from importlib.metadata import version

    import llvmlite
    from llvmlite import binding as llvm

    from numcrc._version import __version__
    from numcrc.crc import catalogue
    from numcrc.jit import cache, engine, target

    host, tier, settings = target.host(), target.best(), target.numba_settings()
    kernels = {
        shown: engine.plan_of(catalogue.find(name).model).name for shown, name in _SHOWN.items()
    }
    return Info(
        {
            "cpu": host.cpu,
            "triple": host.triple,
            "tier": tier.name,
            "why": _why(host, tier, bool(settings)),
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


def _why(host: Any, tier: Any, has_settings: bool) -> str:
    if forced := os.environ.get("NUMCRC_TIER"):
        return f"NUMCRC_TIER={forced}"
    above = host.all_tiers[host.all_tiers.index(tier) + 1 :]
    if not above:
        return "the best tier for this architecture"
    missing = " ".join(sorted(above[0].needs - host.usable))
    reason = "Numba's settings or the CPU" if has_settings else "the CPU"
    return f"the next tier, {above[0].name}, needs {missing}, which {reason} lacks"
