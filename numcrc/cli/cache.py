"""``numcrc cache``: list the compiled kernels that are kept on disk, or remove them."""

from __future__ import annotations

import sys
from datetime import datetime

from numcrc.checkfiles.names import shown, visible
from numcrc.cli import CANNOT_READ
from numcrc.cli.arguments import new_parser
from numcrc.cli.output import print_text
from numcrc.jit import cache as kernel_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

EPILOG = """\
The folder is that of NUMCRC_CACHE_DIR, by default the platform's cache folder. When its files
have more bytes than NUMCRC_CACHE_SIZE, those that were not used for the longest time are removed.

examples:
  numcrc cache
  numcrc cache --clear
  NUMCRC_CACHE_DIR=/opt/cache numcrc cache --json

exit status: 0 success; 2 wrong usage; 3 the folder cannot be used, or a file not be removed.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc cache`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    removed = kernel_cache.clear() if options.clear else (0, 0)
    not_removed = options.clear and kernel_cache.faults()
    files = kernel_cache.contents()
    place = kernel_cache.usable_path()
    report = {
        "folder": place,
        "limit": kernel_cache.limit(),
        "bytes": sum(size for _, size, _, _ in files),
        "files": [
            {"name": name, "bytes": size, "used": _time(used), "contents": label}
            for name, size, used, label in files
        ],
    }
    if options.json:
        from json import dumps

        print_text(dumps(report, indent=2))
    elif options.clear:
        print_text("removed {} files, {} bytes".format(*removed))
    else:
        lines = [f"{size:9}  {_time(used)}  {visible(label)}" for _, size, used, label in files]
        total = f"total: {len(files)} files, {report['bytes']} bytes"
        folder = f"folder: {shown(place) if place else 'none'}"
        print_text("\n".join([folder, f"limit: {report['limit']} bytes", total, *lines]))
    for fault in kernel_cache.faults():
        print(f"numcrc: {visible(fault)}", file=sys.stderr)
    return CANNOT_READ if place is None or not_removed else 0


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc cache``."""
    description = "List the compiled kernels that are kept on disk, the last used first."
    parser = new_parser("cache", description, EPILOG)
    parser.add_argument("--clear", action="store_true", help="remove them, and no other file")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    return parser


def _time(seconds: float) -> str:
    """Return a time as it is here, such as 2024-02-29 12:00:00+01:00."""
    try:
        return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")
    except (OSError, OverflowError, ValueError):  # file systems have later years than datetime
        return "unknown"
