"""Run `matrix.rows` with the folder of the tests on the path, as pytest has it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from matrix.rows import main

sys.exit(main())
