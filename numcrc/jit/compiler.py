"""Compile a plan to a kernel: Numba makes the IR, LLVM the machine code.

Numba types and lowers the kernel, and stops there (``no_compile``): its own code
generator never sees it. A TargetMachine made here for the host optimises and emits the IR, and
an object file that needs anything but the C API is refused.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding as llvm

from numcrc.jit import features, linker
from numcrc.jit.builtins import algebra, capi, records, single, task
from numcrc.jit.emit.parts import lower, lowered, outlined, outlines
from numcrc.jit.emit.scalars import Pointer, i64, u64
from numcrc.jit.image import image
from numcrc.jit.kernels import distance, dual
from numcrc.jit.kernels.crc32 import CHAIN_BELOW, chain_kernel, crc32_kernel
from numcrc.jit.kernels.fold import fold_kernel, window_kernel
from numcrc.jit.kernels.quad import quad_kernel, state_quad
from numcrc.jit.kernels.short import choose
from numcrc.jit.kernels.table import table_kernel
from numcrc.jit.plan import Plan
from numcrc.jit.target import Target

_KERNEL = u64(Pointer, Pointer, i64, u64)
"""The C signature of a kernel: constants, p, n, state."""

# Callers align the stack less: spilled registers of 512 bits would straddle cache lines.
_ALIGNED = "alignstack(64)"
_TOOLS = {
    "wide": single.wide_entry,
    "zeros": algebra.zeros_entry,
    "zeros_many": algebra.zeros_many_entry,
    "join": algebra.join_entry,
    "collect": records.collect_entry,
    "release": records.release_entry,
    "syndromes": task.task_entry(distance.syndromes_kernel),
    "walk": task.task_entry(distance.walk_kernel),
    "rehash": task.task_entry(distance.rehash_kernel),
    "span": task.task_entry(distance.span_kernel),
    "filter": task.task_entry(distance.filter_kernel),
    "span4": task.task_entry(distance.span_4_kernel),
    "places": task.task_entry(distance.places_kernel),
    "count": task.task_entry(distance.count_kernel),
    "profile": task.task_entry(distance.profile_kernel),
    "transform": task.task_entry(dual.transform_kernel),
    "windows": task.task_entry(dual.windows_kernel),
}
"""By family, the builtins of which there is only one plan."""


def entry_function(plan: Plan) -> tuple[Any, Any]:
    """Return the Python function that is compiled for *plan*, and its signature."""
    if plan.family in _TOOLS:
        return _TOOLS[plan.family], capi.BUILTIN
    kernel = _kernel(plan)
    if plan.form == "records":
        quads = (quad_kernel(plan), state_quad(plan), plan.windows[-1]) if plan.windows else ()
        return records.records_entry(kernel, *quads), capi.BUILTIN
    if plan.form == "raw":
        return single.raw_entry(kernel), capi.RAW
    return single.crc_entry(kernel), capi.BUILTIN


def _kernel(plan: Plan) -> Any:
    """Return ``kernel(constants, p, n, state) -> state``.

    The part for longer messages is a C function of its own.
    """
    if plan.family == "table":
        return outlined(table_kernel, _KERNEL, "table")
    short, below = _short_kernel(plan)
    kernel = fold_kernel(plan) if plan.blocks else short
    if plan.streams:
        final = choose(below, kernel, short) if plan.blocks else short
        kernel = crc32_kernel(plan, final)
    kernel = outlined(kernel, _KERNEL, plan.family, _ALIGNED)
    return choose(below, kernel, short) if short else kernel


def _short_kernel(plan: Plan) -> tuple[Any, int]:
    """Return a kernel for short messages and the length from which it is not used; or None, 0."""
    short, below = (window_kernel(plan), plan.windows[-1] + 1) if plan.windows else (None, 0)
    if plan.family == "crc32":
        chain, chained = chain_kernel(plan), CHAIN_BELOW
        short = choose(chained, short, chain) if short else chain
        below = max(below, chained)
    return short, below


def emit_module(plan: Plan, symbol: str, cpu: str) -> llvm.ModuleRef:
    """Return the LLVM module of *plan*'s C function, called *symbol*, with all its parts.

    Its code is tuned for *cpu*, but uses the features of the target machine only.
    """
    tuned = f'"tune-cpu"="{features.tuning(cpu)}"'
    module = llvm.parse_assembly(_c_function(symbol, *entry_function(plan), tuned))
    while missing := [f.name for f in module.functions if f.is_declaration and _is_ours(f.name)]:
        for name in missing:
            text = lowered.get(name)
            if text is None:
                function, signature, attributes = outlines[name]
                text = _c_function(name, function, signature, f"{attributes} {tuned}")
            module.link_in(llvm.parse_assembly(text))
    return module


def _is_ours(name: str) -> bool:
    return name in lowered or name in outlines


def _c_function(symbol: str, function: Any, signature: Any, attributes: str) -> str:
    """Return the IR of a Python function as a C function; Numba's returns by pointer.

    Numba's also returns a status, which is always success since kernels do not raise.
    """
    name = lower(function, signature.args, signature.return_type).fndesc.llvm_func_name
    llvm_types = ["ptr" if type_ == Pointer else "i64" for type_ in signature.args]
    arguments = ", ".join(f"{type_} %a{position}" for position, type_ in enumerate(llvm_types))
    result = "ptr" if signature.return_type == Pointer else "i64"
    return f"""{lowered[name]}
