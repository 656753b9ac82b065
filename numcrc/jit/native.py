"""Call C functions through the C module of ctypes.

ctypes itself takes 4 ms to import, where Python alone starts in 19.
"""

from __future__ import annotations

import sys
from _ctypes import (
    FUNCFLAG_CDECL,
    FUNCFLAG_PYTHONAPI,
    FUNCFLAG_USE_ERRNO,
    CFuncPtr,
    Structure,
    _SimpleCData,
    addressof,
    get_errno,
)

if sys.platform != "win32":
    from _ctypes import dlopen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "Bytes",
    "Char",
    "Int",
    "Pointer",
    "PythonObject",
    "Structure",
    "Word",
    "addressof",
    "c_function",
    "function",
    "get_errno",
    "python_address",
    "python_function",
]


class Bytes(_SimpleCData):  # type: ignore[type-arg] # here and below: it has no argument at run time
    """A pointer to bytes that end with a NUL."""

    _type_ = "z"


class Char(_SimpleCData):  # type: ignore[type-arg]
    """C's char."""

    _type_ = "c"


class Int(_SimpleCData):  # type: ignore[type-arg]
    """C's int."""

    _type_ = "i"


class Pointer(_SimpleCData):  # type: ignore[type-arg]
    """A pointer to void."""

    _type_ = "P"


class PythonObject(_SimpleCData):  # type: ignore[type-arg]
    """A reference to a Python object."""

    _type_ = "O"


class Word(_SimpleCData):  # type: ignore[type-arg]
    """An unsigned integer of 64 bits, as size_t and off_t are on the systems that map images."""

    _type_ = "Q"


def _library() -> int:
    """Return the handle of the libraries of the process; on Windows, of Python's library."""
    if sys.platform == "win32":
        return sys.dllhandle
    return dlopen(None, 2)  # type: ignore[arg-type] # RTLD_NOW, of the program and all it has


class _Process:
    _handle = _library()


_process = _Process()


def function(where: Any, result: Any, *arguments: Any, flags: int = FUNCFLAG_CDECL) -> Any:
    """Return the C function at the address *where*, which takes and returns these types."""

    class Function(CFuncPtr):
        _argtypes_, _restype_, _flags_ = arguments, result, flags

    return Function(where)


def c_function(name: str, result: Any, *arguments: Any) -> Any:
    """Return a function of the C library, after which `get_errno` returns its errno.

    Raises
    ------
    AttributeError
        There is none.
    """
    flags = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
    return function((name, _process), result, *arguments, flags=flags)


def python_function(name: str, result: Any, *arguments: Any) -> Any:
    """Return a function of Python's C API, which is called with the GIL held."""
    flags = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI
    return function((name, _process), result, *arguments, flags=flags)


def python_address(name: str) -> int:
    """Return the address of a function of Python's C API.

    Raises
    ------
    ValueError
        There is none.
    """
    return addressof(Char.in_dll(_process, name))  # type: ignore[arg-type]
