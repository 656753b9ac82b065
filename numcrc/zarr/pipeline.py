"""Define a codec pipeline of Zarr 3 whose errors name the damaged chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zarr
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.registry import register_codec, register_pipeline

from numcrc.zarr.codecs import Crc32cCodec, Crc32Codec, Crc64NvmeCodec
from numcrc.zarr.errors import ChecksumError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractContextManager


class ChunkNamingPipeline(BatchedCodecPipeline):
    """Zarr's default pipeline, with the name of the chunk in a `ChecksumError`.

    Zarr passes the place of a chunk to a pipeline, but not to a codec.
    """

    __module__ = "numcrc.zarr"

    async def read_batch(
        self, batch_info: Iterable[Any], out: Any, drop_axes: tuple[int, ...] = ()
    ) -> Any:
        """Read chunks as the base class does.

        Raises
        ------
        ChecksumError
            A CRC does not match.
        """
        return await _naming(super().read_batch, list(batch_info), out, drop_axes)

    async def write_batch(
        self, batch_info: Iterable[Any], value: Any, drop_axes: tuple[int, ...] = ()
    ) -> Any:
        """Write chunks as the base class does, which reads those that are changed in part.

        Raises
        ------
        ChecksumError
            A CRC does not match.
        """
        return await _naming(super().write_batch, list(batch_info), value, drop_axes)


async def _naming(call: Callable[..., Awaitable[Any]], batch: list[Any], *arguments: Any) -> Any:
    try:
        return await call(batch, *arguments)
    except ChecksumError as error:
        places = [_place(getter) for getter, *_ in batch]
        if len(places) > 1:  # with another ``codec_pipeline.batch_size`` than 1, the default
            places = [f"one of {len(places)} chunks from {places[0]} to {places[-1]}"]
        raise ChecksumError(f"{places[0]}: {error}") from None


def _place(getter: Any) -> str:
    """Return the key of a stored chunk, or the coordinates of one in a shard."""
    coordinates = getattr(getter, "chunk_coords", None)
    if coordinates is not None:
        return f"inner chunk ({', '.join(map(str, coordinates))})"
    return str(getattr(getter, "path", getter))


def enable() -> AbstractContextManager[Any]:
    """Use numcrc's codecs and `ChunkNamingPipeline` for arrays that are opened or made later.

    A pipeline other than Zarr's default one is kept.

    Returns
    -------
    context manager
        Leaving it restores the configuration of Zarr; it need not be used.

    Examples
    --------
    >>> import zarr
    >>> import numcrc.zarr
    >>> with numcrc.zarr.enable():
    ...     array = zarr.create_array({}, shape=4, dtype="u1", compressors={"name": "crc32c"})
    >>> array.compressors
    (Crc32cCodec(),)
    >>> type(array.compressors[0]).__module__
    'numcrc.zarr'
    """
    for codec in (Crc32cCodec, Crc32Codec, Crc64NvmeCodec):
        register_codec(codec.codec_name, codec)
    register_pipeline(ChunkNamingPipeline)
    changes = {"codecs.crc32c": "numcrc.zarr.Crc32cCodec"}
    default = f"{BatchedCodecPipeline.__module__}.{BatchedCodecPipeline.__qualname__}"
    if zarr.config.get("codec_pipeline.path") == default:
        changes["codec_pipeline.path"] = "numcrc.zarr.ChunkNamingPipeline"
    chosen: AbstractContextManager[Any] = zarr.config.set(changes)
    return chosen
