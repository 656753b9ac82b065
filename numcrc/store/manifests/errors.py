"""What is wrong with a manifest, and where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from numcrc.checkfiles.names import shown


class ManifestError(ValueError):
    """A manifest or a report cannot be read.

    Parameters
    ----------
    name
        What the user calls the file.
    why
        What is wrong.
    line
        The line, from 1; in Parquet and ORC the row. None: the file as a whole.
    unit
        What *line* counts.

    Examples
    --------
    >>> print(ManifestError("sums.txt", "a path with a null character", 7))
    sums.txt: line 7: a path with a null character
    """

    def __init__(self, name: str, why: str, line: int | None = None, unit: str = "line") -> None:
        self.name, self.why, self.line, self.unit = name, why, line, unit
        place = "" if line is None else f"{unit} {line}: "
        super().__init__(f"{shown(name)}: {place}{why}")

    def __reduce__(self) -> tuple[type[ManifestError], tuple[str, str, int | None, str]]:
        return ManifestError, (self.name, self.why, self.line, self.unit)


@contextmanager
def blamed(name: str, what: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn *errors* into one that says that the file *name* is no whole *what*."""
    try:
        yield
    except errors as error:
        text = " ".join(str(error).split())
        raise ManifestError(name, f"damaged, or no {what}: {text}") from error
