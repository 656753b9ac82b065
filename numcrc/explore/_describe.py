"""Describe algorithms."""

from __future__ import annotations

from numcrc._description import Description
from numcrc.algorithm import Algorithm
from numcrc.registry import resolved


def describe(crc: Algorithm | str) -> Description:
    """Return what is known of an algorithm: notations, parameters, factors, order, distances.

    Parameters
    ----------
    crc : Algorithm or str
        An algorithm or its name in `numcrc.algorithms`.

    Examples
    --------
    >>> print(describe("CRC-4/G-704"))
    CRC-4/G-704
    width                  4
    polynomial             x^4 + x + 1
    normal                 0x3
    reversed               0xc
    reciprocal             0x9
    Koopman                0x9
    init                   0x0
    xorout                 0x0
    refin                  true
    refout                 true
    check                  0x7
    residue                0x0
    factors                (x^4 + x + 1)
    order                  15 (primitive)
    odd numbers of errors  not all detected
    aliases                CRC-4/ITU
    polynomial also of     CRC-4/INTERLAKEN
    Hamming distance       3 to 11 data bits
    """
    return Description(resolved(crc))
