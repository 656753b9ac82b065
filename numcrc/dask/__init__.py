"""Compute and verify CRCs of Dask arrays and, with Dask, of whole stores.

It needs Dask: ``pip install 'numcrc[dask]'``.
"""

from __future__ import annotations

from numcrc.process import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numcrc.dask._verify import verify
    from numcrc.dask.arrays import ChecksumError, chunk_crcs, crc, verify_chunks

__all__ = ["ChecksumError", "chunk_crcs", "crc", "verify", "verify_chunks"]

_HOME = {
    **dict.fromkeys(("ChecksumError", "chunk_crcs", "crc", "verify_chunks"), "arrays"),
    "verify": "_verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'numcrc.dask' has no attribute {name!r}")
    value = getattr(imported(f"numcrc.dask.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
