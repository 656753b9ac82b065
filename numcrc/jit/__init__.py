"""Compile kernels on this machine, for its own CPU.

``detect`` asks LLVM which CPU this is, and remembers its answer under what ``cpuid`` reads.
``target`` gives the ``features`` that may be used and the ``tiers``; ``choice`` makes a ``plan`` of
a model and a tier. ``kernels`` compute, with the operations of ``emit`` and the numbers that
``constants`` and ``matrices`` derive from the model. ``builtins`` make CPython's builtin functions
from kernels, ``compiler`` makes object files of these and ``image`` images, if need be in a process
of its own (``apart``). ``cache`` stores them in a ``folder``, ``linker`` maps them by ``mapping``
and calls C functions by ``native``, ``proof`` tests them, ``perfmap`` names them for perf, and
``engine`` puts it all together, with the ``locks`` that this takes. Where no machine code can be
made, ``interpreted`` computes.

``emit`` and ``builtins.capi`` import Numba, so ``kernels``, the other ``builtins`` and ``compiler``
do too; a process that finds its kernels in the cache imports none of these.
"""
