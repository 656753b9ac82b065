"""Cyclic redundancy checks, compiled on the machine that runs them.

>>> import numcrc
>>> hex(numcrc.crc32c(b"123456789"))
'0xe3069283'
>>> numcrc.algorithms["CRC-16/ARC"](b"123456789") == 0xBB3D
True

Importing this module imports `numcrc.process` only. Names are imported at their first use.
"""

from __future__ import annotations

from numcrc._version import __version__
from numcrc.process import imported

TYPE_CHECKING = False  # type checkers take it for true; importing typing would take time
if TYPE_CHECKING:
    from typing import Any

    from numcrc import dask as dask
    from numcrc import explore as explore
    from numcrc import files as files
    from numcrc import store as store
    from numcrc import xarray as xarray
    from numcrc import zarr as zarr
    from numcrc._info import info
    from numcrc.algorithm import Algorithm
    from numcrc.crc.catalogue import UnknownAlgorithmError
    from numcrc.hasher import Hasher
    from numcrc.jit.engine import KernelError
    from numcrc.jit.target import TierError
    from numcrc.registry import algorithms, crc32, crc32c, crc64nvme, new

__all__ = [
    "Algorithm",
    "Hasher",
    "KernelError",
    "TierError",
    "UnknownAlgorithmError",
    "__version__",
    "algorithms",
    "crc32",
    "crc32c",
    "crc64nvme",
    "info",
    "new",
]

_HOME = {
    "Algorithm": "numcrc.algorithm",
    "Hasher": "numcrc.hasher",
    "KernelError": "numcrc.jit.engine",
    "TierError": "numcrc.jit.target",
    "UnknownAlgorithmError": "numcrc.crc.catalogue",
    "algorithms": "numcrc.registry",
    "info": "numcrc._info",
    "new": "numcrc.registry",
}
_NATIVE = ("crc32", "crc32c", "crc64nvme")
_MODULES = ("dask", "explore", "files", "store", "xarray", "zarr")


def __getattr__(name: str) -> Any:
    if name in _NATIVE:
        value: Any = imported("numcrc.registry").native(name)
    elif name in _HOME:
        value = getattr(imported(_HOME[name]), name)
    elif name in _MODULES:
        value = imported(f"numcrc.{name}")
    else:
        raise AttributeError(f"module 'numcrc' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
