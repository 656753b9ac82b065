"""Time fresh processes: imports, and the first checksum with and without a cached kernel."""

from __future__ import annotations

import numcrc

IMPORT = "import numcrc"
IMPORT_LLVMLITE = "import llvmlite.binding"
FIRST_CRC32C = "import numcrc; numcrc.crc32c(b'123456789')"
EMPTY_CACHE = """
import os, tempfile
folder = tempfile.TemporaryDirectory()
os.environ["NUMCRC_CACHE_DIR"] = folder.name
"""


def timeraw_import_numcrc() -> str:
    return IMPORT


def timeraw_import_llvmlite_binding() -> str:
    return IMPORT_LLVMLITE


class WarmCache:
    def setup(self) -> None:
        numcrc.crc32c(b"")

    def timeraw_warm_crc32c(self) -> str:
        return FIRST_CRC32C


def timeraw_cold_crc32c() -> tuple[str, str]:
    return FIRST_CRC32C, EMPTY_CACHE


timeraw_cold_crc32c.repeat = 3  # type: ignore[attr-defined]
