"""Read manifests from memory, and generate random keys and sizes."""

from __future__ import annotations

import io

from hypothesis import settings
from hypothesis import strategies as st

from numcrc.store.keys import key_text
from numcrc.store.manifests import read_manifest
from numcrc.store.manifests.tables import TABLES
from numcrc.store.objects import Checksum, Entry

CRC32C = Checksum("crc32c", bytes.fromhex("e3069283"))
TABLE_NAMES = [table.name for table in TABLES]
SUFFIXES = TABLE_NAMES + [f"{table.name}.gz" for table in TABLES if not table.seekable]

some = settings(max_examples=40, deadline=None)
# Keys with characters that are special in text formats, and bytes that are not UTF-8.
keys = (
    st.binary(min_size=1, max_size=30)
    | st.text("=+-@'\t\r\n\",;#{}/\\. aü✓\ufeff\u2028\x85", min_size=1).map(str.encode)
).map(lambda raw: key_text(raw.replace(b"\0", b"") or b"x"))
sizes = st.none() | st.integers(0, 2**63 - 1)


def read(data: str | bytes, name: str = "list", **options: object) -> list[Entry]:
    """Read a manifest from memory, as a file called *name*."""
    file = io.BytesIO(data if isinstance(data, bytes) else data.encode())
    file.name = name
    return list(read_manifest(file, **options))
