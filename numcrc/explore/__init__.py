"""Explore CRCs: what they detect, which one made a checksum, how to reach one, which to choose.

Nothing here is imported by the rest of numcrc.
"""

from __future__ import annotations

from numcrc.process import imported, member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numcrc.crc.polynomial import Polynomial
    from numcrc.explore import plot
    from numcrc.explore._describe import describe
    from numcrc.explore._forge import flips, forge, locate
    from numcrc.explore._search import search
    from numcrc.explore._weights import dual_weights, undetected, weights
    from numcrc.explore.hd import Limit, Undecided, example, hamming_distance, hd_limits
    from numcrc.explore.recover import Match, identify, identify_frames, reverse, reverse_frames

__all__ = [
    "Limit",
    "Match",
    "Polynomial",
    "Undecided",
    "describe",
    "dual_weights",
    "example",
    "flips",
    "forge",
    "hamming_distance",
    "hd_limits",
    "identify",
    "identify_frames",
    "locate",
    "plot",
    "reverse",
    "reverse_frames",
    "search",
    "undetected",
    "weights",
]

_HOME = {
    **dict.fromkeys(("flips", "forge", "locate"), "_forge"),
    **dict.fromkeys(("dual_weights", "undetected", "weights"), "_weights"),
    **dict.fromkeys(("Limit", "Undecided", "example", "hamming_distance", "hd_limits"), "hd"),
    "describe": "_describe",
    "Polynomial": "numcrc.crc.polynomial",
    **dict.fromkeys(
        ("Match", "identify", "identify_frames", "reverse", "reverse_frames"), "recover"
    ),
    "search": "_search",
}


def __getattr__(name: str) -> Any:
    if name == "plot":
        return imported("numcrc.explore.plot")
    return member(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
