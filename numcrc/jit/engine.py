"""Make a builtin for a model: choose the plan, find or compile its kernel, link and prove it.

A kernel's key is the hash of everything that its machine code depends on: the plan, the
sources that make it, the triple, the CPU's name and the features that code may use, the versions
of the compilers, and the layout of the interpreter's objects.
"""

from __future__ import annotations

import os

from numcrc._light import cache, read
from numcrc._version import __version__
from numcrc.crc import reference
from numcrc.crc.model import Model
from numcrc.jit import cache as kernel_cache
from numcrc.jit import choice, detect, linker, locks, target
from numcrc.jit.builtins import abi
from numcrc.jit.plan import Plan
from numcrc.jit.target import Target
from numcrc.jit.tiers import Tier
from numcrc.process import imported, in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

_SOURCES = [
    f"{folder}/{name}.py"
    for folder, names in {
        "jit": "plan constants features matrices compiler image linker mapping",
        "jit/emit": "parts scalars vectors lanes gfni crc32",
        "jit/kernels": "fold short reduce crc32 quad table zeros words distance dual",
        "jit/builtins": "abi capi single records algebra task",
    }.items()
    for name in names.split()
]
"""The files on which machine code depends."""

_addresses: dict[Plan, int] = {}
_proved: set[Plan] = set()

refused: list[Plan] = []
"""The kernels that computed a wrong CRC here, and are not used."""


class KernelError(RuntimeError):
    """All kernels for an algorithm compute wrong CRCs on this machine.

    It is raised instead of returning a CRC. Please report what ``numcrc selftest`` prints.
    """


class SelfData(bytes):
    """A builtin's ``self``: its block, and the objects whose addresses are in the block."""

    fallback: object
    model: Model | None = None
    """The model that the builtin for one message computes."""

    def __reduce__(self) -> Any:
        # A builtin is pickled as an attribute of its self, by name: the drop-in functions are
        # attributes of the package, others of the object that their fallback is a method of.
        owner = getattr(self.fallback, "__self__", None)
        if owner is None:
            return __import__, ("numcrc",)
        return type(owner), (owner.model,)


@cache
def _sources() -> bytes:
    """Return a hash of Numba's version and the sources that machine code is made from."""
    return kernel_cache.digest(detect.package_version("numba"), *map(read, _SOURCES))


def key(plan: Plan, host: Target) -> bytes:
    """Return the key of *plan*'s kernel for *host*."""
    parts = (
        repr(plan),
        repr((host.triple, host.cpu, sorted(host.usable))),
        repr((__version__, detect.llvmlite_version(), detect.cpu().llvm)),
        repr(linker.takes_images(host.triple)),
        abi.identity(),
    )
    joined = (b"\0" + part.encode() for part in parts)
    return kernel_cache.digest(kernel_cache.MAGIC, _sources(), *joined)


def function_address(plan: Plan) -> int:
    """Return the address of *plan*'s function, compiled if need be and linked here."""
    if plan not in _addresses:
        host = target.host()
        digest = key(plan, host)
        # An interrupt amid llvmlite's functions could free memory twice; images do without.
        if not (linker.takes_images(host.triple) and _load(plan, host, digest)):
            if no_code:
                raise linker.NoMachineCodeError(no_code[0])
            in_thread(plan, lambda: _load_or_compile(plan, host, digest))
    return _addresses[plan]


def _load_or_compile(plan: Plan, host: Target, key: bytes) -> None:
    if not _load(plan, host, key):
        _compile(plan, host, key)


def _load(plan: Plan, host: Target, key: bytes) -> bool:
    """Link *plan*'s kernel from the cache; return whether it was there.

    A file that cannot be linked is removed, so that another takes its place.
    """
    descriptor = kernel_cache.open_file(key)
    if descriptor is None:
        return False
    image = linker.takes_images(host.triple)
    try:
        linked = _link(plan, lambda: linker.link_file(key, descriptor, image))
    finally:
        os.close(descriptor)
    if not linked:
        kernel_cache.discard(key)
    return linked


def _compile(plan: Plan, host: Target, key: bytes) -> None:
    apart = imported("numcrc.jit.apart")
    if apart.is_needed():
        compile_kernel = apart.compile_kernel
    else:
        from numcrc.jit.compiler import compile_kernel
    with locks.compiler_lock() or imported("contextlib").nullcontext():
        if plan not in _addresses:  # by the thread that had the lock before
            data = packed(plan, host, key, compile_kernel(plan, host))
            if not (kernel_cache.store(key, data) and _load(plan, host, key)):
                image = linker.takes_images(host.triple)
                _link(plan, lambda: linker.link_bytes(key, data, image))


def packed(plan: Plan, host: Target, key: bytes, kernel: bytes) -> bytes:
    """Return the file of *plan*'s *kernel*, with a label for `numcrc cache`."""
    return kernel_cache.packed(key, kernel, f"{plan.name}, {host.cpu}, numcrc {__version__}")


def _link(plan: Plan, link: Callable[[], int | None]) -> bool:
    with locks.linking:
        if plan in _addresses:
            return True
        address = link()
        if address is None:
            return False
        _addresses[plan] = address
    if linker.is_for_perf() and address in linker.code:
        imported("numcrc.jit.perfmap").add(plan.name, *linker.code[address])
    return True


