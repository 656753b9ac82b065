"""``python -m numcrc``."""

from __future__ import annotations

import sys

from numcrc.cli import main

sys.exit(main())
