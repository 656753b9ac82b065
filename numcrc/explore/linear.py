"""Solve linear equations over GF(2)."""

from __future__ import annotations

from collections.abc import Sequence


class Span:
    """What columns add up to, each an int whose bits are its rows."""

    def __init__(self, columns: Sequence[int] = ()) -> None:
        self.kernel: list[int] = []
        """A basis of the sets of columns whose sum is 0, each a mask of columns."""
        self._basis: dict[int, tuple[int, int]] = {}  # by length: a sum, and its columns
        for column in columns:
            self.add(column)

    def add(self, column: int) -> None:
        """Add a column."""
        number = len(self._basis) + len(self.kernel)
        value, mask = self.reduced(column, 1 << number)
        if value:
            self._basis[value.bit_length()] = value, mask
        else:
            self.kernel.append(mask)

    def extend(self, column: int) -> bool:
        """Add a column if it is not a sum of those before, and return whether that is so."""
        value, mask = self.reduced(column, 1 << len(self._basis) + len(self.kernel))
        if value:
            self._basis[value.bit_length()] = value, mask
        return bool(value)

    @property
    def rank(self) -> int:
        """The number of independent columns."""
        return len(self._basis)

    def solution(self, wanted: int) -> int | None:
        """Return a mask of columns whose sum is *wanted*; None if there is none.

        >>> Span([0b011, 0b110, 0b101]).solution(0b101), Span([0b011]).solution(0b100)
        (3, None)
        """
        rest, mask = self.reduced(wanted, 0)
        return None if rest else mask

    def reduced(self, value: int, mask: int = 0) -> tuple[int, int]:
        """Return what columns leave of *value*, with those columns added to *mask*."""
        while value and (known := self._basis.get(value.bit_length())) is not None:
            value, mask = value ^ known[0], mask ^ known[1]
        return value, mask