def loaded() -> dict[Plan, int]:
    """Return the addresses of the functions that are linked in this process."""
    return _addresses.copy()


def plan_of(model: Model, tier: Tier | None = None) -> Plan:
    """Return the plan that computes *model* on *tier* (default: the best whose kernel is right)."""
    host = target.host()
    if tier is not None:
        return choice.plan(model, host, tier)
    return _accepted(choice.plan(model, host, target.best()), model)


def _make_right(model: Model, plan: Plan, make: Callable[[Plan], T]) -> T:
    """Return what *make* makes of *plan*, or of a lower tier's plan if the kernel is wrong."""
    while True:
        plan = _accepted(plan, model)
        made = make(plan)
        if plan in _proved or _is_right(plan, model, made):
            _proved.add(plan)
            return made
        refused.append(plan)
        imported("warnings").warn(
            f"kernel {plan.name} computes wrong CRCs on this machine:"
            f" {_accepted(plan, model).name} is used instead;"
            " please report what 'numcrc selftest' prints",
            RuntimeWarning,
            stacklevel=2,
        )


def _is_right(plan: Plan, model: Model, made: Any) -> bool:
    """Return whether *plan*'s kernel computes *model*: see `numcrc.jit.proof.is_right`.

    Importing that module takes as long as the proof of a builtin for one message, made here.
    """
    if not plan.is_message:
        right: bool = imported("numcrc.jit.proof").is_right(plan, model, made)
        return right
    lengths = plan.lengths
    message = reference.sample(lengths[-1])
    view = memoryview(message)

    def in_pieces(n: int, size: int) -> int:
        value: int = made(message[:size])
        rest = view[:n]
        for start in range(size, n, size or 1):
            value = made(rest[start : start + size], value)
        return value

    return reference.is_computed(model, message, lengths, in_pieces)


def _accepted(plan: Plan, model: Model) -> Plan:
    """Return *plan*, or if its kernel is refused, that of the best tier whose kernel is not.

    Raises
    ------
    KernelError
        All are refused.
    """
    if plan not in refused:
        return plan
    if plan.suits(model):
        host = target.host()
        for tier in reversed(host.tiers):
            lower = choice.plan(model, host, tier)._replace(form=plan.form)
            if lower not in refused:
                return lower
    raise KernelError(
        f"kernel {plan.name} computes wrong CRCs on this machine, and no other kernel is left;"
        " please report what 'numcrc selftest' prints"
    )


def builtin(
    model: Model,
    plan: Plan,
    fallback: Callable[..., Any] | None,
    name: str,
    doc: str = "",
) -> Callable[..., Any]:
    """Return the builtin of *plan* for *model*, its kernel having proved itself.

    Parameters
    ----------
    fallback
        Called with the same arguments where machine code does not handle them.
    name, doc
        As the builtin shows them; *doc* begins with its signature, as Argument Clinic writes it.

    Raises
    ------
    KernelError
        The kernel computes wrong CRCs, and so do all others.
    """

    def make(plan: Plan) -> Callable[..., Any]:
        data = _self_data(model, plan, fallback)
        return linker.builtin(function_address(plan), name, doc, data)

    try:
        return _make_right(model, plan, make)
    except linker.NoMachineCodeError as error:
        _warn_of_python(error)
        slow: Callable[..., Any] = imported("numcrc.jit.interpreted").builtin(model, plan, fallback)
        return slow


def _self_data(model: Model, plan: Plan, fallback: Callable[..., Any] | None) -> SelfData:
    data = SelfData(plan.header(model) + abi.process_words(fallback) + plan.constants(model))
    data.fallback = fallback
    if plan.is_message:
        data.model = model
    return data


@cache
def raw(model: Model, plan: Plan) -> tuple[int, int]:
    """Return the addresses of *plan*'s C function and of the block for *model*.

    The function is ``crc(block, p, n, value) -> crc``.
    """

    def make(plan: Plan) -> tuple[int, int]:
        data = linker.kept(_self_data(model, plan, None))
        return function_address(plan), id(data) + abi.BYTES_DATA

    return _make_right(model, plan._replace(form="raw"), make)


@cache
def tool(plan: Plan) -> Callable[..., Any]:
    """Return the builtin of *plan*, one that does not depend on a model."""
    data = SelfData(bytes(abi.BYTES_TYPE) + abi.process_words(None))
    try:
        return linker.builtin(function_address(plan), plan.family, "", data)
    except linker.NoMachineCodeError as error:
        _warn_of_python(error)
        slow: Callable[..., Any] = imported("numcrc.jit.interpreted").tool(plan)
        return slow


no_code: list[str] = []
"""Why machine code cannot be made or executed here, if that is known."""


def _warn_of_python(error: linker.NoMachineCodeError) -> None:
    if not no_code:
        no_code.append(str(error))
        kernel_cache.note(str(error))
        imported("warnings").warn(
            f"{error}: CRCs are computed in Python, very slowly", RuntimeWarning, stacklevel=2
        )
