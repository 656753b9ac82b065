"""Kernels compiled on this machine, for the CPU that is really there.

``target`` says what may be emitted, ``kernels`` (in the vocabulary of ``memory`` and ``simd``) say
what is computed, ``entry`` makes each a CPython builtin, ``compiler`` turns that into an
object file, ``cache`` keeps it, ``linker`` maps it, and ``engine`` chooses and hands out.
Numba is imported by the vocabulary, ``memory``, ``simd`` and ``capi``; a process that finds
its objects in the cache never imports those.
"""
