"""Check the chunks of Zarr arrays, and give Zarr codecs that append a CRC.

`verify` needs no other package; the codecs need zarr (``pip install 'numcrc[zarr]'``).
"""

from __future__ import annotations

from numcrc.process import member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numcrc.zarr.chunks import verify
    from numcrc.zarr.codecs import Crc32cCodec, Crc32Codec, Crc64NvmeCodec
    from numcrc.zarr.codecs_v2 import CRC32, CRC32C, CRC64NVME
    from numcrc.zarr.errors import ChecksumError
    from numcrc.zarr.pipeline import ChunkNamingPipeline, enable

__all__ = [
    "CRC32",
    "CRC32C",
    "CRC64NVME",
    "ChecksumError",
    "ChunkNamingPipeline",
    "Crc32Codec",
    "Crc32cCodec",
    "Crc64NvmeCodec",
    "enable",
    "verify",
]

_HOME = {
    **dict.fromkeys(("CRC32", "CRC32C", "CRC64NVME"), "codecs_v2"),
    **dict.fromkeys(("Crc32Codec", "Crc32cCodec", "Crc64NvmeCodec"), "codecs"),
    **dict.fromkeys(("ChunkNamingPipeline", "enable"), "pipeline"),
    "ChecksumError": "errors",
    "verify": "chunks",
}


def __getattr__(name: str) -> Any:
    try:
        return member(__name__, _HOME, name)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("zarr", "numcodecs"):
            raise
        needs = f"numcrc.zarr.{name} needs {package}: pip install 'numcrc[zarr]'"
        raise ImportError(needs, name=package) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