define {result} @{symbol}({arguments}) {attributes} {{
  %result = alloca {result}
  %error = alloca ptr
  %status = call i32 @"{name}"(ptr %result, ptr %error, {arguments})
  %value = load {result}, ptr %result
  ret {result} %value
}}
"""


def optimised(module: llvm.ModuleRef, symbol: str, machine: llvm.TargetMachine) -> llvm.ModuleRef:
    """Return *module* with all but the C functions inlined, at LLVM's level 3."""
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    for function in module.functions:
        if function.name in capi.C_API:
            function.add_function_attribute("nonlazybind")  # called through the table of an image
        if not function.is_declaration and function.name != symbol:
            function.linkage = "internal"
            if function.name not in outlines:
                function.add_function_attribute("alwaysinline")
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    declared = {function.name for function in module.functions if function.is_declaration}
    needed = {name for name in declared if not name.startswith("llvm.")}
    foreign = needed.difference(capi.C_API)
    if foreign:
        raise AssertionError(f"machine code would call {', '.join(sorted(foreign))}")
    return module


def target_machine(target: Target) -> llvm.TargetMachine:
    """Return the code generator for *target*.

    Its CPU is the baseline of the architecture: a name would bring features that the CPU may lack.
    Code of an image refers to its constants relative to itself. An object file has the large code
    model: its sections and the C API may be mapped farther apart than the 32 bits of other models'
    references reach, and LLVM's linker aborts then.
    """
    llvm.initialize_native_target()
    images = linker.takes_images(target.triple)
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=features.BASELINE.get(target.arch, ""),
        features=features.llvm_string(target.arch, target.usable),
        opt=3,
        reloc="pic" if images else "static",
        codemodel="small" if images else "large",
    )


def compile_kernel(plan: Plan, target: Target) -> bytes:
    """Return the image of *plan*'s builtin for *target*, or its object file."""
    compiled = compile_object(plan, target, linker.SYMBOL)
    return image(compiled, linker.SYMBOL) if linker.takes_images(target.triple) else compiled


def compile_object(plan: Plan, target: Target, symbol: str) -> bytes:
    """Return the object file of *plan*'s builtin for *target*."""
    llvm.initialize_native_asmprinter()
    machine = target_machine(target)
    module = optimised(emit_module(plan, symbol, target.cpu), symbol, machine)
    return bytes(machine.emit_object(module))


def assembly(plan: Plan, target: Target, symbol: str = "numcrc_entry") -> str:
    """Return the assembly of *plan*'s builtin for *target*, which need not be this host."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = target_machine(target)
    return str(
        machine.emit_assembly(optimised(emit_module(plan, symbol, target.cpu), symbol, machine))
    )
