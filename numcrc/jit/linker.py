"""Map object files into the process, and make builtins of their functions.

LLVM's ORC links them, in a cold process as in a warm one, without Numba.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

from llvmlite import binding as llvm

SYMBOL = "numcrc_entry"
"""The only function that an object exports."""

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
    return kept(llvm.create_lljit_compiler())


def kept(thing: Any) -> Any:
    """Return *thing*, never to be freed.

    Machine code and method definitions must outlive every builtin, and the destruction order at
    the end of an interpreter is undefined.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing


_serial = count()


def link(object_file: bytes) -> int:
    """Map *object_file* and return the address of its function."""
    library = (
        llvm.JITLibraryBuilder()
        .add_object_img(object_file)
        .add_current_process()
        .export_symbol(SYMBOL)
        .link(_jit(), f"numcrc{next(_serial)}")
    )
    return int(kept(library)[SYMBOL])


def builtin(address: int, name: str, doc: str, data: bytes) -> Callable[..., Any]:
    """Return the builtin of this package at *address*, called *name*, whose ``self`` is *data*.

    *doc* begins with its signature as CPython's Argument Clinic writes it.
    """
    definition = kept(
        _MethodDefinition(name.encode(), address, _METH_FASTCALL_KEYWORDS, doc.encode())
    )
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    make.restype = ctypes.py_object
    made: Callable[..., Any] = make(ctypes.addressof(definition), data, "numcrc")
    return made
