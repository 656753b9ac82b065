"""List all targets by name."""

from __future__ import annotations

from fuzz import (
    algebra,
    answers,
    arrays,
    formats,
    inventories,
    lines,
    manifests,
    races,
    reports,
    states,
    tables,
)
from fuzz.kinds import ByteTarget, CallTarget

TARGETS: dict[str, ByteTarget | CallTarget] = {
    target.name: target
    for module in (
        *(lines, manifests, tables, inventories, reports, states, formats),
        *(answers, arrays, algebra, races),
    )
    for target in module.TARGETS
}
