"""Verify the objects of stores and folders, scan them, and list them with their checksums."""

from __future__ import annotations

from numcrc.process import member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numcrc.store._manifest import Manifest, manifest
    from numcrc.store._merge_reports import merge_reports
    from numcrc.store._scan import scan
    from numcrc.store._verify import verify
    from numcrc.store.manifests import read_manifest, write_manifest
    from numcrc.store.manifests.cuts import key_ranges
    from numcrc.store.manifests.reports import read_results
    from numcrc.store.objects import Checksum, Entry, Part, Result, State
    from numcrc.store.pipeline import Limits
    from numcrc.store.progress import Progress
    from numcrc.store.report import Report
    from numcrc.store.schedulers import array_task
    from numcrc.store.selection import Selection
    from numcrc.store.source import Source, StoreError
    from numcrc.store.sources import open_source

__all__ = [
    "Checksum",
    "Entry",
    "Limits",
    "Manifest",
    "Part",
    "Progress",
    "Report",
    "Result",
    "Selection",
    "Source",
    "State",
    "StoreError",
    "array_task",
    "key_ranges",
    "manifest",
    "merge_reports",
    "open_source",
    "read_manifest",
    "read_results",
    "scan",
    "verify",
    "write_manifest",
]

_HOME = {
    **dict.fromkeys(("Checksum", "Entry", "Part", "Result", "State"), "objects"),
    **dict.fromkeys(("Source", "StoreError"), "source"),
    **dict.fromkeys(("read_manifest", "write_manifest"), "manifests"),
    **dict.fromkeys(("Manifest", "manifest"), "_manifest"),
    "Limits": "pipeline",
    "Progress": "progress",
    "Report": "report",
    "Selection": "selection",
    "array_task": "schedulers",
    "key_ranges": "manifests.cuts",
    "merge_reports": "_merge_reports",
    "open_source": "sources",
    "read_results": "manifests.reports",
    "scan": "_scan",
    "verify": "_verify",
}


def __getattr__(name: str) -> Any:
    return member(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
