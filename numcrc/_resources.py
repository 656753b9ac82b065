"""Read files of the package through its loader, from a folder or a zip file."""

from __future__ import annotations

import os


def read(name: str) -> bytes:
    """Return the contents of the package's file *name*, folders separated by ``/``."""
    path = os.path.join(os.path.dirname(__file__), *name.split("/"))
    data: bytes = __spec__.loader.get_data(path)  # type: ignore[union-attr]
    return data
