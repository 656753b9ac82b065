"""``python -m numcrc``."""

from __future__ import annotations

from numcrc.cli import entry

entry()
