"""Run the compiled searches: in pieces, so that they can be interrupted, and by several threads."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from numcrc.jit import engine
from numcrc.threads import share, thread_count

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from numcrc.jit.plan import Plan

    Words: TypeAlias = NDArray[np.uint64]

    Progress: TypeAlias = Callable[[float], object]

PIECE = 1 << 22
"""Probes between two checks for signals: some 30 ms."""


def call(plan: Plan, *arguments: int | NDArray[Any]) -> int:
    """Call the kernel of *plan* with integers and the addresses of arrays."""
    words = [
        argument if isinstance(argument, int) else argument.__array_interface__["data"][0]
        for argument in arguments
    ]
    result: int = engine.tool(plan)(*words)
    return result


def syndromes(poly: int, width: int, n: int, known: Words | None = None) -> Words:
    """Return ``x^i mod P`` for i < n, of which those *known* are copied."""
    from numcrc.jit.plan import SYNDROMES

    result = np.empty(n, np.uint64)
    done, value = 0, 1
    if known is not None:
        done = min(len(known), n)
        result[:done] = known[:done]
        last = int(known[-1]) << 1
        value = last ^ (1 << width | poly) if last >> width else last
    while done < n:
        size = min(n - done, PIECE)
        value = call(SYNDROMES, poly, width, value, result[done : done + size], size)
        done += size
    return result


def in_threads(work: Callable[[int], bool], chunks: int, threads: int | None = None) -> None:
    """Call *work* with 0, 1, ... below *chunks*, on several threads, until one call returns True.

    The chunks before that one are all done when this returns.
    """
    numbers = count()
    ended = False

    def take(limit: int) -> int:
        nonlocal ended
        done = 0
        while done < limit and not ended:
            number = next(numbers)
            if number >= chunks:
                break
            try:
                if work(number):
                    ended = True
            except BaseException:
                ended = True
                raise
            done += 1
        return done

    def stop() -> None:
        nonlocal ended
        ended = True

    share(take, stop, max(1, min(chunks, thread_count(threads))))
