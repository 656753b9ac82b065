"""Read from the metadata of a Zarr array where its chunks are, and their outermost checksums."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from numcrc._light import NamedTuple
from numcrc.checkfiles.strict_json import loads
from numcrc.store.formats.body import FormatError

MOST_AXES = 32
"""As arrays of NumPy had before 2.0."""


class Sum(NamedTuple):
    """A checksum before or after the bytes that it is of, the least significant byte first."""

    algorithm: str
    """crc32, crc32c or crc64nvme; or adler32 or fletcher32, which are not CRCs."""
    size: int
    """Bytes of the checksum."""
    at_end: bool
    """Whether it is after the bytes."""


class Shard(NamedTuple):
    """A chunk that consists of inner chunks and an index of their offsets and lengths."""

    counts: tuple[int, ...]
    """The number of inner chunks along each axis as it is stored."""
    shape: tuple[int, ...]
    """The shape of an inner chunk as it is stored."""
    axes: tuple[int, ...]
    """The axes of the array in the order in which they are stored."""
    at_end: bool
    """Whether the index is at the end."""
    index_dtype: str
    """The kind of its numbers, ``<u8`` or ``>u8``."""
    index_sum: Sum | None
    """The checksum after the index."""
    inner: Encoding


class Unsupported(NamedTuple):
    """An encoding that is not known."""

    reason: str


Encoding: TypeAlias = Sum | Shard | Unsupported | None
"""What protects the bytes of a chunk; None if they have no outermost checksum."""


class Array(NamedTuple):
    """What the keys and the contents of an array's chunks are."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    """The shape of a chunk."""
    prefix: str
    """The beginning of the keys of chunks, ``c`` or nothing."""
    separator: str
    """``/`` or ``.``."""
    encoding: Encoding

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of chunks along each axis."""
        sides = zip(self.shape, self.chunk, strict=True)
        return tuple(-(-size // max(step, 1)) for size, step in sides)

    def room(self, coordinates: tuple[int, ...]) -> tuple[int, ...]:
        """Return the part of a chunk, along each axis, that is inside the array.

        Examples
        --------
        >>> Array((5, 12), (2, 1), "c", "/", None).room((2, 11))
        (1, 1)
        """
        sides = zip(coordinates, self.shape, self.chunk, strict=True)
        return tuple(min(step, size - at * step) for at, size, step in sides)

    def coordinates(self, name: str) -> tuple[int, ...] | None:
        """Return the coordinates of the chunk with the key *name* below the array, or None.

        Examples
        --------
        >>> array = Array((5, 12), (2, 1), "c", "/", None)
        >>> array.coordinates("c/2/11"), array.coordinates("c/3/0"), array.coordinates("c/02/1")
        ((2, 11), None, None)
        """
        parts = name.split(self.separator)
        if self.prefix:
            if parts.pop(0) != self.prefix:
                return None
        elif not self.shape:
            return () if name == "0" else None
        if len(parts) != len(self.shape) or not all(map(_NUMBER.fullmatch, parts)):
            return None
        found = tuple(map(int, parts))
        return found if all(map(int.__lt__, found, self.grid)) else None

    def key(self, coordinates: tuple[int, ...]) -> str:
        """Return the key below the array of a chunk.

        Examples
        --------
        >>> Array((5, 12), (2, 1), "c", "/", None).key((2, 11))
        'c/2/11'
        >>> Array((), (), "", ".", None).key(())
        '0'
        """
        parts = [self.prefix] if self.prefix else []
        return self.separator.join([*parts, *map(str, coordinates)]) or "0"


_NUMBER = re.compile("0|[1-9][0-9]{0,18}")

# The codecs that store a checksum: its algorithm, its bytes, and whether it is at the end.
_V2 = {
    "adler32": Sum("adler32", 4, False),
    "crc32": Sum("crc32", 4, False),
    "crc32c": Sum("crc32c", 4, True),
    "fletcher32": Sum("fletcher32", 4, True),
    "numcrc.crc64nvme": Sum("crc64nvme", 8, True),
}
_V3 = {
    "crc32c": Sum("crc32c", 4, True),
    "numcrc.crc32": Sum("crc32", 4, True),
    "numcrc.crc64nvme": Sum("crc64nvme", 8, True),
    **{f"numcodecs.{name}": found for name, found in _V2.items()},
}
_NOT_COMPUTED = {"jenkins_lookup3", "numcodecs.jenkins_lookup3"}
# The codecs before shards that keep the shape of a chunk.
_SAME_SHAPE = {"bitround", "numcodecs.bitround", "numcodecs.delta", "numcodecs.fixedscaleoffset"}
_SAME_SHAPE |= {"numcodecs.quantize", "numcodecs.astype", "scale_offset", "cast_value"}


def parse_v3(content: bytes | None) -> Array | Unsupported | None:
    """Return the array of a zarr.json; None if there is none, or it is a group.

    Raises
    ------
    FormatError
        It is damaged.

    Examples
    --------
    >>> parse_v3(b'{"zarr_format": 3, "node_type": "group"}') is None
    True
    """
    if content is None:
        return None
    node = _parsed(content, 3)
    if node.get("node_type") == "group":
        return None
    if node.get("node_type") != "array":
        raise FormatError(f"invalid node_type: {_shown(node.get('node_type'))}")
    if node.get("storage_transformers"):
        return Unsupported(f"storage_transformers {_shown(node['storage_transformers'])}")
    shape = _lengths(node, "shape")
    name, configuration = _extension(node.get("chunk_grid"), "chunk_grid")
    if name != "regular":
        return Unsupported(f"chunk grid {name!r} is not known")
    chunk = _lengths(configuration, "chunk_shape", shape, least=1)
    name, configuration = _extension(node.get("chunk_key_encoding"), "chunk_key_encoding")
    if name not in ("default", "v2"):
        return Unsupported(f"chunk key encoding {name!r} is not known")
    separator = _choice(configuration, "separator", "/" if name == "default" else ".", "/.")
    encoding = _chain(node.get("codecs"), chunk, tuple(range(len(shape))), 1)
    prefix = "c" if name == "default" else ""
    return Array(shape, chunk, prefix, separator, encoding)


def parse_v2(content: bytes | None) -> Array | Unsupported | None:
    """Return the array of a .zarray; None if there is none.

    Raises
    ------
    FormatError
        It is damaged.

    Examples
    --------
    >>> parse_v2(
    ...     b'{"zarr_format": 2, "shape": [5], "chunks": [2],'
    ...     b' "compressor": null, "filters": [{"id": "crc32"}]}'
    ... ).encoding
    Sum(algorithm='crc32', size=4, at_end=False)
    """
    if content is None:
        return None
    node = _parsed(content, 2)
    shape = _lengths(node, "shape")
    chunk = _lengths(node, "chunks", shape)
    separator = _choice(node, "dimension_separator", ".", "/.")
    codecs = node.get("filters") or []
    if not isinstance(codecs, list):
        raise FormatError("filters is not a list")
    if node.get("compressor") is not None:
        codecs = [*codecs, node["compressor"]]
    if not codecs:
        return Array(shape, chunk, "", separator, None)
    last = codecs[-1]
    if not isinstance(last, dict) or not isinstance(last.get("id"), str):
        raise FormatError("a codec without an id")
    return Array(shape, chunk, "", separator, _sum(_V2, last["id"], last))


def _parsed(content: bytes, version: int) -> dict[str, Any]:
    try:
        node = loads(content.decode())
    except ValueError as error:  # UnicodeDecodeError is one
        raise FormatError(f"invalid metadata: {error}") from None
    if not isinstance(node, dict):
        raise FormatError("invalid metadata: not a JSON object")
    if node.get("zarr_format") != version:
        found = _shown(node.get("zarr_format"))
        raise FormatError(f"zarr_format must be {version}, not {found}")
    return node


def _chain(codecs: Any, shape: tuple[int, ...], axes: tuple[int, ...], depth: int) -> Encoding:
    """Return what the last of *codecs* does to chunks of *shape*."""
    if not isinstance(codecs, list) or not codecs:
        raise FormatError("codecs is not a list with a codec")
    if depth > MOST_DEPTH:
        return Unsupported(f"shards in shards in more than {MOST_DEPTH} levels")
    *before, last = [_extension(codec, "codec") for codec in codecs]
    name, configuration = last
    if name != "sharding_indexed":
        return _sum(_V3, name, configuration)
    for earlier, options in before:
        if earlier == "transpose":
            order = options.get("order")
            if not isinstance(order, list) or not _permutes(order, len(shape)):
                return Unsupported(f"transpose with the order {_shown(order)}")
            shape = tuple(shape[axis] for axis in order)
            axes = tuple(axes[axis] for axis in order)
        elif earlier not in _SAME_SHAPE:
            return Unsupported(f"codec {earlier!r} before shards is not known")
    inner = _lengths(configuration, "chunk_shape", shape, least=1)
    if any(map(int.__mod__, shape, inner)):
        raise FormatError(f"inner chunks of {list(inner)} do not divide {list(shape)}")
    at_end = _choice(configuration, "index_location", "end", ("start", "end")) == "end"
    index = configuration.get("index_codecs")
    if not isinstance(index, list) or not index:
        raise FormatError("index_codecs is not a list with a codec")
    (first, options), *rest = [_extension(codec, "codec") for codec in index]
    index_sum = _sum(_V3, *rest[0]) if len(rest) == 1 else None
    known = not rest or (isinstance(index_sum, Sum) and index_sum.at_end)
    if first != "bytes" or not known:
        return Unsupported(f"index_codecs {_shown(index)}")
    endian = _choice(options, "endian", "little", ("little", "big"))
    return Shard(
        tuple(map(int.__floordiv__, shape, inner)),
        inner,
        axes,
        at_end,
        "<u8" if endian == "little" else ">u8",
        index_sum if isinstance(index_sum, Sum) else None,
        _chain(configuration.get("codecs"), inner, axes, depth + 1),
    )


def _permutes(order: list[Any], count: int) -> bool:
    """Return whether *order* has each integer below *count* once."""
    return all(type(axis) is int for axis in order) and sorted(order) == list(range(count))


MOST_DEPTH = 8
"""Levels of shards."""


def _sum(known: dict[str, Sum], name: str, configuration: dict[str, Any]) -> Encoding:
    if name in _NOT_COMPUTED:
        return Unsupported(f"the checksum of codec {name!r} cannot be computed")
    found = known.get(name)
    if found is None or "location" not in configuration:
        return found
    return found._replace(at_end=_choice(configuration, "location", "", ("start", "end")) == "end")


def _extension(value: Any, what: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the configuration of an extension, which may be a name only."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict):
        name, configuration = value.get("name"), value.get("configuration")
        if isinstance(name, str) and (configuration is None or isinstance(configuration, dict)):
            return name, configuration or {}
    raise FormatError(f"invalid {what}: {_shown(value)}")


def _lengths(
    node: dict[str, Any], name: str, like: tuple[int, ...] | None = None, least: int = 0
) -> tuple[int, ...]:
    """Return a list of non-negative integers, as many as *like* has."""
    value = node.get(name)
    if not isinstance(value, list) or len(value) > MOST_AXES:
        raise FormatError(f"invalid {name}: {_shown(value)}")
    for each in value:
        if type(each) is not int or not least <= each < 1 << 63:
            raise FormatError(f"invalid {name}: {_shown(value)}")
    if like is not None and len(value) != len(like):
        raise FormatError(f"{name} has {len(value)} axes, expected {len(like)}")
    return tuple(value)


def _choice(node: dict[str, Any], name: str, default: str, known: str | tuple[str, ...]) -> str:
    value = node.get(name, default)
    if not isinstance(value, str) or value not in tuple(known):
        raise FormatError(f"invalid {name}: {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """Return a part of a value for a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
