"""Generate random algorithms and arrays for Hypothesis."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from support import ALL_DTYPES

import numcrc

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Without a deadline, since the first example compiles a kernel."""


@st.composite
def algorithms(draw: st.DrawFn, widest: int = 128) -> numcrc.Algorithm:
    """Draw a custom algorithm of any width, polynomial, bit orders, init and xorout."""
    width = draw(st.integers(1, widest))
    poly, init, xorout = (draw(st.integers(0, (1 << width) - 1)) for _ in range(3))
    refin, refout = draw(st.booleans()), draw(st.booleans())
    return numcrc.Algorithm(width, poly, init, refin, refout, xorout)


@st.composite
def views(draw: st.DrawFn) -> np.ndarray:
    """Draw a view of an array by steps, a permutation of the axes and broadcasting."""
    dtype = ALL_DTYPES[draw(st.sampled_from(list(ALL_DTYPES)))]
    shape = draw(st.lists(st.integers(0, 7), max_size=4))
    size = dtype.itemsize * int(np.prod(shape))
    raw = random.Random(draw(st.integers(0, 2**32))).randbytes(size)
    whole = np.frombuffer(raw, dtype).reshape(shape) if size else np.zeros(shape, dtype)
    steps = st.sampled_from([1, 2, 3, -1, -2])
    view = whole[(*(slice(None, None, draw(steps)) for _ in shape), ...)]
    view = view.transpose(draw(st.permutations(range(view.ndim))))
    if draw(st.booleans()):
        axis = draw(st.integers(0, view.ndim))
        new = np.expand_dims(view, axis)
        view = np.broadcast_to(new, (*view.shape[:axis], 3, *view.shape[axis:]))
    return view
