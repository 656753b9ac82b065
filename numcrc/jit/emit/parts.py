"""Compile the Python functions that kernels are made of to LLVM IR, each once.

A *part* is such a function, inlined into all that call it. The functions here type and lower a
part by Numba, and keep its IR for `numcrc.jit.compiler`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from numba.core import compiler, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, Signature
from numba.extending import typeof_impl


def inline(function):
    """Make a Python function a part of every kernel that calls it.

    Numba types and lowers it as a function of its own, once, and generates no machine
    code; LLVM always inlines it. ``njit`` is not used because it generates machine code;
    its ``inline="always"`` copies Numba's IR at every level, three times slower; and
    ``NUMBA_DISABLE_JIT`` disables both.
    """
    return _Part(function)


class _Part:
    """A function made by `inline`; its Numba type compiles it when it resolves a call."""

    def __init__(self, function) -> None:
        self.function = function
        self.signatures: dict[tuple[types.Type, ...], Signature] = {}

        class Template(AbstractTemplate):  # type: ignore[misc]
            key = self

            def generic(template, args, kws):  # noqa: N805
                return self.signature(tuple(map(types.unliteral, args))) if not kws else None

        self.type = types.Function(Template)

    def signature(self, args):
        """Compile the function for arguments of these types, once, and return its signature."""
        if args not in self.signatures:
            result = lower(self.function, args, None)
            # Without its library: Numba would finish that, machine code and all.
            cpu_target.target_context.insert_user_function(self, result.fndesc)
            self.signatures[args] = result.signature
        return self.signatures[args]


@typeof_impl.register(_Part)
def _typeof_part(part, context):
    return part.type


lowered: dict[str, str] = {}
"""The LLVM IR of every part compiled so far, by the name of its function."""


class Outline(NamedTuple):
    """A C function made of a part."""

    function: Callable[..., object]
    signature: Signature
    attributes: str
    """As LLVM spells them."""


outlines: dict[str, Outline] = {}
"""Every C function made of a part, by its name."""


def outlined(part, signature, label: str, attributes: str = ""):
    """Make a part a C function of its own, which is called and not inlined.

    For code that is seldom needed or takes long: short calls then do not pay for the
    registers and the stack that it needs.
    """
    name = f"numcrc_{label}_{len(outlines)}"
    outlines[name] = Outline(part.function, signature, f"noinline {attributes}")
    return types.ExternalFunction(name, signature)


_UNUSED = {
    *("WithLifting", "InlineClosureLikes", "RewriteSemanticConstants", "GenericRewrites"),
    *("RewriteDynamicRaises", "MakeFunctionToJitFunction", "InlineInlinables"),
    *("FindLiterallyCalls", "LiteralUnroll", "LiteralPropagationSubPipelinePass"),
    *("InlineOverloads", "NopythonRewrites", "NoPythonSupportedFeatureValidation"),
    *("IRLegalization", "DumpParforDiagnostics"),
}
"""Numba's passes over what kernels have nothing of, which take a sixth of a compile."""


class _Pipeline(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's compiler, without the passes over closures, overloads and arrays."""

    def define_pipelines(self):
        whole = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager = PassManager("numcrc")
        for each, description in whole.passes:
            if each.__name__ not in _UNUSED:
                manager.add_pass(each, description)
        manager.finalize()
        return [manager]


def lower(function, args, result):
    """Return Numba's compile result of *function*, whose LLVM IR goes into `lowered`.

    ``error_model="numpy"`` because a kernel cannot raise, and does not need to.
    """
    flags = compiler.Flags()
    flags.no_compile = True
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.nrt = False
    with global_compiler_lock:
        compiled = compiler.compile_extra(
            cpu_target.typing_context,
            cpu_target.target_context,
            function,
            args,
            result,
            flags,
            {},
            pipeline_class=_Pipeline,
        )
    lowered[compiled.fndesc.llvm_func_name] = compiled.library.get_llvm_str()
    return compiled
