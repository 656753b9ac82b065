"""Make builtin functions of CPython from kernels."""
