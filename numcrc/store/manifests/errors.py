"""The error for a damaged manifest or report, with its file and line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from numcrc.checkfiles.names import shown


class ManifestError(ValueError):
    """A manifest or a report cannot be read.

    Parameters
    ----------
    name : str
        The name of the file, as the user gave it.
    why : str
        The problem.
    line : int, optional
        The number of the line or row, from 1. None: the problem is not in one line.
    unit : str
        The unit that *line* counts: "line", or in Parquet and ORC "row".

    Examples
    --------
    >>> print(ManifestError("sums.txt", "not a line of checksums", 7))
    sums.txt: line 7: not a line of checksums
    """

    def __init__(self, name: str, why: str, line: int | None = None, unit: str = "line") -> None:
        self.name, self.why, self.line, self.unit = name, why, line, unit
        place = "" if line is None else f"{unit} {line}: "
        super().__init__(f"{shown(name)}: {place}{why}")

    def __reduce__(self) -> tuple[type[ManifestError], tuple[str, str, int | None, str]]:
        return type(self), (self.name, self.why, self.line, self.unit)


class CutError(ManifestError):
    """A manifest or a report that numcrc wrote ends early."""


@contextmanager
def blaming(name: str, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn *errors* into a `ManifestError`: the file *name* is not a valid file of that kind."""
    try:
        yield
    except ManifestError:
        raise
    except errors as error:
        text = " ".join(str(error).split())
        raise ManifestError(name, f"invalid {kind} file: {text}") from error
