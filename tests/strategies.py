"""Random algorithms, and how much of them a test takes."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import numcrc

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The first example compiles a kernel, so times say nothing."""


@st.composite
def algorithms(draw: st.DrawFn, widest: int = 128) -> numcrc.Algorithm:
    """Draw a custom algorithm of any width, polynomial, bit orders, init and xorout."""
    width = draw(st.integers(1, widest))
    poly, init, xorout = (draw(st.integers(0, (1 << width) - 1)) for _ in range(3))
    refin, refout = draw(st.booleans()), draw(st.booleans())
    return numcrc.Algorithm(width, poly, init, refin, refout, xorout)
