"""Know which task of an array job this process is, from the variables that schedulers set."""

from __future__ import annotations

import os
from collections.abc import Mapping

from numcrc._light import NamedTuple


class Scheduler(NamedTuple):
    """The environment variables of a scheduler."""

    name: str
    task: str
    """The variable with the number of the task."""
    first: int
    """The number of the first task, unless *lowest* has it."""
    tasks: str = ""
    """The variable with the number of tasks; empty: there is none."""
    lowest: str = ""
    highest: str = ""
    step: str = ""
    """Those with the first and the last number, and their distance."""


SCHEDULERS = (
    Scheduler(
        "SLURM",
        "SLURM_ARRAY_TASK_ID",
        0,
        "SLURM_ARRAY_TASK_COUNT",
        "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_MAX",
        "SLURM_ARRAY_TASK_STEP",
    ),
    Scheduler("PBS", "PBS_ARRAY_INDEX", 1),
    Scheduler("LSF", "LSB_JOBINDEX", 1, "", "", "LSB_JOBINDEX_END", "LSB_JOBINDEX_STEP"),
    Scheduler(
        "Grid Engine",
        "SGE_TASK_ID",
        1,
        "",
        "SGE_TASK_FIRST",
        "SGE_TASK_LAST",
        "SGE_TASK_STEPSIZE",
    ),
    Scheduler("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", 0, "AWS_BATCH_JOB_ARRAY_SIZE"),
    Scheduler("Kubernetes", "JOB_COMPLETION_INDEX", 0),
    Scheduler("Google Batch", "BATCH_TASK_INDEX", 0, "BATCH_TASK_COUNT"),
    Scheduler("Cloud Run", "CLOUD_RUN_TASK_INDEX", 0, "CLOUD_RUN_TASK_COUNT"),
)
# Outside of an array, LSF's number is 0 and that of the Grid Engine is a word.
_NOT_ARRAY = {("LSB_JOBINDEX", "0"), ("SGE_TASK_ID", "undefined")}


def array_task(
    count: int | None = None, environment: Mapping[str, str] | None = None
) -> tuple[int, int]:
    """Return which task of an array job this process is, from 1, and how many there are.

    That is a shard for a `Selection`.

    Parameters
    ----------
    count
        The number of tasks, for schedulers that do not say it: PBS, whose arrays must begin at 1,
        and Kubernetes.
    environment
        The variables, by default those of the process.

    Raises
    ------
    ValueError
        The process is not a task of an array job, or its number or the number of tasks is unknown
        or contradictory.

    Examples
    --------
    >>> array_task(environment={"SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_COUNT": "4",
    ...     "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_MAX": "13"})
    (3, 4)
    >>> array_task(8, {"JOB_COMPLETION_INDEX": "0"})
    (1, 8)
    """
    variables = os.environ if environment is None else environment
    found = [
        each
        for each in SCHEDULERS
        if variables.get(each.task) and (each.task, variables[each.task]) not in _NOT_ARRAY
    ]
    if not found:
        names = ", ".join(each.task for each in SCHEDULERS)
        raise ValueError(f"not a task of an array job: none of {names} is set")
    if len(found) > 1:
        names = " and ".join(each.task for each in found)
        raise ValueError(f"cannot tell the scheduler: {names} are set; pass the shard as K/N")
    (scheduler,) = found
    first = _number(variables, scheduler.lowest, scheduler.first)
    step = _number(variables, scheduler.step, 1) or 1
    offset = _number(variables, scheduler.task, 0) - first
    known = _number(variables, scheduler.tasks, 0)
    if scheduler.highest in variables:
        known_by_range = (_number(variables, scheduler.highest, 0) - first) // step + 1
        if known not in (0, known_by_range):
            raise ValueError(
                f"the {known} tasks of the {scheduler.name} array do not have consecutive numbers; "
                "pass the shard as K/N"
            )
        known = known_by_range
    if not (known or count):
        raise ValueError(f"{scheduler.name} does not say the number of tasks N: pass auto/N")
    if known and count not in (None, known):
        raise ValueError(f"the {scheduler.name} array has {known} tasks, not {count}")
    total = known or count or 0
    if offset % step or not 0 <= offset // step < total:
        numbers = f"{first} to {first + step * (total - 1)}"
        problem = f"{scheduler.task} is {variables[scheduler.task]}, expected {numbers}"
        raise ValueError(f"{problem}{f' in steps of {step}' if step > 1 else ''}")
    return offset // step + 1, total


def _number(variables: Mapping[str, str], name: str, default: int) -> int:
    """Return the number in a variable, or *default* if it is not set."""
    text = variables.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{name} is {text[:80]!r}, expected a number")
    return int(text)
