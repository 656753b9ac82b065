"""Compute and verify CRCs of Dask arrays and, with Dask, of whole stores.

It needs Dask: ``pip install 'numcrc[dask]'``.
"""

from __future__ import annotations

from numcrc.process import member

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
    return member(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
