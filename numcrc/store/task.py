"""Define the interface of a task: what to do with each object of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from numcrc.store.hashing import Found
from numcrc.store.merge import Pair
from numcrc.store.objects import Checksum, Entry, Result

Outcome: TypeAlias = Result | Entry
"""The result of checking an object; or the object with its checksums, if they were computed."""


class Task(Protocol):
    """What to do with objects."""

    reads_bodies: bool
    """Whether `verdict` decides; otherwise `stored_verdict` does."""

    def early_result(self, pair: Pair, entry: Entry | None) -> Result | None:
        """Return the result if the object *entry* need not be read, else None."""
        ...

    def wanted(self, pair: Pair, entry: Entry) -> tuple[Checksum, ...]:
        """Return the checksums to compute."""
        ...

    def verdict(
        self, pair: Pair, entry: Entry, wanted: Sequence[Checksum], found: Sequence[Found]
    ) -> Outcome:
        """Return the outcome, given what was computed of the body."""
        ...

    def stored_verdict(self, pair: Pair, entry: Entry) -> Outcome:
        """Return the outcome, given what the store knows of the object."""
        ...
