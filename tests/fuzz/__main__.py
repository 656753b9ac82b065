"""Run `fuzz.cli`, with the folder of the tests on the path, as pytest has it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.cli import main

sys.exit(main())
