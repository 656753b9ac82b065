"""Know the file formats that contain checksums of their own contents, for scans.

Each has a module here with one `Format`. Other packages add theirs by entry points of the group
``numcrc.formats``.
"""

from __future__ import annotations

from collections.abc import Sequence

from numcrc._light import cache
from numcrc.process import imported
from numcrc.store.formats.body import Body, FormatError
from numcrc.store.formats.format import (
    Batch,
    Finding,
    Format,
    Found,
    Records,
    crc_of,
    ends_with,
    nearly,
    verdict,
)
from numcrc.store.formats.judge import scan_body

__all__ = [
    "Batch",
    "Body",
    "Finding",
    "Format",
    "FormatError",
    "Found",
    "Records",
    "crc_of",
    "ends_with",
    "formats",
    "nearly",
    "scan_body",
    "verdict",
]

GROUP = "numcrc.formats"
"""The group of entry points, each of which is a `Format`."""
OWN = ("zarr", "zip", "png", "gzip", "parquet", "leveldb", "tfrecord")
"""The modules here with a ``FORMAT``, in the order in which an object is compared with them."""


def formats(names: Sequence[str] | None = None) -> tuple[Format, ...]:
    """Return the formats with these names, by default all: numcrc's own, then those of others.

    Raises
    ------
    ValueError
        A name is unknown, or an entry point is not a format or has the name of another one.
    ImportError
        An entry point cannot be imported.

    Examples
    --------
    >>> [each.name for each in formats(["zip"])]
    ['zip']
    """
    known = {name: imported(f"{__name__}.{name}").FORMAT for name in OWN}
    if names is None or not known.keys() >= set(names):
        for found in _others():
            if found.name in known:
                raise ValueError(f"two formats have the name {found.name!r}")
            known[found.name] = found
    if names is None:
        return tuple(known.values())
    for name in names:
        if name not in known:
            raise ValueError(f"unknown format {name!r}: expected one of {', '.join(known)}")
    return tuple(each for name, each in known.items() if name in names)


@cache
def _others() -> list[Format]:
    """Return the formats of other packages, in the order of their names."""
    from importlib.metadata import entry_points

    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            raise ImportError(
                f"cannot load the format {point.name!r} ({point.value}): {error}"
            ) from error
        if not isinstance(loaded, Format):
            raise ValueError(f"entry point {point.name!r} ({point.value}) is not a Format")
        found.append(loaded)
    return found
