"""`numcrc.algorithms`: the catalogue as a mapping, and `numcrc.new`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from numcrc import catalogue
from numcrc.algorithm import Algorithm

if TYPE_CHECKING:
    from numcrc.buffers import Data
    from numcrc.hasher import Hasher


class Algorithms(Mapping[str, Algorithm]):
    """Every algorithm of the RevEng catalogue, by name.

    Look-ups ignore case, ``-``, ``_``, ``/`` and spaces, and know the aliases; iteration
    gives the official names in the catalogue's order.

    Examples
    --------
    >>> import numcrc
    >>> numcrc.algorithms["crc_32_iscsi"] is numcrc.algorithms["CRC-32C"]
    True
    >>> len(numcrc.algorithms)
    113
    """

    def __init__(self) -> None:
        self._made: dict[str, Algorithm] = {}

    def __getitem__(self, name: str) -> Algorithm:
        entry = catalogue.find(name)
        made = self._made.get(entry.name)
        if made is None:
            made = Algorithm._known(entry.name, entry.model, entry.check, entry.aliases)
            made = self._made.setdefault(entry.name, made)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(catalogue.entries())

    def __len__(self) -> int:
        return len(catalogue.entries())

    def __repr__(self) -> str:
        return f"<{len(self)} CRC algorithms>"


algorithms = Algorithms()


def new(name: str, data: Data = b"") -> Hasher:
    """Return a hashlib-shaped object for the algorithm *name*, *data* fed.

    Raises
    ------
    KeyError
        No algorithm is called *name*; the message has the closest names.

    Examples
    --------
    >>> import numcrc
    >>> numcrc.new("CRC-64/NVME", b"123456789").hexdigest()
    'ae8b14860a799888'
    """
    return algorithms[name].new(data)
