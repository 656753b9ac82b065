"""Report which kernels numcrc chooses on this machine, and why."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Any

from numcrc._version import __version__
from numcrc.crc import catalogue
from numcrc.jit import cache, detect, engine, linker, target
from numcrc.jit.target import Target
from numcrc.jit.tiers import Tier
from numcrc.process import imported

_SHOWN = {
    "CRC-32C": "CRC-32/ISCSI",
    "CRC-32": "CRC-32/ISO-HDLC",
    "reflected, up to 64 bits": "CRC-64/NVME",
    "normal, up to 64 bits": "CRC-32/BZIP2",
    "65 to 128 bits": "CRC-82/DARC",
}
"""The families of CRCs, each with one of its algorithms, whose kernel is shown."""


class Info(dict[str, Any]):
    """A report: a dict that prints as text; notebooks show it as a table."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as nested dicts of strings, integers and lists."""
        return dict(self)

    def __repr__(self) -> str:
        lines = []
        for key, value in self.items():
            if isinstance(value, dict):
                lines.append(f"{key}:")
                lines += [f"  {name}: {_text(item)}" for name, item in value.items()]
            else:
                lines.append(f"{key}: {' '.join(value) if isinstance(value, list) else value}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        html = imported("numcrc._description")
        rows = []
        for key, value in self.items():
            if isinstance(value, dict):
                lines = (f"{name}: {_text(item)}" for name, item in value.items())
                text = "<br>".join(html.escaped(line) for line in lines)
            else:
                text = html.escaped(" ".join(value) if isinstance(value, list) else str(value))
            rows.append((html.escaped(key), text))
        return str(html.table(rows))


def _text(item: Any) -> str:
    if isinstance(item, dict):
        return ", ".join(f"{name} {value}" for name, value in item.items())
    return str(item)


def info(verbose: bool = False) -> Info:
    """Return a report on the CPU, its features, the chosen kernels, the cache and versions.

    Parameters
    ----------
    verbose : bool, default False
        Add the kernels that this process has loaded: of each its key in the cache, the address
        and size of its code, and what it is mapped from.

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
    >>> numcrc.crc32c(b"123456789") == 0xE3069283
    True
    >>> bool(numcrc.info(verbose=True)["loaded"])
    True
    """
    host, tier, settings = target.host(), target.best(), target.numba_settings()
    kernels = {
        family: engine.plan_of(catalogue.find(name).model).name for family, name in _SHOWN.items()
    }
    report = Info(
        {
            "cpu": target.machine().cpu,
            "triple": host.triple,
            "tier": tier.name,
            "why": _why(host, tier, settings),
            "tiers this CPU runs": [t.name for t in target.machine().tiers],
            "features": sorted(host.usable),
            "numba settings": ", ".join(f"{k}={v}" for k, v in settings.items()) or "none",
            "kernels": kernels,
            "execution": _execution(host),
            "cache": cache.status(),
            "versions": {
                "numcrc": __version__,
                "python": sys.version.split()[0],
                "numba": version("numba"),
                "llvmlite": version("llvmlite"),
                "llvm": detect.cpu().llvm,
                "numpy": version("numpy"),
            },
        }
    )
    if verbose:
        report["loaded"] = {
            plan.name: {"key": engine.key(plan, host).hex(), **_place(address)}
            for plan, address in engine.loaded().items()
        }
    return report


def _execution(host: Target) -> str:
    """Return how kernels are executed, as far as it is known without compiling one."""
    if engine.no_code:
        cached = "machine code of files in the cache, else " if engine.loaded() else ""
        return f"{cached}in Python, very slowly: {engine.no_code[0]}"
    if linker.takes_images(host.triple):
        try:
            mapping = imported("numcrc.jit.mapping")
            mapping.unmap(mapping.map_bytes(b"\0"), 1)
        except OSError as error:
            return f"machine code of files in the cache only: {error}"
        return "machine code"
    return "machine code, linked by LLVM"


def _place(address: int) -> dict[str, Any]:
    """Return where the code of a kernel is, whose function is at *address*."""
    if address not in linker.code:
        return {"address": f"{address:#x}", "from": "LLVM's linker"}
    start, size = linker.code[address]
    try:
        path = imported("numcrc.jit.mapping").origin(address)
    except OSError as error:
        origin = f"unknown: {error}"
    else:
        # Linux names a file in memory so.
        origin = "a file in memory" if path.startswith("/memfd:") else path or "a copy in memory"
    return {"address": f"{start:#x}", "size": size, "from": origin}


def _why(host: Target, tier: Tier, settings: dict[str, str]) -> str:
    if forced := os.environ.get("NUMCRC_TIER"):
        return f"NUMCRC_TIER={forced}: code is made for {host.cpu}"
    above = host.all_tiers[host.all_tiers.index(tier) + 1 :]
    if not above:
        return "the best tier for this architecture"
    missing = " ".join(sorted(above[0].needs - host.usable))
    reason = "Numba's settings or the CPU" if settings else "the CPU"
    return f"the next tier, {above[0].name}, needs {missing}, which {reason} lacks"
