"""Object files mapped into the process, and builtins made of their functions.

LLVM's ORC does the linking, in a cold process as in a warm one: no Numba here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import binding as llvm

SYMBOL = "numcrc_entry"
"""The one function that every object exports."""

_METH_FASTCALL_KEYWORDS = 0x0080 | 0x0002


class _MethodDefinition(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@cache
def _jit() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler()


_mapped: list[Any] = []  # LLVM unmaps a library with its last reference


def link(object_file: bytes) -> int:
    """Map *object_file* and return the address of its function."""
    library = (
        llvm.JITLibraryBuilder()
        .add_object_img(object_file)
        .add_current_process()
        .export_symbol(SYMBOL)
        .link(_jit(), f"numcrc{len(_mapped)}")
    )
    _mapped.append(library)
    return int(library[SYMBOL])


def builtin(address: int, name: str, doc: str, block: bytes, module: str) -> Callable[..., Any]:
    """Return the builtin at *address*, called *name*, whose ``self`` is *block*.

    *doc* begins with its signature as CPython's Argument Clinic writes it.
    """
    text = name.encode(), doc.encode()
    definition = _MethodDefinition(text[0], address, _METH_FASTCALL_KEYWORDS, text[1])
    _mapped.append(definition)  # a builtin never says when it is gone
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    make.restype = ctypes.py_object
    made: Callable[..., Any] = make(ctypes.addressof(definition), block, module)
    return made
