"""``numcrc warm``: compile kernels into the cache, before they are needed."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from numcrc.checkfiles.names import naming, visible
from numcrc.cli import MISMATCH
from numcrc.cli.arguments import crc_algorithm, new_parser
from numcrc.jit import cache as kernel_cache
from numcrc.jit import engine, target
from numcrc.jit.linker import NoMachineCodeError
from numcrc.jit.plan import COLLECT, JOIN, RELEASE, ZEROS, ZEROS_MANY

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from numcrc.cli.progress import Bar
    from numcrc.crc.model import Model
    from numcrc.jit.plan import Plan

DEFAULT = ("crc32", "crc32c", "crc64nvme")
EPILOG = f"""\
The kernels are those of single messages, of arrays, of compiled code, and of combine, zeros and
join. They are kept where "numcrc cache" says, for CPUs of the same kind as this one.

examples:
  numcrc warm                         the kernels of {", ".join(DEFAULT)}
  numcrc warm crc32c crc-16/arc
  numcrc warm all                     of the whole catalogue

exit status: 0 success; 1 a kernel cannot be compiled or stored; 2 wrong usage.
"""


def run(arguments: list[str]) -> int:
    """Run ``numcrc warm`` and return its exit status: 1 if a kernel cannot be stored."""
    options = build_parser().parse_args(arguments)
    models = [model for found in options.algorithms or map(_models, DEFAULT) for model in found]
    plans = list(dict.fromkeys(plan for model in models for plan in _plans(model)))
    done: list[Plan] = []
    bar = nullcontext() if options.no_progress or sys.stderr is None else _bar(plans, done)
    failed = False
    with bar, naming("standard output"):
        for plan in plans:
            result = _warm(plan)
            failed |= result not in (STORED, KEPT)
            done.append(plan)
            print(f"{plan.name}: {result}", flush=True)
    if failed:
        print(f"numcrc: cache folder: {visible(kernel_cache.status())}", file=sys.stderr)
    return MISMATCH if failed else 0


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc warm``."""
    description = "Compile the kernels of algorithms, and keep them for later processes."
    parser = new_parser("warm", description, EPILOG)
    parser.add_argument(
        "algorithms",
        metavar="ALGORITHM",
        nargs="*",
        type=_models,
        help="any name or alias in 'numcrc list', or \"all\"",
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress")
    return parser


def _models(name: str) -> list[Model]:
    """Return the models of the algorithm *name*, or of "all"."""
    if name == "all":
        from numcrc.crc import catalogue

        return [entry.model for entry in catalogue.entries().values()]
    crc = crc_algorithm(name).crc
    assert crc is not None
    return [crc.model]


def _plans(model: Model) -> list[Plan]:
    """Return the kernels that functions and methods of an algorithm use."""
    plan = engine.plan_of(model)
    if model.width > 64:
        return [plan, plan._replace(form="records"), COLLECT, RELEASE]
    forms = [plan._replace(form=form) for form in ("call", "records", "raw")]
    return [*forms, ZEROS, ZEROS_MANY, JOIN, COLLECT, RELEASE]


STORED, KEPT = "stored", "already stored"


def _warm(plan: Plan) -> str:
    """Let the cache have the kernel of *plan*, and return the result."""
    key = engine.key(plan, target.host())
    if kernel_cache.read(key, "kernel") is not None:
        return KEPT
    if not kernel_cache.is_writable():
        return "cannot be stored"
    try:
        engine.function_address(plan)
    except NoMachineCodeError as error:
        return str(error)
    return STORED if kernel_cache.read(key, "kernel") is not None else "cannot be stored"


def _bar(plans: list[Plan], done: list[Plan]) -> Bar:
    from numcrc.cli.progress import Bar

    def text() -> str:
        current = plans[min(len(done), len(plans) - 1)]
        return f"{len(done)} of {len(plans)} kernels, compiling {current.name}"

    return Bar(lambda: len(done), lambda: len(plans), text, sized=False)
